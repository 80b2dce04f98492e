package search

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/refrain-fleet/refrain/sim"
	"github.com/refrain-fleet/refrain/sim/scenario"
	"github.com/refrain-fleet/refrain/sim/world"
)

func TestHostsThatAreDroppedTakeWithThemWhatIsOnlyAboutThem(t *testing.T) {
	const before = `fleet 9 legacy=2 hostile=3
rollout a@r1 target=c1 hosts=h2..h4
rollout b@r1 target=c1 hosts=h1
at 1m net drop host=h1..h9 for=1s rate=5
at 1m net drop host=h2..h3 for=1s rate=5
at 1m net drop host=h3..h8 for=1s rate=5
at 1m agent crash host=h9
at 1m revoke h5
at 1m send heartbeat h1 as=h5
at 1m revoke h10 unknown=yes
`
	for _, c := range []struct {
		from, to int
		want     string
	}{
		{1, 3, `fleet 7 legacy=2 hostile=3
rollout a@r1 target=c1 hosts=h2
rollout b@r1 target=c1 hosts=h1
at 1m net drop for=1s rate=5
at 1m net drop host=h2..h6 for=1s rate=5
at 1m agent crash host=h7
at 1m revoke h3
at 1m send heartbeat h1 as=h3
at 1m revoke h8 unknown=yes
`},
		{0, 1, `fleet 8 legacy=2 hostile=3
rollout a@r1 target=c1 hosts=h1..h3
at 1m net drop for=1s rate=5
at 1m net drop host=h1..h2 for=1s rate=5
at 1m net drop host=h2..h7 for=1s rate=5
at 1m agent crash host=h8
at 1m revoke h4
at 1m revoke h9 unknown=yes
`},
		{4, 9, `fleet 4
rollout a@r1 target=c1 hosts=h2..h4
rollout b@r1 target=c1 hosts=h1
at 1m net drop for=1s rate=5
at 1m net drop host=h2..h3 for=1s rate=5
at 1m net drop host=h3..h4 for=1s rate=5
at 1m revoke h5 unknown=yes
`},
		{5, 7, `fleet 7 legacy=1 hostile=2
rollout a@r1 target=c1 hosts=h2..h4
rollout b@r1 target=c1 hosts=h1
at 1m net drop for=1s rate=5
at 1m net drop host=h2..h3 for=1s rate=5
at 1m net drop host=h3..h6 for=1s rate=5
at 1m agent crash host=h7
at 1m revoke h5
at 1m send heartbeat h1 as=h5
at 1m revoke h8 unknown=yes
`},
	} {
		s, err := scenario.ParseScenario(before)
		if err != nil {
			t.Fatal(err)
		}
		dropHosts(&s, c.from, c.to)
		tidy(&s)
		if got := s.Brief(); got != c.want {
			t.Errorf("without h%d to h%d:\n%swant\n%s", c.from+1, c.to, got, c.want)
		}
	}
}

func TestARolloutThatIsDroppedTakesWithItTheActsThatNameIt(t *testing.T) {
	s, err := scenario.ParseScenario(`fleet 2
rollout a@r1 target=c1
rollout a@r2 target=c2
at 1m resume a@r1
at 2m resume a@r2
at 3m clear a c1
at 4m clear a c2
at 5m clear a c9 unknown=yes
at 6m send heartbeat h1 closure=c1
`)
	if err != nil {
		t.Fatal(err)
	}
	dropRollouts(&s, 0, 1)
	if got := s.Brief(); got != "fleet 2\nrollout a@r2 target=c2\nat 2m resume a@r2\nat 4m clear a c2\nat 5m clear a c9 unknown=yes\n" {
		t.Errorf("it is\n%s", got)
	}
	filled := s.Filled()
	if err := filled.Validate(); err != nil {
		t.Errorf("what is left is no scenario: %v", err)
	}
}

// What is kept of a shrink has to be simpler, or it would not end.
func TestLessOfAScenarioWeighsLess(t *testing.T) {
	ascending := []string{
		"fleet 1\n",
		"fleet 2\n",
		"fleet 2 legacy=1\n",
		"fleet 2 activation=10s..10s\n",
		"fleet 2 activation=10s..1m\n",
		"fleet 2 activation=10s..1m13s\n",
		"fleet 3\n",
		"fleet 1\nat 20s plane crash\n",
		"fleet 1\nat 30s plane crash\n",
		"fleet 1\nat 33s plane crash\n",
		"fleet 1\nat 20s plane crash for=10s\n",
		"fleet 2\nat 20s plane crash\n",
		"seed 4\nfleet 1\nat 20s plane crash\n",
	}
	var before weight
	for i, text := range ascending {
		s, err := scenario.ParseScenario(text)
		if err != nil {
			t.Fatal(err)
		}
		w := weigh(&s)
		if i > 0 && before.compare(w) >= 0 {
			t.Errorf("%q weighs no less than %q", ascending[i-1], text)
		}
		before = w
	}
}

func TestDurationsAreRoundedToWhatIsEasierToRead(t *testing.T) {
	for _, c := range []struct {
		of   time.Duration
		want []time.Duration // in this order
	}{
		{97400 * time.Millisecond, []time.Duration{time.Second, 10 * time.Second, time.Minute, 2 * time.Minute, 97 * time.Second}},
		{1234 * time.Microsecond, []time.Duration{time.Millisecond, 2 * time.Millisecond, 10 * time.Millisecond}},
		{-90 * time.Minute, []time.Duration{-time.Hour, -2 * time.Hour}},
	} {
		got := nicer(c.of)
		at := -1
		for _, d := range c.want {
			next := slices.Index(got, d)
			if next < 0 || next < at && noise(got[next]) > noise(got[at]) {
				t.Errorf("%v: %v is not where it should be in %v", c.of, d, got)
			}
			at = next
		}
	}
}

func TestViolationsOfOneKindDifferOnlyInNames(t *testing.T) {
	for _, c := range []struct {
		a, b world.Violation
		same bool
	}{
		{world.Violation{Checker: "S4", Detail: "one"}, world.Violation{Checker: "S4", Detail: "another"}, true},
		{world.Violation{Checker: "S4", Detail: "one"}, world.Violation{Checker: "S3", Detail: "one"}, false},
		{world.Violation{Checker: "L1", Detail: "2h0m0s after healing: h3: stable@r1 is Soaking at the agent, Pending at the plane: unfinished"},
			world.Violation{Checker: "L1", Detail: "3h0m1s after healing: h12: edge/x@r7 is Soaking at the agent, Pending at the plane: unfinished"}, true},
		{world.Violation{Checker: "L1", Detail: "2h0m0s after healing: h3: stable@r1 is Soaking at the agent, Pending at the plane: unfinished"},
			world.Violation{Checker: "L1", Detail: "2h0m0s after healing: h3: stable@r1 is Activating at the agent, Pending at the plane: unfinished"}, false},
		{world.Violation{Checker: "L1", Detail: "2h0m0s after healing: h3 is down"}, world.Violation{Checker: "L1", Detail: "2h0m0s after healing: a rollout is not open yet"}, false},
		{world.Violation{Checker: "PANIC", Detail: "index 7 of 3\n\tplane.f:12\n\tsim.g:9"}, world.Violation{Checker: "PANIC", Detail: "index 9 of 2\n\tplane.f:12\n\tsim.h:4"}, true},
		{world.Violation{Checker: "PANIC", Detail: "index 7 of 3\n\tplane.f:12\n"}, world.Violation{Checker: "PANIC", Detail: "index 7 of 3\n\tplane.g:12\n"}, false},
	} {
		if same := Kind(&c.a) == Kind(&c.b); same != c.same {
			t.Errorf("%q and %q: one kind is %v, want %v", Kind(&c.a), Kind(&c.b), same, c.same)
		}
	}
}

func TestTheTextOfAShrunkScenarioSaysWhatItShows(t *testing.T) {
	shrunk := Shrunk{
		Scenario:   scenario.Scenario{Fleet: scenario.Fleet{Hosts: 2}, Faults: []scenario.Fault{{At: time.Second, Kind: scenario.ReducerWedge, For: time.Minute}}},
		Violation:  &world.Violation{Checker: "S11", Step: 18, At: 8745 * time.Millisecond, Detail: strings.Repeat("m4 is worked off too late and ", 5) + "answered\nmore"},
		Executions: 62,
	}
	text := shrunk.Text("seed 2 of profile swarm")
	if read, err := scenario.ParseScenario(text); err != nil || read.Brief() != shrunk.Scenario.Brief() {
		t.Errorf("it reads back as %q, %v", read.Brief(), err)
	}
	joined := strings.ReplaceAll(text, "\n# ", " ")
	for _, want := range []string{
		"# S11 is broken: a reply is delivered before the request's deadline or not at all;", "(PROTOCOL G1, G2). Here, after 8.745s (step 18): m4 is",
		"answered. Shrunk from seed 2 of profile swarm in 62 executions, by build ", "\nfleet 2\nat 1s reducer wedge for=1m\n",
	} {
		if !strings.Contains(joined, want) {
			t.Errorf("there is no %q in\n%s", want, text)
		}
	}
	for line := range strings.Lines(text) {
		if len(line) > commentWidth+1 {
			t.Errorf("a line of %d: %s", len(line), line)
		}
	}
}

// The order of what happens at one instant matters to a run, so it stays.
func TestTidyingPutsThingsInTheOrderInWhichTheyHappen(t *testing.T) {
	s, err := scenario.ParseScenario(`fleet 4 hostile=1
rollout b@r1 at=2m target=c1 hosts=h1..h3
rollout a@r1 at=1m target=c1 hosts=h2..h3
at 3m agent crash host=h1..h4
at 1m plane crash for=2s
at 1m agent crash host=h2
at 2m revoke h2
at 1m resume b@r1
`)
	if err != nil {
		t.Fatal(err)
	}
	tidied := s.Clone()
	tidy(&tidied)
	const want = `fleet 4 hostile=1
rollout b@r1 at=2m target=c1
rollout a@r1 at=1m target=c1 hosts=h2..h3
at 1m plane crash for=2s
at 1m agent crash host=h2
at 3m agent crash
at 1m resume b@r1
at 2m revoke h2
`
	if got := tidied.Brief(); got != want {
		t.Errorf("it is\n%swant\n%s", got, want)
	}
	before, err := sim.Run(s, sim.Options{})
	if err != nil {
		t.Fatal(err)
	}
	after, err := sim.Run(tidied, sim.Options{})
	if err != nil || before.Hash != after.Hash {
		t.Errorf("the hash is %016x, was %016x, %v", after.Hash, before.Hash, err)
	}
}
