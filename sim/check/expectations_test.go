package check

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
	"github.com/refrain-fleet/refrain/sim/scenario"
)

// TestExpectationsSayWhatWasSeenInstead runs scenarios and prints, for each of
// their expectations, whether it is met; if not what was seen, and the
// expectation with other numbers that would be met, if there is one.
func TestExpectationsSayWhatWasSeenInstead(t *testing.T) {
	var base string
	datadriven.RunTest(t, "testdata/expect", func(t *testing.T, d *datadriven.TestData) string {
		switch d.Cmd {
		case "scenario":
			base = d.Input + "\n"
			return ""
		case "expect":
			return judged(t, base+d.Input)
		}
		d.Fatalf(t, "unknown command %s", d.Cmd)
		return ""
	})
}

// Which step it is changes with the simulator.
var stepNumber = regexp.MustCompile(`step \d+`)

func judged(t *testing.T, text string) string {
	t.Helper()
	f, err := scenario.ParseFile("", text)
	if err != nil {
		t.Fatal(err)
	}
	_, r := judgedRun(t, f.Scenario, nil)
	unmet := make(map[int]Unmet)
	for _, u := range r.Unmet {
		unmet[u.Index] = u
	}
	if r.Failed() != (len(unmet) > 0 || r.Violation != nil && !r.Expected) {
		t.Errorf("failed is %v with %d unmet and violation %v", r.Failed(), len(unmet), r.Violation)
	}
	var b strings.Builder
	for i, e := range f.Scenario.Expects {
		u, isUnmet := unmet[i]
		switch {
		case !isUnmet:
			fmt.Fprintf(&b, "met\n")
		default:
			fmt.Fprintf(&b, "unmet: saw %s\n", stepNumber.ReplaceAllString(u.Saw, "step N"))
		}
		if isUnmet && u.Instead != nil {
			fmt.Fprintf(&b, "  %s\n", u.Instead)
			f.Rewrite(i, *u.Instead)
		}
		if u.Expect != (scenario.Expect{}) && u.Expect != e {
			t.Errorf("expectation %d is %s, and unmet is %s", i, e, u.Expect)
		}
	}
	if r.Violation != nil && !r.Expected {
		fmt.Fprintf(&b, "violated: %s\n", r.Violation.Checker)
	}
	// What is proposed is met, and the run is the same with it or without.
	_, again := judgedRun(t, f.Scenario, nil)
	for _, u := range again.Unmet {
		if unmet[u.Index].Instead != nil {
			t.Errorf("%s was proposed, and saw %s", u.Expect, u.Saw)
		}
	}
	plain := f.Scenario
	plain.Expects = nil
	_, without := judgedRun(t, plain, nil)
	if r.Hash != again.Hash || r.Hash != without.Hash || r.Events != without.Events {
		t.Errorf("expectations change the run: hash %016x, without %016x", r.Hash, without.Hash)
	}
	return b.String()
}
