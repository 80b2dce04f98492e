package check

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/refrain-fleet/refrain/core/plane"
	"github.com/refrain-fleet/refrain/core/wire"
	"github.com/refrain-fleet/refrain/sim/sabotage"
	"github.com/refrain-fleet/refrain/sim/scenario"
	"github.com/refrain-fleet/refrain/sim/world"
)

func TestEveryCheckerFiresInAWorldThatBreaksItsRule(t *testing.T) {
	for _, s := range sabotage.All() {
		t.Run(s.Checker+" "+s.Name, func(t *testing.T) {
			only := checkerNumbered(t, s.Checker)
			if v := runWith(t, s.Story(), only, nil); v != nil {
				t.Fatalf("it fires in a world that is whole: %v", v)
			}
			v := runWith(t, s.Story(), only, s.By())
			if v == nil || v.Checker != s.Checker {
				t.Fatalf("the violation is %v, want one of %s", v, s.Checker)
			}
			t.Log(v)
			saysWhatItCompares(t, v)
		})
	}
}

// bareCount is a count whose limit, or whose meaning, one has to know.
var bareCount = regexp.MustCompile(`\b\d+ of \d+\b|\binside\b|no heartbeats|\ba event|, and (it|that|the inbox) says`)

// comparison is how a text names what a value is held against.
var comparison = regexp.MustCompile(`(;|\n) ?want\b|limit for|its capacity is`)

// saysWhatItCompares fails the test unless the text of a violation can be
// understood without the code of its checker.
func saysWhatItCompares(t *testing.T, v *world.Violation) {
	t.Helper()
	if found := bareCount.FindString(v.Detail); found != "" {
		t.Errorf("%q does not say what is counted, or what the limit is: %s", found, v.Detail)
	}
	if strings.Contains(v.Detail, "%!") || !comparison.MatchString(v.Detail) {
		t.Errorf("the text does not say what is wanted: %s", v.Detail)
	}
}

// A violation of a limit names the limit, and where it comes from.
func TestAViolationOfALimitNamesIt(t *testing.T) {
	for name, want := range map[string]string{
		"more is inside than the capacity": `^m\d+, a heartbeat of h\d+, is admitted: 6 requests are in the inbox, and its capacity is 5$`,
		"the reserve is used by events":    `^m\d+, an event of h\d+, is admitted: 4 requests other than heartbeats are in the inbox, and the limit for those is 3 \(capacity 5 less 2 reserved for heartbeats\)$`,
		"five of one host are inside":      `^m\d+, a heartbeat of h5, is admitted: 5 requests of h5 are in the inbox, and the limit for one caller is 4$`,
	} {
		found := false
		for _, s := range sabotage.All() {
			if s.Checker != "S7" || s.Name != name {
				continue
			}
			found = true
			v := runWith(t, s.Story(), checkerNumbered(t, "S7"), s.By())
			if v == nil || !regexp.MustCompile(want).MatchString(v.Detail) {
				t.Errorf("%s: the violation is %v; want %s", name, v, want)
			}
		}
		if !found {
			t.Errorf("there is no %q", name)
		}
	}
}

// What breaks nothing but what a checker has written down.
func TestCheckersFireWhenTheirModelIsWrong(t *testing.T) {
	for _, c := range []struct {
		checker, name string
		story         func() scenario.Scenario
		by            func(model func() *Checks) *sabotage.Saboteur
	}{
		{"S14", "a host of a superseded rollout is dispatched", sabotage.FailingStory, wakeAnyway("h2", "stable@r1", 8*time.Minute+time.Second)},
		{"S14", "a host of a quarantined target is dispatched", sabotage.FailingStory, wakeAnyway("h2", "stable@r1", 6*time.Minute+time.Second)},
		{"S14", "a host that is under way is dispatched", sabotage.QuietStory, wakeAnyway("h1", "stable@r1", 45*time.Second)},
		{"S15", "a plane that works is called wedged", sabotage.WedgedStory, func(model func() *Checks) *sabotage.Saboteur {
			return &sabotage.Saboteur{OnFinished: func(*world.World, *world.Message) { model().inbox().inside = 0 }}
		}},
	} {
		t.Run(c.checker+" "+c.name, func(t *testing.T) {
			w, err := world.New(c.story(), world.Options{Rest: Rest})
			if err != nil {
				t.Fatal(err)
			}
			var model *Checks
			c.by(func() *Checks { return model }).Attach(w)
			model = Attach(w, checkerNumbered(t, c.checker))
			w.Run(0)
			if v := w.Violation(); v == nil || v.Checker != c.checker {
				t.Errorf("the violation is %v, want one of %s", v, c.checker)
			}
		})
	}
}

// wakeAnyway names a host as one that is dispatched just now, from an instant
// on.
func wakeAnyway(host wire.Hostname, id wire.RolloutID, from time.Duration) func(func() *Checks) *sabotage.Saboteur {
	return func(model func() *Checks) *sabotage.Saboteur {
		return &sabotage.Saboteur{OnStepDone: func(w *world.World, _ *world.Message, _ plane.Input, r *plane.Reply) {
			if r == nil || w.Now() < from {
				return
			}
			l := model().ledger()
			for _, c := range l.hosts[l.number(host)] {
				if c.of.id == id {
					c.dispatchJudged = false
				}
			}
			w.Tamper().Output().Wakes = append(w.Tamper().Output().Wakes, host)
		}}
	}
}

func TestThereIsAWorldInWhichEachCheckerFires(t *testing.T) {
	fires := map[string]bool{"INV": true} // see TestTheInvariantsOfTheReducersAreChecked
	for _, s := range sabotage.All() {
		fires[s.Checker] = true
	}
	for _, c := range Checkers() {
		if !fires[c.Number] {
			t.Errorf("nothing breaks %s", c.Number)
		}
	}
}
