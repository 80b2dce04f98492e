package check

import (
	"reflect"
	"strings"
	"testing"
	"time"
	"unsafe"

	"github.com/refrain-fleet/refrain/sim/sabotage"
	"github.com/refrain-fleet/refrain/sim/scenario"
	"github.com/refrain-fleet/refrain/sim/world"
)

func TestEveryCheckerPassesAQuietFleet(t *testing.T) {
	if v := runWith(t, sabotage.QuietStory(), nil, nil); v != nil {
		t.Error(v)
	}
}

func TestEveryCheckerPassesAFleetWithFaultsOfManyKinds(t *testing.T) {
	for name, s := range map[string]func() scenario.Scenario{
		"wiped": sabotage.WipedStory, "crashed": sabotage.CrashedStory, "wedged": sabotage.WedgedStory, "dropped": sabotage.DroppedStory, "crowded": sabotage.CrowdedStory,
		"failing": sabotage.FailingStory, "hostile": sabotage.HostileStory, "silent": sabotage.SilentStory, "slow": sabotage.SlowStory, "flooded": sabotage.FloodedStory,
		"forgetful": sabotage.ForgetfulStory, "many": sabotage.FaultyStory,
	} {
		if v := runWith(t, s(), nil, nil); v != nil {
			t.Errorf("%s: %v", name, v)
		}
	}
}

// A host's closure need not change from one rollout to the next: a heartbeat
// confirms its record before the turn of its wave (PROTOCOL H4, A4).
func TestAFleetConvergesOnAClosureThatItRunsAlready(t *testing.T) {
	s := sabotage.QuietStory()
	s.Rollouts = append(s.Rollouts, scenario.Rollout{
		At: 8 * time.Minute, ID: "stable@r2", Target: "c1", Waves: []time.Duration{5 * time.Minute, time.Minute, time.Minute},
	})
	if v := runWith(t, s, nil, nil); v != nil {
		t.Error(v)
	}
}

// PROTOCOL D3
func TestAPollWithAnotherHostsCertificateWaitsInThatHostsPlace(t *testing.T) {
	s := sabotage.Story(3, "at 2m cert wrong host=h1 for=4m")
	if v := runWith(t, s, checkerNumbered(t, "S5"), nil); v != nil {
		t.Error(v)
	}
}

func TestEveryCheckerHasANumberOfItsOwnAndCitesItsRule(t *testing.T) {
	seen := make(map[string]bool)
	for _, c := range Checkers() {
		if c.Number == "" || seen[c.Number] {
			t.Errorf("the number %q is empty or used twice", c.Number)
		}
		seen[c.Number] = true
		if c.Number != "INV" && !strings.Contains(scenario.RuleText(c.Number), "PROTOCOL ") {
			t.Errorf("%s cites no rule: %s", c.Number, scenario.RuleText(c.Number))
		}
	}
}

// Every rule of safety is judged. Those of liveness are Rest's, and the world
// itself reports the others.
func TestEveryRuleOfSafetyHasAChecker(t *testing.T) {
	checked := make(map[string]bool)
	for _, c := range Checkers() {
		checked[c.Number] = true
	}
	for _, r := range scenario.Rules() {
		if safety := r.Number == "INV" || strings.HasPrefix(r.Number, "S"); safety != checked[r.Number] {
			t.Errorf("%s has a checker: %v; want %v", r.Number, checked[r.Number], safety)
		}
	}
}

// Checkers look and change nothing: the hash of a run does not depend on them.
func TestCheckersDoNotChangeARun(t *testing.T) {
	for _, s := range []scenario.Scenario{sabotage.WipedStory(), sabotage.CrowdedStory(), sabotage.FaultyStory()} {
		_, with := judgedRun(t, s, nil)
		_, without := judgedRun(t, s, []Checker{})
		if with.Hash != without.Hash || with.Events != without.Events {
			t.Errorf("hash %016x after %d events with checkers, %016x after %d without", with.Hash, with.Events, without.Hash, without.Events)
		}
	}
}

// corrupt sets a field that no method sets, by its path, to another number.
func corrupt(t *testing.T, of any, path ...string) {
	t.Helper()
	v := reflect.ValueOf(of).Elem()
	for _, name := range path {
		if v = v.FieldByName(name); !v.IsValid() {
			t.Fatalf("no field %s", name)
		}
	}
	at := unsafe.Pointer(v.UnsafeAddr())
	switch v.Kind() {
	case reflect.Uint64:
		*(*uint64)(at) += 7
	case reflect.Int:
		*(*int)(at) += 7
	default:
		t.Fatalf("%v is a %v", path, v.Kind())
	}
}

func TestTheInvariantsOfTheReducersAreChecked(t *testing.T) {
	for name, breaks := range map[string]func(w *world.World){
		"reducer": func(w *world.World) { corrupt(t, w.Plane(), "stats", "HostsUnreachable") },
		"gate":    func(w *world.World) { corrupt(t, w.Tamper().Gate(), "stats", "Delivered") },
		"agent":   func(w *world.World) { corrupt(t, w.Agent(1), "switching", "id") },
	} {
		done := false
		v := runWith(t, sabotage.QuietStory(), checkerNumbered(t, "INV"), &sabotage.Saboteur{OnStepped: func(w *world.World) {
			if !done && w.Now() > 5*time.Minute {
				done = true
				breaks(w)
			}
		}})
		if v == nil || v.Checker != "INV" || !strings.Contains(v.Detail, name+"'s") || !strings.Contains(v.Detail, "state is inconsistent") {
			t.Errorf("%s: the violation is %v, want one of INV that says whose state it is", name, v)
		}
	}
}
