package search

import (
	"strings"
	"testing"
	"time"

	"github.com/refrain-fleet/refrain/sim"
	"github.com/refrain-fleet/refrain/sim/check"
	"github.com/refrain-fleet/refrain/sim/generate"
	"github.com/refrain-fleet/refrain/sim/random"
	"github.com/refrain-fleet/refrain/sim/repro"
	"github.com/refrain-fleet/refrain/sim/scenario"
	"github.com/refrain-fleet/refrain/sim/world"
)

// disorder is a hook that spoils a world: at a step it lets the agents of all
// hosts crash, in the order in which a map happens to give them, each down for
// as long as one stream draws.
type disorder struct {
	step uint64
	s    random.Stream
}

func (d *disorder) stepped(e *world.Event) {
	w := e.World
	if w.Step() != d.step {
		return
	}
	hosts := make(map[int]bool)
	for n := 1; n <= w.Scenario().Fleet.Hosts; n++ {
		hosts[n] = true
	}
	for n := range hosts { // this is the point
		if w.Agent(n) != nil {
			w.Tamper().Host(n).Crash(d.s.Between(time.Second, time.Minute))
		}
	}
}

// eventful is a scenario with something of everything.
func eventful() scenario.Scenario {
	return scenario.Scenario{
		Seed: 1, Fleet: scenario.Fleet{Hosts: 3},
		Rollouts: []scenario.Rollout{{At: time.Second, ID: "stable@r1", Target: "c1"}},
		Faults:   []scenario.Fault{{At: time.Minute, Kind: scenario.ReplyDrop, Hosts: scenario.Hosts{First: 1, Last: 1}, Count: 1, For: time.Minute}},
		Acts: []scenario.Act{
			{At: time.Minute, Kind: scenario.ActResume, Rollout: "stable@r1"},
			{At: time.Minute, Kind: scenario.ActRevoke, Hosts: scenario.Hosts{First: 2, Last: 2}, For: time.Minute},
		},
	}
}

func twoWorlds(t *testing.T, s scenario.Scenario, a, b sim.Options) (*world.World, *world.World) {
	t.Helper()
	first, err := sim.New(s, a)
	if err != nil {
		t.Fatal(err)
	}
	second, err := sim.New(s, b)
	if err != nil {
		t.Fatal(err)
	}
	return first.World, second.World
}

func TestAnUnorderedMapIsCaughtAtTheStepWhereItShows(t *testing.T) {
	const spoiled = 400
	s := generate.Scenario(3, mustProfile(t, "storm"))
	a, b := twoWorlds(t, s, sim.Options{}, sim.Options{})
	for _, w := range []*world.World{a, b} {
		w.Subscribe(world.EventStepEnded, (&disorder{step: spoiled, s: random.New(1, "disorder", 0)}).stepped)
	}
	d := Diverge(a, b)
	if d == nil {
		t.Fatal("two orders of some thirty hosts made no difference")
	}
	// The next event is the same in both, unless it is one that was planned in
	// disorder.
	if d.Step <= spoiled || d.Step > spoiled+200 {
		t.Errorf("the difference shows at step %d, want soon after %d", d.Step, spoiled)
	}
	if d.A.Hash == d.B.Hash {
		t.Errorf("both hashes are %016x", d.A.Hash)
	}
	if len(d.A.Trace)+len(d.B.Trace) == 0 {
		t.Error("neither moment has a trace")
	}
	for _, want := range []string{"the runs differ at step ", "\na  ", "\nb  ", " of h", "hash "} {
		if !strings.Contains(d.String(), want) {
			t.Errorf("the divergence does not say %q:\n%s", want, d)
		}
	}
}

func mustProfile(t *testing.T, name string) generate.Profile {
	t.Helper()
	p, err := generate.FindProfile(name)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestTheTwoFidelitiesTakeTheSameSteps(t *testing.T) {
	for _, p := range generate.Profiles() {
		for seed := uint64(1); seed <= 3; seed++ {
			a, b := twoWorlds(t, generate.Scenario(seed, p), sim.Options{}, sim.Options{Wire: true})
			if d := Diverge(a, b); d != nil {
				t.Errorf("%s seed %d: %v\n%s", p.Name, seed, d, repro.Again(repro.RunSeed(seed, p.Name)))
			}
		}
	}
}

// A difference of the states alone shows when the runs are over.
func TestADifferenceOfTheFinalStatesIsNamed(t *testing.T) {
	for _, c := range []struct {
		spoil func(*world.World)
		want  string
	}{
		{func(w *world.World) { w.Tamper().Host(2).Run("c9") }, "the final state of h2"},
		{func(w *world.World) { w.Tamper().Refuse("nobody") }, "the final state of the plane"},
	} {
		a, b := twoWorlds(t, eventful(), sim.Options{Checkers: []check.Checker{}}, sim.Options{Checkers: []check.Checker{}})
		b.Subscribe(world.EventStepEnded, func(*world.Event) {
			if b.Settled() {
				c.spoil(b)
			}
		})
		d := Diverge(a, b)
		if d == nil || d.A.What != c.want || d.B.What != c.want || d.A.Hash == d.B.Hash {
			t.Errorf("%v, want %s", d, c.want)
		}
	}
}

// A violation in one of two runs is a difference.
func TestAViolationOfOneOfTwoRunsIsADifference(t *testing.T) {
	a, b := twoWorlds(t, eventful(), sim.Options{}, sim.Options{})
	b.Subscribe(world.EventStepEnded, func(e *world.Event) {
		if e.Step == 70 {
			b.Violate("S0", "made up")
		}
	})
	d := Diverge(a, b)
	if d == nil || d.Step != 70 || !strings.Contains(d.B.What, "S0 at step 70") || strings.Contains(d.A.What, "ends") {
		t.Errorf("%v, want the violation of b at step 70", d)
	}
}

func TestRunsOfTwoSeedsDifferAtTheFirstStep(t *testing.T) {
	s := eventful()
	a, err := sim.New(s, sim.Options{})
	if err != nil {
		t.Fatal(err)
	}
	s.Seed++
	b, err := sim.New(s, sim.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if d := Diverge(a.World, b.World); d == nil || d.Step != 1 {
		t.Errorf("%v, want a difference at step 1", d)
	}
}
