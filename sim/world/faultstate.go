package world

import (
	"slices"
	"time"

	"github.com/refrain-fleet/refrain/sim/scenario"
)

// faultState is the faults in force. There are few at a time, so each kind has
// a short list that is walked.
type faultState struct {
	kinds  uint64 // a bit for each kind that has any
	active [scenario.FaultKindCount][]*activeFault
	// reached counts how often each fault of the scenario took effect.
	reached []uint64
}

// More kinds than kinds has bits do not compile.
const _ uint64 = 1 << (scenario.FaultKindCount - 1)

// activeFault is a fault in force and how often it may still strike.
type activeFault struct {
	scenario.Fault
	left  int // -1: without bound
	order int // in the scenario
}

func (s *faultState) begin(f scenario.Fault, order int) *activeFault {
	a := &activeFault{Fault: f, left: -1, order: order}
	if f.Count > 0 {
		a.left = f.Count
	}
	s.active[f.Kind] = append(s.active[f.Kind], a)
	s.kinds |= 1 << f.Kind
	return a
}

func (s *faultState) end(kind scenario.FaultKind, order int) {
	s.active[kind] = slices.DeleteFunc(s.active[kind], func(a *activeFault) bool { return a.order == order })
	if len(s.active[kind]) == 0 {
		s.kinds &^= 1 << kind
	}
}

// took notes that a fault took effect.
func (s *faultState) took(a *activeFault) *activeFault {
	if a.order < len(s.reached) {
		s.reached[a.order]++
	}
	return a
}

// tookAll notes that the faults of a kind that hit host n took effect together.
func (s *faultState) tookAll(kind scenario.FaultKind, n int, route scenario.Route) {
	for _, a := range s.active[kind] {
		if a.hits(n, route) {
			s.took(a)
		}
	}
}

// hits reports whether a fault is about host n, and about what it does just
// now: a request on a route, or its answer; 0 is nothing of the kind.
func (a *activeFault) hits(n int, route scenario.Route) bool {
	return a.Hosts.Has(n) && (a.Route == scenario.AnyRoute || a.Route == route)
}

// any reports whether a fault of a kind is in force. The others ask it first:
// most of the time there is none.
func (s *faultState) any(kind scenario.FaultKind) bool { return s.kinds&(1<<kind) != 0 }

// inForce returns the first fault of a kind that hits host n, and uses nothing
// up.
func (s *faultState) inForce(kind scenario.FaultKind, n int, route scenario.Route) *activeFault {
	if !s.any(kind) {
		return nil
	}
	for _, a := range s.active[kind] {
		if a.left != 0 && a.hits(n, route) {
			return s.took(a)
		}
	}
	return nil
}

// striking returns the first fault of a kind that strikes host n now, and uses
// it up by one.
func (s *faultState) striking(kind scenario.FaultKind, n int, route scenario.Route) *activeFault {
	a := s.inForce(kind, n, route)
	if a != nil && a.left > 0 {
		a.left--
	}
	return a
}

// strikingAt is striking for a fault that has a place: before the step, or
// after it.
func (s *faultState) strikingAt(kind scenario.FaultKind, n int, route scenario.Route, after bool) *activeFault {
	if !s.any(kind) {
		return nil
	}
	for _, a := range s.active[kind] {
		if a.left != 0 && a.After == after && a.hits(n, route) {
			if a.left > 0 {
				a.left--
			}
			return s.took(a)
		}
	}
	return nil
}

// rate is the sum of the rates of the faults that hit host n.
func (s *faultState) rate(kind scenario.FaultKind, n int, route scenario.Route) int {
	if !s.any(kind) {
		return 0
	}
	sum := 0
	for _, a := range s.active[kind] {
		if a.hits(n, route) {
			sum += a.Rate
		}
	}
	return min(sum, 1000)
}

// each is the sum of the durations of the faults that hit host n.
func (s *faultState) each(kind scenario.FaultKind, n int, route scenario.Route) time.Duration {
	if !s.any(kind) {
		return 0
	}
	var sum time.Duration
	for _, a := range s.active[kind] {
		if a.hits(n, route) {
			s.took(a)
			sum += a.Each
		}
	}
	return sum
}

// unreadable reports whether the disk cannot be read now that a load wants to.
func (s *faultState) unreadable() bool {
	at := slices.IndexFunc(s.active[scenario.DiskFail], func(a *activeFault) bool { return a.Unreadable && a.left != 0 })
	if at >= 0 {
		s.took(s.active[scenario.DiskFail][at])
	}
	return at >= 0
}

// hitsNow reports whether a fault of a kind is in force for host n, and counts nothing.
func (s *faultState) hitsNow(kind scenario.FaultKind, n int) bool {
	return slices.ContainsFunc(s.active[kind], func(a *activeFault) bool { return a.Hosts.Has(n) })
}

// cut reports whether a partition lets nothing through, and counts nothing.
func (s *faultState) cut(n int, route scenario.Route, dir scenario.Dir) bool {
	return slices.ContainsFunc(s.active[scenario.NetPartition], func(a *activeFault) bool {
		return a.hits(n, route) && (a.Dir == scenario.Both || a.Dir == dir)
	})
}

func (s *faultState) partitioned(n int, route scenario.Route, dir scenario.Dir) bool {
	if !s.any(scenario.NetPartition) {
		return false
	}
	for _, a := range s.active[scenario.NetPartition] {
		if a.hits(n, route) && (a.Dir == scenario.Both || a.Dir == dir) {
			s.took(a)
			return true
		}
	}
	return false
}
