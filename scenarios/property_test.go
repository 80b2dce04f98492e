package scenarios_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/refrain-fleet/refrain/scenarios"
	"github.com/refrain-fleet/refrain/sim/repro"
	"github.com/refrain-fleet/refrain/sim/scenario"
)

// oneScenario is for looking at one scenario again, shrunk or changed by hand:
// the property that -run names judges it, and nothing is drawn.
var oneScenario = flag.String("scenario", "", "a scenario file for the property that -run names to judge; nothing is drawn")

// ownEyes is for those who want to know what a property sees by itself.
var ownEyes = flag.Bool("own-eyes", false, "judge without the simulator's checkers")

// property is a statement about every scenario of a family.
type property struct {
	// draw draws a scenario in which the premise is likely to be reached.
	draw func(*rapid.T) scenario.Scenario
	// judge runs the scenario and looks. It depends on nothing but the
	// scenario, so that a file says all.
	judge func(*verdict, scenario.Scenario)
	// premises are what the scenarios have to reach, all of them together. A
	// property whose premise was never reached has said nothing, and fails.
	premises []string
}

// verdict is what a property has to say of one scenario.
type verdict struct {
	complaints []string
	reached    map[string]int
}

// maxComplaints is how many complaints are worth reading: the others follow
// from the first.
const maxComplaints = 5

func (v *verdict) errorf(format string, args ...any) {
	if len(v.complaints) < maxComplaints {
		v.complaints = append(v.complaints, fmt.Sprintf(format, args...))
	}
}

// unordered is complaints that were found in the order of a map. They are sorted
// before they count, since a failure has to read the same each time: else rapid
// takes it for another one.
type unordered []string

func (u *unordered) errorf(format string, args ...any) {
	*u = append(*u, fmt.Sprintf(format, args...))
}

func (u unordered) tell(v *verdict) {
	slices.Sort(u)
	for _, complaint := range u {
		v.errorf("%s", complaint)
	}
}

// reach counts that a premise was reached.
func (v *verdict) reach(premise string) { v.reached[premise]++ }

// check draws scenarios and judges each.
func (p property) check(t *testing.T) {
	t.Helper()
	reached := make(map[string]int)
	if *oneScenario != "" {
		text, err := os.ReadFile(*oneScenario)
		if err != nil {
			t.Fatal(err)
		}
		s, err := scenario.ParseScenario(string(text))
		if err != nil {
			t.Fatalf("%s: %v", *oneScenario, err)
		}
		if complaint := p.complaint(t.Name(), s, reached); complaint != "" {
			t.Fatal(complaint)
		}
		t.Logf("it holds; reached: %v", reached)
		return
	}
	for round := 0; round == 0 || round < maxRounds && p.missing(reached); round++ {
		rapid.Check(t, func(rt *rapid.T) {
			if complaint := p.complaint(t.Name(), p.draw(rt), reached); complaint != "" {
				rt.Fatal(complaint)
			}
		})
	}
	for _, premise := range p.premises {
		t.Logf("reached %6d times: %s", reached[premise], premise)
		if reached[premise] == 0 {
			t.Errorf("in no scenario was it reached that %s: the property has said nothing of it", premise)
		}
	}
}

// maxRounds is how often the draws are repeated at most until every premise has
// been reached: one round is enough nearly always, and with few draws not
// always.
const maxRounds = 10

// missing reports whether a premise was not reached yet.
func (p property) missing(reached map[string]int) bool {
	return slices.ContainsFunc(p.premises, func(premise string) bool { return reached[premise] == 0 })
}

// complaint judges one scenario; what it returns is empty, or says what is
// wrong and how to see it again.
func (p property) complaint(test string, s scenario.Scenario, reached map[string]int) (text string) {
	v := &verdict{reached: reached}
	func() {
		defer func() {
			if reason := recover(); reason != nil {
				v.complaints = append(v.complaints, fmt.Sprintf("panic: %v\n%s", reason, debug.Stack()))
			}
		}()
		p.judge(v, s)
	}()
	if len(v.complaints) == 0 {
		return ""
	}
	return strings.Join(v.complaints, "\n") + "\n" + reproduction(test, s)
}

// reproduction writes the scenario to a file and says how to run it again.
// While rapid shrinks, the file is written again and again; at the end it is
// the smallest scenario.
func reproduction(test string, s scenario.Scenario) string {
	text := fmt.Sprintf("# %s does not hold for this scenario.\n%s", test, s)
	path := writeScenario(test, text)
	return fmt.Sprintf("\n%s\njudge it  %s -scenario %s\nagain     %s\n",
		text, repro.RunTest("./scenarios", test), path, repro.Again("refrain sim run "+path))
}

// writeScenario writes a scenario to a file that is named after its test, and
// returns where. Only the last of a test is kept, which is the smallest.
func writeScenario(test, text string) (path string) {
	name := strings.NewReplacer("/", "-", " ", "-").Replace(test) + scenarios.Suffix
	path = filepath.Join(os.TempDir(), "refrain-failures", name)
	err := os.MkdirAll(filepath.Dir(path), 0o777)
	if err == nil {
		err = os.WriteFile(path, []byte(text), 0o666)
	}
	if err != nil {
		return "FILE" // the text is in the message, for whoever can write it down
	}
	return path
}
