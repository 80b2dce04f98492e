package search

import (
	"context"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/refrain-fleet/refrain/sim"
	"github.com/refrain-fleet/refrain/sim/check"
	"github.com/refrain-fleet/refrain/sim/generate"
	"github.com/refrain-fleet/refrain/sim/sabotage"
	"github.com/refrain-fleet/refrain/sim/scenario"
	"github.com/refrain-fleet/refrain/sim/world"
)

// runBroken runs scenarios in worlds that are broken.
func runBroken(by func() *sabotage.Saboteur) func(scenario.Scenario, sim.Options) (check.Verdict, error) {
	return func(s scenario.Scenario, o sim.Options) (check.Verdict, error) {
		w, err := world.New(s, world.Options{Wire: o.Wire, Rest: check.Rest})
		if err != nil {
			return check.Verdict{}, err
		}
		by().Attach(w)
		c := check.Attach(w, o.Checkers)
		w.Run(o.Until)
		return c.Verdict(), nil
	}
}

// sabotageNamed returns one of the worlds that are broken.
func sabotageNamed(t *testing.T, checker, name string) func() *sabotage.Saboteur {
	t.Helper()
	list := sabotage.All()
	at := slices.IndexFunc(list, func(s sabotage.Bug) bool { return s.Checker == checker && s.Name == name })
	if at < 0 {
		t.Fatalf("no sabotage %q", name)
	}
	return list[at].By
}

// firstBroken draws the first scenario of a profile that breaks a rule, from a
// seed on.
func firstBroken(t *testing.T, profile string, first uint64, run func(scenario.Scenario, sim.Options) (check.Verdict, error)) (uint64, scenario.Scenario, *world.Violation) {
	t.Helper()
	p, err := generate.FindProfile(profile)
	if err != nil {
		t.Fatal(err)
	}
	for seed := first; seed < first+1000; seed++ {
		s := generate.Scenario(seed, p)
		result, err := run(s, sim.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if result.Violation != nil {
			return seed, s, result.Violation
		}
	}
	t.Fatal("none of 1000 seeds breaks anything")
	return 0, scenario.Scenario{}, nil
}

func TestAShrunkScenarioStillBreaksTheSameRuleAndNoLineOfItCanGo(t *testing.T) {
	for _, plant := range []struct{ checker, name, profile string }{
		{"S1", "a confirmation is told before it is on the disk", "swarm"},
		{"S4", "a confirmation infers another instant than the heartbeat's", "amnesia"},
		{"S6", "a host that asks again loses its slot", "storm"},
		{"S11", "a dropped reply is delivered", "swarm"},
	} {
		t.Run(plant.name, func(t *testing.T) {
			run := runBroken(sabotageNamed(t, plant.checker, plant.name))
			_, s, violation := firstBroken(t, plant.profile, 1, run)
			shrunk, err := Shrink{run: run}.Run(t.Context(), s)
			if err != nil {
				t.Fatal(err)
			}
			if Kind(shrunk.Violation) != Kind(violation) {
				t.Errorf("%v was %v", shrunk.Violation, violation)
			}
			if shrunk.After > smallEnough || shrunk.Exhausted {
				t.Errorf("%d lines after %d executions, want at most %d\n%s", shrunk.After, shrunk.Executions, smallEnough, shrunk.Scenario.Brief())
			}
			again, err := run(shrunk.Scenario, sim.Options{})
			if err != nil || !reflect.DeepEqual(again.Violation, shrunk.Violation) {
				t.Errorf("run again it ends with %v, %v; want %v", again.Violation, err, shrunk.Violation)
			}
			if !again.Expected || again.Failed() {
				t.Errorf("it does not expect %v", again.Violation)
			}
			lines := strings.SplitAfter(strings.TrimSuffix(shrunk.Scenario.Brief(), "\n"), "\n")
			for i := range lines {
				if strings.HasPrefix(lines[i], "expect ") {
					continue
				}
				without := strings.Join(slices.Delete(slices.Clone(lines), i, i+1), "")
				less, err := scenario.ParseScenario(without)
				if err != nil {
					continue
				}
				result, err := run(less, sim.Options{})
				if err == nil && result.Violation != nil && Kind(result.Violation) == Kind(violation) {
					t.Errorf("it is broken without %q as well", lines[i])
				}
			}
		})
	}
}

func TestWhatAShrinkComesToDoesNotDependOnHowManyWorldsRunAtATime(t *testing.T) {
	run := runBroken(sabotageNamed(t, "S6", "a host that asks again loses its slot"))
	_, s, _ := firstBroken(t, "swarm", 1, run)
	var first Shrunk
	for _, workers := range []int{1, 2, 3, 8} {
		shrunk, err := Shrink{run: run, Workers: workers, Executions: 90}.Run(t.Context(), s)
		if err != nil {
			t.Fatal(err)
		}
		if workers == 1 {
			first = shrunk
			continue
		}
		if !reflect.DeepEqual(shrunk, first) {
			t.Errorf("%d workers, %d executions:\n%s\none worker, %d executions:\n%s", workers,
				shrunk.Executions, shrunk.Scenario.Brief(), first.Executions, first.Scenario.Brief())
		}
	}
}

func TestAShrinkRunsNoMoreWorldsThanItMay(t *testing.T) {
	run := runBroken(sabotageNamed(t, "S4", "a confirmation infers another instant than the heartbeat's"))
	_, s, violation := firstBroken(t, "amnesia", 1, run)
	for _, bound := range []int{1, 7} {
		reports := 0
		shrunk, err := Shrink{run: run, Workers: 4, Executions: bound, Each: func(p ShrinkProgress) {
			if reports++; p.Executions != reports+1 || p.Limit != bound {
				t.Errorf("report %d is %+v", reports, p)
			}
		}}.Run(t.Context(), s)
		if err != nil || shrunk.Executions != bound || !shrunk.Exhausted || reports != bound-1 {
			t.Errorf("%d executions and %d reports, exhausted %v, %v; want %d", shrunk.Executions, reports, shrunk.Exhausted, err, bound)
		}
		if Kind(shrunk.Violation) != Kind(violation) {
			t.Errorf("%v was %v", shrunk.Violation, violation)
		}
	}
}

// A scenario with less in it may break another rule. That is another failure.
func TestAShrinkDoesNotSlipFromOneRuleToAnother(t *testing.T) {
	run := func(s scenario.Scenario, _ sim.Options) (check.Verdict, error) {
		v := &world.Violation{Checker: "S4", Detail: "with a fault"}
		if len(s.Faults) == 0 {
			v = &world.Violation{Checker: "S3", Detail: "without"}
		}
		return check.Verdict{Result: world.Result{Violation: v}}, nil
	}
	shrunk, err := Shrink{run: run}.Run(t.Context(), sabotage.FaultyStory())
	if err != nil {
		t.Fatal(err)
	}
	if shrunk.Violation.Checker != "S4" || len(shrunk.Scenario.Faults) != 1 || shrunk.Scenario.Fleet.Hosts != 1 || len(shrunk.Scenario.Rollouts) != 0 {
		t.Errorf("%v of\n%s", shrunk.Violation, shrunk.Scenario.Brief())
	}
}

func TestAShrinkEndsWithItsContext(t *testing.T) {
	run := runBroken(sabotageNamed(t, "S4", "a confirmation infers another instant than the heartbeat's"))
	_, s, _ := firstBroken(t, "amnesia", 1, run)
	ctx, cancel := context.WithCancel(t.Context())
	shrunk, err := Shrink{run: run, Workers: 1, Each: func(p ShrinkProgress) {
		if p.Executions == 5 {
			cancel()
		}
	}}.Run(ctx, s)
	if err != nil || shrunk.Executions != 5 || !shrunk.Exhausted {
		t.Errorf("%d executions, exhausted %v, %v; want the 5 before the context ended", shrunk.Executions, shrunk.Exhausted, err)
	}
}

func TestAScenarioThatBreaksNothingIsNotShrunk(t *testing.T) {
	if _, err := (Shrink{}).Run(t.Context(), sabotage.QuietStory()); err == nil || err.Error() != "shrink: the scenario breaks no rule" {
		t.Errorf("the error is %v", err)
	}
	if _, err := (Shrink{}).Run(t.Context(), scenario.Scenario{}); err == nil || !strings.Contains(err.Error(), "fleet: hosts is 0") {
		t.Errorf("the error is %v", err)
	}
	if _, err := (Shrink{Executions: -1}).Run(t.Context(), sabotage.QuietStory()); err == nil || err.Error() != "shrink: executions is -1; want at least 1" {
		t.Errorf("the error is %v", err)
	}
	if _, err := (Shrink{Workers: -1}).Run(t.Context(), sabotage.QuietStory()); err == nil || err.Error() != "shrink: workers is -1; want at least 1" {
		t.Errorf("the error is %v", err)
	}
}

// Anything is stuck if one does not wait for it: that a fleet is not at rest
// after a second says nothing.
func TestAShrinkLeavesAFleetItsTimeToComeToRest(t *testing.T) {
	s := sabotage.QuietStory()
	s.Converge, s.Rollouts[0].Waves = 10*time.Minute, []time.Duration{40 * time.Minute}
	shrunk, err := Shrink{}.Run(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	if shrunk.Violation.Checker != "L1" || shrunk.Scenario.Filled().Converge < 10*time.Minute {
		t.Errorf("%v of\n%s", shrunk.Violation, shrunk.Scenario.Brief())
	}
}
