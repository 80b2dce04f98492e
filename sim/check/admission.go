package check

import (
	"fmt"
	"time"

	"github.com/refrain-fleet/refrain/core/driver"
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
	c := &refusals{q: s.inbox(), slots: make([]time.Duration, callers(s.World))}
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
		w.Violate("S6", "%v, is admitted; want it refused %v: %s", m, c.q.expected, c.q.why(w, m))
	}
	c.slots[c.q.prior.caller] = 0
}

func (c *refusals) refused(e *world.Event) {
	w, m := e.World, e.Message
	if m.Outcome().Code != c.q.expected {
		w.Violate("S6", "%v, is refused %v; want it %s: %s", m, m.Outcome().Code, c.q.wanted(), c.q.why(w, m))
	}
}

// dropped: the loop drops an input without a reply only if a fault makes
// it, if the input is late, if the plane is being built again, or if the process
// ends.
func (c *refusals) dropped(e *world.Event) {
	w, m := e.World, e.Message
	if c.q.rebuilding || c.q.closing {
		return
	}
	if w.MayDropReply(m) || c.q.now != nil && c.q.now.skipped { // S11
		return
	}
	w.Violate("S6", "the loop drops %v, without a reply; want one, since there is no fault, rebuild or shutdown that drops it", m)
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
			w.Violate("S6", "%v, is refused %v and is answered %v; want the same code", m, c.q.expected, code)
		}
	case was.place == atDoor:
		if code.Unavailable() {
			w.Violate("S6", "%v, is answered %v before the gate has seen it; want a 503 from the gate only", m, code)
		}
	case was.place == inside:
		if code == wire.Closed && c.q.closing && !was.stepped {
			c.flushed = true
		} else if code != wire.Timeout && !(code == wire.Accepted && opens(m.Operator()) != nil) || w.Now() < was.deadline {
			w.Violate("S6", "%v, is in the inbox, %s, and is answered %v; want timeout, at its deadline", m, left(w, was.deadline), code)
		}
	case was.finishedAt == w.Now() && !(m.Kind() == scenario.RoutePoll && code == wire.Closed && c.q.closing):
		if code == wire.Accepted && opens(m.Operator()) != nil && w.Now() >= was.deadline {
			break // S22 judges it
		}
		if want := c.atEnd(w, was); code != want && (want != wire.OK || code.Unavailable()) {
			w.Violate("S6", "%v, is answered %v; want %s, since the reducer %s %s", m, code, orReply(want), finishedOr(was.dropped), left(w, was.deadline))
		}
	case code == wire.CertificateRevoked: // since the poll came: S10 says whether it is
	case code == wire.CertificateExpired || code == wire.NoCertificate: // likewise, and S30
	case code != wire.NoContent && !(code == wire.Closed && c.q.closing):
		w.Violate("S6", "%v, which waits for work, is answered %v; want no_content, or closed in a shutdown", m, code)
	}
}

// left says how a deadline lies to now.
func left(w *world.World, deadline time.Duration) string {
	switch d := deadline - w.Now(); {
	case d > 0:
		return fmt.Sprintf("%v before its deadline", d)
	case d < 0:
		return fmt.Sprintf("%v after its deadline", -d)
	}
	return "at its deadline"
}

// finishedOr says how the reducer ended with a request.
func finishedOr(dropped bool) string {
	if dropped {
		return "dropped its reply"
	}
	return "was done with it"
}

// orReply is a wanted code; OK stands for whatever the reducer replies.
func orReply(c wire.Code) string {
	if c == wire.OK {
		return "the reducer's reply"
	}
	return c.String()
}

// atEnd is the 503 that a request is answered with when the reducer is done
// with it (PROTOCOL G2); OK if it is answered with the reply.
func (c *refusals) atEnd(w *world.World, was *request) wire.Code {
	switch {
	case w.Now() >= was.deadline && !(was.dropped && !was.skipped && opens(was.m.Operator()) != nil):
		return wire.Timeout
	case was.dropped:
		return wire.DroppedReply
	case was.replied == wire.StoreUnavailable, was.replied == wire.OverBudget: // by the plane; S20 and S21 say whether rightly
		return was.replied
	default:
		return wire.OK
	}
}

// retryAfter judges the slot of a 503 (PROTOCOL G4).
func (c *refusals) retryAfter(w *world.World, m *world.Message) {
	after := m.Outcome().RetryAfter
	if after < time.Second || after > w.Scenario().Fleet.Interval || after%time.Second != 0 {
		w.Violate("S6", "%v, is told to retry after %v; want whole seconds from 1s to the heartbeat interval, %v", m, after, w.Scenario().Fleet.Interval)
		return
	}
	if m.Outcome().Code == wire.OverBudget {
		return // it is no slot; S21 judges it
	}
	slot := &c.slots[c.q.prior.caller]
	if *slot > 0 && w.Now() <= *slot-time.Second {
		if off := w.Now() + after - *slot; off <= -time.Second || off >= time.Second {
			w.Violate("S6", "%v, comes before its slot at about %v and is told to retry at %v; want the same slot, give or take a second", m, *slot, w.Now()+after)
		}
		return
	}
	*slot = w.Now() + after
}

func (c *refusals) stepped(e *world.Event) {
	w := e.World
	if c.flushed && w.PlaneUp() {
		w.Violate("S6", "a request in the inbox is answered closed; want that at the end of the shutdown's drain only")
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
	switch {
	case q.inside > capacity:
		w.Violate("S7", "%v, is admitted: %d requests are in the inbox, and its capacity is %d", m, q.inside, capacity)
	case q.bulk > OthersAtMost(capacity):
		w.Violate("S7", "%v, is admitted: %d requests other than heartbeats are in the inbox, and the limit for those is %d (%s)", m, q.bulk, OthersAtMost(capacity), reserved(capacity))
	case q.count() > perCaller:
		w.Violate("S7", "%v, is admitted: %d requests of %s are in the inbox, and the limit for one caller is %d", m, q.count(), m.Identity().Name, perCaller)
	}
}

func (c *room) stepped(e *world.Event) {
	w := e.World
	if w.PlaneUp() && w.InboxDepth() != c.q.inside {
		w.Violate("S7", "the inbox says that it has %d requests; want %d, those that were admitted and that the reducer is not done with", w.InboxDepth(), c.q.inside)
	}
}

// steppings is S11: a reply is never delivered late, what was refused is never
// stepped, nor what is late already when the reducer takes it (decision 043), and
// what is inside is stepped once or not at all.
type steppings struct {
	q     *inboxModel
	taken time.Duration // when the batch was taken
}

func newSteppings(s *Checks) {
	c := &steppings{q: s.inbox()}
	s.on(world.EventSection, c.section)
	s.on(world.EventStepping, c.stepping)
	s.on(world.EventFinished, c.finished)
	s.on(world.EventAnswered, c.answered)
}

func (c *steppings) section(e *world.Event) {
	if e.Section == driver.Take {
		c.taken = e.World.Now()
	}
}

func (c *steppings) stepping(e *world.Event) {
	w, m := e.World, e.Message
	if m == nil {
		return
	}
	r, was := c.q.now, &c.q.prior
	switch {
	case r == nil:
		w.Violate("S11", "%v, is stepped by the reducer; want it not stepped, since it was refused or answered before, or never arrived", m)
	case was.place != inside:
		w.Violate("S11", "%v, is stepped by the reducer; want it not stepped, since it is not in the inbox", m)
	case was.stepped:
		w.Violate("S11", "%v, is stepped by the reducer twice; want once", m)
	case was.deadline <= c.taken && opens(m.Operator()) == nil: // S25 judges those
		w.Violate("S11", "%v, is stepped by the reducer; want it skipped, since it was taken %v after its deadline", m, c.taken-was.deadline)
	}
}

func (c *steppings) finished(e *world.Event) {
	w, m := e.World, e.Message
	if r, was := c.q.now, &c.q.prior; r != nil && !was.stepped && !was.dropped {
		w.Violate("S11", "%v, has a reply; want none, since the reducer never stepped it", m)
	}
}

func (c *steppings) answered(e *world.Event) {
	w, m := e.World, e.Message
	r, was := c.q.now, &c.q.prior
	code := m.Outcome().Code
	if r == nil || code.Unavailable() || code == wire.Accepted { // S22 judges that
		return
	}
	switch {
	case was.place == inside:
		w.Violate("S11", "%v, is answered %v; want no reply before the reducer is done with it", m, m.Outcome().Code)
	case was.place == worked && was.finishedAt == w.Now() && w.Now() >= was.deadline:
		w.Violate("S11", "the reply to %v, is delivered %v after its deadline, which was %v after its arrival; want 503 timeout at the deadline, and the reply discarded", m, w.Now()-was.deadline, w.Scenario().Plane.ReplyTimeout)
	case was.place == worked && was.dropped:
		w.Violate("S11", "the reply to %v, was dropped and is delivered all the same; want 503 dropped_reply", m)
	}
}
