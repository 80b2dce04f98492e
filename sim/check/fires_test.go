package check

import (
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
		})
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
