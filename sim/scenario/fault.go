package scenario

import (
	"errors"
	"fmt"
	"slices"
	"time"
)

// Dir is a direction on the network.
type Dir uint8

// The directions. The zero value is both.
const (
	Both Dir = iota
	Up       // from the host to the plane
	Down     // from the plane to the host
)

// Phase is where around a commit a crash comes.
type Phase uint8

// The phases. The zero value is at once, commit or not.
const (
	AtOnce Phase = iota
	// BeforeCommit: stepped, and nothing of it on the disk.
	BeforeCommit
	// InsideCommit: the transaction is torn, and so as good as not begun.
	InsideCommit
	// AfterCommit: durable, and nobody was told.
	AfterCommit
)

// Route is which kind of request it is.
type Route uint8

// AnyRoute stands for every route.
const AnyRoute Route = 0

// The routes.
const (
	RouteHeartbeat Route = iota + 1
	RouteEvent
	RoutePoll
	RouteOperator
	// RouteGarbage is a body that no document can be read from.
	RouteGarbage
)

var routeTexts = [...]string{"?", "heartbeat", "event", "poll", "operator", "garbage"}

// String returns the route as one word.
func (r Route) String() string { return routeTexts[r] }

// Fault is one thing that goes wrong. Each kind says which fields it uses; the
// others are zero.
type Fault struct {
	// At is when it begins, from 0 on.
	At   time.Duration
	Kind FaultKind
	// Hosts are whom it hits. The zero value is every host.
	Hosts Hosts
	// For is how long it is in force, or how long something is down. A fault
	// that lasts and has no For is in force until the scenario is healed.
	For time.Duration
	// Count is how often it strikes at most. 0 means every time.
	Count int
	// Each is how much longer something takes each time, or by how much a
	// clock is off.
	Each time.Duration
	// Back is how old the backup is that PlaneRestore puts in place of the disk.
	Back time.Duration
	// Rate is of a thousand; of ClockDrift, of a million.
	Rate int
	// Size is the capacity that GateCapacity leaves, at least 1.
	Size int
	// Dir is where NetPartition lets nothing through.
	Dir Dir
	// Phase is where PlaneCrash and PlaneWipe come.
	Phase Phase
	// Route is which requests, or their answers, it hits. The zero value is
	// all of them.
	Route Route
	// After is what the kind says it is.
	After bool
	// Unreadable: the disk cannot be read either.
	Unreadable bool
}

// The bounds of the times of a fault. A run is no longer than its hosts'
// patience; a clock may be as far off as somebody sets it.
const (
	longest  = 366 * 24 * time.Hour
	farthest = 100 * longest
)

// check judges a fault by itself.
func (f *Fault) check() error {
	if f.Kind == 0 || f.Kind >= FaultKindCount {
		return fmt.Errorf("kind is %d; want one of %s", f.Kind, kindWords())
	}
	if f.At < 0 || f.At > longest {
		return &keyError{"at", fmt.Errorf("at is %v; want 0s to %v", f.At, longest)}
	}
	form := &faultForms[f.Kind]
	for _, field := range faultFields {
		given := field.print(f) != ""
		needed := slices.Contains(form.needs, field.key)
		switch {
		case given && !needed && !slices.Contains(form.takes, field.key):
			return &keyError{field.key, fmt.Errorf("%s has no %s; it is written %s", f.Kind, field.key, f.Kind.Form())}
		case !given && needed:
			return fmt.Errorf("%s needs %s; it is written %s", f.Kind, field.key, f.Kind.Form())
		case given:
			if err := field.check(f); err != nil {
				return &keyError{field.key, fmt.Errorf("%s is %s; %w", field.key, field.print(f), err)}
			}
		}
	}
	return nil
}

// validate judges a fault in a scenario.
func (f *Fault) validate(s *Scenario) error {
	if err := f.check(); err != nil {
		return err
	}
	switch alone := faultForms[f.Kind].alone; {
	case f.Hosts.Last > s.Fleet.Hosts:
		return &keyError{"host", fmt.Errorf("host is %v; the fleet has h1 to h%d", f.Hosts, s.Fleet.Hosts)}
	case alone != "" && s.Fleet.Hosts < 2:
		return errors.New(alone)
	case f.At > s.Active, f.At == s.Active && !f.Kind.Instant():
		return &keyError{"at", fmt.Errorf("it never strikes: the scenario is healed at %s; want it to begin before, or an active that ends later", FormatDuration(s.Active))}
	}
	return nil
}
