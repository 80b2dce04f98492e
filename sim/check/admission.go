package check

import (
	"time"

	"github.com/refrain-fleet/refrain/core/wire"
	"github.com/refrain-fleet/refrain/sim/scenario"
	"github.com/refrain-fleet/refrain/sim/world"
)

// The checkers of the 503 contract but for S5: S6, S7 and S11. They know the
// plane from outside (see [inboxModel]), and of the faults only what is to be
// seen by somebody who watches the loop: that it dropped a reply, and why.

// refusals is S6: a 503 is given exactly when the model says so, with
// the reason that it says, and with a Retry-After that G4 allows.
type refusals struct {
	q *inboxModel
	// slots are the instants at which refused callers were told to come back, by
	// number of the caller: each lies in the second before the one that is kept.
	// One that is 0 was not told anything.
	slots []time.Duration
	// flushed says that a request that was inside was answered closed in this
	// event, which only the end of a drain does.
	flushed bool
}

func newRefusals(s *Checks) {
	c := &refusals{q: s.inbox(), slots: make([]time.Duration, s.World.Scenario().Fleet.Hosts+2)}
	s.on(world.EventAdmitted, c.admitted)
	s.on(world.EventRefused, c.refused)
	s.on(world.EventDropped, c.dropped)
	s.on(world.EventAnswered, c.answered)
	s.on(world.EventStepEnded, c.stepped)
	s.on(world.EventPlaneDown, c.planeDown)
}

func (c *refusals) admitted(e *world.Event) {
	w, m := e.World, e.Message
	if c.q.expected != wire.OK {
		w.Violate("S6", "m%d, a %v of %s, is admitted, and the inbox says %v: %s", m.ID(), m.Kind(), m.Identity().Name, c.q.expected, c.q.text(w))
	}
	c.slots[c.q.prior.caller] = 0
}

func (c *refusals) refused(e *world.Event) {
	w, m := e.World, e.Message
	if m.Outcome().Code != c.q.expected {
		w.Violate("S6", "m%d, a %v of %s, is refused %v, and the inbox says %v: %s", m.ID(), m.Kind(), m.Identity().Name, m.Outcome().Code, c.q.expected, c.q.text(w))
	}
}

// dropped: the loop lets go of an input without a reply only if a fault makes
// it, if the plane is being built again, or if the process ends.
func (c *refusals) dropped(e *world.Event) {
	w, m := e.World, e.Message
	if c.q.rebuilding || c.q.closing {
		return
	}
	if w.MayDropReply(m) {
		return
	}
	w.Violate("S6", "the loop lets go of m%d, a %v, for no reason", m.ID(), m.Kind())
}

func (c *refusals) answered(e *world.Event) {
	w, m := e.World, e.Message
	r, was, code := c.q.now, &c.q.prior, m.Outcome().Code
	if r == nil {
		return // S5 says so
	}
	if code.Unavailable() {
		c.retryAfter(w, m)
	}
	switch {
	case was.refused:
		if code != c.q.expected {
			w.Violate("S6", "m%d was refused %v and is answered %v", m.ID(), c.q.expected, code)
		}
	case was.place == atDoor:
		if code.Unavailable() {
			w.Violate("S6", "m%d is answered %v before the gate", m.ID(), code)
		}
	case was.place == inside:
		if code == wire.Closed && c.q.closing && !was.stepped {
			c.flushed = true
		} else if code != wire.Timeout || w.Now() < was.deadline {
			w.Violate("S6", "m%d is inside with %v left and is answered %v", m.ID(), was.deadline-w.Now(), code)
		}
	case was.finishedAt == w.Now() && !(m.Kind() == scenario.RoutePoll && code == wire.Closed && c.q.closing):
		if want := c.atEnd(w, was); code != want && (want != wire.OK || code.Unavailable()) {
			w.Violate("S6", "m%d is worked off (dropped: %v) with %v left and is answered %v", m.ID(), was.dropped, was.deadline-w.Now(), code)
		}
	case code == wire.CertificateRevoked: // since the poll came: S10 says whether it is
	case code != wire.NoContent && !(code == wire.Closed && c.q.closing):
		w.Violate("S6", "m%d, a poll that waits, is answered %v", m.ID(), code)
	}
}

// atEnd is the 503 that a request is answered with when the reducer is done
// with it (PROTOCOL G2); OK if it is answered with the reply.
func (c *refusals) atEnd(w *world.World, was *request) wire.Code {
	switch {
	case w.Now() >= was.deadline:
		return wire.Timeout
	case was.dropped:
		return wire.DroppedReply
	default:
		return wire.OK
	}
}

// retryAfter judges the slot of a 503 (PROTOCOL G4).
func (c *refusals) retryAfter(w *world.World, m *world.Message) {
	after := m.Outcome().RetryAfter
	if after < time.Second || after > w.Scenario().Fleet.Interval || after%time.Second != 0 {
		w.Violate("S6", "m%d is told to come back after %v; want whole seconds from 1s to %v", m.ID(), after, w.Scenario().Fleet.Interval)
		return
	}
	slot := &c.slots[c.q.prior.caller]
	if *slot > 0 && w.Now() <= *slot-time.Second {
		if off := w.Now() + after - *slot; off <= -time.Second || off >= time.Second {
			w.Violate("S6", "%s was to come back at about %v, comes before and is told %v", m.Identity().Name, *slot, w.Now()+after)
		}
		return
	}
	*slot = w.Now() + after
}

func (c *refusals) stepped(e *world.Event) {
	w := e.World
	if c.flushed && w.PlaneUp() {
		w.Violate("S6", "a request inside was answered closed before the end of the drain")
	}
	c.flushed = false
}

func (c *refusals) planeDown(*world.Event) { clear(c.slots) }

// room is S7: the inbox never has more inside than its capacity, than
// what is left beside the heartbeats' reserve, or than four of one caller.
type room struct{ q *inboxModel }

func newRoom(s *Checks) {
	c := &room{s.inbox()}
	s.on(world.EventAdmitted, c.admitted)
	s.on(world.EventStepEnded, c.stepped)
}

func (c *room) admitted(e *world.Event) {
	w, m := e.World, e.Message
	q, capacity := c.q, w.Capacity()
	reserve := capacity / 4
	if capacity%4 > 0 {
		reserve++
	}
	if reserve == capacity {
		reserve-- // one slot is nobody's reserve, or no event would ever come in
	}
	switch {
	case q.inside > capacity:
		w.Violate("S7", "%d requests are inside, the capacity is %d", q.inside, capacity)
	case q.bulk > capacity-reserve:
		w.Violate("S7", "%d requests that are no heartbeats are inside, %d of %d slots are reserved", q.bulk, reserve, capacity)
	case q.count() > 4:
		w.Violate("S7", "%d requests of %s are inside", q.count(), m.Identity().Name)
	}
}

func (c *room) stepped(e *world.Event) {
	w := e.World
	if w.PlaneUp() && w.InboxDepth() != c.q.inside {
		w.Violate("S7", "%d requests are inside, and %d came in that are not worked off", w.InboxDepth(), c.q.inside)
	}
}

// steppings is S11: a reply is never delivered late, what was refused is never
// stepped, and what is inside is stepped once or not at all.
type steppings struct{ q *inboxModel }

func newSteppings(s *Checks) {
	c := &steppings{s.inbox()}
	s.on(world.EventStepping, c.stepping)
	s.on(world.EventFinished, c.finished)
	s.on(world.EventAnswered, c.answered)
}

func (c *steppings) stepping(e *world.Event) {
	w, m := e.World, e.Message
	if m == nil {
		return
	}
	r, was := c.q.now, &c.q.prior
	switch {
	case r == nil:
		w.Violate("S11", "m%d is stepped, and it was refused or answered, or never came", m.ID())
	case was.place != inside:
		w.Violate("S11", "m%d is stepped, and it is not inside", m.ID())
	case was.stepped:
		w.Violate("S11", "m%d is stepped twice", m.ID())
	}
}

func (c *steppings) finished(e *world.Event) {
	w, m := e.World, e.Message
	if r, was := c.q.now, &c.q.prior; r != nil && !was.stepped && !was.dropped {
		w.Violate("S11", "m%d is finished with a reply, and was never stepped", m.ID())
	}
}

func (c *steppings) answered(e *world.Event) {
	w, m := e.World, e.Message
	r, was := c.q.now, &c.q.prior
	if r == nil || m.Outcome().Code.Unavailable() {
		return
	}
	switch {
	case was.place == inside:
		w.Violate("S11", "m%d is answered %v, and the reducer is not done with it", m.ID(), m.Outcome().Code)
	case was.place == worked && was.finishedAt == w.Now() && w.Now() >= was.deadline:
		w.Violate("S11", "the reply to m%d is delivered %v after its deadline", m.ID(), w.Now()-was.deadline)
	case was.place == worked && was.dropped:
		w.Violate("S11", "the reply to m%d was dropped and is delivered", m.ID())
	}
}
