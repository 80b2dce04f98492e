package sabotage

import (
	"time"

	"github.com/refrain-fleet/refrain/core/plane"
	"github.com/refrain-fleet/refrain/core/wire"
	"github.com/refrain-fleet/refrain/sim/scenario"
	"github.com/refrain-fleet/refrain/sim/world"
)

// gatedStory has three hosts in two waves and a host of a channel of its own, with
// gates on the rollout of the three. The first one is deferred, boots into a probe that
// fails, and is well again.
func gatedStory(gates scenario.Gates) func() scenario.Scenario {
	return func() scenario.Scenario {
		s := scenario.Scenario{Seed: 1, Fleet: scenario.Fleet{Hosts: 4, Activation: scenario.Range{Min: 10 * time.Second, Max: 10 * time.Second}}}
		three := scenario.Hosts{First: 1, Last: 3}
		s.Rollouts = []scenario.Rollout{
			{At: 20 * time.Second, ID: "canary@r1", Target: "c1", Targets: scenario.Hosts{First: 4, Last: 4}, Waves: []time.Duration{5 * time.Minute}},
			{At: 30 * time.Second, ID: "stable@r1", Target: "c1", Targets: three, Waves: []time.Duration{time.Minute, time.Minute}, Sizes: []int{1}, Gates: gates},
		}
		if gates.Compliance { // h3 cannot ask before h1 has booted
			first := scenario.Hosts{First: 1, Last: 1}
			s.Faults = []scenario.Fault{
				{Kind: scenario.NetPartition, Hosts: scenario.Hosts{First: 3, Last: 3}, For: 4 * time.Minute},
				{Kind: scenario.ActivationDefer, Hosts: first, For: 10 * time.Minute, Count: 1},
				{At: 90 * time.Second, Kind: scenario.HostReboot, Hosts: first, For: time.Minute},
				{At: 3 * time.Minute, Kind: scenario.ProbeFail, Hosts: first, For: 100 * time.Second},
			}
		}
		return s
	}
}

// offersTo answers the polls of a host with the dispatch of stable@r1 that are answered
// with nothing.
func offersTo(host wire.Hostname) func() *Saboteur {
	return onReply(func(w *world.World, in plane.Input, r *plane.Reply) {
		poll, is := in.(*plane.Poll)
		if rec, has := w.Plane().Record("stable@r1", host); is && has && poll.Hostname == host && r.Outcome.Code == wire.NoContent && rec.State == wire.Pending && rec.DispatchedAt.IsSet() {
			r.Outcome = wire.Outcome{Code: wire.OK, Document: &wire.Dispatch{Hostname: host, RolloutID: "stable@r1", TargetClosure: "c1"}}
		}
	})
}

// Worlds in which gates hold nothing back: S32, S33, S42, S43.
var gatesBroken = []Bug{
	{"S32", "a budget is exceeded", gatedStory(scenario.Gates{Budgets: []scenario.Budget{{Max: 1}}}), offersTo("h1")},
	{"S32", "what was held back soaks meanwhile", gatedStory(scenario.Gates{Budgets: []scenario.Budget{{Max: 1}}}), onReply(func(_ *world.World, _ plane.Input, r *plane.Reply) {
		if d, is := r.Outcome.Document.(*wire.Dispatch); is && d.RolloutID == "stable@r1" {
			d.SoakDueAt = d.EnqueuedAt.Add(time.Minute)
		}
	})},
	{"S33", "a host does not wait for the one before it", gatedStory(scenario.Gates{Edges: []scenario.Edge{{Gates: 2, Gated: 3}}}), offersTo("h3")},
	{"S42", "a channel does not wait for the one before it", gatedStory(scenario.Gates{After: []wire.Channel{"canary"}}), offersTo("h1")},
	{"S43", "a wave does not wait for probes that fail", gatedStory(scenario.Gates{Compliance: true}), offersTo("h3")},
}
