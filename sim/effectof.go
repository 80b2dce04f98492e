package sim

import (
	"github.com/refrain-fleet/refrain/core/agent"
	"github.com/refrain-fleet/refrain/core/plane"
	"github.com/refrain-fleet/refrain/core/wire"
	"github.com/refrain-fleet/refrain/sim/scenario"
)

func effectOfCode(c wire.Code) scenario.Effect {
	return unavailableEffects[c]
}

// unavailableEffects is the effect of each reason of a 503.
var unavailableEffects = [wire.CodeCount]scenario.Effect{
	wire.NotStarted: scenario.EffectNotStarted, wire.Saturated: scenario.EffectSaturated, wire.Closed: scenario.EffectClosed,
	wire.DroppedReply: scenario.EffectDroppedReply, wire.Timeout: scenario.EffectTimeout,
}

var noticeEffects = [plane.NoticeKindCount]scenario.Effect{
	plane.NoticeReplayAsked: scenario.EffectReplayAsked, plane.NoticeConfirmed: scenario.EffectConfirmed, plane.NoticeAbsorbed: scenario.EffectAbsorbed,
	plane.NoticeRejected: scenario.EffectRejected, plane.NoticeHalted: scenario.EffectHalted, plane.NoticeQuarantined: scenario.EffectQuarantined,
	plane.NoticeSuperseded: scenario.EffectSuperseded, plane.NoticeUnreachable: scenario.EffectUnreachable, plane.NoticeReachable: scenario.EffectReachable,
	plane.NoticeObserverSuspect: scenario.EffectObserverSuspect, plane.NoticeCredited: scenario.EffectCredited,
}

func effectOfNotice(k plane.NoticeKind) scenario.Effect { return noticeEffects[k] }

var agentNoticeEffects = [agent.NoticeKindCount]scenario.Effect{
	agent.NoticeReplay: scenario.EffectAgentReplays, agent.NoticeRecovered: scenario.EffectAgentRecovered,
	agent.NoticeRenumbered: scenario.EffectAgentRenumbered, agent.NoticeRollback: scenario.EffectAgentRollback, agent.NoticeWaiting: scenario.EffectAgentWaiting,
}

func effectOfAgentNotice(k agent.NoticeKind) scenario.Effect { return agentNoticeEffects[k] }
