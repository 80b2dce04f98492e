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
// What follows without knowing how fast the inbox drains: two slots are at
// least so far apart that an inbox-full comes back in a second, and at most so far
// that one comes back in the longest Retry-After, or a second; and a calendar starts again at the front only once it has come to the
// longest Retry-After. A Retry-After has whole seconds, so of a slot no more is
// known than the second that it lies in.
//
// Slots are judged in the order in which the gate gives them. Those whose
// deadline has come are given theirs all at once, before the first of them is
// answered; the answer to a poll lets others come in meanwhile.
type spread struct {
	q *inboxModel
	// back are the instants at which refused callers were told to come back, by
	// number of the caller. Their slots lie in the second before.
	back []time.Duration
	// low and high bound the slot that was given last.
	low, high time.Duration
	// expiredNow are the requests that were judged when they expired and are
	// not answered yet, in order.
	expiredNow []uint64
}

func newSpread(s *Checks) {
	c := &spread{q: s.inbox(), back: make([]time.Duration, callers(s.World))}
	s.on(world.EventAdmitted, c.admitted)
	s.on(world.EventExpired, c.expired)
	s.on(world.EventAnswered, c.answered)
	s.on(world.EventPlaneDown, c.planeDown)
}

func (c *spread) admitted(*world.Event) {
	if c.q.now != nil {
		c.back[c.q.now.caller] = 0
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
	mayStartAgain := c.high+2*time.Second > w.Now()+w.Scenario().Fleet.Interval
	if w.Now() < known {
		// The rest of its slot, or a new one.
		c.high = max(c.high+time.Second, told)
		if mayStartAgain {
			c.low = 0
		}
		return
	}
	apart := time.Second / time.Duration(w.Capacity())
	// At most: an inbox-full in the longest Retry-After, and never more than a second.
	widest := min(w.Scenario().Fleet.Interval/time.Duration(w.Capacity()), time.Second)
	latest := max(front, c.high+widest) + time.Second
	switch least := max(front, c.low+apart); {
	case told >= latest:
		w.Violate("S16", "%v, is told to retry at %v; want it before %v: at most %v after the slot before it, which was at %v or earlier", m, told, latest, widest, c.high)
	case told >= least:
		c.low, c.high = max(least, told-time.Second), told
	case mayStartAgain:
		c.low, c.high = front, max(told, front)
	default:
		w.Violate("S16", "%v, is told to retry at %v, a slot that another caller has; want its own, at %v or later", m, told, least)
	}
}

func (c *spread) planeDown(*world.Event) {
	clear(c.back)
	c.low, c.high, c.expiredNow = 0, 0, nil
}
