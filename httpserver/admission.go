package httpserver

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/benbjohnson/clock"

	"github.com/refrain-fleet/refrain/core/gate"
	"github.com/refrain-fleet/refrain/core/plane"
	"github.com/refrain-fleet/refrain/core/wire"
)

// pending is a request inside: an input on its way to the loop, and the one
// answer on its way back.
//
// It carries the inputs of the frequent requests by value, so that a kept
// pending takes a heartbeat without an allocation. Whoever answers it writes
// outcome and byLoop and then sends on done; the gate sees to it that there is
// one answer only (PROTOCOL G3).
type pending struct {
	input plane.Input
	kind  inputKind
	done  chan struct{} // has room for the one answer: nobody waits to send it

	offered time.Duration
	outcome wire.Outcome
	// byLoop says that the loop gave the answer and is done with the input.
	// Otherwise the loop may still hold it, or even step it, and it must not
	// be used again.
	byLoop bool

	heartbeat plane.Heartbeat
	event     plane.Event
	poll      plane.Poll
}

func newPending() *pending { return &pending{done: make(chan struct{}, 1)} }

// admission is the gate with its guard: one mutex, the timer for the next
// deadline, and the bell that wakes the loop.
type admission struct {
	clock   clock.Clock
	start   time.Time // the zero of the gate's clock and the plane's
	metrics *metrics
	faults  *Faults
	// abandoned is closed when the server gives up.
	abandoned <-chan struct{}

	mu   sync.Mutex
	gate *gate.Gate[*pending]
	// rebuilding says that the plane is being built again after a failure:
	// nothing is offered to the gate meanwhile, requests are answered
	// not_started.
	rebuilding bool
	// inside is the loop's batch. What is finished has its Payload cleared, so
	// that nothing is finished twice when the loop is given up.
	inside []gate.Taken[*pending]
	// parked are what the loop has stepped, and whose replies wait for the disk.
	// The list and all of it but its payloads is the loop's.
	parked []parked
	timer  *clock.Timer
	armed  bool // the timer goes off at the earliest deadline, or before
	given  bool // the loop is given up, and no timer is armed any more

	// late is told, with the guard held, that somebody was answered timeout.
	late func()

	// bell wakes the loop; it rings or it does not.
	bell chan struct{}
	// closed says that the gate is closed; it is read without the guard.
	closed  atomic.Bool
	expired []gate.Expired[*pending] // kept by Expire
}

func newAdmission(cfg gate.Config, c clock.Clock, m *metrics) (*admission, error) {
	g, err := gate.New[*pending](cfg)
	if err != nil {
		return nil, err
	}
	return &admission{clock: c, start: c.Now(), metrics: m, gate: g, bell: make(chan struct{}, 1)}, nil
}

// now is the time on the gate's clock and the plane's.
func (a *admission) now() time.Duration { return a.clock.Since(a.start) }

// ring wakes the loop.
func (a *admission) ring() {
	select {
	case a.bell <- struct{}{}:
	default: // it is ringing already
	}
}

// ask puts an input through the gate and waits for the one answer. It reports
// whether p may be used again.
func (a *admission) ask(p *pending, in plane.Input, caller gate.Caller, class gate.Class) (reusable bool) {
	p.input, p.kind, p.byLoop = in, kindOf(in), false
	a.faults.strike(BeforeOffer, in, a.clock, a.abandoned)
	if refusal := a.offer(p, in, caller, class); refusal.Code != wire.OK {
		p.outcome = wire.Unavailable(refusal.Code, refusal.RetryAfter)
		return true
	}
	<-p.done
	return p.byLoop
}

func (a *admission) offer(p *pending, in plane.Input, caller gate.Caller, class gate.Class) gate.Refusal {
	a.mu.Lock()
	now := a.now()
	if a.rebuilding {
		refusal := a.gate.Refuse(now, caller, wire.NotStarted)
		a.mu.Unlock()
		return refusal
	}
	p.offered = now
	_, refusal := a.gate.Offer(now, caller, class, p)
	if refusal.Code == wire.OK {
		a.arm(now)
	}
	a.mu.Unlock()
	if refusal.Code == wire.OK {
		// Not p.input: the loop may be done with p already.
		a.faults.strike(AfterOffer, in, a.clock, a.abandoned)
		a.ring()
	}
	return refusal
}

// refuse counts a 503 that is given outside the inbox to who brought an input.
func (a *admission) refuse(in plane.Input, caller gate.Caller, code wire.Code) wire.Outcome {
	a.faults.strike(BeforeOffer, in, a.clock, a.abandoned)
	a.mu.Lock()
	refusal := a.gate.Refuse(a.now(), caller, code)
	a.mu.Unlock()
	return wire.Unavailable(refusal.Code, refusal.RetryAfter)
}

// arm sees to it that the timer goes off at the next deadline. The guard must
// be held. Deadlines come in the order of the offers, so a timer that is armed
// is armed for no later one: in a busy plane it is touched once a reply
// timeout, not once a request.
func (a *admission) arm(now time.Duration) {
	if a.armed || a.given {
		return
	}
	deadline, waiting := a.gate.NextDeadline()
	if !waiting {
		return
	}
	a.armed = true
	wait := max(deadline-now, 0)
	if a.timer == nil {
		a.timer = a.clock.AfterFunc(wait, a.expire)
	} else {
		a.timer.Reset(wait)
	}
}

// expire answers everybody whose deadline has come. It is the timer's.
func (a *admission) expire() {
	a.mu.Lock()
	now := a.now()
	a.armed = false
	a.expired = a.gate.Expire(now, a.expired[:0])
	if len(a.expired) > 0 {
		a.late()
	}
	a.answerAll(a.expired, now)
	a.arm(now)
	a.mu.Unlock()
}

// answerAll gives refusals to those who wait for them. The guard must be held.
func (a *admission) answerAll(list []gate.Expired[*pending], now time.Duration) {
	for i := range list {
		a.answer(list[i].Payload, wire.Unavailable(list[i].Refusal.Code, list[i].Refusal.RetryAfter), false, now)
	}
	clear(list)
}

// answer gives a request its one answer.
func (a *admission) answer(p *pending, outcome wire.Outcome, byLoop bool, now time.Duration) {
	a.metrics.replySeconds[p.kind].Observe((now - p.offered).Seconds())
	p.outcome = outcome
	p.byLoop = byLoop
	p.done <- struct{}{}
}

// take hands the loop its next batch, appended to dst, and the time; nothing of
// the batch before is left.
func (a *admission) take(limit int, dst []*pending) ([]*pending, time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	now := a.clock.Now()
	a.inside = a.gate.Take(now.Sub(a.start), limit, a.inside[:0])
	for i := range a.inside {
		dst = append(dst, a.inside[i].Payload)
	}
	return dst, now
}

// settle delivers the loop's reply to the i-th input of the batch, unless it
// is late (PROTOCOL G2). It returns the time.
func (a *admission) settle(i int, reply *wire.Outcome) time.Time {
	a.mu.Lock()
	defer a.mu.Unlock()
	now := a.clock.Now()
	a.settleLocked(&a.inside[i], reply, now.Sub(a.start))
	return now
}

func (a *admission) settleLocked(taken *gate.Taken[*pending], reply *wire.Outcome, now time.Duration) {
	p := taken.Payload
	if p == nil {
		return // abandoned
	}
	disposal, refusal := a.gate.Settle(now, taken.Ticket)
	taken.Payload = nil
	switch disposal {
	case gate.Deliver:
		a.answer(p, *reply, true, now)
	case gate.Refuse:
		a.answer(p, wire.Unavailable(refusal.Code, refusal.RetryAfter), true, now)
	case gate.Discard: // the timer has answered
	}
}

// drop lets go of the i-th input of the batch without a reply. What is
// finished already stays as it is.
func (a *admission) drop(i int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.dropLocked(&a.inside[i], true)
}

func (a *admission) dropLocked(taken *gate.Taken[*pending], byLoop bool) {
	p := taken.Payload
	if p == nil {
		return
	}
	now := a.now()
	disposal, refusal := a.gate.Drop(now, taken.Ticket)
	taken.Payload = nil
	if disposal == gate.Refuse {
		a.answer(p, wire.Unavailable(refusal.Code, refusal.RetryAfter), byLoop, now)
	}
}

// dropInHand lets go of everything that the loop has in its hands: what is left
// of its batch, and the replies that wait. It is the loop's.
func (a *admission) dropInHand() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.dropInside(true)
	clear(a.parked)
	a.parked = a.parked[:0]
}

// dropAll lets go of everything inside, queued or taken: the loop cannot do
// anything with it. It is the loop's.
func (a *admission) dropAll() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.dropInside(true)
	a.inside = a.gate.Take(a.now(), a.gate.Depth(), a.inside[:0])
	a.dropInside(true)
}

func (a *admission) dropInside(byLoop bool) {
	for i := range a.parked {
		a.dropLocked(&a.parked[i].taken, byLoop)
	}
	for i := range a.inside {
		a.dropLocked(&a.inside[i], byLoop)
	}
}

// open opens the gate: the plane is up.
func (a *admission) open() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.rebuilding = false
	a.gate.Start(a.now())
}

// pause keeps requests out while the plane is built again.
func (a *admission) pause() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.rebuilding = a.gate.State() != gate.Closed // G1: a closed gate says closed
}

// close ends admission for good (PROTOCOL G1). What is inside is still worked
// off.
func (a *admission) close() {
	a.mu.Lock()
	a.rebuilding = false
	a.gate.Close(a.now())
	a.closed.Store(true)
	a.mu.Unlock()
	a.ring()
}

// drained reports whether the gate is closed and nothing is inside.
func (a *admission) drained() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.gate.State() == gate.Closed && a.gate.Depth() == 0
}

// abandon answers everybody who is still inside a closed gate, without the
// loop: those never taken with closed, the others with dropped_reply. The loop
// may come back later and finds nothing to settle.
func (a *admission) abandon() {
	a.mu.Lock()
	defer a.mu.Unlock()
	now := a.now()
	a.answerAll(a.gate.Flush(now, nil), now)
	a.dropInside(false)
	a.given = true
	if a.timer != nil {
		a.timer.Stop()
	}
}

// inboxState is what people and probes want to know of the gate.
type inboxState struct {
	depth, capacity int
	oldest          time.Duration
	state           gate.State
	rebuilding      bool
	wedged          bool
	stats           gate.Stats
}

func (a *admission) look() inboxState {
	a.mu.Lock()
	defer a.mu.Unlock()
	now := a.now()
	oldest, _ := a.gate.Oldest(now)
	return inboxState{
		depth: a.gate.Depth(), capacity: a.gate.Config().Capacity, oldest: oldest,
		state: a.gate.State(), rebuilding: a.rebuilding, stats: a.gate.Stats(),
		// A plane that is being built again finishes nothing and is not wedged:
		// what is slow or broken is the store (PROTOCOL G7).
		wedged: a.gate.Wedged(now) && !a.rebuilding,
	}
}

// check verifies the invariants of the gate.
func (a *admission) check() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.gate.Check()
}

// impaired reports whether hosts may have gone unheard since it was last asked
// (PROTOCOL L2).
func (a *admission) impaired() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.gate.Impaired()
}
