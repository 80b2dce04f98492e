package check

import (
	"github.com/refrain-fleet/refrain/core/driver"
	"github.com/refrain-fleet/refrain/core/wire"
	"github.com/refrain-fleet/refrain/sim/scenario"
	"github.com/refrain-fleet/refrain/sim/world"
)

// slicedOpenings is S25: a rollout is opened as a whole or not at all (PROTOCOL R1).
// Until an opening in slices is finished, neither the plane nor an answer shows
// anything of the rollout; what is on the disk of it is all of it; and an opening
// that was answered 503 timeout is not begun with any more. A 202 is given at the
// deadline only, to a request to open a rollout, and names that.
type slicedOpenings struct {
	q *inboxModel
	// held is the manifest of the opening that is under way, and of its message;
	// nil if there is none.
	held  *wire.Manifest
	holds *world.Message
	// given up are the openings that were answered timeout.
	givenUp map[*world.Message]uint64
}

func newSlicedOpenings(s *Checks) {
	c := &slicedOpenings{q: s.inbox(), givenUp: make(map[*world.Message]uint64)}
	s.on(world.EventSection, c.section)
	s.on(world.EventStepDone, c.stepDone)
	s.on(world.EventAnswered, c.answered)
	s.on(world.EventFinished, c.finished)
	s.on(world.EventStepEnded, c.stepped)
	s.on(world.EventCommitted, c.committed)
	s.on(world.EventPlaneStarted, func(*world.Event) { c.held, c.holds = nil, nil })
	s.on(world.EventPlaneDown, func(*world.Event) {
		c.held, c.holds = nil, nil
		clear(c.givenUp)
	})
}

// section: the reducer has stepped a part of an opening.
func (c *slicedOpenings) section(e *world.Event) {
	if e.Section == driver.Step && e.Message != nil {
		c.begun(e)
		c.held, c.holds = opens(e.Message.Operator()), e.Message
	}
}

func (c *slicedOpenings) stepDone(e *world.Event) {
	if e.Message == nil || opens(e.Input) == nil {
		return
	}
	c.begun(e)
	if e.Message == c.holds {
		c.held, c.holds = nil, nil
	}
}

// begun judges that an opening is stepped.
func (c *slicedOpenings) begun(e *world.Event) {
	m := e.Message
	if id, gone := c.givenUp[m]; gone && id == m.ID() {
		e.World.Violate("S25", "%v, is stepped; want it dropped, since it was answered 503 timeout", m)
	}
}

func (c *slicedOpenings) finished(e *world.Event) {
	delete(c.givenUp, e.Message)
	if e.Message == c.holds {
		c.held, c.holds = nil, nil
	}
}

func (c *slicedOpenings) answered(e *world.Event) {
	w, m, o := e.World, e.Message, e.Message.Outcome()
	in, was := opens(m.Operator()), &c.q.prior
	switch {
	case o.Code == wire.Timeout && in != nil && was.place == inside:
		c.givenUp[m] = m.ID()
		if m == c.holds || was.stepped {
			w.Violate("S25", "%v, is answered 503 timeout, and the reducer has begun with it; want 202, since it may be opened", m)
		}
	case o.Code == wire.Accepted:
		status, is := o.Document.(*wire.OpeningStatus)
		if in == nil || w.Now() < was.deadline || !is || status.RolloutID != in.ID() || int(status.Hosts) != len(in.Hosts) {
			w.Violate("S25", "%v, is answered 202 %v; want that at the deadline of an opening, with its rollout and %s", m, left(w, was.deadline), "its number of hosts")
		}
	}
	if c.held == nil || m == c.holds {
		return
	}
	for i := range o.Heartbeat.Bootstrap {
		if o.Heartbeat.Bootstrap[i].RolloutID == c.held.ID() {
			w.Violate("S25", "m%d is told of %s, which is being opened; want nothing of it before all of it is durable", m.ID(), c.held.ID())
		}
	}
}

// stepped: nothing of the rollout is to be seen while it is being opened.
func (c *slicedOpenings) stepped(e *world.Event) {
	w := e.World
	if c.held == nil || w.Plane() == nil {
		return
	}
	id := c.held.ID()
	if _, seen := w.Plane().Rollout(id); seen {
		w.Violate("S25", "%s is known before its opening is finished; want it unknown", id)
	}
	for i := range c.held.Hosts {
		if h := c.held.Hosts[i].Hostname; seenIn(w, id, h) {
			w.Violate("S25", "the record of %s in %s is seen before the opening is finished; want none", h, id)
			return
		}
	}
}

func seenIn(w *world.World, id wire.RolloutID, h wire.Hostname) bool {
	if _, seen := w.Plane().Record(id, h); seen {
		return true
	}
	_, known := w.Plane().Host(h)
	n, _ := scenario.HostNumber(h)
	return known && n > 0 && w.Plane().HasWork(h) && len(w.Plane().Look(h, nil)) == 0
}

// committed: what is on the disk of a rollout is all of it.
func (c *slicedOpenings) committed(e *world.Event) {
	w := e.World
	for i := range e.Entries {
		in := opens(e.Entries[i].Input)
		if in == nil {
			continue
		}
		for j := range in.Hosts {
			if _, there := w.Durable().Record(in.ID(), in.Hosts[j].Hostname); !there {
				w.Violate("S25", "%s is durable without %s; want all of its hosts", in.ID(), in.Hosts[j].Hostname)
				return
			}
		}
	}
}
