package rollout

import (
	"fmt"
	"slices"

	"github.com/refrain-fleet/refrain/core/wire"
)

// Marks is the set of a record's values that a confirmation set and that no
// event of the agent has reported yet (PROTOCOL H4).
type Marks uint8

// The values that a confirmation may put in.
const (
	MarkDispatchAckedAt Marks = 1 << iota
	MarkActivationCompletedAt
	MarkSoakDueAt
	MarkCurrentClosure

	allMarks = MarkDispatchAckedAt | MarkActivationCompletedAt | MarkSoakDueAt | MarkCurrentClosure
)

// Has reports whether every mark of m is set. It reports false for no mark.
func (s Marks) Has(m Marks) bool { return m != 0 && s&m == m }

// Confirm carries out a retroactive confirmation (PROTOCOL H4): a host that has
// no outstanding rollout says, at the given instant of its own clock, that it
// runs closure. If that is the target, an Activating or Deferred record becomes
// Soaking, and so does a Pending one, by way of Activating. Confirm reports
// whether it changed the record.
//
// What the confirmation puts in is marked as synthesised: DispatchAckedAt,
// ActivationCompletedAt and SoakDueAt where they are unset, and CurrentClosure.
// DispatchedAt and ActivationStartedAt stay as they are, since the heartbeat
// says nothing of them. No sequence number is used.
func (r *Record) Confirm(closure wire.Closure, at wire.Time) bool {
	if closure != r.TargetClosure {
		return false
	}
	switch r.State {
	case wire.Pending, wire.Activating, wire.Deferred:
	default:
		return false
	}
	r.infer(&r.DispatchAckedAt, MarkDispatchAckedAt, at)
	r.infer(&r.ActivationCompletedAt, MarkActivationCompletedAt, at)
	r.infer(&r.SoakDueAt, MarkSoakDueAt, at.Add(r.Soak()))
	r.CurrentClosure = r.TargetClosure
	r.Marks |= MarkCurrentClosure
	r.State = wire.Soaking
	return true
}

// infer sets a field that is unset, and marks it.
func (r *Record) infer(field *wire.Time, mark Marks, at wire.Time) {
	if !field.IsSet() {
		*field = at
		r.Marks |= mark
	}
}

// Synthesised reports whether the record is Soaking by a confirmation only: the
// agent's own ActivationCompleted has not been taken (PROTOCOL H4).
func (r *Record) Synthesised() bool {
	return r.State == wire.Soaking && r.Marks.Has(MarkActivationCompletedAt)
}

// undoConfirmation undoes what a confirmation set about the activation, because
// the agent reports that the activation failed. That the host had taken up the
// dispatch remains true. In Activating and Deferred there is nothing to undo.
func (r *Record) undoConfirmation() {
	r.ActivationCompletedAt = wire.Time{}
	r.CurrentClosure = ""
	r.Probes = nil
	if r.Marks.Has(MarkSoakDueAt) {
		r.SoakDueAt = wire.Time{}
	}
	r.Marks &= MarkDispatchAckedAt
}

// markNames are the marks in documents, by bit: the names of the members.
var markNames = [...]wire.Name{"dispatchAckedAt", "activationCompletedAt", "soakDueAt", "currentClosure"}

// DecodeValue implements [wire.Value]: an array of the names of members.
func (s *Marks) DecodeValue(d *wire.Decoder) error {
	var names wire.Names
	if err := names.DecodeValue(d); err != nil {
		return err
	}
	*s = 0
	for _, name := range names {
		bit := slices.Index(markNames[:], name)
		if bit < 0 {
			return fmt.Errorf("want names among %s, %s, %s and %s", markNames[0], markNames[1], markNames[2], markNames[3])
		}
		*s |= 1 << bit
	}
	return nil
}

// AppendValue implements [wire.Value].
func (s *Marks) AppendValue(dst []byte) []byte {
	names := make(wire.Names, 0, len(markNames))
	for bit, name := range markNames {
		if s.Has(1 << bit) {
			names = append(names, name)
		}
	}
	return names.AppendValue(dst)
}

// IsUnset implements [wire.Value].
func (s *Marks) IsUnset() bool { return *s == 0 }
