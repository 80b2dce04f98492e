package rollout

import (
	"fmt"
	"strconv"

	"github.com/refrain-fleet/refrain/core/wire"
)

// invariants are those of the comment on [Record], in its order. Each returns
// the member at fault and what would be right, or two empty strings.
var invariants = [...]func(*Record) (member, problem string){
	(*Record).checkNames,
	(*Record).checkState,
	(*Record).checkSequence,
	(*Record).checkPending,
	(*Record).checkActivation,
	(*Record).checkSoak,
	(*Record).checkEnd,
	(*Record).checkMarks,
	(*Record).checkProbes,
}

// Check verifies the invariants that the comment on [Record] numbers. The error
// names the first that is broken, the member at fault and what would be right.
// Methods never break one; a record read from outside may.
func (r *Record) Check() error {
	for i, broken := range invariants {
		if member, problem := broken(r); problem != "" {
			return fmt.Errorf("record %s of %s breaks invariant %d: %s: %s", r.RolloutID, r.Hostname, i+1, member, problem)
		}
	}
	return nil
}

// firstBroken is Check in the form that a schema wants.
func (r *Record) firstBroken() (member, problem string) {
	for _, broken := range invariants {
		if member, problem := broken(r); problem != "" {
			return member, problem
		}
	}
	return "", ""
}

func (r *Record) checkNames() (member, problem string) {
	if _, err := wire.ParseRolloutID(string(r.RolloutID)); err != nil {
		return "rolloutId", err.Error()
	}
	if _, err := wire.ParseHostname(string(r.Hostname)); err != nil {
		return "hostname", err.Error()
	}
	if _, err := wire.ParseClosure(string(r.TargetClosure)); err != nil {
		return "targetClosure", err.Error()
	}
	if _, err := wire.ParseClosure(string(r.CurrentClosureAtDispatch)); err != nil && r.CurrentClosureAtDispatch != "" {
		return "currentClosureAtDispatch", err.Error()
	}
	if _, err := wire.ParseClosure(string(r.CurrentClosure)); err != nil && r.CurrentClosure != "" {
		return "currentClosure", err.Error()
	}
	if r.Wave < 0 {
		return "wave", "want 0 or more"
	}
	if r.SoakSeconds < 0 {
		return "soakSeconds", "want 0 or more"
	}
	return "", ""
}

func (r *Record) checkState() (member, problem string) {
	if r.State < wire.Pending || r.State > wire.Reverted {
		return "state", "want one of the seven states"
	}
	if r.LastEventSeq > wire.MaxSeq {
		return "lastEventSeq", fmt.Sprintf("want at most %d", wire.MaxSeq)
	}
	return "", ""
}

func (r *Record) checkSequence() (member, problem string) {
	switch {
	case r.State == wire.Pending && r.LastEventSeq != 0:
		return "lastEventSeq", "want 0 in Pending"
	case r.State != wire.Pending && r.State != wire.Soaking && r.LastEventSeq == 0:
		return "lastEventSeq", "want 1 or more in " + r.State.String()
	}
	return "", ""
}

func (r *Record) checkPending() (member, problem string) {
	switch {
	case r.State != wire.Pending && !r.DispatchAckedAt.IsSet():
		return "dispatchAckedAt", "want an instant in " + r.State.String()
	case r.State == wire.Pending && r.DispatchAckedAt.IsSet():
		return "dispatchAckedAt", "want none in Pending"
	case r.State == wire.Pending && r.ActivationStartedAt.IsSet():
		return "activationStartedAt", "want none in Pending"
	case r.State == wire.Pending && r.CurrentClosureAtDispatch != "":
		return "currentClosureAtDispatch", "want none in Pending"
	}
	return "", ""
}

func (r *Record) checkActivation() (member, problem string) {
	switch r.State {
	case wire.Pending, wire.Activating, wire.Deferred:
		if r.CurrentClosure != "" {
			return "currentClosure", "want none before Soaking"
		}
		if r.ActivationCompletedAt.IsSet() {
			return "activationCompletedAt", "want none before Soaking"
		}
	case wire.Soaking, wire.Converged:
		if !r.ActivationCompletedAt.IsSet() {
			return "activationCompletedAt", "want an instant in " + r.State.String()
		}
		if r.CurrentClosure == "" {
			return "currentClosure", "want a closure in " + r.State.String()
		}
		if r.State == wire.Converged && r.CurrentClosure != r.TargetClosure {
			return "currentClosure", "want the target in Converged"
		}
	case wire.Reverted:
		if r.CurrentClosure == "" {
			return "currentClosure", "want a closure in Reverted"
		}
	}
	return "", ""
}

func (r *Record) checkSoak() (member, problem string) {
	if (r.DispatchedAt.IsSet() || r.ActivationCompletedAt.IsSet()) && !r.SoakDueAt.IsSet() {
		return "soakDueAt", "want an instant once dispatched or activated"
	}
	return "", ""
}

func (r *Record) checkEnd() (member, problem string) {
	if r.State.Active() && r.EndedAt.IsSet() {
		return "endedAt", "want none in " + r.State.String()
	}
	return "", ""
}

func (r *Record) checkMarks() (member, problem string) {
	const field = "synthesised"
	set := Marks(0)
	if r.DispatchAckedAt.IsSet() {
		set |= MarkDispatchAckedAt
	}
	if r.ActivationCompletedAt.IsSet() {
		set |= MarkActivationCompletedAt
	}
	if r.SoakDueAt.IsSet() {
		set |= MarkSoakDueAt
	}
	if r.CurrentClosure != "" {
		set |= MarkCurrentClosure
	}
	switch {
	case r.Marks&^allMarks != 0:
		return field, "want the four known marks only"
	case r.Marks&^set != 0:
		return field, "want marks on values that are set only"
	case r.Marks != 0 && r.State < wire.Soaking:
		return field, "want no mark before Soaking"
	case r.Marks&(MarkSoakDueAt|MarkCurrentClosure) != 0 && !r.Marks.Has(MarkActivationCompletedAt):
		return field, "want activationCompletedAt among them if soakDueAt or currentClosure is"
	case r.Marks.Has(MarkCurrentClosure) && r.CurrentClosure != r.TargetClosure:
		return "currentClosure", "want the target if it is synthesised"
	}
	return "", ""
}

func (r *Record) checkProbes() (member, problem string) {
	if len(r.Probes) == 0 {
		return "", ""
	}
	switch r.State {
	case wire.Soaking, wire.Failed, wire.Reverted:
	default:
		return "probes", "want none in " + r.State.String()
	}
	if len(r.Probes) > MaxProbes {
		return "probes", fmt.Sprintf("want at most %d", MaxProbes)
	}
	for i := range r.Probes {
		p := &r.Probes[i]
		at := func(member string) string { return "probes[" + strconv.Itoa(i) + "]." + member }
		switch {
		case p.Name == "":
			return at("probeName"), "want a name"
		case i > 0 && p.Name <= r.Probes[i-1].Name:
			return at("probeName"), "want probes sorted by name, each once"
		case p.Mode < wire.Enforce || p.Mode > wire.Disabled:
			return at("mode"), "want enforce, observe or disabled"
		case p.Status > wire.Fail:
			return at("status"), "want pass, fail or none"
		case (p.Status != 0) != p.LastObservedAt.IsSet():
			return at("lastObservedAt"), "want an instant if and only if there is a status"
		case p.Passes() && p.FirstFailedAt.IsSet():
			return at("firstFailedAt"), "want none while the probe passes"
		}
	}
	return "", ""
}
