package search

import (
	"context"
	"testing"
	"time"

	"github.com/refrain-fleet/refrain/sim/generate"
	"github.com/refrain-fleet/refrain/sim/random"
	"github.com/refrain-fleet/refrain/sim/repro"
	"github.com/refrain-fleet/refrain/sim/scenario"
)

func TestASearchOverEveryProfileFindsNothing(t *testing.T) {
	// A search looks at many more.
	seedsInTests := 60
	if testing.Short() { // and raced
		seedsInTests = 6
	}
	shown := make(tally)
	sum := Search{
		Profiles: generate.Profiles(), First: 1, Seeds: uint64(seedsInTests), Each: func(f Finding) { shown.add(&f) },
	}.Run(t.Context())
	for _, f := range sum.Findings {
		t.Errorf("%v %v\n%s", f.Result.Violation, f.Err, repro.Again(repro.RunSeed(f.Seed, f.Profile)))
	}
	if want := uint64(seedsInTests * len(generate.Profiles())); sum.Runs != want && len(sum.Findings) == 0 {
		t.Errorf("%d runs, want %d", sum.Runs, want)
	}
	t.Run("TheRatesOfTheProbesStillHold", func(t *testing.T) { compareRates(t, shown, sum.Made) })
	t.Logf("%d runs, %d events, %v simulated", sum.Runs, sum.Events, sum.Simulated.Round(time.Hour))
}

func TestASearchMakesTheSameRunsWithAnyNumberOfWorkers(t *testing.T) {
	hashes := func(workers int) map[string]uint64 {
		m := make(map[string]uint64)
		Search{Profiles: generate.Profiles(), First: 7, Seeds: 6, Workers: workers, GoOn: true, Each: func(f Finding) {
			m[f.Profile+string(rune('0'+f.Seed%10))] = f.Result.Hash
		}}.Run(t.Context())
		return m
	}
	one, four := hashes(1), hashes(4)
	if len(one) != 6*len(generate.Profiles()) {
		t.Fatalf("%d runs, want %d", len(one), 6*len(generate.Profiles()))
	}
	for run, hash := range one {
		if four[run] != hash {
			t.Errorf("%s: hash %016x with one worker, %016x with four", run, hash, four[run])
		}
	}
}

// neverAtRest makes every scenario of a profile one that cannot come to rest.
func neverAtRest() generate.Profile {
	p, _ := generate.FindProfile("smoke")
	p.Name = "never-at-rest"
	p.Kinds = []scenario.FaultKind{scenario.NetDelay}
	p.Shape = func(s *scenario.Scenario, _ *random.Stream) { s.Network.Loss = 999 }
	return p
}

func TestASearchStopsAtAViolationUnlessToldToGoOn(t *testing.T) {
	s := Search{Profiles: []generate.Profile{neverAtRest()}, First: 1, Seeds: 5, Workers: 1}
	if sum := s.Run(t.Context()); sum.Runs != 1 || len(sum.Findings) != 1 || sum.Findings[0].Seed != 1 {
		t.Errorf("%d runs, findings %v; want the first run's alone", sum.Runs, sum.Findings)
	}
	s.GoOn = true
	if sum := s.Run(t.Context()); sum.Runs != 5 || len(sum.Findings) != 5 {
		t.Errorf("%d runs, %d findings; want 5 of 5", sum.Runs, len(sum.Findings))
	}
}

func TestASearchEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	runs := 0
	sum := Search{Profiles: generate.Profiles(), First: 1, Workers: 1, Each: func(Finding) {
		if runs++; runs == 3 {
			cancel()
		}
	}}.Run(ctx)
	if sum.Runs != 3 {
		t.Errorf("%d runs, want the 3 before the context ended", sum.Runs)
	}
}
