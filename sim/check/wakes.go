package check

import (
	"github.com/refrain-fleet/refrain/core/driver"
	"github.com/refrain-fleet/refrain/sim/scenario"
	"github.com/refrain-fleet/refrain/sim/world"
)

// wakes is S18: no poll waits while there is work for its host, once the
// plane has nothing else to do (PROTOCOL D1). So no wake is lost: not with the
// commit that brought the work, not while the poll was asking, not with a plane
// that was rebuilt, not for want of a turn.
type wakes struct {
	// all: any waiting poll may have been forgotten since the plane was idle last.
	// asked is a poll that may.
	all   bool
	asked []*world.Message
}

func newWakes(s *Checks) {
	c := new(wakes)
	s.on(world.EventSection, c.section)
	s.on(world.EventReplied, c.replied)
	s.on(world.EventPlaneDown, c.planeDown)
	s.on(world.EventStepEnded, c.stepped)
}

func (c *wakes) section(e *world.Event) {
	switch e.Section {
	case driver.Announce, driver.TakeOver, driver.Open:
		c.all = true
	}
}

func (c *wakes) replied(e *world.Event) {
	if e.Message.Kind() == scenario.RoutePoll {
		c.asked = append(c.asked, e.Message)
	}
}

func (c *wakes) planeDown(*world.Event) { c.all, c.asked = false, c.asked[:0] }

func (c *wakes) stepped(e *world.Event) {
	if !c.all && len(c.asked) == 0 || !e.World.PlaneIdle() {
		return
	}
	if c.all {
		for _, m := range e.World.Open() {
			judgeWait(e.World, m)
		}
	} else {
		for _, m := range c.asked {
			judgeWait(e.World, m)
		}
	}
	c.all, c.asked = false, c.asked[:0]
}

// judgeWait judges a request that is at the plane, if it is a poll that waits.
func judgeWait(w *world.World, m *world.Message) {
	if m.Waits() && w.Plane().HasWork(m.PolledFor()) {
		w.Violate("S18", "%v, waits for work for %s, and there is some; want it answered", m, m.PolledFor())
	}
}
