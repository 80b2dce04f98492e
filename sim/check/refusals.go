package check

import (
	"github.com/refrain-fleet/refrain/core/plane"
	"github.com/refrain-fleet/refrain/core/wire"
	"github.com/refrain-fleet/refrain/sim/world"
)

// refusalsByMessage has, by message, what the refusals rest on that are not
// answered yet. A refusal tells something as well: an event that is rejected since
// of one before it, or a manifest since of another, is not sent again. So what it
// rests on must survive a crash (PROTOCOL E2, E7, R1).
type refusalsByMessage map[uint64]foundation

// foundation is what a refusal rests on: a record as it was, or an open rollout.
type foundation struct {
	key   recordKey
	seq   wire.Seq
	state wire.State
	open  wire.RolloutID
}

func (f refusalsByMessage) stepDone(e *world.Event, l *ledger) {
	if e.Message == nil || e.Reply == nil || e.Reply.Outcome.Code.Status() != 409 {
		return
	}
	switch in := e.Input.(type) {
	case *plane.Event:
		env := &in.Envelope
		rec, _ := e.World.Plane().Record(env.RolloutID, env.Hostname)
		f[e.Message.ID()] = foundation{key: recordKey{env.RolloutID, env.Hostname}, seq: rec.LastEventSeq, state: rec.State}
	case *plane.OpenRollout:
		if l.live.find(in.Manifest.ID()) != nil {
			f[e.Message.ID()] = foundation{open: in.Manifest.ID()}
		} else if newest := l.live.has(in.Manifest.Channel); newest != nil && e.Reply.Outcome.Code == wire.RolloutSuperseded {
			f[e.Message.ID()] = foundation{open: newest.id}
		}
	}
}

// refusal judges an answer that refuses.
func (c *durable) refusal(w *world.World, m *world.Message) {
	on, there := c.refused[m.ID()]
	if !there {
		return
	}
	delete(c.refused, m.ID())
	code := m.Outcome().Code
	switch {
	case code.Status() != 409: // given up at its deadline, or dropped
	case on.open != "" && !c.open[on.open]:
		w.Violate("S1", "%v, is answered %v, which rests on %s being open, and that is not on the disk; want it durable first", m, code, on.open)
	case on.open == "" && c.disk[on.key] < on.seq:
		w.Violate("S1", "%v, is answered %v, which rests on event %d of %s in %s; the disk has those up to %d; want them durable first", m, code, on.seq, on.key.host, on.key.id, c.disk[on.key])
	case on.open == "" && on.state == wire.Soaking && !c.soaking[on.key]:
		w.Violate("S1", "%v, is answered %v, which rests on %s being Soaking in %s, and that is not on the disk; want it durable first", m, code, on.key.host, on.key.id)
	}
}
