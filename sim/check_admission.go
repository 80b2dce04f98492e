package sim

import (
	"time"

	"github.com/refrain-fleet/refrain/core/plane"
	"github.com/refrain-fleet/refrain/core/wire"
)

// The checkers of the 503 contract but for S5: S6, S7 and S11. They know the
// plane from outside (see [inboxModel]), and of the faults only what is to be
// seen by somebody who watches the loop: that it dropped a reply, and why.

// checkUnavailable is S6: a 503 is given exactly when the model says so, with
// the reason that it says, and with a Retry-After that G4 allows.
type checkUnavailable struct {
	q *inboxModel
	// slots are the instants at which refused callers were told to come back, by
	// number of the caller: each lies in the second before the one that is kept.
	// One that is 0 was not told anything.
	slots []time.Duration
	// flushed says that a request that was inside was answered closed in this
	// event, which only the end of a drain does.
	flushed bool
}

func newCheckUnavailable(w *World) any {
	return &checkUnavailable{q: w.panel.inbox(w), slots: make([]time.Duration, w.scenario.Fleet.Hosts+2)}
}

func (c *checkUnavailable) admitted(w *World, m *message) {
	if c.q.expected != wire.OK {
		w.Violate("S6", "m%d, a %v of %s, is admitted, and the inbox says %v: %s", m.id, m.kind, m.identity.Name, c.q.expected, c.q.text(w))
	}
	c.slots[c.q.prior.caller] = 0
}

func (c *checkUnavailable) refused(w *World, m *message) {
	if m.outcome.Code != c.q.expected {
		w.Violate("S6", "m%d, a %v of %s, is refused %v, and the inbox says %v: %s", m.id, m.kind, m.identity.Name, m.outcome.Code, c.q.expected, c.q.text(w))
	}
}

// dropped: the loop lets go of an input without a reply only if a fault makes
// it, if the plane is being built again, or if the process ends.
func (c *checkUnavailable) dropped(w *World, m *message) {
	if c.q.rebuilding || c.q.closing {
		return
	}
	for _, f := range w.faults.active[ReplyDrop] {
		if f.hits(int(m.node)+1, m.kind) {
			return
		}
	}
	w.Violate("S6", "the loop lets go of m%d, a %v, for no reason", m.id, m.kind)
}

func (c *checkUnavailable) answered(w *World, m *message) {
	r, was, code := c.q.now, &c.q.prior, m.outcome.Code
	if r == nil {
		return // S5 says so
	}
	if code.Unavailable() {
		c.retryAfter(w, m)
	}
	switch {
	case was.refused:
		if code != c.q.expected {
			w.Violate("S6", "m%d was refused %v and is answered %v", m.id, c.q.expected, code)
		}
	case was.place == atDoor:
		if code.Unavailable() {
			w.Violate("S6", "m%d is answered %v at the door", m.id, code)
		}
	case was.place == inside:
		if code == wire.Closed && c.q.closing && !was.stepped {
			c.flushed = true
		} else if code != wire.Timeout || w.now < was.deadline {
			w.Violate("S6", "m%d is inside with %v left and is answered %v", m.id, was.deadline-w.now, code)
		}
	case was.finishedAt == w.now && !(m.kind == MsgPoll && code == wire.Closed && c.q.closing):
		if want := c.atEnd(w, was); code != want && (want != wire.OK || code.Unavailable()) {
			w.Violate("S6", "m%d is worked off (dropped: %v) with %v left and is answered %v", m.id, was.dropped, was.deadline-w.now, code)
		}
	case code == wire.CertificateRevoked: // since the poll came: S10 says whether it is
	case code != wire.NoContent && !(code == wire.Closed && c.q.closing):
		w.Violate("S6", "m%d, a poll that waits, is answered %v", m.id, code)
	}
}

// atEnd is the 503 that a request is answered with when the reducer is done
// with it (PROTOCOL G2); OK if it is answered with the reply.
func (c *checkUnavailable) atEnd(w *World, was *request) wire.Code {
	switch {
	case w.now >= was.deadline:
		return wire.Timeout
	case was.dropped:
		return wire.DroppedReply
	default:
		return wire.OK
	}
}

// retryAfter judges the slot of a 503 (PROTOCOL G4).
func (c *checkUnavailable) retryAfter(w *World, m *message) {
	after := m.outcome.RetryAfter
	if after < time.Second || after > w.scenario.Fleet.Interval || after%time.Second != 0 {
		w.Violate("S6", "m%d is told to come back after %v; want whole seconds from 1s to %v", m.id, after, w.scenario.Fleet.Interval)
		return
	}
	slot := &c.slots[c.q.prior.caller]
	if *slot > 0 && w.now <= *slot-time.Second {
		if off := w.now + after - *slot; off <= -time.Second || off >= time.Second {
			w.Violate("S6", "%s was to come back at about %v, comes before and is told %v", m.identity.Name, *slot, w.now+after)
		}
		return
	}
	*slot = w.now + after
}

func (c *checkUnavailable) stepped(w *World) {
	if c.flushed && w.plane.up {
		w.Violate("S6", "a request inside was answered closed before the end of the drain")
	}
	c.flushed = false
}

func (c *checkUnavailable) planeDown(*World, bool) { clear(c.slots) }

// checkRoom is S7: the inbox never has more inside than its capacity, than
// what is left beside the heartbeats' reserve, or than four of one caller.
type checkRoom struct{ q *inboxModel }

func newCheckRoom(w *World) any { return &checkRoom{w.panel.inbox(w)} }

func (c *checkRoom) admitted(w *World, m *message) {
	q, capacity := c.q, w.plane.capacity
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
		w.Violate("S7", "%d requests of %s are inside", q.count(), m.identity.Name)
	}
}

func (c *checkRoom) stepped(w *World) {
	if p := &w.plane; p.up && p.gate.Depth() != c.q.inside {
		w.Violate("S7", "%d requests are inside, and %d came in that are not worked off", p.gate.Depth(), c.q.inside)
	}
}

// checkWhole is S11: a reply is never delivered late, what was refused is never
// stepped, and what is inside is stepped once or not at all.
type checkWhole struct{ q *inboxModel }

func newCheckWhole(w *World) any { return &checkWhole{w.panel.inbox(w)} }

func (c *checkWhole) stepping(w *World, m *message, _ plane.Input) {
	if m == nil {
		return
	}
	r, was := c.q.now, &c.q.prior
	switch {
	case r == nil:
		w.Violate("S11", "m%d is stepped, and it was refused or answered, or never came", m.id)
	case was.place != inside:
		w.Violate("S11", "m%d is stepped, and it is not inside", m.id)
	case was.stepped:
		w.Violate("S11", "m%d is stepped twice", m.id)
	}
}

func (c *checkWhole) finished(w *World, m *message) {
	if r, was := c.q.now, &c.q.prior; r != nil && !was.stepped && !was.dropped {
		w.Violate("S11", "m%d is finished with a reply, and was never stepped", m.id)
	}
}

func (c *checkWhole) answered(w *World, m *message) {
	r, was := c.q.now, &c.q.prior
	if r == nil || m.outcome.Code.Unavailable() {
		return
	}
	switch {
	case was.place == inside:
		w.Violate("S11", "m%d is answered %v, and the reducer is not done with it", m.id, m.outcome.Code)
	case was.place == worked && was.finishedAt == w.now && w.now >= was.deadline:
		w.Violate("S11", "the reply to m%d is delivered %v after its deadline", m.id, w.now-was.deadline)
	case was.place == worked && was.dropped:
		w.Violate("S11", "the reply to m%d was dropped and is delivered", m.id)
	}
}
