package check

import (
	"github.com/refrain-fleet/refrain/core/plane"
	"github.com/refrain-fleet/refrain/core/wire"
	"github.com/refrain-fleet/refrain/sim/world"
)

// storage is S20: from a commit that failed until one has succeeded the plane logs
// nothing, refuses what would have to be logged, and goes on with everything else
// (PROTOCOL G9). While little disk is free it refuses what only observes, and nothing
// else (G11). What an event then has to be answered, S3 says.
type storage struct {
	l      *ledger
	failed bool // the last commit has, as far as the loop was told
	loaded bool // the plane was, since an entry's commit failed
	logged int  // entries of the batch before this step
	behind int  // inputs stepped in a row while the plane is to be told that disk is scarce
}

func newStorage(s *Checks) {
	c := &storage{l: s.ledger()}
	s.on(world.EventCommitFailed, func(e *world.Event) {
		c.failed = true
		c.loaded = c.loaded && e.Count == 0 // a trial
	})
	s.on(world.EventPlaneStarted, func(*world.Event) { c.loaded = true })
	s.on(world.EventCommitted, func(e *world.Event) { c.failed = c.failed && e.ReplyLost })
	s.on(world.EventPlaneDown, func(*world.Event) { c.failed, c.loaded = false, false })
	s.on(world.EventStepping, c.stepping)
	s.on(world.EventStepDone, c.stepDone)
}

func (c *storage) stepping(e *world.Event) {
	c.logged = len(e.Output.Entries)
	if in, is := e.Input.(*plane.Storage); is && in.Unavailable != c.failed {
		e.World.Violate("S20", "the plane is told that commits fail: %v; want %v, as the last one did", in.Unavailable, c.failed)
	}
	if in, is := e.Input.(*plane.Storage); is && in.Scarce != e.World.DiskScarce() {
		e.World.Violate("S20", "the plane is told that disk is scarce: %v; want %v, by what is free", in.Scarce, e.World.DiskScarce())
	}
	if e.Message != nil && e.World.DiskScarce() && !c.l.scarce {
		c.behind++
		if c.behind > e.World.Scenario().Plane.Batch {
			e.World.Violate("S20", "m%d, %v, is stepped, and %d inputs were since disk became scarce; want the plane told after the batch, of at most %d", e.Message.ID(), e.Input, c.behind, e.World.Scenario().Plane.Batch)
		}
	} else {
		c.behind = 0
	}
	if e.Message != nil && c.failed && c.loaded && !c.l.readOnly {
		e.World.Violate("S20", "m%d, %v, is stepped after a commit that failed; want the plane told before that commits fail", e.Message.ID(), e.Input)
	}
}

func (c *storage) stepDone(e *world.Event) {
	w, m, in := e.World, e.Message, e.Input
	if m == nil {
		return
	}
	refused := e.Reply.Outcome.Code == wire.StoreUnavailable
	switch {
	case !c.l.logsNothing() && c.l.scarce && refused:
		if _, is := in.(*plane.Event); !is {
			w.Violate("S20", "m%d, %v, is refused store_unavailable; want it taken, since commits succeed and it is no event", m.ID(), in)
		}
	case !c.l.logsNothing() && refused:
		w.Violate("S20", "m%d, %v, is refused store_unavailable; want it taken, since commits succeed and no opening becomes durable", m.ID(), in)
	case !c.l.logsNothing():
	case len(e.Output.Entries) > c.logged:
		w.Violate("S20", "m%d, %v, is logged; want it refused store_unavailable, since commits fail", m.ID(), in)
	case refused && !c.mayNeedDisk(in):
		w.Violate("S20", "m%d, %v, is refused store_unavailable; want it answered, since it needs no disk", m.ID(), in)
	}
}

// mayNeedDisk reports whether an input may have to be logged.
func (c *storage) mayNeedDisk(in plane.Input) bool {
	switch in := in.(type) {
	case *plane.Heartbeat, *plane.Poll, *plane.Release:
		return false
	case *plane.OpenRollout, *plane.FileManifest:
		return c.l.live.find(opens(in).ID()) == nil
	case *plane.ResumeRollout:
		o := c.l.live.find(in.RolloutID)
		return o != nil && (o.halted() || c.l.live.paused[o])
	case *plane.ChooseRollout:
		o := c.l.live.find(in.RolloutID)
		return o != nil && c.l.live.held[o]
	case *plane.ClearQuarantine:
		return c.l.live.quarantined[closureOn{in.Channel, in.Closure}]
	default:
		return true
	}
}
