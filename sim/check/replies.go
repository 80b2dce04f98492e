package check

import (
	"github.com/refrain-fleet/refrain/core/plane"
	"github.com/refrain-fleet/refrain/core/wire"
	"github.com/refrain-fleet/refrain/sim/scenario"
	"github.com/refrain-fleet/refrain/sim/world"
)

// replays is S8: Replay-From is given only when PROTOCOL H2, H8 and E6 say so, and
// always when E6 does, with the record's last event number. Whether a heartbeat
// may be put off is S23's.
type replays struct{ l *ledger }

func newReplays(s *Checks) {
	c := &replays{s.ledger()}
	s.on(world.EventStepDone, c.stepDone)
	s.on(world.EventAnswered, c.answered)
}

func (c *replays) stepDone(e *world.Event) {
	w, m, in, r := e.World, e.Message, e.Input, e.Reply
	if r == nil {
		return
	}
	asked, from := false, wire.Seq(0)
	switch in := in.(type) {
	case *plane.Heartbeat:
		req := &in.Request
		// As it was before the step: a heartbeat that names a rollout changes
		// no record.
		if rec := c.l.copyOf(c.l.host, req.RolloutID); in.Dialect != wire.DialectField && rec != nil && req.CurrentClosure != "" && (rec.before.CurrentClosure != req.CurrentClosure || c.l.mark == rec) {
			asked, from = true, rec.before.LastEventSeq
		}
	case *plane.Event:
		if rec := c.l.copyOf(c.l.host, in.Envelope.RolloutID); rec != nil && r.Outcome.Code == wire.Gap {
			asked, from = true, rec.before.LastEventSeq
			if in.Envelope.Event.Seq <= from+1 {
				w.Violate("S8", "m%d, %v, is answered %v, and the record has the events up to %d; want no gap for a number up to %d", m.ID(), in, r.Outcome.Code, from, from+1)
			}
		}
	}
	switch o := &r.Outcome; {
	case o.Replay && !asked:
		w.Violate("S8", "m%d, %v, is answered with Replay-From %d; want none", m.ID(), in, o.ReplayFrom)
	case !o.Replay && asked && o.Code == wire.Gap:
		w.Violate("S8", "m%d, %v, is answered without Replay-From; want %d", m.ID(), in, from)
	case o.Replay && o.ReplayFrom != from:
		w.Violate("S8", "m%d, %v, is answered with Replay-From %d; want %d", m.ID(), in, o.ReplayFrom, from)
	}
}

func (c *replays) answered(e *world.Event) {
	w, m := e.World, e.Message
	if o := m.Outcome(); o.Replay && o.Code.Unavailable() {
		w.Violate("S8", "m%d is answered %v with Replay-From %d; want none with a 503", m.ID(), o.Code, o.ReplayFrom)
	}
}

// bootstraps is S9: a heartbeat that names no rollout is answered with a
// snapshot of each active record of the host, as it is after the heartbeat,
// ordered by rollout ID (PROTOCOL H3, H4, H6), and of those that have failed and may
// lack a rollback (H8); every other one with none. Whether
// one of a record beyond Pending may be put off is S23's.
type bootstraps struct{ l *ledger }

func newBootstraps(s *Checks) {
	c := &bootstraps{s.ledger()}
	s.on(world.EventStepDone, c.stepDone)
}

func (c *bootstraps) stepDone(e *world.Event) {
	w, m, in, r := e.World, e.Message, e.Input, e.Reply
	heartbeat, is := in.(*plane.Heartbeat)
	if !is {
		return
	}
	answer := &r.Outcome.Heartbeat
	if answer.ReceivedAt != heartbeat.Request.At {
		w.Violate("S9", "m%d, %v, is answered with receivedAt %v; want %v, as in the request", m.ID(), in, answer.ReceivedAt, heartbeat.Request.At)
	}
	if heartbeat.Dialect == wire.DialectField {
		return // S38
	}
	list := answer.Bootstrap
	if heartbeat.Request.RolloutID == "" {
		for _, rec := range c.l.now { // ordered by rollout ID
			if !c.l.lists(rec) {
				continue
			}
			if rec.last.State != wire.Pending && (len(list) == 0 || list[0].RolloutID != rec.of.id) {
				continue
			}
			if len(list) == 0 {
				w.Violate("S9", "m%d, %v, is answered without a snapshot of %s; want one, since the record is %v", m.ID(), in, rec.of.id, rec.last.State)
				return
			}
			if want := snapshotOf(rec); list[0] != want {
				w.Violate("S9", "m%d, %v, is answered with the snapshot\n\t%+v\nwant\n\t%+v", m.ID(), in, list[0], want)
				return
			}
			list = list[1:]
		}
	}
	if len(list) > 0 {
		w.Violate("S9", "m%d, %v, is answered with a snapshot of %s; want none", m.ID(), in, list[0].RolloutID)
	}
}

// snapshotOf is the snapshot of a record, member by member (PROTOCOL H6).
func snapshotOf(c *recordCopy) wire.Snapshot {
	rec := c.last
	return wire.Snapshot{
		RolloutID:                c.of.id,
		Hostname:                 scenario.HostName(c.host),
		Channel:                  c.of.channel,
		State:                    rec.State,
		TargetClosure:            rec.TargetClosure,
		CurrentClosureAtDispatch: rec.CurrentClosureAtDispatch,
		CurrentClosure:           rec.CurrentClosure,
		DispatchedAt:             rec.DispatchedAt,
		DispatchAckedAt:          rec.DispatchAckedAt,
		ActivationStartedAt:      rec.ActivationStartedAt,
		ActivationCompletedAt:    rec.ActivationCompletedAt,
		SoakDueAt:                rec.SoakDueAt,
		LastEventSeq:             rec.LastEventSeq,
	}
}
