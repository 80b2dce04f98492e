package scenario

import "slices"

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
	EffectStoreUnavailable
	EffectOverBudget
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
	EffectPlaneRestore
	EffectPlaneClock
	EffectSuspended
	EffectCrashBeforeCommit
	EffectCrashInsideCommit
	EffectCrashAfterCommit
	EffectSlowDisk
	EffectDiskFailed
	EffectDiskScarce
	EffectRebuilt
	EffectStartFailed
	EffectRefusedConnection
	EffectRefusedHandshake

	EffectLost
	EffectDuplicated
	EffectDelayed
	EffectReordered
	EffectPartitioned
	EffectReset
	EffectRoamed
	EffectClientTimeout
	EffectArrivedGivenUp
	EffectPollGivenUp

	EffectAgentCrash
	EffectAgentCrashAtAppend
	EffectAgentDisk
	EffectAgentLogTorn
	EffectAgentUnsynced
	EffectAgentCompacted
	EffectAgentCompactionCut
	EffectHostSuspended
	EffectReboot
	EffectAmnesia
	EffectSwitch
	EffectSwitchCut
	EffectWrongClock
	EffectWrongCertificate
	EffectCertExpired
	EffectCertUntrusted
	EffectRevoked
	EffectReissued
	EffectActivationFailed
	EffectActivationDeferred
	EffectActivationSlow
	EffectProbeFailed
	EffectHostile

	EffectReplayAsked
	EffectReplayPutOff
	EffectConfirmed
	EffectAbsorbed
	EffectRejected
	EffectHalted
	EffectQuarantined
	EffectSuperseded
	EffectHeld
	EffectUnreachable
	EffectReachable
	EffectObserverSuspect
	EffectCredited

	EffectAgentReplays
	EffectAgentRecovered
	EffectAgentRenumbered
	EffectAgentRollback
	EffectAgentWaiting

	EffectOpeningSlice
	EffectOpeningAccepted

	EffectRetired

	EffectForged
	EffectIntentRefused

	// EffectCount is one more than the last effect.
	EffectCount
)

// Effects counts effects.
type Effects [EffectCount]uint64

var effectWords = [EffectCount]string{
	EffectNone:       "other",
	EffectNotStarted: "not_started", EffectSaturated: "saturated", EffectClosed: "closed",
	EffectDroppedReply: "dropped_reply", EffectTimeout: "timeout", EffectStoreUnavailable: "store_unavailable", EffectOverBudget: "over_budget", EffectLateReply: "late reply",
	EffectWedged: "wedged", EffectSlowStep: "slow step", EffectAppliedNotReplied: "applied and not replied", EffectPollWoken: "poll woken",
	EffectInterrupted: "loop interrupted", EffectSteppedMeanwhile: "stepped during a commit", EffectDiscardedMore: "discarded with a failed commit",
	EffectStoredAfterAll: "stored by a commit that failed",
	EffectPlaneCrash:     "plane crash", EffectPlaneWipe: "plane wipe", EffectPlaneRestart: "plane restart", EffectPlaneRestore: "plane restored",
	EffectPlaneClock: "plane clock", EffectSuspended: "suspended",
	EffectCrashBeforeCommit: "crash before commit", EffectCrashInsideCommit: "crash inside commit", EffectCrashAfterCommit: "crash after commit",
	EffectSlowDisk: "slow disk", EffectDiskFailed: "disk failed", EffectDiskScarce: "disk scarce", EffectRebuilt: "rebuilt", EffectStartFailed: "start failed",
	EffectRefusedConnection: "refused connection", EffectRefusedHandshake: "refused handshake",
	EffectLost: "lost", EffectDuplicated: "duplicated", EffectDelayed: "delayed", EffectReordered: "reordered",
	EffectPartitioned: "partitioned", EffectReset: "reset", EffectRoamed: "other address", EffectClientTimeout: "client timeout",
	EffectArrivedGivenUp: "arrived when given up", EffectPollGivenUp: "poll given up",
	EffectAgentCrash: "agent crash", EffectAgentCrashAtAppend: "agent crash at append", EffectAgentDisk: "agent disk failed", EffectAgentLogTorn: "agent log torn", EffectAgentUnsynced: "agent log unsynced", EffectAgentCompacted: "agent log compacted", EffectAgentCompactionCut: "agent compaction cut off",
	EffectHostSuspended: "host suspended", EffectReboot: "reboot", EffectAmnesia: "amnesia",
	EffectSwitch: "switch", EffectSwitchCut: "switch cut", EffectWrongClock: "wrong clock", EffectWrongCertificate: "wrong certificate", EffectCertExpired: "certificate expired", EffectCertUntrusted: "certificate not trusted",
	EffectRevoked: "revoked", EffectReissued: "reissued", EffectActivationFailed: "activation failed", EffectActivationDeferred: "activation deferred", EffectActivationSlow: "activation slow",
	EffectProbeFailed: "probe failed", EffectHostile: "hostile act",
	EffectReplayAsked: "replay asked", EffectReplayPutOff: "replay put off", EffectConfirmed: "confirmed", EffectAbsorbed: "absorbed", EffectRejected: "rejected",
	EffectHalted: "halted", EffectQuarantined: "quarantined", EffectSuperseded: "superseded", EffectHeld: "held",
	EffectUnreachable: "unreachable", EffectReachable: "reachable again", EffectObserverSuspect: "observer suspect", EffectCredited: "credited",
	EffectAgentReplays: "agent replays", EffectAgentRecovered: "agent recovered", EffectAgentRenumbered: "agent renumbered",
	EffectAgentRollback: "agent rolls back", EffectAgentWaiting: "dispatch waits",
	EffectOpeningSlice: "opening in slices", EffectOpeningAccepted: "opening accepted",
	EffectRetired: "rollout retired",
	EffectForged:  "forged answer", EffectIntentRefused: "intent refused",
}

// String returns the effect in words.
func (e Effect) String() string {
	if int(e) < len(effectWords) {
		return effectWords[e]
	}
	return "?"
}

// EffectNamed returns the effect of a word or several; false if there is none.
func EffectNamed(words string) (Effect, bool) {
	at := slices.Index(effectWords[:], words)
	return Effect(max(at, 0)), at >= 0
}
