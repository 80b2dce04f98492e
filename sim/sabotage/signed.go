package sabotage

import (
	"time"

	"github.com/refrain-fleet/refrain/core/plane"
	"github.com/refrain-fleet/refrain/core/wire"
	"github.com/refrain-fleet/refrain/sim/scenario"
	"github.com/refrain-fleet/refrain/sim/world"
)

// SignedStory has a release that is signed again, once with other soak times, and a
// rollout that no release has.
func SignedStory() scenario.Scenario {
	s := QuietStory()
	s.Plane.SignedOnly = true
	s.Rollouts[0].Signed = true
	s.Rollouts = append(s.Rollouts, scenario.Rollout{At: time.Minute, ID: "edge@r1", Target: "c2"})
	s.Acts = []scenario.Act{
		{At: 2 * time.Minute, Kind: scenario.ActSign, Rollout: "stable@r1", Soak: 5 * time.Minute},
		{At: 3 * time.Minute, Kind: scenario.ActSign, Rollout: "stable@r1"},
	}
	return s
}

// Worlds that do not keep to signed releases: S34.
var signedBroken = []Bug{
	{"S34", "a release that contradicts what is open is taken up", SignedStory, onReply(func(_ *world.World, in plane.Input, r *plane.Reply) {
		if _, is := in.(*plane.Release); is {
			r.Outcome = wire.Outcome{Code: wire.NoContent}
		}
	})},
	{"S34", "a good release is refused", SignedStory, onReply(func(w *world.World, in plane.Input, r *plane.Reply) {
		if _, is := in.(*plane.Release); is && w.Now() > 150*time.Second {
			r.Outcome = wire.Outcome{Code: wire.RolloutSuperseded}
		}
	})},
	{"S34", "a host is offered another closure than the signed one", SignedStory, onReply(func(_ *world.World, _ plane.Input, r *plane.Reply) {
		if d, is := r.Outcome.Document.(*wire.Dispatch); is {
			d.TargetClosure = "c9"
		}
	})},
	{"S34", "a signed rollout is offered before the plane has a release", func() scenario.Scenario {
		s := SignedStory()
		s.Acts = s.Acts[:1]
		s.Faults = []scenario.Fault{{Kind: scenario.PlaneCrash, At: 150 * time.Second, For: time.Second}}
		s.Expects = nil
		return s
	}, onReply(func(w *world.World, in plane.Input, r *plane.Reply) {
		if poll, is := in.(*plane.Poll); is && w.Now() > 155*time.Second {
			r.Outcome = wire.Outcome{Code: wire.OK, Document: &wire.Dispatch{Hostname: poll.Hostname, RolloutID: "stable@r1", TargetClosure: "c1"}}
		}
	})},
	{"S34", "a rollout that no release has is opened", SignedStory, onReply(func(_ *world.World, in plane.Input, r *plane.Reply) {
		if _, is := in.(*plane.OpenRollout); is {
			r.Outcome = wire.Outcome{Code: wire.Created}
		}
	})},
}
