package agent

import (
	"slices"
	"time"

	"github.com/refrain-fleet/refrain/core/rollout"
	"github.com/refrain-fleet/refrain/core/wire"
)

// pollLine is the polling for work (PROTOCOL D).
type pollLine struct {
	line
	// held says that the next poll waits until what the last one brought is
	// acknowledged, or for its time at the latest: the plane offers a dispatch
	// until then, so asking sooner would bring the same one (D2).
	held bool
}

// pollDue returns when the next poll is to be sent. A host that does not know
// what it runs takes no work, since it could not acknowledge it.
func (a *Agent) pollDue() time.Duration {
	if a.current == "" {
		return NoTimer
	}
	if a.poll.held && a.poll.open == 0 && a.mayPoll() {
		return a.poll.sent
	}
	return a.poll.due()
}

// mayPoll reports whether everything that was dispatched is taken up and
// acknowledged.
func (a *Agent) mayPoll() bool {
	if len(a.waiting) > 0 {
		return false
	}
	for _, p := range a.rollouts {
		if !p.superseded && !p.sending.unknown && p.acked == 0 {
			return false // the first event is the DispatchAck
		}
	}
	return true
}

func (a *Agent) sendPoll(out *Output) {
	a.poll.open, a.poll.sent = a.issue(), a.last.Mono
	a.poll.held = false
	out.Requests = append(out.Requests, Request{
		ID: a.poll.open, Kind: RequestPoll, Timeout: a.cfg.PollWait + a.cfg.RequestTimeout, Wait: a.cfg.PollWait,
	})
}

// pollAnswered takes the answer to a poll (PROTOCOL D).
func (a *Agent) pollAnswered(in *PollAnswered, out *Output) {
	l := &a.poll
	if in.ID == 0 || in.ID != l.open {
		return
	}
	l.open = 0
	switch {
	case in.Status == 204:
		l.failures = 0
		// Again at once, but not in a busy loop if the plane does not wait.
		l.at = max(a.last.Mono, l.sent+a.cfg.BackoffBase)
	case in.Status == 200:
		a.offered(&in.Dispatch, out)
	default:
		a.scheduleRetry(&l.line, in.Answer, "poll", out)
	}
}

// offered takes a dispatch. A new one waits until it may be taken up, which
// mostly is at once. One that is known already is not started again (A9).
func (a *Agent) offered(d *wire.Dispatch, out *Output) {
	l := &a.poll
	if _, err := a.taking(d); err != nil {
		out.Notices = append(out.Notices, Notice{Kind: NoticeDefect, RolloutID: d.RolloutID, Status: 200, Detail: err.Error()})
		a.backOffPoll()
		return
	}
	if p := a.find(d.RolloutID); p != nil && !p.superseded {
		out.Notices = append(out.Notices, Notice{Kind: NoticeKnown, RolloutID: d.RolloutID})
		// What is offered is Pending, so the plane may have lost what was
		// acknowledged. The answers to heartbeats ask for it, so many hosts at a
		// time (PROTOCOL H9); every host of the fleet polls. What is not acknowledged
		// goes out again, if it waited for the plane to know the rollout (E8).
		if !a.cfg.Legacy {
			p.sending.unknown = false
		}
		a.backOffPoll()
		return
	}
	for i := range a.waiting {
		if a.waiting[i].RolloutID == d.RolloutID {
			out.Notices = append(out.Notices, Notice{Kind: NoticeKnown, RolloutID: d.RolloutID})
			a.backOffPoll()
			return
		}
	}
	channel := d.RolloutID.Channel() // the newest of a channel wins (A10)
	a.waiting = slices.DeleteFunc(a.waiting, func(w wire.Dispatch) bool { return w.RolloutID.Channel() == channel })
	a.waiting = append(a.waiting, *d)
	if !a.mayTake(d) {
		out.Notices = append(out.Notices, Notice{Kind: NoticeWaiting, RolloutID: d.RolloutID})
	}
	if !a.cfg.SignedOnly { // or once its artifacts allow it
		l.failures = 0
	}
	l.held = true
	l.at = a.last.Mono + a.cfg.HeartbeatInterval
}

// backOffPoll delays the next poll as after a failure, so that a dispatch that
// is offered again and again causes no busy loop.
func (a *Agent) backOffPoll() {
	a.poll.failures = counted(a.poll.failures)
	if a.cfg.Legacy {
		a.poll.at = a.nextTick()
		return
	}
	a.poll.at = a.last.Mono + a.backoff(a.poll.failures, 0)
}

// taking makes the Taken of a dispatch. The error says what is wrong with the
// dispatch.
func (a *Agent) taking(d *wire.Dispatch) (Taken, error) {
	t := Taken{
		// The deadline is the plane's own, so it is not computed again.
		Record: rollout.FromSnapshot(wire.Snapshot{
			RolloutID: d.RolloutID, Hostname: d.Hostname, State: wire.Pending, TargetClosure: d.TargetClosure,
			DispatchedAt: d.EnqueuedAt, SoakDueAt: d.SoakDueAt,
		}, 0, d.SoakSeconds),
		Policy: d.OnHealthFailure,
	}
	return t, a.own(&t.Record)
}

// mayTake reports whether a dispatch may be taken up: nothing is being
// activated or rolled back, and nothing has to be (PROTOCOL A10). A rollback
// that is tried again and again must not keep the channel's next rollout from
// repairing the host.
func (a *Agent) mayTake(d *wire.Dispatch) bool {
	if a.switching.id != 0 || a.current == "" {
		return false
	}
	channel := d.RolloutID.Channel()
	for _, p := range a.rollouts {
		if !p.superseded && (p.rec.State == wire.Activating || p.rollback && p.channel != channel) {
			return false
		}
	}
	return true
}

// takeWaiting takes up the first waiting dispatch that may be, and reports
// whether there was one. An agent that acts only on signed intent asks for the signed
// artifacts of it in its place (PROTOCOL A11).
func (a *Agent) takeWaiting(out *Output) bool {
	for i := range a.waiting {
		if !a.mayTake(&a.waiting[i]) {
			continue
		}
		if a.cfg.SignedOnly {
			a.ask(a.waiting[i].RolloutID, nil, out)
			return false
		}
		t, err := a.taking(&a.waiting[i])
		return a.takeAt(i, t, err, out) || a.takeWaiting(out)
	}
	return false
}

// takeAt takes up a dispatch that waits, unless that cannot be any more.
func (a *Agent) takeAt(i int, t Taken, err error, out *Output) bool {
	a.waiting = slices.Delete(a.waiting, i, i+1)
	if len(a.waiting) == 0 {
		a.waiting = nil
	}
	p := a.find(t.Record.RolloutID)
	if err != nil || p != nil && !p.superseded {
		return false // taken up from a snapshot while it waited
	}
	if p != nil {
		a.retake(p, t, out)
	} else {
		a.takeUp(t, out)
	}
	out.Notices = append(out.Notices, Notice{Kind: NoticeTaken, RolloutID: t.Record.RolloutID, Detail: string(t.Record.TargetClosure)})
	return true
}

// takeUp begins a rollout. The older ones of its channel are superseded, and what
// that revokes is dropped afterwards, so that after a crash in between none of them
// is the newest that the log mentions.
func (a *Agent) takeUp(t Taken, out *Output) *progress {
	channel := t.Record.RolloutID.Channel()
	for _, q := range slices.Backward(a.rollouts) {
		if q.channel == channel && !q.superseded {
			out.Notices = append(out.Notices, Notice{Kind: NoticeSuperseded, RolloutID: q.id(), From: q.rec.State, To: q.rec.State})
		}
	}
	a.commit(Entry{Kind: EntryTaken, RolloutID: t.Record.RolloutID, Taken: &t}, out)
	a.dropRevoked(out)
	return a.rollouts[len(a.rollouts)-1]
}

// retake restarts a superseded rollout, since the plane offers it again: the
// plane was restored from a backup, offered an older rollout, and then this one
// again. Numbers that were used stay used.
func (a *Agent) retake(p *progress, t Taken, out *Output) {
	used := p.lastNumber()
	a.drop(p, out)
	a.reserve(a.takeUp(t, out), used, out)
}

// drop forgets a rollout.
func (a *Agent) drop(p *progress, out *Output) {
	out.Notices = append(out.Notices, Notice{Kind: NoticeForgotten, RolloutID: p.id(), From: p.rec.State, To: p.rec.State})
	a.orphan(p)
	a.commit(Entry{Kind: EntryForgotten, RolloutID: p.id()}, out)
}
