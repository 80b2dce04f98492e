package check

import (
	"time"

	"github.com/refrain-fleet/refrain/core/wire"
	"github.com/refrain-fleet/refrain/sim/world"
)

// spread is S16: each caller that is turned away is given a slot of its
// own, later than the one before it, so that those who return do not arrive
// together (PROTOCOL G4).
//
// How far apart two slots are follows from how fast the inbox drains, which is
// measured here from what the reducer has finished: see [drainRate]. Two slots are
// at least so far apart that an inbox-full comes back in a second, and at most so
// far that one comes back in the longest Retry-After, or a second; and a calendar
// starts again at the front only once it has come to the longest Retry-After. A
// Retry-After has whole seconds, so of a slot no more is known than the second that
// it lies in, and what follows from the slots before it.
//
// Slots are judged in the order in which the gate gives them. Those whose
// deadline has come are given theirs all at once, before the first of them is
// answered; the answer to a poll lets others come in meanwhile.
type spread struct {
	q *inboxModel
	// back are the instants at which refused callers were told to come back, by
	// number of the caller. Their slots lie in the second before.
	back []time.Duration
	// low and high bound the slot that was given last, near and far how much later
	// the next one is.
	low, high, near, far time.Duration
	drain                drainRate
	// expiredNow are the requests that were judged when they expired and are
	// not answered yet, in order.
	expiredNow []uint64
}

func newSpread(s *Checks) {
	c := &spread{q: s.inbox(), back: make([]time.Duration, callers(s.World))}
	s.on(world.EventAdmitted, c.admitted)
	s.on(world.EventFinished, c.finished)
	s.on(world.EventExpired, c.expired)
	s.on(world.EventAnswered, c.answered)
	s.on(world.EventPlaneDown, c.planeDown)
}

func (c *spread) admitted(e *world.Event) {
	if c.q.now != nil {
		c.back[c.q.now.caller] = 0
	}
	if c.q.inside == 1 {
		c.drain.fills(e.World.Now())
	}
}

func (c *spread) finished(e *world.Event) {
	if c.q.now != nil && c.q.prior.place == inside {
		c.drain.finished(e.World.Now(), !c.q.prior.skipped, c.q.inside == 0)
	}
}

func (c *spread) expired(e *world.Event) {
	w, m := e.World, e.Message
	c.expiredNow = append(c.expiredNow, m.ID())
	c.judge(w, m)
}

func (c *spread) answered(e *world.Event) {
	w, m := e.World, e.Message
	if len(c.expiredNow) > 0 && c.expiredNow[0] == m.ID() {
		c.expiredNow = c.expiredNow[1:]
		return
	}
	c.judge(w, m)
}

func (c *spread) judge(w *world.World, m *world.Message) {
	if c.q.now == nil || !m.Outcome().Code.Unavailable() || m.Outcome().Code == wire.OverBudget {
		return
	}
	front, told := w.Now()+time.Second, w.Now()+m.Outcome().RetryAfter
	known := c.back[c.q.now.caller]
	c.back[c.q.now.caller] = told
	if w.Now() <= known-time.Second {
		return // it came before its slot and is told the rest of it
	}
	mayStartAgain := c.high+c.far > w.Now()+w.Scenario().Fleet.Interval
	before, near, far := c.drain.distance(w, w.Now()), c.near, c.far
	if w.Now() < known {
		// The rest of its slot, or a new one.
		c.high = max(c.high+far, told)
		c.near, c.far = min(near, before.near), max(far, before.far)
		if mayStartAgain {
			c.low = 0
		}
		return
	}
	c.near, c.far = before.near, before.far
	// A slot lies in the second that ends with the instant that was told.
	least, most := max(front, c.low+near), max(front, c.high+far)
	switch {
	case told >= most+time.Second:
		w.Violate("S16", "%v, is told to retry at %v; want it at %v or less than a second later: at most %v after the slot before it, which was at %v or earlier (%v)", m, told, most, far, c.high, &c.drain)
	case told >= least:
		c.low, c.high = max(least, told-time.Second), min(most, told)
	case mayStartAgain:
		c.low, c.high = front, front
	default:
		w.Violate("S16", "%v, is told to retry at %v; want a slot of its own, at %v or later: at least %v after the slot before it, which was at %v or later (%v)", m, told, least, near, c.low, &c.drain)
	}
}

func (c *spread) planeDown(*world.Event) {
	clear(c.back)
	c.low, c.high, c.near, c.far, c.expiredNow = 0, 0, 0, 0, nil
	c.drain = drainRate{}
}
