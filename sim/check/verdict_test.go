package check

import (
	"strings"
	"testing"

	"github.com/refrain-fleet/refrain/sim/scenario"
)

// short ends with a violation of L1: its host soaks for longer than the run
// waits. long does not.
const (
	short = "fleet 1 activation=5m..5m\nrollout stable@r1 at=1s target=c1 waves=30m\nconverge within=10m\n"
	long  = "fleet 1\nactive 1m\n"
)

func TestTheVerdictIsOneWordAndOneHeadline(t *testing.T) {
	for _, c := range []struct {
		name, text    string
		word, capital string
		why           string // a part of it
		failed        bool
	}{
		{"nothing wrong", long, WordPassed, "PASSED", "at rest ", false},
		{"a violation", short, WordViolation, "VIOLATED", "L1 at step ", true},
		{"a violation that is expected", short + "expect violation L1\n", WordPassed, "PASSED", "as expected, L1 at step ", false},
		{"another violation than the expected one", short + "expect violation S1\n", WordViolation, "VIOLATED", "L1 at step ", true},
		{"an expected violation that does not come", long + "expect violation S1\n", WordUnmet, "FAILED", "1 of 1 expectations unmet", true},
		{"an unmet expectation", long + "expect host h1 unreachable\nexpect host h1 reachable\n", WordUnmet, "FAILED", "1 of 2 expectations unmet", true},
		{"an expected violation and an unmet expectation", short + "expect violation L1\nexpect plane down at=1m\n", WordUnmet, "FAILED", "1 of 2 expectations unmet", true},
		{"a violation and an unmet expectation", short + "expect plane down at=1m\n", WordViolation, "VIOLATED", "L1 at step ", true},
	} {
		f, err := scenario.ParseFile("", c.text)
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		_, v := judgedRun(t, f.Scenario, nil)
		word, why := v.Headline()
		if v.Word() != c.word || word != c.capital || !strings.Contains(why, c.why) || v.Failed() != c.failed {
			t.Errorf("%s: %s, %s %s, failed %v; want %s, %s %s, %v", c.name, v.Word(), word, why, v.Failed(), c.word, c.capital, c.why, c.failed)
		}
	}
	var v Verdict // not at its end
	if word, why := v.Headline(); v.Word() != WordStopped || word != "STOPPED" || why != "after step 0, with nothing violated" || v.Failed() {
		t.Errorf("a run that was stopped is %s, %s %s", v.Word(), word, why)
	}
}
