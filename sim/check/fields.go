package check

import (
	"slices"
	"time"

	"github.com/refrain-fleet/refrain/core/rollout"
	"github.com/refrain-fleet/refrain/core/wire"
)

// What an event tells of a record's values, and what a confirmation infers:
// PROTOCOL E, E5 and H4 once more, without the state and the number.

// onlyObserves reports whether an event that is taken and moves no state changes
// nothing of a record but when a probe ran last (PROTOCOL G11).
func onlyObserves(r *recordCopy, body wire.EventBody) bool {
	was, is := *r.before, *r.before
	was.Probes, is.Probes = slices.Clone(r.before.Probes), slices.Clone(r.before.Probes)
	tell(&is, r.before.State, body, r.of.soak(r.wave))
	for _, probes := range [][]rollout.Probe{was.Probes, is.Probes} {
		for i := range probes {
			probes[i].LastObservedAt = wire.Time{}
		}
	}
	return sameRecord(&was, &is)
}

// tell puts in what an event tells that was taken in state s; the record has the state
// that it led to.
func tell(r *rollout.Record, s wire.State, body wire.EventBody, soak time.Duration) {
	legal := slices.Contains(legalMoves[body.Kind()].from, s)
	switch b := body.(type) {
	case wire.DispatchAck:
		replace(r, &r.DispatchAckedAt, rollout.MarkDispatchAckedAt, b.ReceivedAt)
		if r.CurrentClosureAtDispatch == "" {
			r.CurrentClosureAtDispatch = b.CurrentClosureAtDispatch
		}
	case wire.ActivationStarted:
		replace(r, &r.ActivationStartedAt, 0, b.StartedAt)
	case wire.ActivationCompleted:
		if s == wire.Failed && r.State == wire.Soaking { // E13
			r.ActivationCompletedAt, r.SoakDueAt, r.EndedAt = b.CompletedAt, b.CompletedAt.Add(soak), wire.Time{}
			r.Marks &= rollout.MarkDispatchAckedAt
			r.Probes = r.Probes[:0]
			runs(r, b.ObservedCurrentClosure)
			return
		}
		replace(r, &r.ActivationCompletedAt, rollout.MarkActivationCompletedAt, b.CompletedAt)
		replace(r, &r.SoakDueAt, rollout.MarkSoakDueAt, r.ActivationCompletedAt.Add(soak))
		if r.CurrentClosure == "" || r.Marks.Has(rollout.MarkCurrentClosure) {
			runs(r, b.ObservedCurrentClosure)
		}
		if legal {
			r.Probes = r.Probes[:0]
		}
	case wire.ActivationFailed:
		if s == wire.Activating || s == wire.Deferred || s == wire.Soaking { // in Soaking an inference is taken back
			if r.Marks.Has(rollout.MarkSoakDueAt) {
				r.SoakDueAt = wire.Time{}
			}
			r.ActivationCompletedAt, r.CurrentClosure = wire.Time{}, ""
			r.Marks &= rollout.MarkDispatchAckedAt
			r.Probes = r.Probes[:0]
			r.EndedAt = b.FailedAt
		} else if s == wire.Failed {
			replace(r, &r.EndedAt, 0, b.FailedAt)
		}
	case wire.HealthFailed:
		if legal || s == wire.Failed && !r.EndedAt.IsSet() {
			r.EndedAt = b.FailedAt
		}
	case wire.RollbackComplete:
		if legal {
			runs(r, b.RevertedToClosure)
			r.EndedAt = b.CompletedAt
		} else if s == wire.Reverted {
			replace(r, &r.EndedAt, 0, b.CompletedAt)
		}
	case wire.HostConverged:
		if legal {
			runs(r, b.CurrentClosure)
			r.EndedAt = b.ConvergedAt
			r.Probes = r.Probes[:0]
		} else if s == wire.Converged {
			replace(r, &r.EndedAt, 0, b.ConvergedAt)
		}
	default:
		if legal {
			tellProbes(r, body)
		}
	}
}

// replace sets a value that is unset or inferred.
func replace(r *rollout.Record, field *wire.Time, mark rollout.Marks, own wire.Time) {
	if field.IsSet() && !r.Marks.Has(mark) {
		return
	}
	*field = own
	r.Marks &^= mark
}

// runs sets what the host says that it runs.
func runs(r *rollout.Record, closure wire.Closure) {
	r.CurrentClosure = closure
	r.Marks &^= rollout.MarkCurrentClosure
}

// confirm puts in what a confirmation at an instant infers (H4).
func confirm(r *rollout.Record, at wire.Time, soak time.Duration) {
	infer := func(field *wire.Time, mark rollout.Marks, value wire.Time) {
		if !field.IsSet() {
			*field = value
			r.Marks |= mark
		}
	}
	infer(&r.DispatchAckedAt, rollout.MarkDispatchAckedAt, at)
	infer(&r.ActivationCompletedAt, rollout.MarkActivationCompletedAt, at)
	infer(&r.SoakDueAt, rollout.MarkSoakDueAt, at.Add(soak))
	r.CurrentClosure = r.TargetClosure
	r.Marks |= rollout.MarkCurrentClosure
}

// tellProbes puts in what an event tells of probes.
func tellProbes(r *rollout.Record, body wire.EventBody) {
	switch b := body.(type) {
	case wire.ProbeTopologyDeclared:
		known := slices.Clone(r.Probes)
		r.Probes = r.Probes[:0]
		for _, d := range b.Probes {
			p := probeNamed(r, d.ProbeName)
			for _, k := range known {
				if k.Name == d.ProbeName {
					*p = k
				}
			}
			p.Mode = d.Mode
		}
	case wire.ProbeObservedFirst:
		p := probeNamed(r, b.ProbeName)
		p.Mode = b.Mode
		if !p.FirstObservedAt.IsSet() {
			p.FirstObservedAt = b.ObservedAt
		}
	case wire.ProbeResult:
		p := probeNamed(r, b.ProbeName)
		p.Mode, p.Status, p.LastObservedAt = b.Mode, b.Status, b.ObservedAt
		if b.Status == wire.Pass {
			p.FirstFailedAt = wire.Time{}
		}
	case wire.ProbeFailureFirst:
		p := probeNamed(r, b.ProbeName)
		p.Mode = b.Mode
		if p.Status != wire.Pass && !p.FirstFailedAt.IsSet() {
			p.FirstFailedAt = b.FirstFailedAt
		}
	}
}

// probeNamed returns the probe of a name, a new one at its place if there is
// none.
func probeNamed(r *rollout.Record, name wire.Name) *rollout.Probe {
	at := 0
	for at < len(r.Probes) && r.Probes[at].Name < name {
		at++
	}
	if at == len(r.Probes) || r.Probes[at].Name != name {
		r.Probes = slices.Insert(r.Probes, at, rollout.Probe{Name: name})
	}
	return &r.Probes[at]
}
