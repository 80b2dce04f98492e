// Package agent is the agent's reducer (PROTOCOL A1 to A11): what a host does
// about the rollouts that are dispatched to it, and how it reports to the
// plane.
//
// It does no I/O, starts no goroutine, reads no clock and logs nothing; its
// jitter comes from a generator of its own that is seeded by the caller. What
// happened comes in as an [Input], the time as a [wire.Instant], and what is to
// be done goes out as an [Output], as data. The real agent and the simulator
// drive the same code.
//
// It refuses to guess about its host: what the host runs is what the driver
// says it runs. And it trusts its own log more than a plane's memory.
//
// # The model
//
// The agent is the truth about its host. For each rollout it keeps a log of
// events, and a record that follows from them by the same state machine as the
// plane's (rollout.Record): every event that it sends is legal in its own
// record. What is to be done follows from the record's state and from the
// closure that the host runs, and from nothing else (drive in activation.go),
// so the agent does the same whether or not a crash came in between.
//
// The log is sent in order, one event at a time (A2). An acknowledgement moves
// a mark forward; a replay moves it back (A3). Both are in the log, so a crash
// during a replay loses nothing of it.
//
// Timers that decide something (the soak, a sustained failure, backoff) run on
// the monotonic clock. The wall clock dates events, and bridges a restart.
//
// # The caller's duties
//
//  1. Step inputs one at a time, from one goroutine, with instants whose Mono
//     never runs backwards and whose Wall is set.
//  2. After New, Restore or a log walk, step [ProbesDeclared] and [Started]
//     before anything else. What follows from a boot is in the Appends of that
//     step: if they are lost, the next start is still the one after the boot.
//  3. Carry out the [Output] of each batch in the order that its comment
//     states; above all, send and begin nothing before Appends are durable. If
//     they cannot be made durable, discard the agent.
//  4. Step [Timer] at [Output.NextTimer]. The last step's counts.
//  5. Answer every request exactly once, with Status 0 at its Timeout. Step no
//     answer, and no end of an effect, that belongs to an earlier process.
//  6. End every effect that was begun, unless the process or the host goes
//     down. An activation may be asked for again after a crash: do not run it
//     beside one that survived.
//  7. Keep Appends as lines ([Entry.AppendLine]) for [Restore], or as values for
//     [Agent.Apply]. Replace a long log by [Agent.AppendDurable].
//  8. Decode what the plane sends strictly before it is stepped.
//  9. With [Config.SignedOnly], fetch both artifacts of an [EffectFetch] from the plane,
//     verify them with a trust file that came from elsewhere and without the checks of
//     their age, and give what [artifact.IntentOf] says of this host. Bound their sizes
//     and the time that it takes.
//
// # The driver's loop
//
//	a, err := agent.Restore(cfg, logOnDisk) // an empty log: an agent that knows nothing
//	a.Step(now(), &agent.ProbesDeclared{Probes: probes}, &out)
//	a.Step(now(), &agent.Started{CurrentClosure: closure, Boot: boot}, &out)
//	for {
//		write(out.Appends)
//		if out.MustSync() {
//			sync()
//		}
//		send(out.Requests)
//		begin(out.Effects)
//		log(out.Notices)
//		out.Reset()
//		in := <-inputs // an answer, an end, or agent.Timer at out.NextTimer
//		a.Step(now(), in, &out)
//	}
//
// # Answers
//
//	204        an event is acknowledged; a poll asks again at once
//	409 with   Replay-From N: events from N on go out again (E6). If none of
//	           them comes before the refused one, it is as good as:
//	409        the event is refused and not sent again (E7)
//	400, 413,  likewise: one side has a defect; a notice says so
//	422
//	404        nothing of the rollout is sent until a heartbeat's answer, a
//	           snapshot or a dispatch shows that the plane knows it (E8)
//	401, 403,  everything is kept and tried again an interval later
//	405, 415,
//	426
//	5xx, 408,  the same again: full-jitter exponential backoff from 1 s, capped at
//	429, none  the interval, with Retry-After as a floor (A5, E9)
//
// A backoff outlives its rollout, if that is forgotten and taken up again.
//
// A refused Converged no longer counts for the agent's own record. It is tried
// again later and later, under a new number, and the probes and their results
// are sent again before it: a plane that was restored from a backup may lack
// them, and nothing else would show that. So is the activation, the first three times:
// the plane's record may be Failed by an earlier life of the agent (E13). A refused ActivationFailed is sent
// once more as Failed, the one failure that a Soaking record takes. Any other
// refused event stays true.
//
// # Snapshots (A4)
//
// L is the highest number of the agent's own log, N the snapshot's
// lastEventSeq. The first line that fits counts.
//
//	 1 ended, not of this host, or N above    ignored: a defect
//	   half of the largest number
//	 2 known here, superseded here            ignored
//	 3 known, an event ≤ N is not shown       it and all after it get the numbers
//	                                          after L and N, and go out
//	 4 known, L > N                           what is above N goes out
//	 5 known, the snapshot's state is ahead   the missing steps are written to
//	   of ours and nothing is being activated the log, to Deferred and Soaking as
//	                                          in 10 to 12; the numbers go on from N
//	 6 known otherwise                        the numbers go on from N
//	 7 unknown, Pending                       ignored: its dispatch comes by a poll
//	 8 unknown, a rollout of its channel is   ignored, unless ours is at its end
//	   known that was dispatched no earlier,  and the host runs the target already
//	   or is being activated
//	 9 unknown, Activating                    taken up as such; the activation
//	                                          begins again, unless the host runs
//	                                          the target
//	10 unknown, Deferred, and the next boot   taken up as such; a boot completes it,
//	   brings the target                      or it has failed
//	11 unknown, Soaking on the target         taken up as such; the soak goes on
//	12 unknown, Soaking or Deferred, but the  taken up as Activating: the host is
//	   host does not run the target, or will  the truth
//	   not after a boot
//
// A snapshot that is Failed (H8) is followed by lines 3 and 4, if the rollout is known
// and not superseded, and is ignored otherwise. Not shown is then the activation of a
// host that has not failed, which says that an earlier life has (E13), and a rollback; at
// most three times a process.
//
// An event is shown (line 3) if the snapshot's state has what it leads to:
// DispatchAck by any state but Pending, ActivationStarted by its instant,
// ActivationDeferred by Deferred or Soaking, ActivationCompleted by Soaking. An
// end is never shown, since the snapshot is of an active record. Events about
// probes are not in a snapshot and count as shown; so do refused ones.
//
// What is taken up (lines 5 and 9 to 12) is written to the log as the events
// that lead there, under the last numbers that the snapshot covers. So a plane
// that is wiped later can be sent all of it, and there is only one kind of
// history. If the snapshot covers too few numbers, because a confirmation (H4)
// led there, the rest is sent and takes the confirmation's place.
//
// The soak time of lines 9 to 12 follows from the snapshot's own instants: the
// deadline less the dispatch, or less the completion on a record that was never
// dispatched. The deadline itself counts as well (A8). The policy is not in a
// snapshot; unknown means halt (A7).
//
// A heartbeat that names the rollout brings no snapshot, but its Replay-From N
// says that the plane has used the numbers up to N and does not know that the
// host runs what it runs. If an event up to N says just that, line 3 applies to
// it, at most three times a process. And a dispatch of a known rollout says
// that the plane holds it Pending: the whole log goes out again.
//
// # Readings where the rules leave room
//
//   - A1: a rollout is superseded when a newer one of its channel is taken up.
//     What is unacknowledged by then is still sent, then all of it is dropped. A
//     finished rollout is kept until then, of at most [Config.KeepFinished]
//     channels. Of a very long log overtaken probe results are dropped.
//   - A5: no backoff is shorter than a tenth of the base, and no Retry-After is
//     followed for more than an hour. Of several outstanding rollouts each is
//     named in turn, and none in its turn if the plane does not know one of them.
//   - A7: a failure becomes a sustained one by a result, so it takes two. A
//     failed activation is no probe failure and rolls nothing back. A rollback
//     that does not arrive is tried again, with backoff.
//   - A8: nothing converges before a round of probes has ended in this process.
//   - A9: a host that runs the target of a dispatch already is not switched,
//     unless its next boot would bring something else that nothing waits for.
//   - A10: Deferred counts as an end of the activation, or a fix would wait for
//     a reboot that may be weeks away. A rollback counts as an activation. If the
//     reboot came and brought something else, the activation has failed.
//   - A10, several channels: the events of what another channel's switch takes away
//     come before that of the switch (arrived in activation.go).
//   - A11: a dispatch that is refused is dropped, and taken as new when the plane offers
//     it again; a snapshot likewise, with the next heartbeat. A fetch that brings nothing
//     counts as a refusal. A rollout that was taken up before the agent was told to ask
//     for signatures fails in place of being activated.
//   - A switch that ends well on another closure than the target has failed.
//   - A result gives an event only if it differs from the one before.
//
// # What cannot be healed
//
// Snapshots are of active records, and nothing is taken from that of a record that
// has failed (H3, H8). An agent that loses its disk while it rolls back leaves the
// record Failed. A request of an earlier life that arrives
// after the disk was lost may end a record for good, unless it is a failure from before
// the activation (E13); the agent then keeps trying its Converged, ever more rarely.
//
// # Glossary
//
//	current     the closure that the host runs
//	staged      the closure that its next boot brings, if it is another
//	shown       visible in a snapshot
//	retracted   refused, and no longer true for the agent itself: a Converged
//	outstanding unfinished or unacknowledged
//	switch      an activation or a rollback
//	round       one run of every enabled probe
//	seen        the newest instant of signing of a channel that was verified here
//	fresh       having seen a round of probes end in this process
//	due         the instant at which a part of the agent wants a step
//
// Stability: public (docs/architecture.md).
package agent
