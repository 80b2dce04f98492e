package check

import (
	"github.com/refrain-fleet/refrain/core/driver"
	"github.com/refrain-fleet/refrain/sim"
	"github.com/refrain-fleet/refrain/sim/scenario"
)

// wakes is S18: no poll waits while there is work for its host, once the
// plane has nothing else to do (PROTOCOL D1). So no wake is lost: not with the
// commit that brought the work, not while the poll was asking, not with a plane
// that was rebuilt, not for want of a turn.
type wakes struct {
	// all: any waiting poll may have been forgotten since the plane was idle last.
	// asked is a poll that may.
	all   bool
	asked []*sim.Message
}

func newWakes(s *Checks) {
	c := new(wakes)
	s.on(sim.EventSection, c.section)
	s.on(sim.EventReplied, c.replied)
	s.on(sim.EventPlaneDown, c.planeDown)
	s.on(sim.EventStepEnded, c.stepped)
}

func (c *wakes) section(e *sim.Event) {
	switch e.Section {
	case driver.Announce, driver.TakeOver, driver.Open:
		c.all = true
	}
}

func (c *wakes) replied(e *sim.Event) {
	if e.Message.Kind() == scenario.RoutePoll {
		c.asked = append(c.asked, e.Message)
	}
}

func (c *wakes) planeDown(*sim.Event) { c.all, c.asked = false, c.asked[:0] }

func (c *wakes) stepped(e *sim.Event) {
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
func judgeWait(w *sim.World, m *sim.Message) {
	if m.Waits() && w.Plane().HasWork(m.PolledFor()) {
		w.Violate("S18", "m%d waits for work for %s, and there is some", m.ID(), m.PolledFor())
	}
}
