package check

import (
	"time"

	"github.com/refrain-fleet/refrain/core/driver"
	"github.com/refrain-fleet/refrain/sim/world"
)

// wedge is S15: the plane is wedged exactly when the inbox is not empty
// and nothing has finished for longer than the reply timeout (PROTOCOL G7), every
// time anew. A plane that is busy, full or draining is not, nor is one that is being
// rebuilt.
type wedge struct {
	q *inboxModel
	// progress is when an input finished last, or when the inbox came to have
	// something in it, whichever is later.
	progress time.Duration
	// opening is the message whose opening is held; while a commit is under way it
	// may be the one that it waits for.
	opening    *world.Message
	committing bool
}

func newWedge(s *Checks) {
	c := &wedge{q: s.inbox()}
	s.on(world.EventAdmitted, c.admitted)
	s.on(world.EventFinished, c.finished)
	s.on(world.EventSection, c.section)
	s.on(world.EventPlaneDown, func(*world.Event) { c.opening, c.committing = nil, false })
	s.on(world.EventStepEnded, c.stepped)
}

// section: a part of an opening is progress too (PROTOCOL R1).
func (c *wedge) section(e *world.Event) {
	switch e.Section {
	case driver.Hold:
		c.progress, c.opening = e.World.Now(), e.Message
	case driver.Commit:
		c.committing = true
	case driver.TakeOver:
		c.committing = false
	}
}

func (c *wedge) admitted(e *world.Event) {
	w := e.World
	if c.q.inside == 1 {
		c.progress = w.Now()
	}
}

func (c *wedge) finished(e *world.Event) {
	c.progress = e.World.Now()
	if e.Message == c.opening {
		c.opening = nil
	}
}

func (c *wedge) stepped(e *world.Event) {
	w := e.World
	if !w.PlaneUp() || c.opening != nil && c.committing && !w.Wedged() {
		return
	}
	idle := w.Now() - c.progress
	wedged := !c.q.rebuilding && c.q.inside > 0 && idle > w.Scenario().Plane.ReplyTimeout
	if w.Wedged() != wedged {
		w.Violate("S15", "the plane says that it is wedged: %v; want %v: %d requests are in the inbox, and none has finished for %v; it is wedged if there are some and that is longer than the reply timeout, %v", !wedged, wedged, c.q.inside, idle, w.Scenario().Plane.ReplyTimeout)
	}
}
