package sim

import (
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/refrain-fleet/refrain/core/wire"
	"github.com/refrain-fleet/refrain/sim/check"
	"github.com/refrain-fleet/refrain/sim/generate"
	"github.com/refrain-fleet/refrain/sim/repro"
	"github.com/refrain-fleet/refrain/sim/scenario"
)

// An instant fault at the very end of the active part still happens.
func TestAFaultOfAnInstantMayComeWithTheHealing(t *testing.T) {
	s := scenario.Scenario{Fleet: scenario.Fleet{Hosts: 3}, Active: 3 * time.Minute}
	s.Faults = []scenario.Fault{{At: 3 * time.Minute, Kind: scenario.PlaneCrash, For: time.Second}}
	r, err := Run(s, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if r.Effects[scenario.EffectPlaneCrash] != 1 {
		t.Errorf("the plane crashed %d times, want once", r.Effects[scenario.EffectPlaneCrash])
	}
}

func TestEveryGeneratedScenarioRunsToTheSameHashWhenItIsReadBack(t *testing.T) {
	seeds := uint64(5)
	if testing.Short() {
		seeds = 2
	}
	for _, p := range generate.Profiles() {
		for seed := uint64(1); seed <= seeds; seed++ {
			s := generate.Scenario(seed, p)
			read, err := scenario.ParseScenario(s.String())
			if err != nil {
				t.Fatal(err)
			}
			drawn, err := Run(s, Options{})
			if err != nil {
				t.Fatal(err)
			}
			again, err := Run(read, Options{})
			if err != nil {
				t.Fatal(err)
			}
			if drawn.Hash != again.Hash || drawn.Events != again.Events {
				t.Errorf("%s seed %d: %d events, hash %016x; read back: %d, %016x\n%s", p.Name, seed, drawn.Events, drawn.Hash, again.Events, again.Hash,
					repro.Again(repro.RunSeed(seed, p.Name)))
			}
		}
	}
}

const reference = "../docs/scenarios.md"

// Every example is a scenario in its canonical form, and runs as it expects.
func TestTheExamplesOfTheReferenceRun(t *testing.T) {
	text, err := os.ReadFile(reference)
	if err != nil {
		t.Fatal(err)
	}
	examples := regexp.MustCompile("(?s)```scenario\n(.*?)```").FindAllStringSubmatch(string(text), -1)
	if len(examples) < 2 {
		t.Fatalf("%d examples; want more: the search is broken", len(examples))
	}
	for _, example := range examples {
		f, err := scenario.ParseFile("", example[1])
		if err != nil {
			t.Fatal(err)
		}
		if got := f.String(); got != example[1] {
			t.Errorf("want it in its canonical form:\n%s", got)
		}
		r, err := Run(f.Scenario, Options{})
		if err != nil {
			t.Fatal(err)
		}
		if r.Failed() {
			t.Errorf("%v %v:\n%s", r.Violation, r.Unmet, example[1])
		}
		for i, n := range r.Reached {
			if n == 0 {
				t.Errorf("%v never took effect", f.Scenario.Faults[i])
			}
		}
	}
}

// stopped is the world of a drawn scenario after some steps.
func stopped(t *testing.T, profile string, seed, steps uint64) *Simulation {
	t.Helper()
	p, err := generate.FindProfile(profile)
	if err != nil {
		t.Fatal(err)
	}
	w, err := New(generate.Scenario(seed, p), Options{Checkers: []check.Checker{}})
	if err != nil {
		t.Fatal(err)
	}
	w.Run(steps)
	return w
}

// A fleet whose plane is restarted on a state that was recorded anywhere comes
// to rest, and no rule breaks on the way.
func TestAnyRecordedStateIsAStart(t *testing.T) {
	begun := map[wire.State]int{}
	for _, p := range generate.Profiles() {
		for seed := range uint64(10) {
			for _, steps := range []uint64{200, 1500, 6000} {
				w := stopped(t, p.Name, seed, steps)
				if !w.PlaneStarted() || w.Plane() == nil {
					continue
				}
				s, names, err := scenario.StartFrom(w.Plane(), w.Scenario().Start.At.Add(w.Now()))
				if err != nil {
					if strings.Contains(err.Error(), "knows no host") {
						continue
					}
					t.Fatalf("%s %d after %d steps: %v", p.Name, seed, steps, err)
				}
				if len(names) != s.Fleet.Hosts {
					t.Fatalf("%d names of %d hosts", len(names), s.Fleet.Hosts)
				}
				s.Seed, s.Active = seed, 10*time.Minute
				r, err := Run(s, Options{})
				if err != nil {
					t.Fatalf("%s %d after %d steps: %v", p.Name, seed, steps, err)
				}
				if r.Violation != nil {
					t.Errorf("%s %d after %d steps: %v", p.Name, seed, steps, r.Violation)
				}
				if seed == 0 {
					if wired, err := Run(s, Options{Wire: true}); err != nil || wired.Hash != r.Hash {
						t.Errorf("%s after %d steps: typed %016x, wire %016x, %v", p.Name, steps, r.Hash, wired.Hash, err)
					}
				}
				a, err := s.Start.Read(s.PlaneConfig())
				if err != nil {
					t.Fatal(err)
				}
				for i := range a.Rollouts {
					for j := range a.Rollouts[i].Records {
						begun[a.Rollouts[i].Records[j].Record.State]++
					}
				}
			}
		}
	}
	for _, state := range wire.States {
		if begun[state] == 0 {
			t.Errorf("no state had a record in %v: %v", state, begun)
		}
	}
}
