package check

import (
	"fmt"
	"time"

	"github.com/refrain-fleet/refrain/core/driver"
	"github.com/refrain-fleet/refrain/core/wire"
	"github.com/refrain-fleet/refrain/sim/scenario"
	"github.com/refrain-fleet/refrain/sim/world"
)

// inboxModel is what an observer outside the plane knows of the inbox, who sees
// requests arrive, inputs end and answers go out: a place for each request and a
// few counts, without the gate's lists and cursors. S5, S6, S7 and S11 judge by it.
type inboxModel struct {
	// The life of the plane's process.
	started, closing, rebuilding bool
	abandoned                    bool // the time to drain is over

	requests []*request // by place in the pool of messages
	life     int        // counts the lives; a request of another one is gone
	inside   int
	bulk     int
	callers  []int    // by number of the caller
	polled   []polled // likewise

	// now is the request that the event is about, prior what it was before. The
	// model receives every event before those who judge by it.
	now      *request
	prior    request
	expected wire.Code // what the gate has to say, when it says something
	reached  limit     // and why
	before   counts    // what was in the inbox then, without the request itself
}

// polled is what is kept of the polls of a caller that were admitted: how much they
// have used of what a caller may, as of an instant. Each uses up a second, and a
// second comes back every second (PROTOCOL D3).
type polled struct{ used, at time.Duration }

// pollsAtOnce is how many polls of a host are admitted at once, if it has not polled
// for as many seconds.
const pollsAtOnce = 10

// usedAt is how much is used up at an instant.
func (p polled) usedAt(now time.Duration) time.Duration { return max(0, p.used-(now-p.at)) }

// counts are numbers of requests in the inbox.
type counts struct{ inside, others, ofCaller int }

// limit is what keeps a request out of the inbox.
type limit uint8

const (
	noLimit    limit = iota // none does
	shutDown                // the inbox is closed
	notUp                   // the plane has not started, or is being built again
	tooOften                // the pace of the polls of one host
	callerFull              // the cap of one caller
	allFull                 // the capacity
	othersFull              // what the heartbeats' reserve leaves
)

// refusal is the code that a request is refused with for each.
var refusal = [...]wire.Code{
	noLimit: wire.OK, shutDown: wire.Closed, notUp: wire.NotStarted, tooOften: wire.Saturated, callerFull: wire.Saturated, allFull: wire.Saturated, othersFull: wire.Saturated,
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
	m      *world.Message
	id     uint64
	life   int
	caller int
	place  place
	// deadline is that of its last admission.
	deadline time.Duration
	stepped  bool      // since its last admission
	dropped  bool      // likewise
	struck   bool      // a fault drops it before its step
	skipped  bool      // it was late when its turn came (PROTOCOL G2)
	replied  wire.Code // by the plane, since then
	refused  bool      // by the gate, just now
	answered bool
	gone     bool // a poll whose client is gone
	// finishedAt is when the reducer was done with it.
	finishedAt time.Duration
}

// perCaller is how many requests of one caller may be in the inbox (PROTOCOL G6).
const perCaller = 4

// OthersAtMost is how many requests other than heartbeats an inbox takes: a
// quarter of its capacity, rounded up, is reserved for heartbeats, and one place
// is nobody's reserve (PROTOCOL G5).
func OthersAtMost(capacity int) int { return capacity - min((capacity+3)/4, capacity-1) }

func newInboxModel(s *Checks) *inboxModel {
	n := callers(s.World)
	q := &inboxModel{callers: make([]int, n), polled: make([]polled, n)}
	s.on(world.EventArrived, q.arrived)
	s.on(world.EventAdmitted, q.admitted)
	s.on(world.EventRefused, q.refused)
	s.on(world.EventStepping, q.stepping)
	s.on(world.EventStepDone, q.stepDone)
	s.on(world.EventSkipped, q.struck)
	s.on(world.EventDropped, q.dropped)
	s.on(world.EventFinished, q.finished)
	s.on(world.EventExpired, q.expired)
	s.on(world.EventAnswered, q.answered)
	s.on(world.EventClientGone, q.clientGone)
	s.on(world.EventPlaneStarted, q.planeStarted)
	s.on(world.EventPlaneClosing, q.planeClosing)
	s.on(world.EventDrainOver, func(*world.Event) { q.abandoned = true })
	s.on(world.EventSection, q.section)
	s.on(world.EventPlaneDown, q.planeDown)
	return q
}

// look makes the request of a message the one that the event is about; nil if it
// is not known.
func (q *inboxModel) look(m *world.Message) *request {
	q.now, q.prior = nil, request{}
	if int(m.Slot()) < len(q.requests) {
		if r := q.requests[m.Slot()]; r.id == m.ID() && r.life == q.life && r.place != nowhere {
			q.now, q.prior = r, *r
		}
	}
	return q.now
}

func (q *inboxModel) arrived(e *world.Event) {
	w, m := e.World, e.Message
	if q.look(m) != nil {
		return // S5 says so
	}
	for int(m.Slot()) >= len(q.requests) {
		q.requests = append(q.requests, new(request))
	}
	*q.requests[m.Slot()] = request{m: m, id: m.ID(), life: q.life, caller: callerOf(w, m), place: atDoor}
}

// callers is how many callers there can be: hosts from 1, the directory of
// manifests, the operators, and the directory of releases.
func callers(w *world.World) int { return w.Scenario().Fleet.Hosts + 3 + scenario.MaxOperators }

// callerOf returns the number of who asks, as far as the cap goes (PROTOCOL
// G6).
func callerOf(w *world.World, m *world.Message) int {
	switch {
	case m.FromManifests():
		return w.Scenario().Fleet.Hosts + 1
	case m.FromReleases():
		return callers(w) - 1
	case m.Identity().Operator:
		return w.Scenario().Fleet.Hosts + 1 + w.OperatorNumber(m)
	case m.Host() > 0 && m.Identity() == w.Identity(m.Host()):
		return m.Host()
	default: // it shows another host's certificate
		n, _ := scenario.HostNumber(wire.Hostname(m.Identity().Name))
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

func (q *inboxModel) admitted(e *world.Event) {
	w, m := e.World, e.Message
	r := q.look(m)
	q.judge(w, m)
	if r == nil {
		return
	}
	if r.place == atDoor && m.Kind() == scenario.RoutePoll {
		p := &q.polled[r.caller]
		*p = polled{p.usedAt(w.Now()) + time.Second, w.Now()}
	}
	r.place, r.deadline = inside, w.Now()+w.Scenario().Plane.ReplyTimeout
	r.stepped, r.dropped, r.struck, r.skipped, r.refused, r.replied = false, false, false, false, false, wire.OK
	q.inside++
	if m.Kind() != scenario.RouteHeartbeat {
		q.bulk++
	}
	q.callers[r.caller]++
}

func (q *inboxModel) refused(e *world.Event) {
	w, m := e.World, e.Message
	r := q.look(m)
	q.judge(w, m)
	if r != nil {
		r.refused = true
	}
}

// judge finds out what PROTOCOL G1, G5 and G6 say about a request that asks to
// be admitted now. While the plane is being built again the runtime is not up.
func (q *inboxModel) judge(w *world.World, m *world.Message) {
	q.before = counts{q.inside, q.bulk, q.count()}
	switch {
	case q.closing:
		q.reached = shutDown
	case !q.started || q.rebuilding:
		q.reached = notUp
	case q.pollsTooOften(w, m):
		q.reached = tooOften
	case q.before.ofCaller >= perCaller:
		q.reached = callerFull
	case q.inside >= w.Capacity():
		q.reached = allFull
	case m.Kind() != scenario.RouteHeartbeat && q.bulk >= OthersAtMost(w.Capacity()):
		q.reached = othersFull
	default:
		q.reached = noLimit
	}
	q.expected = refusal[q.reached]
}

// pollsTooOften reports whether now is a poll that has just come and exceeds the
// pace of its host. One that waited comes to the gate again, and is none.
func (q *inboxModel) pollsTooOften(w *world.World, m *world.Message) bool {
	return m.Kind() == scenario.RoutePoll && q.now != nil && q.prior.place == atDoor &&
		q.polled[q.now.caller].usedAt(w.Now()) > (pollsAtOnce-1)*time.Second
}

// full reports whether the whole inbox is.
func (q *inboxModel) full(w *world.World) bool { return q.inside >= w.Capacity() }

func (q *inboxModel) stepping(e *world.Event) {
	m := e.Message
	if m == nil {
		q.now = nil
		return
	}
	if r := q.look(m); r != nil {
		r.stepped = true
	}
}

func (q *inboxModel) stepDone(e *world.Event) {
	if e.Message == nil {
		return
	}
	if r := q.look(e.Message); r != nil {
		r.replied = e.Reply.Outcome.Code
	}
}

func (q *inboxModel) struck(e *world.Event) {
	if r := q.look(e.Message); r != nil {
		r.struck = true
	}
}

func (q *inboxModel) dropped(e *world.Event) {
	m := e.Message
	if r := q.look(m); r != nil {
		r.dropped = true
		r.skipped = !r.stepped && !r.struck && !q.rebuilding && !q.abandoned && r.deadline <= e.World.Now()
	}
}

func (q *inboxModel) finished(e *world.Event) {
	w, m := e.World, e.Message
	r := q.look(m)
	if r == nil || r.place != inside {
		return
	}
	q.inside--
	if m.Kind() != scenario.RouteHeartbeat {
		q.bulk--
	}
	q.callers[r.caller]--
	r.place, r.finishedAt = worked, w.Now()
	if r.answered {
		r.place = nowhere
	}
}

func (q *inboxModel) expired(e *world.Event) { q.look(e.Message) }

func (q *inboxModel) answered(e *world.Event) {
	m := e.Message
	r := q.look(m)
	if r == nil || r.answered {
		return
	}
	r.answered = true
	if r.place != inside {
		r.place = nowhere
	}
}

// clientGone: a poll that waited needs no answer any more, any other does not wait
// again.
func (q *inboxModel) clientGone(e *world.Event) {
	if !e.Answered {
		q.answered(e)
	} else if r := q.look(e.Message); r != nil {
		r.gone = true
	}
}

func (q *inboxModel) planeStarted(*world.Event) { q.started, q.rebuilding = true, false }
func (q *inboxModel) planeClosing(*world.Event) { q.closing = true }

// section: after a failure nothing is let in until the plane is rebuilt.
func (q *inboxModel) section(e *world.Event) {
	q.rebuilding = q.rebuilding || e.Section == driver.Pause
}

// planeDown: whoever was inside is so no more, and nobody is owed an answer.
func (q *inboxModel) planeDown(*world.Event) {
	q.started, q.closing, q.rebuilding, q.abandoned = false, false, false, false
	q.inside, q.bulk = 0, 0
	clear(q.callers)
	clear(q.polled)
	q.life++
	q.now = nil
}

// wanted says what the model wants of a request that was refused.
func (q *inboxModel) wanted() string {
	if q.expected == wire.OK {
		return "admitted"
	}
	return "refused " + q.expected.String()
}

// why says in words what the verdict on a request was reached by: the counts
// before it, each with its limit.
func (q *inboxModel) why(w *world.World, m *world.Message) string {
	capacity, n := w.Capacity(), &q.before
	others := OthersAtMost(capacity)
	switch q.reached {
	case shutDown:
		return "the inbox was closed, since the plane shuts down"
	case notUp:
		return "the plane had not started"
	case tooOften:
		return fmt.Sprintf("%s polls too often: the limit for one host is %d polls at once, and then one a second", m.Identity().Name, pollsAtOnce)
	case callerFull:
		return fmt.Sprintf("%d requests of %s were in the inbox, and the limit for one caller is %d", n.ofCaller, m.Identity().Name, perCaller)
	case allFull:
		return fmt.Sprintf("%d requests were in the inbox, and its capacity is %d", n.inside, capacity)
	case othersFull:
		return fmt.Sprintf("%d requests other than heartbeats were in the inbox, and the limit for those is %d (%s)", n.others, others, reserved(capacity))
	default:
		return fmt.Sprintf("there was room: the inbox had %d requests, its capacity is %d; other than heartbeats %d, the limit is %d; of %s %d, the limit is %d",
			n.inside, capacity, n.others, others, m.Identity().Name, n.ofCaller, perCaller)
	}
}

// reserved says where the limit for requests other than heartbeats comes from.
func reserved(capacity int) string {
	return fmt.Sprintf("capacity %d less %d reserved for heartbeats", capacity, capacity-OthersAtMost(capacity))
}
