package search

import (
	"bytes"
	"fmt"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/refrain-fleet/refrain/core/wire"
	"github.com/refrain-fleet/refrain/internal/sample"
	"github.com/refrain-fleet/refrain/sim/sabotage"
	"github.com/refrain-fleet/refrain/sim/scenario"
	"github.com/refrain-fleet/refrain/sim/world"
)

// plant is a bug that a search finds in a profile.
type plant struct {
	name, profile string
	// seed is the first of the profile's that breaks a rule, or one below it.
	seed uint64
	by   func() *sabotage.Saboteur
}

// onceSeen breaks a rule once every one of some effects was seen so often.
func onceSeen(checker string, needs map[scenario.Effect]uint64) func() *sabotage.Saboteur {
	return func() *sabotage.Saboteur {
		return &sabotage.Saboteur{OnStepped: func(w *world.World) {
			for effect, n := range needs {
				if w.Effects()[effect] < n {
					return
				}
			}
			w.Violate(checker, "planted")
		}}
	}
}

// whenever does something to a world after every step.
func whenever(do func(*world.World)) func() *sabotage.Saboteur {
	return func() *sabotage.Saboteur { return &sabotage.Saboteur{OnStepped: do} }
}

// plantsOf are twenty bugs: of the gate, the loop, the reducer, the disk, the
// agent and the machine, some of which want several faults at a time.
func plantsOf(t *testing.T) []plant {
	named := func(checker, name, profile string, seed uint64) plant {
		return plant{name, profile, seed, sabotageNamed(t, checker, name)}
	}
	return []plant{
		named("S11", "a late reply is delivered", "swarm", 2),
		named("S11", "a dropped reply is delivered", "swarm", 4),
		named("S5", "a request is not answered by its deadline", "storm", 2),
		named("S6", "a host that asks again loses its slot", "storm", 2),
		named("S6", "more is admitted than there is room for", "storm", 1),
		named("S1", "a confirmation is told before it is on the disk", "swarm", 8),
		named("S1", "the last entries of the log are lost", "swarm", 1),
		named("S2", "a number falls at a start to less than was acknowledged", "swarm", 1),
		named("S3", "a confirmation is not marked", "amnesia", 1),
		named("S4", "a confirmation infers another instant than the heartbeat's", "amnesia", 1),
		named("S23", "a replay is not asked for in spite of drift", "amnesia", 2),
		named("S9", "a snapshot tells an older number", "swarm", 5),
		named("S10", "a revoked certificate is accepted", "swarm", 5),
		{"a host whose request was cut off never wakes again", "swarm", 1, func() *sabotage.Saboteur {
			return &sabotage.Saboteur{OnPlaneDown: func(w *world.World) {
				for n := 1; n <= w.Scenario().Fleet.Hosts; n++ {
					w.Tamper().Host(n).LoseTimer(30 * time.Second)
				}
			}}
		}},
		{"a wipe of the plane makes hosts forget what the next boot holds", "amnesia", 4, func() *sabotage.Saboteur {
			return &sabotage.Saboteur{OnPlaneDown: func(w *world.World) {
				for n := 1; n <= w.Scenario().Fleet.Hosts; n++ {
					w.Tamper().Host(n).ForgetNextBoot()
				}
			}}
		}},
		{"a rollback while the plane is away is a panic", "swarm", 5, whenever(func(w *world.World) {
			for n := 1; n <= w.Scenario().Fleet.Hosts; n++ {
				if w.RollingBack(n) && !w.PlaneUp() {
					panic("no plane to tell")
				}
			}
		})},
		{"two wipes and an activation that failed", "swarm", 34, onceSeen("S2", map[scenario.Effect]uint64{scenario.EffectPlaneWipe: 2, scenario.EffectActivationFailed: 1})},
		{"a replay and a late reply", "swarm", 6, onceSeen("S11", map[scenario.Effect]uint64{scenario.EffectLateReply: 1, scenario.EffectReplayAsked: 2})},
		{"an absorbed event in front of a full inbox", "swarm", 21, onceSeen("S7", map[scenario.Effect]uint64{scenario.EffectAbsorbed: 1, scenario.EffectSaturated: 1})},
		{"a reboot, a crash at a commit, and a poll that is offered nothing", "swarm", 36, func() *sabotage.Saboteur {
			return &sabotage.Saboteur{OnAnswered: func(w *world.World, m *world.Message) {
				if m.Kind() == scenario.RoutePoll && m.Outcome().Code == wire.NoContent && w.Effects()[scenario.EffectReboot] > 0 && w.Effects()[scenario.EffectCrashAfterCommit] > 0 {
					w.Violate("S13", "planted")
				}
			}}
		}},
	}
}

// smallEnough is how many lines a person takes in at a glance.
const smallEnough = 6

// How small do failures become? With -v it prints the table that
// docs/simulation.md has.
func TestTwentyPlantedFailuresBecomeSmall(t *testing.T) {
	plants := plantsOf(t)
	if len(plants) != 20 {
		t.Fatalf("%d are planted", len(plants))
	}
	if testing.Short() {
		plants = plants[:5]
		t.Logf("the first %d of them, since -short is set", len(plants))
	}
	var b bytes.Buffer
	table := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintf(table, "planted\tprofile, seed\tfound by\tlines\thosts\texecutions\n")
	for _, p := range plants {
		run := runBroken(p.by)
		seed, s, violation := firstBroken(t, p.profile, p.seed, run)
		shrunk, err := Shrink{run: run}.Run(t.Context(), s)
		if err != nil {
			t.Fatal(err)
		}
		if shrunk.After > smallEnough || shrunk.Exhausted || Kind(shrunk.Violation) != Kind(violation) {
			t.Errorf("%s: %d lines, want %d; exhausted %v; %v was %v\n%s", p.name, shrunk.After, smallEnough, shrunk.Exhausted,
				shrunk.Violation, violation, shrunk.Scenario.Brief())
		}
		fmt.Fprintf(table, "%s\t%s, %d\t%s\t%d → %d\t%d → %d\t%d\n", p.name, p.profile, seed, violation.Checker,
			shrunk.Before, shrunk.After, s.Fleet.Hosts, shrunk.Scenario.Fleet.Hosts, shrunk.Executions)
		t.Logf("%s\n%v\n%s", p.name, shrunk.Violation, shrunk.Scenario.Brief())
	}
	if err := table.Flush(); err != nil {
		t.Fatal(err)
	}
	t.Logf("\n%s", &b)
	if !testing.Short() {
		sample.Check(t, "../../docs/simulation.md", "the plants", map[string]string{"sizes": sample.Block("", b.String())})
	}
}
