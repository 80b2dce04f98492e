package check

import (
	"testing"

	"github.com/refrain-fleet/refrain/sim/sabotage"
	"github.com/refrain-fleet/refrain/sim/scenario"
	"github.com/refrain-fleet/refrain/sim/world"
)

// checkerNumbered returns one checker.
func checkerNumbered(t *testing.T, number string) []Checker {
	t.Helper()
	for _, c := range Checkers() {
		if c.Number == number {
			return []Checker{c}
		}
	}
	t.Fatalf("no checker %s", number)
	return nil
}

// runWith runs a scenario with some checkers and somebody who breaks it, and
// returns the violation.
func runWith(t *testing.T, s scenario.Scenario, checkers []Checker, breaks *sabotage.Saboteur) *world.Violation {
	t.Helper()
	w, err := world.New(s, world.Options{Rest: Rest})
	if err != nil {
		t.Fatal(err)
	}
	if breaks != nil {
		breaks.Attach(w)
	}
	Attach(w, checkers)
	for w.Next() {
	}
	return w.Violation()
}

// judgedRun runs a scenario under some checkers; nil means all of them.
func judgedRun(t *testing.T, s scenario.Scenario, checkers []Checker) (*world.World, Verdict) {
	t.Helper()
	w, err := world.New(s, world.Options{Rest: Rest})
	if err != nil {
		t.Fatal(err)
	}
	c := Attach(w, checkers)
	w.Run(0)
	return w, c.Verdict()
}
