package search

import (
	"cmp"
	"context"
	"errors"
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
	// Seeds is how many seeds are run, each in every profile; 0 means no end.
	Seeds uint64
	// For is after how long no more runs are begun, in wall time; 0 means never.
	// One run is always made.
	For time.Duration
	// Limit is how long a run may take, in wall time; 0 means no limit. A run
	// that takes longer breaks a rule, and ends the search even with GoOn.
	Limit time.Duration
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
	// Err is an [*UnendedError], or says what is wrong with the scenario.
	Err error
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
	// Made is how many runs were made of each profile, by its name.
	Made map[string]uint64
	// Findings are the runs that broke a rule, in the order of seed and
	// profile; without GoOn there is at most one.
	Findings []Finding
	// UnderWay are the runs that were given up because the context ended. They
	// are no findings, and not counted in Runs.
	UnderWay []Finding
}

// Run runs the search, until it is over or the context ends. Which runs are made
// does not depend on how many workers there are; a search that stops at the first
// violation reports the one with the lowest seed among those that were under way.
func (s Search) Run(ctx context.Context) Summary {
	if s.Workers == 0 {
		s.Workers = runtime.GOMAXPROCS(0)
	}
	started := time.Now()
	var mu sync.Mutex
	sum := Summary{Made: make(map[string]uint64)}
	next, stop := uint64(0), false
	take := func() (seed uint64, p generate.Profile, more bool) {
		mu.Lock()
		defer mu.Unlock()
		n := uint64(len(s.Profiles))
		if stop || ctx.Err() != nil || s.Seeds > 0 && next >= s.Seeds*n || s.For > 0 && next > 0 && time.Since(started) >= s.For {
			return 0, generate.Profile{}, false
		}
		seed, p = s.First+next/n, s.Profiles[next%n]
		next++
		return seed, p, true
	}
	give := func(f Finding) {
		mu.Lock()
		defer mu.Unlock()
		unended, isUnended := errors.AsType[*UnendedError](f.Err)
		if isUnended && unended.Limit == 0 {
			sum.UnderWay = append(sum.UnderWay, f)
			return
		}
		sum.add(&f)
		stop = stop || f.Failed() && !s.GoOn || isUnended
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
				if f.Result, f.Err = Run(ctx, drawn, s.Options, s.Limit); f.Failed() {
					f.Scenario = drawn
				}
				give(f)
			}
		})
	}
	workers.Wait()
	sum.Wall = time.Since(started)
	sortBySeed(sum.Findings)
	sortBySeed(sum.UnderWay)
	if !s.GoOn && len(sum.Findings) > 1 {
		sum.Findings = sum.Findings[:1]
	}
	return sum
}

// add takes in a run that has ended, or that exceeded its limit.
func (s *Summary) add(f *Finding) {
	s.Runs++
	s.Made[f.Profile]++
	s.Events += f.Result.Events
	s.Simulated += f.Result.Simulated
	for i, n := range f.Result.Effects {
		s.Effects[i] += n
	}
	if f.Failed() {
		s.Findings = append(s.Findings, *f)
	}
}

func sortBySeed(list []Finding) {
	slices.SortFunc(list, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(a.Seed, b.Seed), cmp.Compare(a.Profile, b.Profile))
	})
}
