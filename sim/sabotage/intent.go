package sabotage

import (
	"time"

	"github.com/refrain-fleet/refrain/core/agent"
	"github.com/refrain-fleet/refrain/core/wire"
	"github.com/refrain-fleet/refrain/sim/scenario"
)

// VerifiedStory has agents that act only on signed intent, and two signed rollouts. The
// hosts fail in the second, and go back.
func VerifiedStory() scenario.Scenario {
	s := QuietStory()
	s.Fleet.Verify = true
	s.Expects = nil
	first := s.Rollouts[0]
	first.ID, first.Signed, first.Waves, first.Sizes = "stable@1", true, []time.Duration{time.Minute}, nil
	second := first
	second.ID, second.At, second.Target, second.Policy = "stable@2", 10*time.Minute, "c2", wire.RollbackAndHalt
	s.Rollouts = []scenario.Rollout{first, second}
	s.Faults = []scenario.Fault{{Kind: scenario.ProbeFail, At: 10 * time.Minute, For: 5 * time.Minute}}
	s.Active = 20 * time.Minute
	return s
}

// onEffect changes what an agent begins.
func onEffect(kind agent.EffectKind, change func(*agent.Output, *agent.Effect)) func() *Saboteur {
	return func() *Saboteur {
		return &Saboteur{OnHostStepped: func(out *agent.Output, _ agent.Input) {
			for i := range out.Effects {
				if out.Effects[i].Kind == kind {
					change(out, &out.Effects[i])
					return
				}
			}
		}}
	}
}

// Worlds whose agents do not keep to signed intent: S35 and S36.
var intentBroken = []Bug{
	{"S35", "a host activates another closure than the signed one", VerifiedStory, onEffect(agent.EffectActivate, func(_ *agent.Output, e *agent.Effect) { e.Closure = "c9" })},
	{"S35", "a host activates what it was never shown", VerifiedStory, onEffect(agent.EffectFetch, func(_ *agent.Output, e *agent.Effect) { e.Kind, e.Closure = agent.EffectActivate, "c1" })},
	{"S35", "a host goes back to an older release", VerifiedStory, onEffect(agent.EffectActivate, func(_ *agent.Output, e *agent.Effect) {
		if e.RolloutID == "stable@2" {
			e.RolloutID, e.Closure = "stable@1", "c1"
		}
	})},
	{"S35", "a host rolls back to what it did not run before", VerifiedStory, onEffect(agent.EffectRollback, func(_ *agent.Output, e *agent.Effect) { e.Closure = "c0" })},
	{"S36", "a host refuses what an honest plane offers", VerifiedStory, onEffect(agent.EffectActivate, func(out *agent.Output, e *agent.Effect) {
		out.Notices = append(out.Notices, agent.Notice{Kind: agent.NoticeRefused, RolloutID: e.RolloutID, Detail: "wrong_closure: made up"})
	})},
	{"S36", "a host calls a fresh release too old", VerifiedStory, onEffect(agent.EffectActivate, func(out *agent.Output, e *agent.Effect) {
		out.Notices = append(out.Notices, agent.Notice{Kind: agent.NoticeRefused, RolloutID: e.RolloutID, Detail: "stale: made up"})
	})},
}
