// Package rollout has the record of one (rollout, host) pair and its state
// machine (PROTOCOL E1 to E7, H2, H4, H6). The plane's reducer and the agent's
// reducer both keep their records with it, so the two cannot differ in what an
// event means.
//
// A [Record] is plain data. It does no I/O, knows no clock and uses no
// randomness; whatever time it needs comes with an event or as an argument. It
// refuses to guess: an event is judged by the record and by nothing else. It
// does not know other hosts, waves or quarantines (PROTOCOL R), and it does not
// send anything.
//
// # States
//
//	Pending ─▶ Activating ─▶ Soaking ─▶ Converged
//	              │  │          ▲ │
//	              │  └▶ Deferred┘ │
//	              │         └─────┤
//	              └───────────────┴▶ Failed ─▶ Reverted
//
// The whole table of kinds, source states and target states is in
// transition.go; [Legal] and [Past] read it.
//
// # Order of judgement
//
// [Record.Judge] and [Record.Apply] give the first verdict that fits:
//
//  1. Duplicate: the number is at or below LastEventSeq (E3).
//  2. Applied: the event is legal in the state (E4), even across a gap, and
//     Converged keeps E1.
//  3. Absorbed: the record is already past the event and its closure agrees
//     (E5).
//  4. Gap: events before this one are missing (E6).
//  5. Rejected: everything else (E7).
//
// # Readings where the rules leave room
//
//   - E5, "already past": the event's source states and the state that it leads
//     to must both lie on the path to the record's state. So Converged is not
//     past for a Failed record, and ActivationFailed not for a Soaking one. The
//     path to Failed counts Pending, Activating, Deferred and Soaking.
//   - E5, "closure agrees": see [Record.Judge].
//   - E1 and gaps: a Converged that breaks E1 and leaves a gap is a Gap, not
//     Rejected, since the missing events may be just what E1 lacks. Otherwise a
//     plane that was restored from an old backup would refuse it for ever.
//   - A confirmation (H4) is the plane's inference, and the agent's own events
//     take precedence. On a record whose Soaking is synthesised,
//     ActivationFailed is legal and undoes what the confirmation set, and
//     ActivationCompleted is absorbed whatever closure it reports.
//     ActivationDeferred is absorbed: the host will complete later.
//   - ActivationCompleted fills in an unset SoakDueAt, with its completedAt plus
//     the wave's soak time. E1 is not changed by it; a record that was never
//     dispatched by this plane has a deadline to show.
//   - Instants are set by the first event that reports them. A second
//     ActivationStarted is accepted and changes nothing.
//   - After its end a record no longer changes what it knows of probes. A
//     Converged record drops them: every enforce-mode probe passes by
//     definition. Failed and Reverted keep them, since they say why.
//   - A record has at most [MaxProbes] probes, so that no host can make a plane
//     grow without bound.
//   - Agents' clocks may say anything. No instant is refused for being early,
//     late or before another one, except by E1.
//
// # The caller's duties
//
//  1. Apply only events that wire has decoded, or that are as valid: a body, a
//     number from 1 to wire.MaxSeq, every required member set.
//  2. Make an Applied or Absorbed event durable before acknowledging it (E2).
//     The record is changed at once.
//  3. Hand [Record.Confirm] the heartbeat's own instant, since all transition
//     times are the agent's (E1), and only if the heartbeat names no rollout
//     (H4).
//  4. Hand [Record.Drifted] a closure only if the heartbeat carries one (H2).
//  5. Call [Record.Check] on what [FromSnapshot] returns: a snapshot comes from
//     outside.
//  6. Copy a record with [Record.Clone] if either copy will be changed.
//  7. Change fields only through methods. They are exported to be read and
//     stored.
//
// # Use
//
//	rec := rollout.New(id, host, target, wave, soakSeconds)
//	rec.Dispatch(now)
//	…
//	switch result := rec.Apply(event); result.Outcome {
//	case rollout.Applied, rollout.Absorbed:
//		store(event)                            // then answer 204 (E2)
//	case rollout.Duplicate:
//		                                        // answer 204 (E3)
//	case rollout.Gap:
//		refuse(result.Detail, rec.LastEventSeq) // 409 with Replay-From (E6)
//	case rollout.Rejected:
//		refuse(result.Detail)                   // 409 without (E7)
//	}
//
// # Glossary
//
//	path          the states that a record has gone through to reach its own
//	past          an event whose work the record's state already contains
//	confirmation  the inference of H4 from a heartbeat's closure
//	synthesised   set by a confirmation, not yet reported by the agent
//	mark          the bit that says that a value is synthesised
//	gap           numbers between LastEventSeq and an event's seq
//	soak          the time a host runs its target before it may converge
//
// Stability: private; other modules should not import it (docs/architecture.md).
package rollout
