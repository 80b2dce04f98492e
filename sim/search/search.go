package search

import (
	"cmp"
	"context"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/refrain-fleet/refrain/sim"
	"github.com/refrain-fleet/refrain/sim/check"
	"github.com/refrain-fleet/refrain/sim/generate"
	"github.com/refrain-fleet/refrain/sim/scenario"
)

// Search runs many seeds of some profiles, several at a time.
type Search struct {
	// Profiles are taken in turn: seed First is run in the first of them.
	Profiles []generate.Profile
	// First is the first seed. Each seed is run in every profile.
	First uint64
	// Seeds is how many seeds are run, each in every profile; 0 means until
	// the context ends.
	Seeds uint64
	// Workers is how many worlds run at a time. Default one per processor.
	Workers int
	// Options are those of every run.
	Options sim.Options
	// GoOn goes on after a violation.
	GoOn bool
	// Each, if set, is called once a run has ended, by one goroutine at a time.
	Each func(Finding)
}

// Finding is one run of a search.
type Finding struct {
	Seed    uint64
	Profile string
	// Scenario is what was run, if the run broke a rule.
	Scenario scenario.Scenario
	Result   check.Verdict
	Err      error
}

// Failed reports whether the run broke a rule.
func (f *Finding) Failed() bool { return f.Err != nil || f.Result.Violation != nil }

// Summary is what a search found.
type Summary struct {
	Runs      uint64
	Events    uint64
	Simulated time.Duration
	Wall      time.Duration
	Effects   scenario.Effects
	// Findings are the runs that broke a rule, in the order of seed and
	// profile; without GoOn there is at most one.
	Findings []Finding
}

// Run runs the search. Which runs are made does not depend on how many workers
// there are; a search that stops at the first violation reports the one with
// the lowest seed among those that were under way.
func (s Search) Run(ctx context.Context) Summary {
	if s.Workers == 0 {
		s.Workers = runtime.GOMAXPROCS(0)
	}
	started := time.Now()
	var mu sync.Mutex
	var sum Summary
	next, stop := uint64(0), false
	take := func() (seed uint64, p generate.Profile, more bool) {
		mu.Lock()
		defer mu.Unlock()
		n := uint64(len(s.Profiles))
		if stop || ctx.Err() != nil || s.Seeds > 0 && next >= s.Seeds*n {
			return 0, generate.Profile{}, false
		}
		seed, p = s.First+next/n, s.Profiles[next%n]
		next++
		return seed, p, true
	}
	give := func(f Finding) {
		mu.Lock()
		defer mu.Unlock()
		sum.Runs++
		sum.Events += f.Result.Events
		sum.Simulated += f.Result.Simulated
		for i, n := range f.Result.Effects {
			sum.Effects[i] += n
		}
		if f.Failed() {
			sum.Findings = append(sum.Findings, f)
			stop = stop || !s.GoOn
		}
		if s.Each != nil {
			s.Each(f)
		}
	}
	var workers sync.WaitGroup
	for range s.Workers {
		workers.Go(func() {
			for {
				seed, p, more := take()
				if !more {
					return
				}
				drawn := generate.Scenario(seed, p)
				f := Finding{Seed: seed, Profile: p.Name}
				if f.Result, f.Err = sim.Run(drawn, s.Options); f.Failed() {
					f.Scenario = drawn
				}
				give(f)
			}
		})
	}
	workers.Wait()
	sum.Wall = time.Since(started)
	sum.sort()
	if !s.GoOn && len(sum.Findings) > 1 {
		sum.Findings = sum.Findings[:1]
	}
	return sum
}

func (s *Summary) sort() {
	slices.SortFunc(s.Findings, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(a.Seed, b.Seed), cmp.Compare(a.Profile, b.Profile))
	})
}

// Probe is something that a search has to have seen sometimes: without it, a
// rule was never really put to the test.
type Probe struct {
	Name    string
	effects []scenario.Effect
}

// Hit reports whether it was seen.
func (p Probe) Hit(e *scenario.Effects) bool {
	for _, effect := range p.effects {
		if e[effect] == 0 {
			return false
		}
	}
	return true
}

// Probes lists the sometimes-probes of a search over the given profiles: every
// effect, except for those that none of the profiles can bring about.
func Probes(over []generate.Profile) []Probe {
	hostile := slices.ContainsFunc(over, func(p generate.Profile) bool { return p.Hostile })
	var list []Probe
	for e := scenario.EffectNone + 1; e < scenario.EffectCount; e++ {
		if e == scenario.EffectHostile && !hostile {
			continue
		}
		list = append(list, Probe{Name: e.String(), effects: []scenario.Effect{e}})
	}
	return list
}
