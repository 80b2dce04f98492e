package search

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/refrain-fleet/refrain/sim/scenario"
)

// weight says how much there is to a scenario, the gravest first: lines,
// hosts, words, draws, characters other than zeros, the sum of all times, the
// seed. A shrink makes it smaller with every step.
type weight [7]uint64

func (w weight) compare(other weight) int { return slices.Compare(w[:], other[:]) }

func weigh(s *scenario.Scenario) weight {
	text := s.Brief()
	draws := 0
	for _, r := range []scenario.Range{s.Fleet.Activation, s.Plane.Commit, s.Network.Delay} {
		if r.Min != r.Max {
			draws++
		}
	}
	for _, chance := range []int{s.Network.Loss, s.Network.Dup} {
		if chance > 0 {
			draws++
		}
	}
	return weight{
		uint64(strings.Count(text, "\n")),
		uint64(s.Fleet.Hosts),
		uint64(len(strings.Fields(text))),
		uint64(draws),
		uint64(len(text) - strings.Count(text, "0")),
		uint64(max(times(s), 0)),
		s.Seed,
	}
}

// times is the sum of all times of a scenario.
func times(s *scenario.Scenario) (sum time.Duration) {
	for d := range durations(s) {
		if *d < 0 {
			sum -= *d
		} else {
			sum += *d
		}
	}
	return sum
}

// durations yields every duration of a scenario, instants included, those that
// are not set as well.
func durations(s *scenario.Scenario) func(yield func(*time.Duration) bool) {
	list := []*time.Duration{
		&s.Fleet.Interval, &s.Fleet.ProbeInterval, &s.Fleet.Sustained, &s.Fleet.Activation.Min, &s.Fleet.Activation.Max,
		&s.Plane.ReplyTimeout, &s.Plane.Service, &s.Plane.Commit.Min, &s.Plane.Commit.Max, &s.Plane.Start, &s.Plane.Pause,
		&s.Network.Delay.Min, &s.Network.Delay.Max, &s.Active, &s.Converge,
	}
	for i := range s.Rollouts {
		list = append(list, &s.Rollouts[i].At)
		for j := range s.Rollouts[i].Waves {
			list = append(list, &s.Rollouts[i].Waves[j])
		}
	}
	for i := range s.Faults {
		list = append(list, &s.Faults[i].At, &s.Faults[i].For, &s.Faults[i].Each)
	}
	for i := range s.Acts {
		list = append(list, &s.Acts[i].At, &s.Acts[i].For)
	}
	return slices.Values(list)
}

// instants lists everything that happens at an instant.
func instants(s *scenario.Scenario) []*time.Duration {
	var list []*time.Duration
	for i := range s.Rollouts {
		list = append(list, &s.Rollouts[i].At)
	}
	for i := range s.Faults {
		list = append(list, &s.Faults[i].At)
	}
	for i := range s.Acts {
		list = append(list, &s.Acts[i].At)
	}
	return list
}

// nicer lists durations that are easier to read than d or shorter, the best
// first: few units, few digits.
func nicer(d time.Duration) []time.Duration {
	if d < 0 {
		list := nicer(-d)
		for i := range list {
			list[i] = -list[i]
		}
		return list
	}
	var list []time.Duration
	add := func(n time.Duration) {
		if n > 0 && n != d && !slices.Contains(list, n) {
			list = append(list, n)
		}
	}
	units := []time.Duration{
		time.Hour, 10 * time.Minute, time.Minute, 10 * time.Second, time.Second,
		100 * time.Millisecond, 10 * time.Millisecond, time.Millisecond, 100 * time.Microsecond,
	}
	for _, unit := range units {
		add(d.Truncate(unit))
		add((d + unit - 1).Truncate(unit))
	}
	for _, unit := range units {
		if unit < d {
			add(unit)
		}
	}
	add(d / 2)
	slices.SortStableFunc(list, func(a, b time.Duration) int {
		return cmp.Or(cmp.Compare(noise(a), noise(b)), cmp.Compare(a, b))
	})
	return list
}

// noise is how many characters of a duration a reader has to take in.
func noise(d time.Duration) int {
	text := scenario.FormatDuration(d)
	return len(text) - strings.Count(text, "0")
}
