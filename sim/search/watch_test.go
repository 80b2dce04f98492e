package search

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/refrain-fleet/refrain/sim"
	"github.com/refrain-fleet/refrain/sim/check"
	"github.com/refrain-fleet/refrain/sim/generate"
	"github.com/refrain-fleet/refrain/sim/scenario"
	"github.com/refrain-fleet/refrain/sim/world"
)

// endless are options of runs that never end the step with that number, as long
// as the test runs. begun takes a value each time a run gets there.
func endless(t *testing.T, step uint64) (o sim.Options, begun <-chan struct{}) {
	t.Helper()
	var over atomic.Bool
	t.Cleanup(func() { over.Store(true) })
	reached := make(chan struct{}, 100)
	return sim.Options{Checkers: []check.Checker{{Number: "S0", New: func(c *check.Checks) {
		c.World.Subscribe(world.EventStepEnded, func(e *world.Event) {
			if e.Step == step {
				reached <- struct{}{}
			}
			for e.Step == step && !over.Load() { // never yields: it is preempted from outside
			}
		})
	}}}}, reached
}

func TestARunThatDoesNotEndIsGivenUpAtItsLimit(t *testing.T) {
	o, _ := endless(t, 70)
	_, err := Run(t.Context(), eventful(), o, 50*time.Millisecond)
	unended, is := errors.AsType[*UnendedError](err)
	if !is {
		t.Fatalf("the error is %v", err)
	}
	if n := len(unended.Last); n != 20 || unended.Last[n-1].Step != 70 || unended.Last[0].Step != 51 {
		t.Errorf("the last steps are %v, want 51 to 70", unended.Last)
	}
	if !strings.Contains(unended.Stacks, "watch_test.go") {
		t.Errorf("the stacks do not show the loop:\n%s", unended.Stacks)
	}
	if want := "the run did not end within 50ms; it is at step 70, "; !strings.HasPrefix(err.Error(), want) {
		t.Errorf("it is %q, want %q", err, want)
	}
}

func TestARunThatDoesNotEndEndsTheSearch(t *testing.T) {
	o, _ := endless(t, 70)
	sum := Search{Profiles: generate.Profiles(), First: 1, Seeds: 5, Workers: 2, GoOn: true, Options: o, Limit: 50 * time.Millisecond}.Run(t.Context())
	if len(sum.Findings) == 0 || len(sum.Findings) > 2 {
		t.Fatalf("%d findings, want one of each worker at most", len(sum.Findings))
	}
	f := sum.Findings[0]
	if _, is := errors.AsType[*UnendedError](f.Err); !is || f.Seed != 1 || f.Scenario.Fleet.Hosts == 0 || len(sum.UnderWay) > 0 {
		t.Errorf("seed %d of %s: %v, want the first seed, which did not end", f.Seed, f.Profile, f.Err)
	}
}

func TestASearchThatIsInterruptedNamesWhatIsUnderWay(t *testing.T) {
	o, begun := endless(t, 70)
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-begun
		cancel()
	}()
	sum := Search{Profiles: generate.Profiles(), First: 1, Seeds: 5, Workers: 1, Options: o}.Run(ctx)
	if len(sum.UnderWay) != 1 || len(sum.Findings) > 0 || sum.Runs != 0 {
		t.Fatalf("under way %v, findings %v, runs %d; want the first run under way", sum.UnderWay, sum.Findings, sum.Runs)
	}
	if f := sum.UnderWay[0]; f.Seed != 1 || f.Profile != "smoke" || !strings.HasPrefix(f.Err.Error(), "the run was given up at step 70, ") {
		t.Errorf("seed %d of %s: %v", f.Seed, f.Profile, f.Err)
	}
}

func TestASearchForATimeEndsByItself(t *testing.T) {
	sum := Search{Profiles: generate.Profiles(), First: 1, For: time.Nanosecond}.Run(t.Context())
	if len(sum.Findings) > 0 || len(sum.UnderWay) > 0 {
		t.Errorf("%v, %v", sum.Findings, sum.UnderWay)
	}
}

func TestAShrinkEndsAtACandidateThatDoesNotEnd(t *testing.T) {
	s := eventful()
	s.Converge, s.Fleet.Activation = time.Minute, scenario.Range{Min: 5 * time.Minute, Max: 5 * time.Minute}
	o, _ := endless(t, 70)
	if _, err := (Shrink{Limit: 50 * time.Millisecond, Options: o}).Run(t.Context(), s); err == nil || !strings.HasPrefix(err.Error(), "the run did not end within ") {
		t.Errorf("the error is %v, want that of the first run", err)
	}
	runs := 0
	shrunk, err := Shrink{Workers: 1, run: func(s scenario.Scenario, o sim.Options) (check.Verdict, error) {
		if runs++; runs == 3 {
			return check.Verdict{}, &UnendedError{Scenario: s, Limit: time.Second}
		}
		return sim.Run(s, o)
	}}.Run(t.Context(), s)
	if err != nil || shrunk.Unended == nil || shrunk.Executions != 3 || runs != 3 || !shrunk.Exhausted || shrunk.Violation == nil {
		t.Errorf("%v after %d of %d runs, %v; want what the shrink had come to, and the candidate", shrunk.Violation, shrunk.Executions, runs, err)
	}
}
