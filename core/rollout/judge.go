package rollout

import (
	"fmt"

	"github.com/refrain-fleet/refrain/core/wire"
)

// Outcome is what became of an event. The zero value is none of them.
type Outcome uint8

// The outcomes, in the order of judgement.
const (
	// Duplicate: already taken, nothing changes; 204 (PROTOCOL E3).
	Duplicate Outcome = iota + 1
	// Applied: taken, the record is what the event says; 204 (E4).
	Applied
	// Absorbed: the record was already past it; 204 (E5).
	Absorbed
	// Gap: events before it are missing; 409 with Replay-From (E6).
	Gap
	// Rejected: not as the record stands; 409 without (E7).
	Rejected
)

var outcomeWords = [...]string{"no outcome", "duplicate", "applied", "absorbed", "gap", "rejected"}

// String returns the outcome as one lowercase word.
func (o Outcome) String() string { return wire.WordOf(outcomeWords[:], o) }

// Result is a verdict on an event.
type Result struct {
	Outcome Outcome
	// Detail says in one sentence what was wrong and what would be right. It is
	// set for Gap and Rejected only.
	Detail string
}

// Judge is [Record.JudgeAs] for an agent of ours.
func (r *Record) Judge(ev wire.Event) Result { return r.JudgeAs(wire.DialectRefrain, ev) }

// JudgeAs returns the verdict that [Record.ApplyAs] would give, and changes
// nothing.
//
// An event's closure agrees with the record (PROTOCOL E5) as follows. Events
// that report none always agree. ActivationCompleted has to report the current
// closure, or the target where the current closure is unset; in Reverted, where
// the current closure is what the host went back to, it has to report the
// target, which the event was about. A current closure that a confirmation set
// always agrees, since the agent's own replaces it. RollbackComplete and
// Converged have to report the current closure, which in their states is always
// set.
//
// A field agent's numbers may begin again, or be given to another event (PROTOCOL
// E11): an event that moves the record on is no duplicate, whatever its number. What
// moved a record once does not move it again.
func (r *Record) JudgeAs(d wire.Dialect, ev wire.Event) Result {
	if ev.Seq <= r.LastEventSeq && !(d == wire.DialectField && r.moves(ev.Body)) {
		return Result{Outcome: Duplicate}
	}
	kind := ev.Body.Kind()
	gap := ev.Seq > r.LastEventSeq+1
	if r.begunAnew(d, ev.Body) {
		return Result{Outcome: Applied}
	}
	if Legal(r.State, kind) || kind == wire.KindActivationFailed && r.Synthesised() {
		if problem := r.tooManyProbes(ev.Body); problem != "" {
			// No missing event could make room, so this is not a gap.
			return Result{Outcome: Rejected, Detail: problem}
		}
		problem := r.notConverged(d, ev.Body)
		if problem == "" {
			return Result{Outcome: Applied}
		}
		return r.refuse(ev.Seq, gap, problem)
	}
	if !Past(r.State, kind) {
		return r.refuse(ev.Seq, gap, fmt.Sprintf("%s is taken in %s, but the record is %s",
			kind, transitions[kind].from, r.State))
	}
	if problem := r.disagrees(ev.Body); problem != "" {
		return r.refuse(ev.Seq, gap, problem)
	}
	return Result{Outcome: Absorbed}
}

// refuse distinguishes a gap (E6) from a plain refusal (E7). Once a record is at
// its end, no event that is missing could make the refused one legal.
func (r *Record) refuse(seq wire.Seq, gap bool, problem string) Result {
	if !gap || !r.State.Active() {
		return Result{Outcome: Rejected, Detail: problem}
	}
	missing := fmt.Sprintf("event %d is missing", r.LastEventSeq+1)
	if seq > r.LastEventSeq+2 {
		missing = fmt.Sprintf("events %d to %d are missing", r.LastEventSeq+1, seq-1)
	}
	return Result{Outcome: Gap, Detail: problem + "; " + missing}
}

// disagrees says why an event that the record is past has another closure than
// the record; empty if it agrees (E5).
func (r *Record) disagrees(body wire.EventBody) string {
	reported, reports := wire.ReportedClosure(body)
	if !reports || r.Marks.Has(MarkCurrentClosure) {
		return ""
	}
	want := r.CurrentClosure
	if want == "" || body.Kind() == wire.KindActivationCompleted && r.State == wire.Reverted {
		want = r.TargetClosure
	}
	if reported == want {
		return ""
	}
	return fmt.Sprintf("the record is %s already and %s reports closure %s; want %s", r.State, body.Kind(), reported, want)
}

// begunAnew reports whether an event says that the host has activated the target
// again after it had failed (PROTOCOL E13). An agent that knows of a failure activates
// nothing for the rollout any more, so this one is of a later life: it had lost its log,
// and the plane had lost the failure and has it again from a backup. The numbers of the
// two lives cannot be compared, but their instants can. Those of a field agent's events
// are no evidence: its switch may end after it has been reported to have failed.
func (r *Record) begunAnew(d wire.Dialect, body wire.EventBody) bool {
	b, is := body.(wire.ActivationCompleted)
	return is && d != wire.DialectField && r.State == wire.Failed &&
		b.ObservedCurrentClosure == r.TargetClosure && r.EndedAt.IsSet() && r.EndedAt.Before(b.CompletedAt)
}

// moves reports whether an event is legal and leads to another state.
func (r *Record) moves(body wire.EventBody) bool {
	t := transitions[body.Kind()]
	return t.from.has(r.State) && t.to != r.State
}

// notConverged says why a Converged breaks E1; empty if it keeps it, and for
// every other kind. A field agent does not wait for probes that have not run.
func (r *Record) notConverged(d wire.Dialect, body wire.EventBody) string {
	b, is := body.(wire.HostConverged)
	if !is {
		return ""
	}
	if b.CurrentClosure != r.TargetClosure {
		return fmt.Sprintf("Converged reports closure %s; want the target %s", b.CurrentClosure, r.TargetClosure)
	}
	failing := r.FailingProbes()
	if d == wire.DialectField {
		failing = r.failedProbes()
	}
	switch len(failing) {
	case 0:
	case 1:
		return fmt.Sprintf("Converged wants every enforce-mode probe to pass, but %s does not", failing[0])
	default:
		return fmt.Sprintf("Converged wants every enforce-mode probe to pass, but %d do not, the first of them %s", len(failing), failing[0])
	}
	due := r.soakOverAt()
	if !due.IsSet() {
		return "Converged wants the soak to be over, but the record knows neither a soak deadline nor when the activation completed"
	}
	if b.ConvergedAt.Before(due) {
		return fmt.Sprintf("convergedAt is %s, before the soak is over; want %s or later", b.ConvergedAt, due)
	}
	return ""
}

// soakOverAt returns the earliest instant at which E1 calls the soak over: the
// soak deadline, or the activation's completion plus the soak time, whichever
// comes first. It is unset if neither is known.
func (r *Record) soakOverAt() wire.Time {
	soaked := r.ActivationCompletedAt.Add(r.Soak())
	if !soaked.IsSet() || r.SoakDueAt.IsSet() && r.SoakDueAt.Before(soaked) {
		return r.SoakDueAt
	}
	return soaked
}
