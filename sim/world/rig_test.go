package world

import (
	"slices"
	"testing"
	"time"

	"github.com/refrain-fleet/refrain/core/agent"
	"github.com/refrain-fleet/refrain/core/plane"
	"github.com/refrain-fleet/refrain/core/rollout"
	"github.com/refrain-fleet/refrain/core/wire"
	"github.com/refrain-fleet/refrain/sim/scenario"
)

// noted is what a rig knows of a request at the plane: a copy, since messages
// are used again.
type noted struct {
	id        uint64
	kind      scenario.Route
	node      int32
	seq       wire.Seq // of an event
	event     wire.EventKind
	duplicate bool
	sentAt    time.Duration
	arrivedAt time.Duration
	steppedAt time.Duration // 0 if it was not
	// answeredAt and code are of its answer; 0 and OK if there was none.
	answeredAt time.Duration
	answered   bool
	code       wire.Code
	retryAfter time.Duration
}

// rig plays a scenario under every checker and notes what happens.
type rig struct {
	t *testing.T
	w *World

	requests []noted // in order of arrival
	place    map[uint64]int
	commits  []time.Duration
	starts   []time.Duration // of the plane
	notices  []plane.Notice
	noticeAt []time.Duration
	states   map[int32][]wire.State // of each host's newest record at the plane, as they change
}

// attachCheckers attaches every checker to a world, and atRest is the rest
// function that goes with them. Both are above this package: checkers_test.go
// sets them.
var (
	attachCheckers func(*World)
	atRest         func(*World) (rule, why string)
)

// UseCheckers sets them.
func UseCheckers(attach func(*World), rest func(*World) (rule, why string)) {
	attachCheckers, atRest = attach, rest
}

// checked makes the world of a scenario, with every checker.
func checked(t *testing.T, s scenario.Scenario) *World {
	t.Helper()
	w, err := New(s, Options{Rest: atRest})
	if err != nil {
		t.Fatal(err)
	}
	attachCheckers(w)
	return w
}

// play makes the world of a scenario that is written as text.
func play(t *testing.T, text string) *rig {
	t.Helper()
	s, err := scenario.ParseScenario(text)
	if err != nil {
		t.Fatal(err)
	}
	return playScenario(t, s)
}

func playScenario(t *testing.T, s scenario.Scenario) *rig {
	t.Helper()
	r := &rig{t: t, place: make(map[uint64]int), states: make(map[int32][]wire.State)}
	w := checked(t, s)
	w.Subscribe(EventArrived, r.arrived)
	w.Subscribe(EventStepDone, r.stepDone)
	w.Subscribe(EventAnswered, r.answered)
	w.Subscribe(EventCommitted, r.committed)
	w.Subscribe(EventPlaneStarted, r.planeStarted)
	w.Subscribe(EventNoticed, r.noticed)
	r.w = w
	return r
}

func (r *rig) arrived(e *Event) {
	w, m := e.World, e.Message
	n := noted{id: m.id, kind: m.kind, node: m.node, duplicate: m.duplicate, sentAt: m.sentAt, arrivedAt: w.now}
	if m.kind == scenario.RouteEvent {
		n.seq, n.event = m.event.Envelope.Event.Seq, m.event.Envelope.Event.Body.Kind()
	}
	r.place[m.id] = len(r.requests)
	r.requests = append(r.requests, n)
}

func (r *rig) stepDone(e *Event) {
	w, m := e.World, e.Message
	if m != nil {
		r.requests[r.place[m.id]].steppedAt = w.now
	}
}

func (r *rig) answered(e *Event) {
	w, m := e.World, e.Message
	n := &r.requests[r.place[m.id]]
	if n.answered {
		r.t.Errorf("request %d is answered twice", m.id)
	}
	n.answered, n.answeredAt, n.code, n.retryAfter = true, w.now, m.request.Outcome.Code, m.request.Outcome.RetryAfter
}

func (r *rig) committed(e *Event)    { r.commits = append(r.commits, e.World.now) }
func (r *rig) planeStarted(e *Event) { r.starts = append(r.starts, e.World.now) }

func (r *rig) noticed(e *Event) {
	w, n := e.World, *e.Notice
	r.notices, r.noticeAt = append(r.notices, n), append(r.noticeAt, w.now)
	if n.Kind == plane.NoticeTransition {
		if number, known := scenario.HostNumber(n.Hostname); known {
			r.states[int32(number-1)] = append(r.states[int32(number-1)], n.To)
		}
	}
}

// until lets everything happen that happens up to an instant.
func (r *rig) until(at time.Duration) {
	r.t.Helper()
	for r.w.queue.len() > 0 && r.w.queue.nextAt() <= at {
		if !r.w.Next() {
			break
		}
	}
	if v := r.w.violation; v != nil {
		r.t.Fatalf("before %v: %v", at, v)
	}
}

// when lets things happen until a condition holds, and returns the instant.
func (r *rig) when(what string, holds func() bool) time.Duration {
	r.t.Helper()
	for !holds() {
		if !r.w.Next() {
			r.t.Fatalf("the run ended, and %s never: %v", what, r.w.violation)
		}
	}
	return r.w.now
}

// finish runs the rest.
func (r *rig) finish() Result {
	r.t.Helper()
	for r.w.Next() {
	}
	result := r.w.Result()
	if result.Violation != nil {
		r.t.Fatal(result.Violation)
	}
	return result
}

func (r *rig) host(n int) *hostNode { return &r.w.hosts[n-1] }

// record is the plane's record of a host in the only rollout of the scenario.
func (r *rig) record(n int) rollout.Record {
	r.t.Helper()
	rec, there := r.w.plane.worker.Plane().Record(r.w.scenario.Rollouts[0].ID, scenario.HostName(n))
	if !there {
		r.t.Fatalf("the plane has no record of h%d", n)
	}
	return rec
}

// view is the agent's of the only rollout of the scenario; false if it has
// none.
func (r *rig) view(n int) (agent.View, bool) {
	for _, v := range r.host(n).agent.Views(nil) {
		if v.Record.RolloutID == r.w.scenario.Rollouts[0].ID {
			return v, true
		}
	}
	return agent.View{}, false
}

func (r *rig) status(n int) wire.HostStatus {
	r.t.Helper()
	s, known := r.w.plane.worker.Plane().Host(scenario.HostName(n))
	if !known {
		r.t.Fatalf("the plane does not know h%d", n)
	}
	return s
}

// count counts the requests that a condition holds of.
func (r *rig) count(holds func(*noted) bool) int {
	n := 0
	for i := range r.requests {
		if holds(&r.requests[i]) {
			n++
		}
	}
	return n
}

func (r *rig) noticesOf(kind plane.NoticeKind) int {
	n := 0
	for i := range r.notices {
		if r.notices[i].Kind == kind {
			n++
		}
	}
	return n
}

// arrival returns when the first event of a kind of a host arrives. The world
// is left at that instant.
func (r *rig) arrival(n int, kind wire.EventKind) time.Duration {
	r.t.Helper()
	r.when("an event arrived", func() bool {
		return slices.ContainsFunc(r.requests, func(q noted) bool { return q.node == int32(n-1) && q.event == kind })
	})
	return r.w.now
}

// nextAt is the instant of the next event.
func (q *queue) nextAt() time.Duration {
	if q.hasFront {
		return q.front.at
	}
	if len(q.near) == 0 {
		q.begin()
	}
	return q.near[0].at
}
