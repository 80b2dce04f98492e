package sabotage

import (
	"time"

	"github.com/refrain-fleet/refrain/core/plane"
	"github.com/refrain-fleet/refrain/sim/scenario"
	"github.com/refrain-fleet/refrain/sim/world"
)

// steeredStory has two hosts and an act by which an operator holds something back before
// the rollout is opened, or just after.
func steeredStory(acts ...scenario.Act) func() scenario.Scenario {
	return func() scenario.Scenario {
		s := scenario.Scenario{Seed: 1, Fleet: scenario.Fleet{Hosts: 2, Activation: scenario.Range{Min: 10 * time.Second, Max: 10 * time.Second}}}
		s.Rollouts = []scenario.Rollout{{At: 30 * time.Second, ID: "stable@r1", Target: "c1", Waves: []time.Duration{time.Minute}}}
		s.Faults = []scenario.Fault{{Kind: scenario.NetPartition, Hosts: scenario.Hosts{First: 1, Last: 1}, For: 3 * time.Minute}}
		s.Acts = acts
		return s
	}
}

var h1 = scenario.Hosts{First: 1, Last: 1}

// Worlds in which what operators hold back is offered, or not shown: S46.
var steeringBroken = []Bug{
	{"S46", "a paused rollout is offered", steeredStory(scenario.Act{At: time.Minute, Kind: scenario.ActPause, Rollout: "stable@r1"}), offersTo("h1")},
	{"S46", "a skipped host is offered its dispatch", steeredStory(scenario.Act{At: time.Minute, Kind: scenario.ActSkip, Hosts: h1, Rollout: "stable@r1"}), offersTo("h1")},
	{"S46", "a cordoned host is offered its dispatch", steeredStory(scenario.Act{At: time.Minute, Kind: scenario.ActCordon, Hosts: h1}), offersTo("h1")},
	{"S46", "the plane forgets a cordon", steeredStory(scenario.Act{At: time.Minute, Kind: scenario.ActCordon, Hosts: h1}), onReply(func(w *world.World, _ plane.Input, _ *plane.Reply) {
		editPlane(w, replaceIn(`hold [^\n]*\n`, ``))
	})},
}
