package httpserver

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/benbjohnson/clock"

	"github.com/refrain-fleet/refrain/core/driver"
	"github.com/refrain-fleet/refrain/core/plane"
)

// Faults makes the loop of a running server misbehave in the ways in which a
// reducer can: it stands still, it is slow, it drops a request without a
// reply. With a [Hold] a test decides when each thing happens, and so in which
// order. It is for tests; a production server has none. The zero value is
// ready, and all methods may be called from any goroutine at any time.
type Faults struct {
	mu    sync.Mutex
	rules []*FaultRule
	skew  atomic.Int64 // of the wall clock, in nanoseconds
}

// FaultPoint is where on an input's way, or on the loop's, a fault strikes.
type FaultPoint uint8

// The points. At the first two every kind of fault may strike, and no fault but
// a Hold hits ticks. At the others there are only Holds.
const (
	// BeforeStep: nothing of the input is applied yet.
	BeforeStep FaultPoint = iota
	// BeforeReply: the input is applied, and durable if it has to be, but
	// no caller was answered.
	BeforeReply
	// BeforeOffer: the input has passed every check and is about to ask the
	// gate, or to be refused for a poll that waits when the plane shuts down.
	// Not the loop is stopped but the handler of the request.
	BeforeOffer
	// AfterOffer: the gate has let the input in.
	AfterOffer
	// BetweenSections: the loop has carried out a section of the driver's worker
	// and is about to ask for the next one; there is no input.
	BetweenSections
	// AfterCommit: a commit has ended, and the loop will see that when it asks for
	// its next section; there is no input. Not the loop is stopped.
	AfterCommit
	// AfterClientGone: the front was told that the client of a poll is gone. Not the
	// loop is stopped but the handler of the request.
	AfterClientGone
)

// FaultKind is what a fault does.
type FaultKind uint8

// The kinds.
const (
	// Wedge stops the loop until the rule is lifted.
	Wedge FaultKind = iota
	// Delay stops the loop for the rule's For, by the server's clock.
	Delay
	// Drop drops the input without a reply: before the step it is not
	// applied at all, before the reply it is applied wholly (PROTOCOL G2).
	Drop
	// Hold stops the goroutine that comes to the point, each time anew, until the test
	// lets it go: see [Held].
	Hold
)

// Fault says what shall go wrong.
type Fault struct {
	Kind FaultKind
	At   FaultPoint
	// Match picks the inputs; nil means every input. It runs in the loop and
	// must keep nothing of the input. It is not asked where there is no input.
	Match func(plane.Input) bool
	// OnHold is called for each goroutine that a Hold has stopped, in the goroutine that
	// stands still. It must not block.
	OnHold func(*Held)
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

// SkewWall sets how far the server's wall clock is off. What it measures time
// with stays right, as a monotonic clock does when the wall clock is set.
func (f *Faults) SkewWall(by time.Duration) { f.skew.Store(int64(by)) }

// wall is what the wall clock shows at an instant. f may be nil.
func (f *Faults) wall(t time.Time) time.Time {
	if f == nil {
		return t
	}
	return t.Add(time.Duration(f.skew.Load()))
}

// Held is a goroutine that a [Hold] has stopped. It goes on once, with Release or
// Drop, or when the server is given up.
type Held struct {
	At FaultPoint
	// Input is the input, nil where there is none. It may be compared and looked
	// at until Held goes on; nothing of it may be kept but the pointer.
	Input plane.Input
	// Plane is the plane at BetweenSections, and nil elsewhere, or while there is
	// none. It may be looked at until Held goes on.
	Plane *plane.Plane
	// Did is the section that was carried out last, at BetweenSections, and Took
	// how many inputs it took, if it took a batch.
	Did  driver.Work
	Took int

	goOn chan bool // has room for one; says whether the input is dropped
}

// Release lets it go on as if nothing had been.
func (h *Held) Release() { h.goOn <- false }

// Drop lets it go on with the input dropped, as by a [Drop]. It is for
// BeforeStep and BeforeReply.
func (h *Held) Drop() { h.goOn <- true }

// hold stops the caller and reports whether the input is dropped.
func (r *FaultRule) hold(h *Held, abandon <-chan struct{}) (drop bool) {
	h.goOn = make(chan bool, 1)
	r.mark()
	r.fault.OnHold(h)
	select {
	case drop = <-h.goOn:
	case <-r.lifted:
	case <-abandon:
	}
	return drop
}

// stop carries out the Holds of a point without an input. f may be nil.
func (f *Faults) stop(h Held, abandon <-chan struct{}) {
	if f == nil {
		return
	}
	for _, r := range f.matching(h.At, nil) {
		held := h
		r.hold(&held, abandon)
	}
}

// strike carries out the faults of a point and reports whether the input is
// dropped. It returns early when abandon is closed. f may be nil.
func (f *Faults) strike(at FaultPoint, in plane.Input, c clock.Clock, abandon <-chan struct{}) (drop bool) {
	if f == nil {
		return false
	}
	for _, r := range f.matching(at, in) {
		switch r.fault.Kind {
		case Hold:
			if r.hold(&Held{At: at, Input: in}, abandon) {
				return true
			}
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

// matching returns the rules that strike at a point, and uses them up. in is nil
// where there is no input.
func (f *Faults) matching(at FaultPoint, in plane.Input) []*FaultRule {
	f.mu.Lock()
	defer f.mu.Unlock()
	var list []*FaultRule
	for _, r := range f.rules {
		if r.fault.At != at || in != nil && r.fault.Match != nil && !r.fault.Match(in) {
			continue
		}
		if _, tick := in.(*plane.Tick); r.fault.Kind != Hold && (tick || at > BeforeReply) {
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
