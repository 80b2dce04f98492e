package sim

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/refrain-fleet/refrain/core/wire"
	"github.com/refrain-fleet/refrain/internal/sample"
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

// Every scenario in a document is in its canonical form, and runs as it expects.
func TestTheScenariosOfTheDocumentsRun(t *testing.T) {
	files, err := filepath.Glob("../docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, file := range append(files, "../README.md") {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, block := range sample.Blocks(string(text)) {
			if block.Language == "scenario" {
				found++
				runDocumented(t, fmt.Sprintf("%s:%d", strings.TrimPrefix(file, "../"), block.Line), block.Text)
			}
		}
	}
	if found < 5 {
		t.Errorf("%d scenarios; want more: the search is broken", found)
	}
}

// runDocumented runs a scenario that a document shows.
func runDocumented(t *testing.T, place, text string) {
	t.Helper()
	f, err := scenario.ParseFile("", text)
	if err != nil {
		t.Errorf("%s: %v", place, err)
		return
	}
	if got := f.String(); got != text {
		t.Errorf("%s: want it in its canonical form:\n%s", place, got)
	}
	r, err := Run(f.Scenario, Options{})
	if err != nil {
		t.Errorf("%s: %v", place, err)
		return
	}
	if r.Failed() {
		t.Errorf("%s: %v %v:\n%s", place, r.Violation, r.Unmet, text)
	}
	for i, n := range r.Reached {
		if n == 0 {
			t.Errorf("%s: %v never took effect", place, f.Scenario.Faults[i].String())
		}
	}
}

// What docs/simulation.md shows in Go is the body of an example that runs.
func TestDocumentation_GoIsThatOfTheExample(t *testing.T) {
	text, err := os.ReadFile("example_test.go")
	if err != nil {
		t.Fatal(err)
	}
	_, body, found := strings.Cut(string(text), "func ExampleRun() {\n")
	body, _, ended := strings.Cut(body, "\tif err != nil {\n")
	if !found || !ended {
		t.Fatal("there is no ExampleRun")
	}
	body = strings.ReplaceAll("\n"+body, "\n\t", "\n")
	sample.Check(t, "../docs/simulation.md", "the example", map[string]string{"run": sample.Block("go", strings.TrimPrefix(body, "\n"))})
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
		for seed := range uint64(16) {
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
