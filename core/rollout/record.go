package rollout

import (
	"strconv"
	"time"

	"github.com/refrain-fleet/refrain/core/wire"
)

// Record is what is known of one (rollout, host) pair. A plane keeps millions,
// so it is kept small; record_test.go holds the figure.
//
// Invariants, verified by [Record.Check]:
//
//  1. RolloutID, Hostname and TargetClosure are set and as PROTOCOL T11 wants
//     them; the other closures are so if set. Wave and SoakSeconds are not
//     negative.
//  2. State is one of the seven states, and LastEventSeq at most wire.MaxSeq.
//  3. LastEventSeq is 0 in Pending. Elsewhere it is above 0, except in Soaking,
//     where a confirmation may have come before every event.
//  4. DispatchAckedAt is set in every state but Pending, where nothing of the
//     agent's is set.
//  5. CurrentClosure and ActivationCompletedAt are unset before Soaking and set
//     in Soaking and in Converged. In Converged the current closure is the
//     target; in Reverted it is set.
//  6. SoakDueAt is set if DispatchedAt or ActivationCompletedAt is.
//  7. EndedAt is set only in Converged, Failed and Reverted.
//  8. Marks are of the four kinds, on values that are set, and not before
//     Soaking. SoakDueAt and CurrentClosure have one only if
//     ActivationCompletedAt has; a marked CurrentClosure is the target.
//  9. Probes are at most MaxProbes, sorted by name without repetition, and known
//     only in Soaking, Failed and Reverted. A probe has a name and a mode, a
//     status if and only if it has LastObservedAt, and no FirstFailedAt while it
//     passes.
type Record struct {
	RolloutID     wire.RolloutID
	Hostname      wire.Hostname
	TargetClosure wire.Closure
	// CurrentClosureAtDispatch is what the host ran when it took up the
	// dispatch; unset until its DispatchAck.
	CurrentClosureAtDispatch wire.Closure
	// CurrentClosure is what the host last reported to run, as far as this
	// rollout is concerned; unset until its activation has completed. It may
	// differ from the target (E: ActivationCompleted reports what it observed).
	CurrentClosure wire.Closure

	// DispatchedAt is when the plane dispatched, by the plane's clock. The
	// other instants are by the agent's clock.
	DispatchedAt          wire.Time
	DispatchAckedAt       wire.Time
	ActivationStartedAt   wire.Time
	ActivationCompletedAt wire.Time
	// SoakDueAt is the soak deadline of E1: DispatchedAt plus the soak time (of a rollout
	// with gates: when the dispatch was offered plus it), or
	// ActivationCompletedAt plus it on a record that was never dispatched.
	SoakDueAt wire.Time
	// EndedAt is when the host converged, failed or reverted; a revert replaces
	// the instant of the failure. A record made from a snapshot lacks it, since
	// a snapshot has no such member.
	EndedAt wire.Time

	// LastEventSeq is the highest number taken; 0 is "no event yet".
	LastEventSeq wire.Seq
	// Probes is sorted by name. It is nil before Soaking and in Converged.
	Probes []Probe
	// Wave is the rollout's wave of the host, from 0.
	Wave wire.Count
	// SoakSeconds is the wave's soak time.
	SoakSeconds wire.Count
	State       wire.State
	// Marks says which values a confirmation put in (H4).
	Marks Marks
}

// New returns a Pending record, as opening a rollout makes it (PROTOCOL R2).
// soakSeconds is the soak time of the wave.
func New(id wire.RolloutID, host wire.Hostname, target wire.Closure, wave, soakSeconds wire.Count) Record {
	return Record{
		RolloutID: id, Hostname: host, TargetClosure: target,
		Wave: wave, SoakSeconds: soakSeconds, State: wire.Pending,
	}
}

// Soak returns the wave's soak time.
func (r *Record) Soak() time.Duration { return time.Duration(r.SoakSeconds) * time.Second }

// Dispatch says that the plane queued the record's dispatch at the given
// instant of its own clock, and sets the soak deadline that D1 offers. A record
// that is not Pending, or was dispatched before, stays as it is: the first
// offer counts, however often it is repeated (D2).
func (r *Record) Dispatch(at wire.Time) {
	if r.State != wire.Pending || r.DispatchedAt.IsSet() {
		return
	}
	r.DispatchedAt = at
	r.SoakDueAt = at.Add(r.Soak())
}

// Offer says that a poll of the host is answered with the dispatch, after a gate may
// have held it back: the soak deadline counts from then (PROTOCOL W1).
func (r *Record) Offer(at wire.Time) {
	if r.State == wire.Pending && r.DispatchedAt.IsSet() {
		r.SoakDueAt = at.Add(r.Soak())
	}
}

// Drifted reports whether a host that says it runs closure has changed without
// the record being updated (PROTOCOL H2): the record's current closure is unset
// or differs.
func (r *Record) Drifted(closure wire.Closure) bool {
	return r.CurrentClosure == "" || r.CurrentClosure != closure
}

// Snapshot returns the record as the agent may see it (PROTOCOL H6). Wave, soak
// time, probes, marks and the end's instant are not part of it.
func (r *Record) Snapshot() wire.Snapshot {
	return wire.Snapshot{
		RolloutID:                r.RolloutID,
		Hostname:                 r.Hostname,
		Channel:                  r.RolloutID.Channel(),
		State:                    r.State,
		TargetClosure:            r.TargetClosure,
		CurrentClosureAtDispatch: r.CurrentClosureAtDispatch,
		CurrentClosure:           r.CurrentClosure,
		DispatchedAt:             r.DispatchedAt,
		DispatchAckedAt:          r.DispatchAckedAt,
		ActivationStartedAt:      r.ActivationStartedAt,
		ActivationCompletedAt:    r.ActivationCompletedAt,
		SoakDueAt:                r.SoakDueAt,
		LastEventSeq:             r.LastEventSeq,
	}
}

// FieldSnapshot is [Record.Snapshot] of a Soaking record for a field agent that runs the
// target (PROTOCOL H10): it refuses a whole answer for want of dispatchedAt, and never
// converges for want of the soak deadline or of the current closure.
func (r *Record) FieldSnapshot() wire.Snapshot {
	s := r.Snapshot()
	s.CurrentClosure = r.TargetClosure
	if !s.DispatchedAt.IsSet() {
		s.DispatchedAt = r.DispatchAckedAt // of a record that was never dispatched
	}
	return s
}

// FromSnapshot returns the record that an agent which lost its own state goes
// on from (PROTOCOL A4). What the snapshot does not carry is unset, except for
// the soak deadline, which follows from the dispatch or from the activation.
// Values that the plane had synthesised can no longer be told apart. The caller
// verifies the result with [Record.Check], since a snapshot comes from outside.
func FromSnapshot(s wire.Snapshot, wave, soakSeconds wire.Count) Record {
	r := Record{
		RolloutID:                s.RolloutID,
		Hostname:                 s.Hostname,
		TargetClosure:            s.TargetClosure,
		CurrentClosureAtDispatch: s.CurrentClosureAtDispatch,
		CurrentClosure:           s.CurrentClosure,
		DispatchedAt:             s.DispatchedAt,
		DispatchAckedAt:          s.DispatchAckedAt,
		ActivationStartedAt:      s.ActivationStartedAt,
		ActivationCompletedAt:    s.ActivationCompletedAt,
		SoakDueAt:                s.SoakDueAt,
		LastEventSeq:             s.LastEventSeq,
		Wave:                     wave,
		SoakSeconds:              soakSeconds,
		State:                    s.State,
	}
	r.stamp(&r.SoakDueAt, 0, r.DispatchedAt.Add(r.Soak()))
	r.stamp(&r.SoakDueAt, 0, r.ActivationCompletedAt.Add(r.Soak()))
	return r
}

// Clone returns a copy that shares nothing that can change. A plain copy shares
// the probes.
func (r *Record) Clone() Record {
	c := *r
	c.Probes = append([]Probe(nil), r.Probes...)
	return c
}

// String describes the record in one line, for traces and logs. A star marks a
// synthesised Soaking.
func (r *Record) String() string {
	s := string(r.RolloutID) + " " + string(r.Hostname) + " " + r.State.String()
	if r.Synthesised() {
		s += "*"
	}
	s += " seq=" + strconv.FormatUint(uint64(r.LastEventSeq), 10) + " target=" + string(r.TargetClosure)
	if r.CurrentClosure != "" {
		s += " current=" + string(r.CurrentClosure)
	}
	if len(r.Probes) > 0 {
		s += " failing=" + strconv.Itoa(len(r.FailingProbes())) + "/" + strconv.Itoa(len(r.Probes))
	}
	return s
}

// intern returns c as the string that the record already holds, if it does, so
// that a record which runs its target keeps the name once.
func (r *Record) intern(c wire.Closure) wire.Closure {
	for _, held := range [...]wire.Closure{r.TargetClosure, r.CurrentClosureAtDispatch, r.CurrentClosure} {
		if held == c {
			return held
		}
	}
	return c
}
