// Package plane is the control plane's reducer: the one owner of everything
// that is known about hosts, records, rollouts, quarantined closures and
// revocations, and the one place where anything about them is decided.
//
// It does no I/O, starts no goroutine, reads no clock, draws no random number
// and logs nothing. What happens in the world comes in as an [Input], the time
// as a [wire.Instant], and what shall happen in the world goes out as an
// [Output]: data. The real server and the simulator drive the same code.
//
// # The model
//
// The agent is the truth about its host; the plane keeps a mirror of it, one
// record per (rollout, host) pair, and heals the mirror when it finds that it
// differs: by asking for a replay (PROTOCOL H2, E6), by confirming what a
// heartbeat proves (H4), by telling an agent that lost its memory what it was
// doing (H3). Rollouts order the hosts into waves (R2); a failure halts a
// rollout, a rollback quarantines a closure (R3). Liveness (L) is judged apart
// from all that, on a clock that stands still while the plane is impaired.
//
// # The caller's duties
//
//  1. Step inputs one at a time, in one order, from one goroutine.
//  2. Step [Started] once before anything else, after New, Restore or a walk.
//  3. Step [Tick] every [Config.TickEvery], also when nothing else comes.
//  4. Hand in instants whose Mono never runs backwards after [Started].
//  5. Carry out the [Output] of a batch in the order that its comment states;
//     above all, deliver no reply before the entries it needs are durable.
//  6. If entries could not be made durable, discard the plane and load it again
//     from what is: it is ahead of the disk.
//  7. Check who the caller is, and that it may ask what it asks, before the
//     input is stepped. The plane trusts the hostname of an input.
//  8. After a reply that is Unfinished, step [ContinueOpening] until one is not,
//     other inputs between them but no other opening; make [Output.Sealed] durable
//     as its comment says.
//
// # The loop around it
//
// Package driver carries these duties out. The least that has to be done is:
//
//	p, _ := plane.New(cfg)
//	for _, e := range log {
//		if err := p.Apply(e); err != nil { … }
//	}
//	p.Step(now(), &plane.Started{}, &out)
//	for batch := range inbox {
//		out.Reset()
//		for _, in := range batch {
//			p.Step(now(), in, &out)
//		}
//		deliver(out.Replies that need nothing)
//		if err := commit(out.Entries); err != nil {
//			// duty 6
//		}
//		publish(p.Revocations()) // if out.RevocationsChanged
//		deliver(the other out.Replies)
//		wake(out.Wakes)
//		log(out.Notices)
//	}
//
// # Durable and volatile
//
// Durable is what the log gives again: records, rollouts, quarantine,
// revocations. Volatile is who was heard when, and what a host said last that
// it runs. A steady heartbeat changes volatile state only, so it waits for no
// disk. [Plane.AppendDurable] and [Plane.AppendState] write the one and both.
//
// # Glossary
//
//	batch        the inputs stepped between two commits
//	entry        one line of the log: a durable input and its effect
//	confirmation a record moved on by what a heartbeat proves (H4)
//	replay       an agent sends its events again from a number on
//	excused      a failed host that an operator let pass by resuming
//	offered      a dispatch that a poll of its host is answered with
//	in flight    a host that was offered a dispatch and has not come to its end (W1)
//	credit       time of the plane's own impairment, given to every host (L2)
//
// Stability: public (docs/architecture.md).
package plane
