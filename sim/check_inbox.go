package sim

import (
	"fmt"
	"time"

	"github.com/refrain-fleet/refrain/core/plane"
	"github.com/refrain-fleet/refrain/core/wire"
)

// inboxModel is what somebody knows of the inbox who stands at the plane's door
// and sees requests come in, inputs end and answers go out: a place for each
// request and a few counts, without the gate's lists and cursors. S5, S6, S7 and S11 judge by it.
type inboxModel struct {
	// The life of the plane's process.
	started, closing, rebuilding bool

	requests []*request // by place in the pool of messages
	life     int        // counts the lives; a request of another one is gone
	inside   int
	bulk     int
	callers  []int // by number of the caller

	// now is the request that the tap is about, prior what it was before. The
	// model hears of everything before those who judge by it.
	now      *request
	prior    request
	expected wire.Code // what the gate has to say, when it says something
}

// place is where a request is.
type place uint8

const (
	nowhere place = iota // answered, and not in the inbox
	atDoor               // it came, and nothing was said yet
	inside               // in the inbox: waiting, being worked on, or answered already
	worked               // the reducer is done with it; a poll that waits stays here
)

// request is one request at the plane.
type request struct {
	m      *message
	id     uint64
	life   int
	caller int
	place  place
	// deadline is that of its last admission.
	deadline time.Duration
	stepped  bool // since its last admission
	dropped  bool // likewise
	refused  bool // by the gate, just now
	answered bool
	// finishedAt is when the reducer was done with it.
	finishedAt time.Duration
}

func newInboxModel(w *World) *inboxModel {
	return &inboxModel{callers: make([]int, w.scenario.Fleet.Hosts+2)}
}

// look makes the request of a message the one that the tap is about; nil if it
// is not known.
func (q *inboxModel) look(m *message) *request {
	q.now, q.prior = nil, request{}
	if int(m.slot) < len(q.requests) {
		if r := q.requests[m.slot]; r.id == m.id && r.life == q.life && r.place != nowhere {
			q.now, q.prior = r, *r
		}
	}
	return q.now
}

func (q *inboxModel) arrived(w *World, m *message) {
	if q.look(m) != nil {
		return // S5 says so
	}
	for int(m.slot) >= len(q.requests) {
		q.requests = append(q.requests, new(request))
	}
	*q.requests[m.slot] = request{m: m, id: m.id, life: q.life, caller: callerOf(w, m), place: atDoor}
}

// callerOf returns the number of who asks, as far as the cap goes (PROTOCOL
// G6).
func callerOf(w *World, m *message) int {
	switch {
	case m.node == manifestNodeID:
		return len(w.hosts) + 1
	case m.identity.Operator:
		return 0
	case m.node >= 0 && m.identity == &w.hosts[m.node].identity:
		return int(m.node) + 1
	default: // it shows another host's certificate
		n, _ := hostNumber(wire.Hostname(m.identity.Name))
		return n
	}
}

// count returns how many requests of the caller of now are inside.
func (q *inboxModel) count() int {
	if q.now == nil {
		return 0
	}
	return q.callers[q.now.caller]
}

func (q *inboxModel) admitted(w *World, m *message) {
	r := q.look(m)
	q.expected = q.verdict(w, m)
	if r == nil {
		return
	}
	r.place, r.deadline = inside, w.now+w.scenario.Plane.ReplyTimeout
	r.stepped, r.dropped, r.refused = false, false, false
	q.inside++
	if m.kind != MsgHeartbeat {
		q.bulk++
	}
	q.callers[r.caller]++
}

func (q *inboxModel) refused(w *World, m *message) {
	r := q.look(m)
	q.expected = q.verdict(w, m)
	if r != nil {
		r.refused = true
	}
}

// verdict is what PROTOCOL G1, G5 and G6 say about a request that asks to be
// admitted now. While the plane is being built again the runtime is not up.
func (q *inboxModel) verdict(w *World, m *message) wire.Code {
	capacity := w.plane.capacity
	reserve := min((capacity+3)/4, capacity-1)
	switch {
	case q.closing:
		return wire.Closed
	case !q.started || q.rebuilding:
		return wire.NotStarted
	case q.count() >= 4:
		return wire.Saturated
	case q.inside >= capacity:
		return wire.Saturated
	case m.kind != MsgHeartbeat && q.bulk >= capacity-reserve:
		return wire.Saturated
	default:
		return wire.OK
	}
}

// full reports whether the whole inbox is.
func (q *inboxModel) full(w *World) bool { return q.inside >= w.plane.capacity }

func (q *inboxModel) stepping(_ *World, m *message, _ plane.Input) {
	if m == nil {
		q.now = nil
		return
	}
	if r := q.look(m); r != nil {
		r.stepped = true
	}
}

func (q *inboxModel) dropped(_ *World, m *message) {
	if r := q.look(m); r != nil {
		r.dropped = true
	}
}

func (q *inboxModel) finished(w *World, m *message) {
	r := q.look(m)
	if r == nil || r.place != inside {
		return
	}
	q.inside--
	if m.kind != MsgHeartbeat {
		q.bulk--
	}
	q.callers[r.caller]--
	r.place, r.finishedAt = worked, w.now
	if r.answered {
		r.place = nowhere
	}
}

func (q *inboxModel) expired(_ *World, m *message) { q.look(m) }

func (q *inboxModel) answered(_ *World, m *message) {
	r := q.look(m)
	if r == nil || r.answered {
		return
	}
	r.answered = true
	if r.place != inside {
		r.place = nowhere
	}
}

func (q *inboxModel) planeStarted(*World) { q.started, q.rebuilding = true, false }
func (q *inboxModel) planeClosing(*World) { q.closing = true }
func (q *inboxModel) commitFailed(*World) { q.rebuilding = true }

// planeDown: whoever was inside is so no more, and nobody is owed an answer.
func (q *inboxModel) planeDown(*World, bool) {
	q.started, q.closing, q.rebuilding = false, false, false
	q.inside, q.bulk = 0, 0
	clear(q.callers)
	q.life++
	q.now = nil
}

// text describes what the model knows that its verdict depends on.
func (q *inboxModel) text(w *World) string {
	return fmt.Sprintf("%d of %d inside, %d of them no heartbeats, %d of the caller", q.inside, w.plane.capacity, q.bulk, q.count())
}
