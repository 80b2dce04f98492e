package gameday

import (
	"fmt"
	"iter"
	"slices"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/refrain-fleet/refrain/core/plane"
	"github.com/refrain-fleet/refrain/httpserver/store"
	"github.com/refrain-fleet/refrain/sim/scenario"
)

// play plays a scenario as fast as one with an interval of a minute can be.
func play(t *testing.T, text string, edits ...func(*Game)) *Result {
	t.Helper()
	return playAt(t, 60, text, edits...)
}

// playAt plays a scenario at a speed. At a lower one there is more real time for
// what has to be seen: an agent waits 10 s of its own for an answer.
func playAt(t *testing.T, speed int, text string, edits ...func(*Game)) *Result {
	t.Helper()
	before := goleak.IgnoreCurrent()
	file, err := scenario.ParseFile("", text)
	if err != nil {
		t.Fatal(err)
	}
	var story strings.Builder
	g, err := New(Config{Scenario: file.Scenario, Speed: speed, Progress: &story})
	if err != nil {
		t.Fatal(err)
	}
	for _, edit := range edits {
		edit(g)
	}
	r, err := g.Play(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		goleak.VerifyNone(t, before)
		if t.Failed() {
			t.Log(story.String())
		}
	})
	return r
}

func TestFaultsAreInjectedIntoARealPlaneAndTheFleetSettles(t *testing.T) {
	r := playAt(t, 15, `fleet 3
plane reply-timeout=5s
rollout stable@r1 at=5s target=c1 waves=0s,0s
at 10s   reply drop host=h1 count=1
at 40s   reducer wedge for=1m
at 2m10s plane crash for=20s
active 3m
converge within=1h
expect answer dropped_reply host=h1
expect answer timeout
expect answer 500 count=0
expect record h1..h3 stable@r1 Converged
expect rollout stable@r1 Terminal
expect host h1..h3 reachable
expect closure h1..h3 c1
expect notice observer_suspect
`)
	if !r.Passed() {
		t.Errorf("settled %t (%s), violations %v", r.Settled, r.Unsettled, r.Violations)
	}
	for i, m := range r.Expects {
		if want := []string{VerdictMet, VerdictNotJudged}[i/7]; m.Verdict != want {
			t.Errorf("%s: %s, saw %s; want %s", m.Expect, m.Verdict, m.Saw, want)
		}
	}
	for i, word := range []string{"dropped_reply", "timeout", "nothing"} {
		if r.Injections[i].Seen[word] == 0 {
			t.Errorf("%s: saw %v; want %s", r.Injections[i].Fault, r.Injections[i].Seen, word)
		}
	}
}

// Every kind of fault is played, or left out for a reason.
func TestNoKindOfFaultIsSkippedSilently(t *testing.T) {
	var text strings.Builder
	text.WriteString("fleet 2\nrollout stable@r1 at=1s target=c1 waves=0s\n")
	left := 0
	for i, k := range scenario.FaultKinds() {
		words := strings.Fields(k.Form())
		line := fmt.Sprintf("at %ds %s %s", 5+3*i, words[0], words[1])
		for _, w := range words[2:] {
			if !strings.HasPrefix(w, "[") { // what it has to have
				line += " " + w
			}
		}
		if strings.Contains(k.Form(), "[for=") {
			line += " for=2s"
		}
		text.WriteString(line + "\n")
		_, played := injectors[k]
		if !played {
			left++
		}
		if played && reasons[k] != "" {
			t.Errorf("%v is played, and there is a reason why it cannot be: %q", k, reasons[k])
		}
	}
	text.WriteString("active 2m\nconverge within=1h\n")
	r := play(t, text.String())
	if !r.Passed() {
		t.Errorf("settled %t (%s), violations %v\n%s", r.Settled, r.Unsettled, r.Violations, text.String())
	}
	if len(r.NotPlayed) != left || left == 0 || len(r.Injections) != len(scenario.FaultKinds())-left {
		t.Errorf("%d of %d kinds were played and %d left out; want %d left out: %v", len(r.Injections), len(scenario.FaultKinds()), len(r.NotPlayed), left, r.NotPlayed)
	}
}

// Every act of an operator reaches its route; what nobody can send is left out
// for a reason.
func TestNoKindOfActIsSkippedSilently(t *testing.T) {
	var story strings.Builder
	r := play(t, `fleet 2
rollout stable@r1 at=1s target=c1 waves=0s
at 30s open stable@r1
at 40s resume stable@r1
at 50s resume stable@r9 unknown=yes
at 60s clear stable c1
at 70s revoke h9 unknown=yes
at 80s send heartbeat h1
active 2m
converge within=1h
`, func(g *Game) { g.out = &story })
	if !r.Passed() || len(r.NotPlayed) != 1 || r.NotPlayed[0].What != "at 1m20s send heartbeat h1" {
		t.Errorf("settled %t (%s), violations %v, not played %v", r.Settled, r.Unsettled, r.Violations, r.NotPlayed)
	}
	if n := strings.Count(story.String(), "operator: at "); strings.Contains(story.String(), `"reason":"not_found"`) ||
		!strings.Contains(story.String(), "operator: at 30s open stable@r1\n") || n != 7 { // five acts, two refused
		t.Errorf("%d lines about acts:\n%s", n, story.String())
	}
}

// forgetful acknowledges what it does not keep.
type forgetful struct{ store.Store }

func (f forgetful) Commit(entries []plane.Entry, rows iter.Seq[plane.Row]) error {
	if slices.ContainsFunc(entries, func(e plane.Entry) bool { return e.Kind == "opened" }) {
		return f.Store.Commit(entries, rows)
	}
	return nil
}

func TestADiskThatLiesIsFoundOut(t *testing.T) {
	r := play(t, `fleet 1
plane manifests=no
rollout stable@r1 at=1s target=c1 waves=0s
at 1m plane crash for=5s
active 70s
converge within=10m
`, func(g *Game) { g.wrap = func(s store.Store) store.Store { return forgetful{s} } })
	if r.Passed() || !slices.ContainsFunc(r.Violations, func(v Violation) bool { return v.Rule == "S1" || v.Rule == "S2" }) {
		t.Errorf("violations %v; want S1 or S2", r.Violations)
	}
}

func TestAnExpectationThatIsNotMetFailsTheDay(t *testing.T) {
	r := play(t, "fleet 1\nactive 10s\nexpect answer saturated\nexpect host h1 unreachable\nexpect answer ok count=0\n")
	if r.Passed() || !r.Settled {
		t.Errorf("passed %t, settled %t", r.Passed(), r.Settled)
	}
	for _, m := range r.Expects {
		if m.Verdict != VerdictUnmet {
			t.Errorf("%s: %s, saw %s; want it unmet", m.Expect, m.Verdict, m.Saw)
		}
	}
}

func TestAScenarioThatCannotBePlayedIsRefused(t *testing.T) {
	state := scenario.Start{State: []string{"log {}"}}
	for want, cfg := range map[string]Config{
		"speed is 7, and 1m0s of the fleet's interval would be no whole seconds; want a speed that divides it, for instance 6": {Scenario: scenario.Scenario{Fleet: scenario.Fleet{Hosts: 1}}, Speed: 7},
		"speed is 1001; want 1 to 1000":                    {Scenario: scenario.Scenario{Fleet: scenario.Fleet{Hosts: 1}}, Speed: 1001},
		"the fleet has 201 hosts; a gameday plays at most": {Scenario: scenario.Scenario{Fleet: scenario.Fleet{Hosts: 201}}},
		"starts from a recorded state":                     {Scenario: scenario.Scenario{Fleet: scenario.Fleet{Hosts: 1}, Start: state}},
	} {
		if _, err := New(cfg); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v; want %q in it", err, want)
		}
	}
}
