package search

import (
	"cmp"
	"slices"
	"time"

	"github.com/refrain-fleet/refrain/sim/scenario"
)

// What can be left out of a scenario altogether: faults, acts, rollouts, hosts.

// tidy writes hosts in the shortest way and puts things in the order in which
// they happen, which changes nothing else: what is planned for one instant
// stays in its order.
func tidy(s *scenario.Scenario) {
	slices.SortStableFunc(s.Faults, func(a, b scenario.Fault) int { return cmp.Compare(a.At, b.At) })
	slices.SortStableFunc(s.Acts, func(a, b scenario.Act) int { return cmp.Compare(a.At, b.At) })
	all := scenario.Hosts{First: 1, Last: s.Fleet.Hosts}
	for i := range s.Faults {
		if s.Faults[i].Hosts == all {
			s.Faults[i].Hosts = scenario.Hosts{}
		}
	}
	honest := s.Fleet.Hosts - s.Fleet.Hostile
	for i := range s.Rollouts {
		if t := &s.Rollouts[i].Targets; t.First == 1 && t.Last >= honest {
			*t = scenario.Hosts{}
		}
	}
}

// dropAll tries to drop things, many at a time before few.
func (r *shrinking) dropAll() (kept bool) {
	kept = r.pass(r.editAfterwards)
	for _, of := range []struct {
		count func(*scenario.Scenario) int
		drop  func(s *scenario.Scenario, from, to int)
	}{
		{func(s *scenario.Scenario) int { return len(s.Faults) }, dropFaults},
		{func(s *scenario.Scenario) int { return len(s.Acts) }, dropActs},
		{func(s *scenario.Scenario) int { return len(s.Rollouts) }, dropRollouts},
		{func(s *scenario.Scenario) int { return s.Fleet.Hosts }, dropHosts},
	} {
		for size := of.count(&r.best); size > 0; size /= 2 {
			kept = r.pass(dropping(of.count, of.drop, size)) || kept
		}
	}
	return kept
}

// editAfterwards drops whatever begins after the violation.
func (r *shrinking) editAfterwards(*scenario.Scenario) []edit {
	at := r.violation.At
	return []edit{func(s *scenario.Scenario) bool {
		s.Faults = slices.DeleteFunc(s.Faults, func(f scenario.Fault) bool { return f.At > at })
		s.Acts = slices.DeleteFunc(s.Acts, func(a scenario.Act) bool { return a.At > at })
		s.Rollouts = slices.DeleteFunc(s.Rollouts, func(o scenario.Rollout) bool { return o.At > at })
		s.DropStrayActs()
		return true
	}}
}

// dropping makes edits that each drop a run of some size.
func dropping(count func(*scenario.Scenario) int, drop func(s *scenario.Scenario, from, to int), size int) func(*scenario.Scenario) []edit {
	return func(s *scenario.Scenario) []edit {
		var list []edit
		for from := 0; from < count(s); from += size {
			list = append(list, func(s *scenario.Scenario) bool {
				drop(s, from, min(from+size, count(s)))
				return true
			})
		}
		return list
	}
}

// editDropOne drops anything, one at a time.
func editDropOne(s *scenario.Scenario) []edit {
	return slices.Concat(
		dropping(func(s *scenario.Scenario) int { return len(s.Faults) }, dropFaults, 1)(s),
		dropping(func(s *scenario.Scenario) int { return len(s.Acts) }, dropActs, 1)(s),
		dropping(func(s *scenario.Scenario) int { return len(s.Rollouts) }, dropRollouts, 1)(s),
		dropping(func(s *scenario.Scenario) int { return s.Fleet.Hosts }, dropHosts, 1)(s),
	)
}

func dropFaults(s *scenario.Scenario, from, to int) { s.Faults = slices.Delete(s.Faults, from, to) }

func dropActs(s *scenario.Scenario, from, to int) { s.Acts = slices.Delete(s.Acts, from, to) }

// dropRollouts drops rollouts, and the acts that name what only they had.
func dropRollouts(s *scenario.Scenario, from, to int) {
	s.Rollouts = slices.Delete(s.Rollouts, from, to)
	s.DropStrayActs()
}

// dropHosts drops the hosts with indexes from to to-1; those after them move
// up, and what was only about the dropped ones is dropped.
func dropHosts(s *scenario.Scenario, from, to int) {
	first, last, gone := from+1, to, to-from
	move := func(h scenario.Hosts) (scenario.Hosts, bool) {
		if h == (scenario.Hosts{}) {
			return h, true
		}
		if h.First > last {
			h.First -= gone
		} else if h.First >= first {
			h.First = first
		}
		if h.Last > last {
			h.Last -= gone
		} else if h.Last >= first {
			h.Last = first - 1
		}
		return h, h.First <= h.Last
	}
	within := func(low, high int) int { // how many of the dropped are in low to high
		return max(0, min(high, last)-max(low, first)+1)
	}
	f := &s.Fleet
	honest := f.Hosts - f.Hostile
	hostile, legacy := within(honest+1, f.Hosts), within(honest-f.Legacy+1, honest)
	field := within(honest-f.Legacy-f.Field+1, honest-f.Legacy)
	f.Hosts, f.Hostile, f.Legacy, f.Field = f.Hosts-gone, f.Hostile-hostile, f.Legacy-legacy, f.Field-field
	var there bool
	s.Faults = slices.DeleteFunc(s.Faults, func(g scenario.Fault) bool { _, there = move(g.Hosts); return !there })
	for i := range s.Faults {
		s.Faults[i].Hosts, _ = move(s.Faults[i].Hosts)
	}
	s.Acts = slices.DeleteFunc(s.Acts, func(a scenario.Act) bool {
		_, there = move(a.Hosts)
		_, named := move(a.As)
		return !there || !named
	})
	for i := range s.Acts {
		s.Acts[i].Hosts, _ = move(s.Acts[i].Hosts)
		s.Acts[i].As, _ = move(s.Acts[i].As)
	}
	s.Rollouts = slices.DeleteFunc(s.Rollouts, func(o scenario.Rollout) bool { _, there = move(o.Targets); return !there })
	for i := range s.Rollouts {
		s.Rollouts[i].Targets, _ = move(s.Rollouts[i].Targets)
	}
	s.DropStrayActs()
}

// editInstants lets everything from an instant on happen earlier: at the same
// second of an earlier minute first, since hosts beat once a minute.
func editInstants(s *scenario.Scenario) []edit {
	var at []time.Duration
	for _, t := range instants(s) {
		at = append(at, *t)
	}
	slices.Sort(at)
	at = slices.Compact(at)
	var list []edit
	before := time.Duration(0)
	for _, from := range at {
		gap := from - before
		before = from
		for _, left := range []time.Duration{0, gap % time.Minute, (gap / 2).Truncate(time.Minute) + gap%time.Minute, gap / 2, gap - time.Minute, gap.Truncate(time.Second)} {
			if by := gap - left; left >= 0 && by > 0 {
				list = append(list, func(s *scenario.Scenario) bool {
					for _, t := range instants(s) {
						if *t >= from {
							*t -= by
						}
					}
					if s.Active > from {
						s.Active -= by
					}
					return true
				})
			}
		}
	}
	return list
}
