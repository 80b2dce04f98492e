package sim

import (
	"github.com/refrain-fleet/refrain/core/agent"
	"github.com/refrain-fleet/refrain/core/plane"
	"github.com/refrain-fleet/refrain/core/wire"
)

// Effect is something that really happened in a run: not that a fault was
// injected, but that it did something.
type Effect uint8

// The effects.
const (
	EffectNone Effect = iota // what is not counted
	EffectNotStarted
	EffectSaturated
	EffectClosed
	EffectDroppedReply
	EffectTimeout
	EffectLateReply
	EffectWedged
	EffectSlowStep
	EffectAppliedNotReplied
	EffectPollWoken
	EffectInterrupted
	EffectSteppedMeanwhile
	EffectDiscardedMore
	EffectStoredAfterAll

	EffectPlaneCrash
	EffectPlaneWipe
	EffectPlaneRestart
	EffectPlaneClock
	EffectSuspended
	EffectCrashBeforeCommit
	EffectCrashInsideCommit
	EffectCrashAfterCommit
	EffectSlowDisk
	EffectDiskFailed
	EffectRebuilt
	EffectRefusedConnection
	EffectRefusedHandshake

	EffectLost
	EffectDuplicated
	EffectDelayed
	EffectReordered
	EffectPartitioned
	EffectReset
	EffectClientTimeout

	EffectAgentCrash
	EffectAgentCrashAtAppend
	EffectReboot
	EffectAmnesia
	EffectSwitch
	EffectSwitchCut
	EffectWrongClock
	EffectWrongCertificate
	EffectRevoked
	EffectReissued
	EffectActivationFailed
	EffectActivationDeferred
	EffectActivationSlow
	EffectProbeFailed
	EffectHostile

	EffectReplayAsked
	EffectConfirmed
	EffectAbsorbed
	EffectRejected
	EffectHalted
	EffectQuarantined
	EffectSuperseded
	EffectUnreachable
	EffectReachable
	EffectObserverSuspect
	EffectCredited

	EffectAgentReplays
	EffectAgentRecovered
	EffectAgentRenumbered
	EffectAgentRollback
	EffectAgentWaiting

	effectEnd
)

// Effects counts effects.
type Effects [effectEnd]uint64

var effectWords = [effectEnd]string{
	EffectNone:       "other",
	EffectNotStarted: "not_started", EffectSaturated: "saturated", EffectClosed: "closed",
	EffectDroppedReply: "dropped_reply", EffectTimeout: "timeout", EffectLateReply: "late reply",
	EffectWedged: "wedged", EffectSlowStep: "slow step", EffectAppliedNotReplied: "applied and not replied", EffectPollWoken: "poll woken",
	EffectInterrupted: "loop interrupted", EffectSteppedMeanwhile: "stepped during a commit", EffectDiscardedMore: "discarded with a failed commit",
	EffectStoredAfterAll: "stored by a commit that failed",
	EffectPlaneCrash:     "plane crash", EffectPlaneWipe: "plane wipe", EffectPlaneRestart: "plane restart",
	EffectPlaneClock: "plane clock", EffectSuspended: "suspended",
	EffectCrashBeforeCommit: "crash before commit", EffectCrashInsideCommit: "crash inside commit", EffectCrashAfterCommit: "crash after commit",
	EffectSlowDisk: "slow disk", EffectDiskFailed: "disk failed", EffectRebuilt: "rebuilt",
	EffectRefusedConnection: "refused connection", EffectRefusedHandshake: "refused handshake",
	EffectLost: "lost", EffectDuplicated: "duplicated", EffectDelayed: "delayed", EffectReordered: "reordered",
	EffectPartitioned: "partitioned", EffectReset: "reset", EffectClientTimeout: "client timeout",
	EffectAgentCrash: "agent crash", EffectAgentCrashAtAppend: "agent crash at append", EffectReboot: "reboot", EffectAmnesia: "amnesia",
	EffectSwitch: "switch", EffectSwitchCut: "switch cut", EffectWrongClock: "wrong clock", EffectWrongCertificate: "wrong certificate",
	EffectRevoked: "revoked", EffectReissued: "reissued", EffectActivationFailed: "activation failed", EffectActivationDeferred: "activation deferred", EffectActivationSlow: "activation slow",
	EffectProbeFailed: "probe failed", EffectHostile: "hostile act",
	EffectReplayAsked: "replay asked", EffectConfirmed: "confirmed", EffectAbsorbed: "absorbed", EffectRejected: "rejected",
	EffectHalted: "halted", EffectQuarantined: "quarantined", EffectSuperseded: "superseded",
	EffectUnreachable: "unreachable", EffectReachable: "reachable again", EffectObserverSuspect: "observer suspect", EffectCredited: "credited",
	EffectAgentReplays: "agent replays", EffectAgentRecovered: "agent recovered", EffectAgentRenumbered: "agent renumbered",
	EffectAgentRollback: "agent rolls back", EffectAgentWaiting: "dispatch waits",
}

// String returns the effect in words.
func (e Effect) String() string {
	if int(e) < len(effectWords) {
		return effectWords[e]
	}
	return "?"
}

func effectOfCode(c wire.Code) Effect {
	return unavailableEffects[c]
}

// unavailableEffects is the effect of each reason of a 503.
var unavailableEffects = [wire.CodeCount]Effect{
	wire.NotStarted: EffectNotStarted, wire.Saturated: EffectSaturated, wire.Closed: EffectClosed,
	wire.DroppedReply: EffectDroppedReply, wire.Timeout: EffectTimeout,
}

var noticeEffects = [plane.NoticeKindCount]Effect{
	plane.NoticeReplayAsked: EffectReplayAsked, plane.NoticeConfirmed: EffectConfirmed, plane.NoticeAbsorbed: EffectAbsorbed,
	plane.NoticeRejected: EffectRejected, plane.NoticeHalted: EffectHalted, plane.NoticeQuarantined: EffectQuarantined,
	plane.NoticeSuperseded: EffectSuperseded, plane.NoticeUnreachable: EffectUnreachable, plane.NoticeReachable: EffectReachable,
	plane.NoticeObserverSuspect: EffectObserverSuspect, plane.NoticeCredited: EffectCredited,
}

func effectOfNotice(k plane.NoticeKind) Effect { return noticeEffects[k] }

var agentNoticeEffects = [agent.NoticeKindCount]Effect{
	agent.NoticeReplay: EffectAgentReplays, agent.NoticeRecovered: EffectAgentRecovered,
	agent.NoticeRenumbered: EffectAgentRenumbered, agent.NoticeRollback: EffectAgentRollback, agent.NoticeWaiting: EffectAgentWaiting,
}

func effectOfAgentNotice(k agent.NoticeKind) Effect { return agentNoticeEffects[k] }
