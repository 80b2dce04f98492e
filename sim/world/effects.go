package world

import (
	"github.com/refrain-fleet/refrain/core/agent"
	"github.com/refrain-fleet/refrain/core/plane"
	"github.com/refrain-fleet/refrain/core/wire"
	"github.com/refrain-fleet/refrain/sim/scenario"
)

// effect counts that something really happened, and emits it. The count is part
// of the result, so it is no consumer's.
func (w *World) effect(e scenario.Effect) {
	w.effects[e]++
	if w.wants(EventEffect) {
		w.effectEvent(e)
	}
}

//go:noinline
func (w *World) effectEvent(e scenario.Effect) { w.emit(Event{Kind: EventEffect, Effect: e}) }

// reached notes that a fault of the scenario took effect.
func (w *World) reached(i int) { w.faults.reached[i]++ }

// countEffects counts the effects that notices tell of.
func (w *World) countEffects() {
	w.Subscribe(EventNoticed, func(e *Event) { w.effects[noticeEffects[e.Notice.Kind]]++ })
	w.Subscribe(EventHostNoticed, func(e *Event) { w.effects[agentNoticeEffects[e.AgentNotice.Kind]]++ })
}

// unavailableEffects is the effect of each reason of a 503.
var unavailableEffects = [wire.CodeCount]scenario.Effect{
	wire.NotStarted: scenario.EffectNotStarted, wire.Saturated: scenario.EffectSaturated, wire.Closed: scenario.EffectClosed,
	wire.DroppedReply: scenario.EffectDroppedReply, wire.Timeout: scenario.EffectTimeout, wire.StoreUnavailable: scenario.EffectStoreUnavailable, wire.OverBudget: scenario.EffectOverBudget,
}

// noticeEffects is the effect of each notice of the plane.
var noticeEffects = [plane.NoticeKindCount]scenario.Effect{
	plane.NoticeReplayAsked: scenario.EffectReplayAsked, plane.NoticeReplayPutOff: scenario.EffectReplayPutOff, plane.NoticeConfirmed: scenario.EffectConfirmed, plane.NoticeAbsorbed: scenario.EffectAbsorbed,
	plane.NoticeRejected: scenario.EffectRejected, plane.NoticeHalted: scenario.EffectHalted, plane.NoticeQuarantined: scenario.EffectQuarantined,
	plane.NoticeSuperseded: scenario.EffectSuperseded, plane.NoticeHeld: scenario.EffectHeld, plane.NoticeUnreachable: scenario.EffectUnreachable, plane.NoticeReachable: scenario.EffectReachable,
	plane.NoticeObserverSuspect: scenario.EffectObserverSuspect, plane.NoticeCredited: scenario.EffectCredited,
}

// agentNoticeEffects is the effect of each notice of an agent.
var agentNoticeEffects = [agent.NoticeKindCount]scenario.Effect{
	agent.NoticeReplay: scenario.EffectAgentReplays, agent.NoticeRecovered: scenario.EffectAgentRecovered,
	agent.NoticeRenumbered: scenario.EffectAgentRenumbered, agent.NoticeRollback: scenario.EffectAgentRollback, agent.NoticeWaiting: scenario.EffectAgentWaiting,
	agent.NoticeRefused: scenario.EffectIntentRefused,
}
