package agent

import (
	"fmt"
	"time"

	"github.com/refrain-fleet/refrain/core/wire"
)

// switching is the activation or the rollback that runs; id is 0 while none
// does (PROTOCOL A10).
type switching struct {
	id      uint64
	kind    EffectKind
	rollout wire.RolloutID
	closure wire.Closure
}

// drive does what a rollout's state asks for. It depends on the state alone, so
// it does the same after a crash.
func (a *Agent) drive(p *progress, out *Output) {
	if p.superseded {
		return
	}
	if p.rec.State == wire.Pending && a.current != "" {
		a.appendEvent(p, wire.DispatchAck{CurrentClosureAtDispatch: a.current, ReceivedAt: a.last.Wall}, out)
	}
	if p.rec.State == wire.Activating {
		a.activate(p, out)
	}
	if p.rec.State == wire.Soaking && !p.soak.begun {
		a.beginSoak(p)
	}
	if p.rollback {
		a.rollBack(p, out)
	}
}

// runs reports whether the host runs a closure and goes on doing so after a
// boot. What a deferred activation has staged for the next boot would take the
// host away from it, unless the rollout that staged it still waits for that
// boot: that is another channel's business.
func (a *Agent) runs(closure wire.Closure) bool {
	if a.current != closure {
		return false
	}
	if a.staged == "" || a.staged == closure {
		return true
	}
	for _, p := range a.rollouts {
		if !p.superseded && p.rec.State == wire.Deferred && p.rec.TargetClosure == a.staged {
			return true
		}
	}
	return false
}

// activate brings the host to the rollout's target. A host that runs it
// already has nothing to do: a crash came between the switch and the event, or
// an earlier life of the agent got there.
func (a *Agent) activate(p *progress, out *Output) {
	if a.switching.rollout == p.id() && a.switching.id != 0 {
		return
	}
	if a.runs(p.rec.TargetClosure) {
		a.arrived(p, wire.ActivationCompleted{ObservedCurrentClosure: a.current, CompletedAt: a.last.Wall}, out)
		return
	}
	if a.switching.id != 0 {
		return
	}
	if a.cfg.SignedOnly && !p.taken.SignedAt.IsSet() {
		a.appendEvent(p, wire.ActivationFailed{
			FailedAt:   a.last.Wall,
			StderrTail: "the rollout was taken up before the agent was told to act only on signed releases; want a new rollout",
		}, out)
		return
	}
	if !p.rec.ActivationStartedAt.IsSet() {
		a.appendEvent(p, wire.ActivationStarted{StartedAt: a.last.Wall, SwitchMethod: a.cfg.SwitchMethod}, out)
	}
	a.begin(p, EffectActivate, p.rec.TargetClosure, out)
}

// begin asks for a switch of the host.
func (a *Agent) begin(p *progress, kind EffectKind, closure wire.Closure, out *Output) {
	a.switching = switching{id: a.issue(), kind: kind, rollout: p.id(), closure: closure}
	if p.resumed {
		p.resumed = false
		out.Notices = append(out.Notices, Notice{Kind: NoticeResumed, RolloutID: p.id(), Detail: kind.String()})
	}
	out.Effects = append(out.Effects, Effect{ID: a.switching.id, Kind: kind, RolloutID: p.id(), Closure: closure})
}

// ended returns the rollout of the switch that ended; nil if it is not the one
// that runs.
func (a *Agent) ended(id uint64, kind EffectKind) *progress {
	if id == 0 || id != a.switching.id || kind != a.switching.kind {
		return nil
	}
	p := a.find(a.switching.rollout)
	a.switching = switching{}
	return p
}

// arrived appends the event of a switch or a rollback that has ended on the closure
// that the host now runs, and what that means for the rollouts of other channels
// (PROTOCOL A10): nothing else would end them. What they lose comes first, so that
// a crash in between leaves the switch to be reported again.
func (a *Agent) arrived(p *progress, event wire.EventBody, out *Output) {
	for _, other := range a.rollouts {
		if other != p && !other.superseded && other.rec.TargetClosure != a.current {
			a.displaced(other, out)
		}
	}
	a.appendEvent(p, event, out)
	for _, other := range a.rollouts {
		if !other.superseded && other.rec.State == wire.Deferred && other.rec.TargetClosure == a.current {
			a.appendEvent(other, wire.ActivationCompleted{ObservedCurrentClosure: a.current, CompletedAt: a.last.Wall}, out)
		}
	}
}

// displaced fails a rollout that another channel's switch has taken the host from:
// its soak cannot end well, and the boot that it waits for will not bring it.
func (a *Agent) displaced(p *progress, out *Output) {
	var event wire.EventBody
	switch {
	case p.rec.State == wire.Soaking:
		event = wire.HealthFailed{FailedAt: a.last.Wall, PolicyApplied: wire.Halt}
	case p.rec.State == wire.Deferred && a.staged != p.rec.TargetClosure:
		event = wire.ActivationFailed{
			FailedAt:   a.last.Wall,
			StderrTail: wire.Text(fmt.Sprintf("the host was switched to %s for another channel; want %s, which was deferred to the next boot", a.current, p.rec.TargetClosure)),
		}
	default:
		return
	}
	out.Notices = append(out.Notices, Notice{Kind: NoticeStray, RolloutID: p.id(), Detail: string(a.current)})
	a.appendEvent(p, event, out)
}

// displacedMeanwhile fails a rollout that soaks though another channel has taken the
// host from it: it seemed to be at its end when that happened, and its Converged was
// refused since; or a crash came before the event of that was in the log.
func (a *Agent) displacedMeanwhile(p *progress, out *Output) {
	if p.superseded || p.rec.State != wire.Soaking || a.current == p.rec.TargetClosure {
		return
	}
	later := false
	for _, other := range a.rollouts {
		if other != p && !other.superseded && other.keepsOn(a.current, later) {
			a.displaced(p, out)
			return
		}
		later = later || other == p
	}
}

// keepsOn reports whether a rollout has the host on a closure: its last switch or
// rollback ended there, or it has come to none, and the host ran the closure when the
// rollout was taken up, later than the one that asks. The switch was then that of an
// older rollout of the channel, of which the log has nothing any more.
func (p *progress) keepsOn(closure wire.Closure, later bool) bool {
	on := p.rec.CurrentClosure
	if on == "" && later {
		on = p.rec.CurrentClosureAtDispatch
	}
	return closure != "" && on == closure
}

// maxTail bounds the text that an event carries, so that it stays far below
// the limit of a body however it is escaped (PROTOCOL T7).
const maxTail = 4 << 10

// tail returns the end of a text, at a whole character.
func tail(t wire.Text) wire.Text {
	if len(t) <= maxTail {
		return t
	}
	t = t[len(t)-maxTail:]
	for len(t) > 0 && t[0]&0xc0 == 0x80 { // inside a character of UTF-8
		t = t[1:]
	}
	return t
}

func (a *Agent) activationEnded(in *ActivationEnded, out *Output) {
	p := a.ended(in.ID, EffectActivate)
	if p == nil {
		return
	}
	target := p.rec.TargetClosure
	a.current = in.CurrentClosure
	if a.current == "" && in.Result == ActivationCompleted {
		a.current = target // the switch says that it ended well
	}
	switch in.Result {
	case ActivationCompleted:
		a.staged = ""
	case ActivationDeferred:
		a.staged = target
	}
	switch {
	case in.Result == ActivationCompleted && a.current == target:
		a.arrived(p, wire.ActivationCompleted{ObservedCurrentClosure: a.current, ExitCode: in.ExitCode, CompletedAt: a.last.Wall}, out)
	case in.Result == ActivationCompleted:
		// Soaking would never end, and nothing would report why.
		a.appendEvent(p, wire.ActivationFailed{
			ExitCode: in.ExitCode, FailedAt: a.last.Wall,
			StderrTail: wire.Text(fmt.Sprintf("the switch ended well, but the host runs %s; want %s", a.current, target)),
		}, out)
	case in.Result == ActivationDeferred:
		component := in.Component
		if component == "" {
			component = "unknown"
		}
		a.appendEvent(p, wire.ActivationDeferred{Component: component, DeferredAt: a.last.Wall}, out)
	default:
		a.appendEvent(p, wire.ActivationFailed{ExitCode: in.ExitCode, StderrTail: tail(in.StderrTail), FailedAt: a.last.Wall}, out)
	}
}

// appendFailed reports the failure as Failed after the plane refused an
// ActivationFailed: an event of an earlier life has taken its record to
// Soaking, where only Failed is legal (PROTOCOL E).
func (a *Agent) appendFailed(p *progress, out *Output) {
	a.appendEvent(p, wire.HealthFailed{FailedAt: p.rec.EndedAt, PolicyApplied: wire.Halt}, out)
}

// reconcile compares the rollouts with the closure that the host turns out to
// run, after a start or after a switch by hand.
func (a *Agent) reconcile(out *Output) {
	for _, p := range a.rollouts {
		if p.superseded || a.current == "" {
			continue
		}
		switch on := a.current == p.rec.TargetClosure; {
		case p.rec.State == wire.Deferred && on: // the reboot has come
			a.arrived(p, wire.ActivationCompleted{ObservedCurrentClosure: a.current, CompletedAt: a.last.Wall}, out)
		case p.rec.State == wire.Soaking && !on, p.rec.State == wire.Converged && !on:
			out.Notices = append(out.Notices, Notice{Kind: NoticeStray, RolloutID: p.id(), Detail: string(a.current)})
			a.displacedMeanwhile(p, out)
		}
	}
	if a.booted && a.current != "" {
		a.booted = false
		a.failDeferred(out)
	}
}

// failDeferred fails a rollout that was deferred to the boot that has come, if
// this boot did not bring its closure and the next will not: another generation
// was chosen, or the new one did not come up. Without the event the plane would
// not learn of it.
func (a *Agent) failDeferred(out *Output) {
	for _, p := range a.rollouts {
		target := p.rec.TargetClosure
		if p.superseded || p.rec.State != wire.Deferred || a.current == target || a.staged == target {
			continue
		}
		a.appendEvent(p, wire.ActivationFailed{
			FailedAt:   a.last.Wall,
			StderrTail: wire.Text(fmt.Sprintf("the host was booted and runs %s; want %s, which was deferred to the boot", a.current, target)),
		}, out)
	}
}

func (a *Agent) observeClosure(in *ClosureObserved, out *Output) {
	if a.switching.id != 0 {
		return // the agent's own switch reports its end itself
	}
	a.staged = in.NextBoot
	if in.CurrentClosure == a.current {
		return
	}
	a.current = in.CurrentClosure
	if a.started {
		a.reconcile(out)
	}
}

// rollbackDue returns when a rollback may begin.
func (a *Agent) rollbackDue(p *progress) time.Duration {
	if !p.rollback || p.superseded || a.switching.id != 0 {
		return NoTimer
	}
	return p.rollbackAt
}

// rollBack takes the host back to what it ran before (PROTOCOL A7).
func (a *Agent) rollBack(p *progress, out *Output) {
	before := p.rec.CurrentClosureAtDispatch
	switch {
	case a.switching.id != 0:
	case a.runs(before): // a crash came between the switch and the event
		a.arrived(p, wire.RollbackComplete{RevertedToClosure: before, CompletedAt: a.last.Wall}, out)
	case a.rollbackDue(p) <= a.last.Mono:
		a.begin(p, EffectRollback, before, out)
	}
}

func (a *Agent) rollbackEnded(in *RollbackEnded, out *Output) {
	p := a.ended(in.ID, EffectRollback)
	if p == nil {
		return
	}
	a.current = in.CurrentClosure
	if before := p.rec.CurrentClosureAtDispatch; a.current == before {
		a.staged = ""
		a.arrived(p, wire.RollbackComplete{RevertedToClosure: before, ExitCode: in.ExitCode, CompletedAt: a.last.Wall}, out)
		return
	}
	p.rollbackFailures = counted(p.rollbackFailures)
	p.rollbackAt = a.last.Mono + a.backoff(p.rollbackFailures, 0)
	out.Notices = append(out.Notices, Notice{
		Kind: NoticeRollbackFailed, RolloutID: p.id(),
		Detail: fmt.Sprintf("exit %d, the host runs %s; want %s", in.ExitCode, wire.OrDash(a.current), p.rec.CurrentClosureAtDispatch),
	})
}
