package agent

import (
	"fmt"
	"slices"
	"time"

	"github.com/refrain-fleet/refrain/core/wire"
)

// Agent is the reducer of one host's agent: the only owner of everything that
// is known about the host's rollouts. Its only mutator is [Agent.Step]. It is
// not safe for use by two goroutines.
//
// Invariants, verified by [Agent.Check]:
//
//	N1 every rollout's record satisfies the invariants of its own package, and
//	   is what its events give that were not retracted
//	N2 rollouts are of this host, each once; of those of a channel exactly the
//	   one taken up last is not superseded
//	N3 a log's numbers rise, are above those of the record it began with, and
//	   are not above MaxSeq
//	N4 of a rollout at most one event is open, of all at most two
//	N5 a running activation is of an Activating rollout, a running rollback of
//	   one that has to go back; neither is superseded
//	N6 of a channel at most one dispatch waits
//	N7 the next timer lies in the future, or there is none before Started
//	N8 of each channel at most one instant of signing is kept, and no rollout that
//	   is not superseded was accepted by a later one
type Agent struct {
	cfg  Config
	last wire.Instant
	rng  random

	started bool
	booted  bool         // the host was booted, and what it runs since is not known
	current wire.Closure // what the host runs; empty if unknown
	staged  wire.Closure // what the next boot brings; empty: current, or unknown
	issued  uint64       // the last ID of a request or an effect

	// probes is the host's configuration, enabled what of it runs. Both are
	// replaced as a whole, never changed.
	probes, enabled []wire.ProbeDeclaration

	rollouts []*progress     // in the order in which they were taken up
	waiting  []wire.Dispatch // by arrival (A10)
	orphans  []orphan

	heartbeat heartbeatLine
	poll      pollLine
	switching switching
	round     round

	seen    []seen // durable, by channel
	asking  asking
	refused refused
}

// New returns an agent that knows nothing: one that runs for the first time,
// or that lost its disk.
func New(cfg Config) (*Agent, error) {
	cfg = cfg.withDefaults()
	if err := cfg.validate(); err != nil {
		return nil, fmt.Errorf("agent: %w", err)
	}
	return &Agent{cfg: cfg, rng: random(cfg.Seed)}, nil
}

// Config returns the agent's configuration with its defaults filled in.
func (a *Agent) Config() Config { return a.cfg }

// Step takes one input at now and appends to out what it asks of the world. It
// cannot fail. now.Mono must not be earlier than at the step before; an
// earlier one is taken as that one. now.Wall is the host's own clock, which may
// say anything, but has to be set.
func (a *Agent) Step(now wire.Instant, in Input, out *Output) {
	now.Mono = max(now.Mono, a.last.Mono)
	a.last = now
	switch in := in.(type) {
	case *Started:
		a.start(in, out)
	case *Timer:
	case *HeartbeatAnswered:
		a.heartbeatAnswered(in, out)
	case *EventAnswered:
		a.eventAnswered(in, out)
	case *PollAnswered:
		a.pollAnswered(in, out)
	case *ActivationEnded:
		a.activationEnded(in, out)
	case *RollbackEnded:
		a.rollbackEnded(in, out)
	case *Probed:
		a.probed(in, out)
	case *ProbesDeclared:
		a.declare(in.Probes, out)
	case *ClosureObserved:
		a.observeClosure(in, out)
	case *Fetched:
		a.fetched(in, out)
	default:
		panic(fmt.Sprintf("agent: unknown input %T", in))
	}
	if a.started {
		a.runDue(out)
	}
	out.NextTimer = a.NextTimer()
}

// start begins a process: what was in flight before is lost.
func (a *Agent) start(in *Started, out *Output) {
	a.started = true
	a.current, a.staged = in.CurrentClosure, in.NextBoot
	a.waiting, a.orphans = nil, nil
	a.switching = switching{}
	a.round = round{}
	a.asking, a.refused = asking{}, refused{}
	a.heartbeat = heartbeatLine{line: line{at: a.last.Mono + a.firstTenth()}, started: a.last.Mono}
	a.poll = pollLine{line: line{at: a.last.Mono + a.firstTenth()}}
	for _, p := range a.rollouts {
		p.sending = sending{}
		p.soak = soak{}
		p.rollbackAt, p.rollbackFailures = 0, 0
		p.resumed = true
	}
	a.booted = in.Boot == Reboot
	a.reconcile(out)
}

// runDue does what is due, in an order in which no later part makes an earlier
// one due again.
func (a *Agent) runDue(out *Output) {
	a.pruneOrphans()
	for _, p := range a.rollouts {
		a.drive(p, out)
	}
	for a.takeWaiting(out) {
		a.drive(a.rollouts[len(a.rollouts)-1], out)
	}
	a.convergeAll(out) // first, since no round of probes is needed after it
	if a.roundDue() <= a.last.Mono {
		a.beginRound(out)
		a.convergeAll(out) // a round of no probes is over at once
	}
	a.forget(out)
	for _, p := range a.rollouts {
		if a.sendDue(p) <= a.last.Mono {
			a.send(p, out)
		}
	}
	if a.heartbeat.due() <= a.last.Mono {
		a.sendHeartbeat(out)
	}
	if a.pollDue() <= a.last.Mono {
		a.sendPoll(out)
	}
}

// NextTimer returns the instant at which [Timer] is to be stepped, as the last
// step gave it.
func (a *Agent) NextTimer() time.Duration {
	if !a.started {
		return NoTimer
	}
	next := min(a.heartbeat.due(), a.pollDue(), a.roundDue())
	for _, p := range a.rollouts {
		next = min(next, a.rollbackDue(p), a.convergeDue(p), a.sendDue(p))
	}
	return next
}

// find returns what is known of a rollout; nil if nothing is.
func (a *Agent) find(id wire.RolloutID) *progress {
	for _, p := range a.rollouts {
		if p.rec.RolloutID == id {
			return p
		}
	}
	return nil
}

// issue returns a new ID for a request or an effect.
func (a *Agent) issue() uint64 {
	a.issued++
	return a.issued
}

// appendEvent appends an event of a rollout to the log, under the next number.
func (a *Agent) appendEvent(p *progress, body wire.EventBody, out *Output) {
	a.appendEventAs(p, p.lastNumber()+1, body, out)
}

// appendEventAs is appendEvent with a given number, which has to be free.
func (a *Agent) appendEventAs(p *progress, seq wire.Seq, body wire.EventBody, out *Output) {
	from := p.rec.State
	a.commit(Entry{Kind: EntryEvent, RolloutID: p.id(), Event: wire.Event{Seq: seq, Body: body}}, out)
	if p.rec.State != from {
		out.Notices = append(out.Notices, Notice{Kind: NoticeTransition, RolloutID: p.id(), From: from, To: p.rec.State, Seq: seq})
	}
}

// forget drops what need not be kept: superseded rollouts of which everything
// is answered, or which the plane does not know, and the oldest finished ones
// above the bound (PROTOCOL A1). The oldest goes first: a crash may keep any prefix
// of the entries, and a log that mentions a superseded rollout but not the newer one
// would take up the older one again.
func (a *Agent) forget(out *Output) {
	a.dropRevoked(out)
	finished := 0
	var done []*progress // the newest first
	for i := len(a.rollouts) - 1; i >= 0; i-- {
		p := a.rollouts[i]
		switch {
		case p.superseded:
			if !p.unsent() || p.sending.unknown {
				done = append(done, p)
			}
		case p.finished() && !p.unsent():
			finished++
			if (finished > a.cfg.KeepFinished || a.cfg.Legacy) && !a.supersedesUnsent(i) {
				done = append(done, p)
			}
		}
	}
	for _, p := range slices.Backward(done) {
		a.drop(p, out)
	}
}

// dropRevoked drops superseded rollouts that by the plane's own clock were
// dispatched later than the one that took their place. The plane has lost them (for
// instance, it was restored from a backup), and if it opens one again, what the host
// did about it before must not count.
func (a *Agent) dropRevoked(out *Output) {
	for i := len(a.rollouts) - 1; i >= 0; i-- {
		q := a.rollouts[i]
		if q.superseded && slices.ContainsFunc(a.rollouts[i+1:], func(p *progress) bool {
			at := p.rec.DispatchedAt
			return p.channel == q.channel && at.IsSet() && at.Before(q.rec.DispatchedAt)
		}) {
			a.drop(q, out)
		}
	}
}

// supersedesUnsent reports whether the i-th rollout took the place of one that
// is still kept, since not all of it is answered. If the log did not mention
// the newer one, a restart would take up the older one again.
func (a *Agent) supersedesUnsent(i int) bool {
	return slices.ContainsFunc(a.rollouts[:i], func(q *progress) bool {
		return q.channel == a.rollouts[i].channel && q.unsent() && !q.sending.unknown
	})
}
