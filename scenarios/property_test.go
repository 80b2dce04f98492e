package scenarios_test

import (
	"flag"
	"fmt"
	"os"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/refrain-fleet/refrain/internal/failure"
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
	// property whose premise was never reached has said nothing of it, and fails
	// if it was asked for enough scenarios to say so (tellingScenarios).
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
		if complaint := p.complaint(t, s, reached); complaint != "" {
			t.Fatal(complaint)
		}
		t.Logf("it holds; reached: %v", reached)
		return
	}
	judged := 0
	for round := range maxRounds {
		if round > 0 && len(p.missing(reached)) == 0 {
			break
		}
		restore := seedRound(round)
		rapid.Check(t, func(rt *rapid.T) {
			judged++
			if complaint := p.complaint(t, p.draw(rt), reached); complaint != "" {
				rt.Fatal(complaint)
			}
		})
		restore()
	}
	for _, premise := range p.premises {
		t.Logf("reached %6d times: %s", reached[premise], premise)
	}
	p.judgeAbsence(t, reached, judged)
}

// maxRounds is how often the draws are repeated at most until every premise has
// been reached: one round is enough nearly always, and with few draws not
// always.
const maxRounds = 10

// tellingScenarios is from how many scenarios on it is a defect that a premise was
// not reached. What the rarest premise needs is reached by one scenario in thirty
// or more, so that it is absent from this many once in a thousand times. -short
// judges as many before it gives up, and the usual -rapid.checks=100 five times as
// many.
const tellingScenarios = 200

// judgeAbsence says what it means that a premise was not reached. In few scenarios
// it means nothing: the test is skipped, which says that it has judged less than
// its name promises, and how many checks would do.
func (p property) judgeAbsence(t *testing.T, reached map[string]int, judged int) {
	t.Helper()
	absent := p.missing(reached)
	switch {
	case len(absent) == 0:
	case judged < tellingScenarios:
		t.Skipf("it holds for %d scenarios; none of them reached %q, for which %d are too few: want -rapid.checks=%d or more",
			judged, absent, judged, checksFor(tellingScenarios))
	default:
		t.Errorf("none of %d scenarios reached %q: the property has said nothing of it", judged, absent)
	}
}

// checksFor returns the smallest -rapid.checks with which so many scenarios are
// judged before a property gives up; -short does a fifth of the checks.
func checksFor(scenarios int) int {
	checks := scenarios / maxRounds
	if testing.Short() {
		checks *= 5
	}
	return checks
}

// seedRound lets a round after the first draw other scenarios than the first,
// though -rapid.seed is given, and the same ones for the same seed. The function
// that it returns restores the flag.
func seedRound(round int) (restore func()) {
	value := flag.Lookup("rapid.seed").Value
	given := value.String()
	seed, err := strconv.ParseUint(given, 10, 64)
	if err != nil || seed == 0 || round == 0 {
		return func() {} // 0 draws another seed each time
	}
	if err := value.Set(strconv.FormatUint(seed+uint64(round)<<32, 10)); err != nil {
		panic(err)
	}
	return func() { _ = value.Set(given) }
}

// missing returns the premises that were not reached yet.
func (p property) missing(reached map[string]int) (absent []string) {
	for _, premise := range p.premises {
		if reached[premise] == 0 {
			absent = append(absent, premise)
		}
	}
	return absent
}

// complaint judges one scenario; what it returns is empty, or says what is
// wrong and how to see it again.
func (p property) complaint(t testing.TB, s scenario.Scenario, reached map[string]int) (text string) {
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
	return strings.Join(v.complaints, "\n") + "\n" + reproduction(t, s)
}

// reproduction writes the scenario to a file and says how to run it again.
// While rapid shrinks, the file is written again and again; at the end it is
// the smallest scenario.
func reproduction(t testing.TB, s scenario.Scenario) string {
	text := fmt.Sprintf("# %s does not hold for this scenario.\n%s", t.Name(), s)
	path := keepScenario(t, text)
	return fmt.Sprintf("\n%s\njudge it  %s -scenario %s\nagain     %s\n",
		text, repro.RunTest("./scenarios", t.Name()), path, repro.Again("refrain sim run "+path))
}

// keepScenario writes a scenario to a file that is named after its test, and
// returns where. Only the last of a test is kept, which is the smallest.
func keepScenario(t testing.TB, text string) (path string) {
	name := strings.NewReplacer("/", "-", " ", "-").Replace(t.Name()) + scenarios.Suffix
	path, err := failure.Keep(t, name, text)
	if err != nil {
		return "FILE" // the text is in the message, for whoever can write it down
	}
	return path
}
