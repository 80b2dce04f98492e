package httpserver

import (
	"slices"
	"sync"
	"time"

	"github.com/benbjohnson/clock"

	"github.com/refrain-fleet/refrain/core/plane"
)

// Faults makes the loop of a running server misbehave in the ways in which a
// reducer can: it stands still, it is slow, it lets go of a request without a
// reply. It is for tests; a production server has none. The zero value is
// ready, and all methods may be called from any goroutine at any time.
//
// Faults are looked at by the loop's goroutine only, and only for inputs that
// came through the inbox: ticks are never hit.
type Faults struct {
	mu    sync.Mutex
	rules []*FaultRule
}

// FaultPoint is where on an input's way a fault strikes.
type FaultPoint uint8

// The points.
const (
	// BeforeStep: nothing of the input is applied yet.
	BeforeStep FaultPoint = iota
	// BeforeReply: the input is applied, and durable if it has to be, but
	// nobody was told.
	BeforeReply
)

// FaultKind is what a fault does.
type FaultKind uint8

// The kinds.
const (
	// Wedge stops the loop until the rule is lifted.
	Wedge FaultKind = iota
	// Delay stops the loop for the rule's For, by the server's clock.
	Delay
	// Drop lets go of the input without a reply: before the step it is not
	// applied at all, before the reply it is applied wholly (PROTOCOL G2).
	Drop
)

// Fault says what shall go wrong.
type Fault struct {
	Kind FaultKind
	At   FaultPoint
	// Match picks the inputs; nil means every input. It runs in the loop and
	// must keep nothing of the input.
	Match func(plane.Input) bool
	// For is how long a Delay takes.
	For time.Duration
	// Count is how often the fault strikes before it is used up; 0 means until
	// it is lifted.
	Count int
}

// FaultRule is a fault in force.
type FaultRule struct {
	fault   Fault
	faults  *Faults
	lifted  chan struct{}
	reached chan struct{}
	once    sync.Once // closes reached
	hits    int       // guarded by faults.mu, as is done
	done    bool
}

// Install puts a fault in force. Of several, those installed first strike
// first.
func (f *Faults) Install(fault Fault) *FaultRule {
	r := &FaultRule{fault: fault, faults: f, lifted: make(chan struct{}), reached: make(chan struct{})}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.rules = append(f.rules, r)
	return r
}

// Lift takes the fault out of force and lets a loop go that it stopped. It may
// be called more than once.
func (r *FaultRule) Lift() {
	r.faults.mu.Lock()
	defer r.faults.mu.Unlock()
	if !r.done {
		r.done = true
		close(r.lifted)
	}
	r.faults.rules = slices.DeleteFunc(r.faults.rules, func(other *FaultRule) bool { return other == r })
}

// Reached is closed when the fault strikes for the first time; of a Wedge or a
// Delay, when the loop stands still.
func (r *FaultRule) Reached() <-chan struct{} { return r.reached }

// Hits returns how often the fault has struck.
func (r *FaultRule) Hits() int {
	r.faults.mu.Lock()
	defer r.faults.mu.Unlock()
	return r.hits
}

// strike carries out the faults of a point and reports whether the input is
// dropped. It returns early when abandon is closed. f may be nil.
func (f *Faults) strike(at FaultPoint, in plane.Input, c clock.Clock, abandon <-chan struct{}) (drop bool) {
	if f == nil {
		return false
	}
	for _, r := range f.matching(at, in) {
		switch r.fault.Kind {
		case Wedge:
			r.mark()
			select {
			case <-r.lifted:
			case <-abandon:
			}
		case Delay:
			timer := c.Timer(r.fault.For)
			r.mark()
			select {
			case <-timer.C:
			case <-r.lifted:
			case <-abandon:
			}
			timer.Stop()
		case Drop:
			r.mark()
			return true
		}
	}
	return false
}

// matching returns the rules that strike an input, and uses them up.
func (f *Faults) matching(at FaultPoint, in plane.Input) []*FaultRule {
	f.mu.Lock()
	defer f.mu.Unlock()
	var list []*FaultRule
	for _, r := range f.rules {
		if r.fault.At != at || r.fault.Match != nil && !r.fault.Match(in) {
			continue
		}
		r.hits++
		list = append(list, r)
		if r.fault.Kind == Drop {
			break // what comes after it never sees the input
		}
	}
	f.rules = slices.DeleteFunc(f.rules, func(r *FaultRule) bool {
		return r.fault.Count > 0 && r.hits >= r.fault.Count
	})
	return list
}

// mark says that the fault strikes now.
func (r *FaultRule) mark() { r.once.Do(func() { close(r.reached) }) }
