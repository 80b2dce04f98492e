package rollout

import "github.com/refrain-fleet/refrain/core/wire"

// Apply is [Record.ApplyAs] for an agent of ours.
func (r *Record) Apply(ev wire.Event) Result { return r.ApplyAs(wire.DialectRefrain, ev) }

// ApplyAs takes an event of the agent (PROTOCOL E1 to E7, E11): the only place where
// an agent's event changes a record. See [Record.JudgeAs] for the verdict. On
// Duplicate, Gap and Rejected nothing changes.
//
// An Absorbed event advances the sequence, fills in what the record lacks and
// replaces what a confirmation put in; the state stays. A SoakDueAt that a
// confirmation put in follows the agent's completion. A field agent's number may be
// one that was taken before, or 0: then the sequence does not go back.
func (r *Record) ApplyAs(d wire.Dialect, ev wire.Event) Result {
	result := r.JudgeAs(d, ev)
	switch result.Outcome {
	case Applied:
		r.apply(ev.Body)
	case Absorbed:
		r.absorb(ev.Body)
	default:
		return result
	}
	r.LastEventSeq = max(r.LastEventSeq, ev.Seq, 1)
	return result
}

// AddsNothing reports whether the event would be Absorbed by a record at its end and
// change nothing but the sequence: the record need not take it (PROTOCOL E5). What
// an agent may send of this kind has no end.
func (r *Record) AddsNothing(d wire.Dialect, ev wire.Event) bool {
	if r.State.Active() || r.JudgeAs(d, ev).Outcome != Absorbed {
		return false
	}
	after := *r
	after.absorb(ev.Body) // changes no probes
	return after.DispatchAckedAt == r.DispatchAckedAt && after.CurrentClosureAtDispatch == r.CurrentClosureAtDispatch &&
		after.ActivationStartedAt == r.ActivationStartedAt && after.ActivationCompletedAt == r.ActivationCompletedAt &&
		after.SoakDueAt == r.SoakDueAt && after.CurrentClosure == r.CurrentClosure && after.EndedAt == r.EndedAt && after.Marks == r.Marks
}

// OnlyObserves reports whether the event would be taken and change nothing of the
// record but the sequence and when a probe ran last: no rule reads that, and an
// agent may lose it (PROTOCOL E4, G11).
func (r *Record) OnlyObserves(d wire.Dialect, ev wire.Event) bool {
	after := r.Clone()
	if o := after.ApplyAs(d, ev).Outcome; o != Applied && o != Absorbed {
		return false
	}
	if len(after.Probes) != len(r.Probes) {
		return false
	}
	for i := range after.Probes {
		p := &after.Probes[i]
		p.LastObservedAt = r.Probes[i].LastObservedAt
		if *p != r.Probes[i] {
			return false
		}
	}
	return after.State == r.State && after.Marks == r.Marks && after.CurrentClosure == r.CurrentClosure &&
		after.CurrentClosureAtDispatch == r.CurrentClosureAtDispatch && after.DispatchAckedAt == r.DispatchAckedAt &&
		after.ActivationStartedAt == r.ActivationStartedAt && after.ActivationCompletedAt == r.ActivationCompletedAt &&
		after.SoakDueAt == r.SoakDueAt && after.EndedAt == r.EndedAt
}

// apply carries out the table of PROTOCOL E.
func (r *Record) apply(body wire.EventBody) {
	switch b := body.(type) {
	case wire.ActivationCompleted:
		r.Probes = nil // probes of an earlier closure say nothing about this one
		if r.State == wire.Failed {
			r.beginAnew(b)
		} else {
			r.fillIn(b)
		}
	case wire.ActivationFailed:
		r.undoConfirmation()
	case wire.ProbeTopologyDeclared:
		r.declare(b.Probes)
	case wire.ProbeObservedFirst:
		r.probe(b.ProbeName, b.Mode).observedFirst(b.ObservedAt)
	case wire.ProbeResult:
		r.probe(b.ProbeName, b.Mode).result(b.Status, b.ObservedAt)
	case wire.ProbeFailureFirst:
		r.probe(b.ProbeName, b.Mode).failedFirst(b.FirstFailedAt)
	case wire.RollbackComplete:
		r.setClosure(b.RevertedToClosure)
	case wire.HostConverged:
		r.setClosure(b.CurrentClosure)
		r.Probes = nil // they pass, by E1
	default:
		r.fillIn(body)
	}
	r.State = transitions[body.Kind()].to
	if !r.State.Active() {
		r.EndedAt = body.At()
	}
}

// absorb carries out E5.
func (r *Record) absorb(body wire.EventBody) {
	r.fillIn(body)
	if transitions[body.Kind()].to == r.State && !r.State.Active() && !r.EndedAt.IsSet() {
		r.EndedAt = body.At()
	}
}

// fillIn sets what an event says of the way to Soaking, where the record lacks
// it or has it only from a confirmation. Applied and absorbed events both use
// it, so that they give the same record.
func (r *Record) fillIn(body wire.EventBody) {
	switch b := body.(type) {
	case wire.DispatchAck:
		r.stamp(&r.DispatchAckedAt, MarkDispatchAckedAt, b.ReceivedAt)
		if r.CurrentClosureAtDispatch == "" {
			r.CurrentClosureAtDispatch = r.intern(b.CurrentClosureAtDispatch)
		}
	case wire.ActivationStarted:
		r.stamp(&r.ActivationStartedAt, 0, b.StartedAt)
	case wire.ActivationCompleted:
		r.stamp(&r.ActivationCompletedAt, MarkActivationCompletedAt, b.CompletedAt)
		r.stamp(&r.SoakDueAt, MarkSoakDueAt, r.ActivationCompletedAt.Add(r.Soak()))
		if r.CurrentClosure == "" || r.Marks.Has(MarkCurrentClosure) {
			r.setClosure(b.ObservedCurrentClosure)
		}
	}
}

// beginAnew forgets a failure that the host's later life contradicts (E13). What it says
// of the activation replaces what the earlier life had said; the soak is a whole one.
func (r *Record) beginAnew(b wire.ActivationCompleted) {
	r.EndedAt = wire.Time{}
	r.ActivationCompletedAt, r.SoakDueAt = b.CompletedAt, b.CompletedAt.Add(r.Soak())
	r.Marks &^= MarkActivationCompletedAt | MarkSoakDueAt
	r.setClosure(b.ObservedCurrentClosure)
}

// stamp sets a field to the agent's own value, unless it has one already.
func (r *Record) stamp(field *wire.Time, mark Marks, own wire.Time) {
	if !field.IsSet() || r.Marks.Has(mark) {
		*field = own
		r.Marks &^= mark
	}
}

// setClosure sets the current closure to what the agent said.
func (r *Record) setClosure(c wire.Closure) {
	r.CurrentClosure = r.intern(c)
	r.Marks &^= MarkCurrentClosure
}
