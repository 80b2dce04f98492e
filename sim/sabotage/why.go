package sabotage

import (
	"strings"
	"time"

	"github.com/refrain-fleet/refrain/core/plane"
	"github.com/refrain-fleet/refrain/core/wire"
	"github.com/refrain-fleet/refrain/sim/scenario"
	"github.com/refrain-fleet/refrain/sim/world"
)

// whyStory has three hosts in two waves, and lasts long enough for everything that takes
// time.
func whyStory() scenario.Scenario {
	s := scenario.Scenario{Seed: 1, Fleet: scenario.Fleet{Hosts: 3}, Active: 40 * time.Minute}
	s.Rollouts = []scenario.Rollout{{At: 30 * time.Second, ID: "stable@r1", Target: "c1", Targets: scenario.Hosts{First: 1, Last: 3}, Waves: []time.Duration{3 * time.Minute, time.Minute}, Sizes: []int{2}}}
	return s
}

// edits edits the plane after every step but ticks.
func edits(edit func(string) string) func() *Saboteur {
	return func() *Saboteur {
		return &Saboteur{OnStepDone: func(w *world.World, _ *world.Message, in plane.Input, _ *plane.Reply) {
			if _, ticks := in.(*plane.Tick); !ticks {
				editPlane(w, edit)
			}
		}}
	}
}

// Worlds in which the plane explains what is not so: S51, S52.
var whyBroken = []Bug{
	{"S51", "a host that is heard is said to be unreachable", whyStory, edits(replaceIn(`(host \{"hostname":"h2"[^\n]*"heard":\d+)(,"gone":true)?`, `$1,"gone":true`))},
	{"S51", "a closure is said to be quarantined", whyStory, edits(func(state string) string {
		if strings.Contains(state, "\nquarantine ") {
			return state
		}
		return replaceIn(`(?m)^clock `, `quarantine {"channel":"stable","closure":"c1"}`+"\nclock ")(state)
	})},
	{"S52", "a host is never given the dispatch that it is said to be given next", whyStory, onReply(func(_ *world.World, in plane.Input, r *plane.Reply) {
		if poll, is := in.(*plane.Poll); is && poll.Hostname == "h2" {
			r.Outcome = wire.Outcome{Code: wire.NoContent}
		}
	})},
}
