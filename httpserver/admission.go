package httpserver

import (
	"sync"
	"time"

	"github.com/benbjohnson/clock"

	"github.com/refrain-fleet/refrain/core/driver"
	"github.com/refrain-fleet/refrain/core/gate"
	"github.com/refrain-fleet/refrain/core/plane"
	"github.com/refrain-fleet/refrain/core/wire"
)

// pending is a request inside: an input on its way to the worker, and the one
// answer on its way back.
//
// It carries the inputs of the frequent requests by value, so that a kept
// pending takes a heartbeat without an allocation.
type pending struct {
	driver.Request[*pending]
	kind inputKind
	done chan struct{} // has room for the one answer: nothing waits to send it

	heartbeat plane.Heartbeat
	event     plane.Event
	poll      plane.Poll
}

func newPending() *pending { return &pending{done: make(chan struct{}, 1)} }

// admission guards the front of the driver: one mutex, the timer for its next
// deadline, and the bell that wakes the worker.
type admission struct {
	clock   clock.Clock
	start   time.Time // the zero of the driver's clock
	metrics *metrics
	faults  *Faults
	// abandoned is closed when the server gives up.
	abandoned <-chan struct{}

	mu    sync.Mutex
	front *driver.Front[*pending]
	timer *clock.Timer

	// late is called, with the guard held, when a request is answered timeout.
	late func()

	// bell wakes the worker; it rings or it does not.
	bell chan struct{}
	// closed is closed once the gate is.
	closed chan struct{}
}

func newAdmission(cfg *Config, m *metrics) (*admission, *driver.Worker[*pending], error) {
	front, worker, err := driver.New[*pending](driver.Config{Gate: cfg.gate(), Batch: cfg.BatchSize, DiskReserve: max(cfg.DiskReserve, 0), Rows: true})
	if err != nil {
		return nil, nil, err
	}
	return &admission{
		clock: cfg.Clock, start: cfg.Clock.Now(), metrics: m, faults: cfg.Faults, front: front, bell: make(chan struct{}, 1),
		closed: make(chan struct{}),
	}, worker, nil
}

// instant is an instant on the driver's clock, with what the wall clock shows.
func (a *admission) instant(t time.Time) wire.Instant {
	return wire.Instant{Mono: t.Sub(a.start), Wall: wire.TimeOf(a.faults.wall(t))}
}

// now is the time.
func (a *admission) now() wire.Instant { return a.instant(a.clock.Now()) }

// ring wakes the worker.
func (a *admission) ring() {
	select {
	case a.bell <- struct{}{}:
	default: // it is ringing already
	}
}

// unlock carries out what the front asks for, and releases the guard.
func (a *admission) unlock(now time.Duration) {
	rings := a.carryOut(now)
	a.mu.Unlock()
	if rings {
		a.ring()
	}
}

// carryOut delivers answers, sets the timer, and reports whether the worker has
// to be rung. The guard must be held.
func (a *admission) carryOut(now time.Duration) (rings bool) {
	for _, r := range a.front.Answered() {
		p := r.For
		a.metrics.replySeconds[p.kind].Observe((now - r.Offered).Seconds())
		if r.Outcome.Code == wire.Timeout {
			a.late()
		}
		p.done <- struct{}{}
	}
	if at, set := a.front.Alarm(); set {
		wait := max(at-now, 0)
		if a.timer == nil {
			a.timer = a.clock.AfterFunc(wait, a.expire)
		} else {
			a.timer.Reset(wait)
		}
	}
	return a.front.Rings()
}

// expire answers every request whose deadline has come. It is the timer's.
func (a *admission) expire() {
	a.mu.Lock()
	now := a.now()
	a.front.Expire(now)
	a.unlock(now.Mono)
}

// ask puts an input through the gate and waits for the one answer. It reports
// whether p may be used again.
func (a *admission) ask(p *pending, in plane.Input, caller gate.Caller, class gate.Class) (reusable bool) {
	p.Wait = 0
	a.arrive(p, in, caller, class)
	<-p.done
	return p.Finished
}

// askPoll is ask for a poll that waits for work (PROTOCOL D1). It reports gone
// if the client went away while it waited. turn is closed when the poll's
// connection is to be closed.
func (a *admission) askPoll(
	p *pending, caller gate.Caller, wait time.Duration, cert driver.Certificate, client, turn <-chan struct{},
) (reusable, gone bool) {
	p.Wait, p.Certificate = wait, cert
	a.arrive(p, &p.poll, caller, gate.Bulk)
	select {
	case <-p.done:
		return p.Finished, false
	case <-turn:
		a.release(p)
		// If it is just asking, it does not wait again.
		<-p.done
		return p.Finished, false
	case <-client:
	}
	a.mu.Lock()
	now := a.now()
	gone = a.front.GiveUp(now, &p.Request)
	a.unlock(now.Mono)
	a.faults.strike(AfterClientGone, &p.poll, a.clock, a.abandoned)
	if !gone {
		<-p.done
	}
	return p.Finished, gone
}

func (a *admission) arrive(p *pending, in plane.Input, caller gate.Caller, class gate.Class) {
	p.For, p.Input, p.Caller, p.Class, p.kind = p, in, caller, class, kindOf(in)
	a.faults.strike(BeforeOffer, in, a.clock, a.abandoned)
	a.mu.Lock()
	now := a.now()
	admitted := a.front.Arrive(now, &p.Request)
	a.unlock(now.Mono)
	if admitted {
		// Not p.Input: the worker may be done with p already.
		a.faults.strike(AfterOffer, in, a.clock, a.abandoned)
	}
}

// close ends admission for good (PROTOCOL G1). What is inside is still worked on.
func (a *admission) close() {
	a.mu.Lock()
	now := a.now()
	a.front.Close(now)
	close(a.closed)
	a.unlock(now.Mono)
}

// isClosed reports whether the gate is closed; it does not need the guard.
func (a *admission) isClosed() bool {
	select {
	case <-a.closed:
		return true
	default:
		return false
	}
}

// abandon answers every request that is still inside a closed gate, without the
// worker, which may come back later and finds nothing to finish.
func (a *admission) abandon() {
	a.mu.Lock()
	now := a.now()
	a.front.Abandon(now)
	if a.timer != nil {
		a.timer.Stop()
	}
	a.unlock(now.Mono)
}

// inboxState is what people and probes want to know of the gate.
type inboxState struct {
	depth, capacity int
	oldest          time.Duration
	state           gate.State
	rebuilding      bool
	wedged          bool
	polls           int // that wait for work
	paced           uint64
	stats           gate.Stats
}

func (a *admission) look() inboxState {
	a.mu.Lock()
	defer a.mu.Unlock()
	now, g := a.clock.Since(a.start), a.front.Gate()
	oldest, _ := g.Oldest(now)
	return inboxState{
		depth: g.Depth(), capacity: g.Config().Capacity, oldest: oldest, state: g.State(), stats: g.Stats(),
		rebuilding: a.front.Rebuilding(), wedged: a.front.Wedged(now), polls: a.front.WaitingPolls(), paced: a.front.PacedPolls(),
	}
}
