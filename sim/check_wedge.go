package sim

import "time"

// checkWedge is S15: the plane is wedged exactly when the inbox is not empty
// and nothing has finished for longer than the reply timeout (PROTOCOL G7). A
// plane that is busy, full or draining is not.
type checkWedge struct {
	q *inboxModel
	// progress is when an input finished last, or when the inbox came to have
	// something in it, whichever is later.
	progress time.Duration
}

func newCheckWedge(w *World) any { return &checkWedge{q: w.panel.inbox(w)} }

func (c *checkWedge) admitted(w *World, _ *message) {
	if c.q.inside == 1 {
		c.progress = w.now
	}
}

func (c *checkWedge) finished(w *World, _ *message) { c.progress = w.now }

func (c *checkWedge) stepped(w *World) {
	if !w.plane.up {
		return
	}
	idle := w.now - c.progress
	wedged := c.q.inside > 0 && idle > w.scenario.Plane.ReplyTimeout
	if w.plane.gate.Wedged(w.now) != wedged {
		w.Violate("S15", "the plane says that it is wedged: %v; %d requests are inside, and nothing has finished for %v", !wedged, c.q.inside, idle)
	}
}
