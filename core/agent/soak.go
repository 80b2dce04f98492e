package agent

import (
	"time"

	"github.com/refrain-fleet/refrain/core/wire"
)

// soak is what a rollout's soak has come to in this process. All instants are
// on the monotonic clock, which cannot be set.
type soak struct {
	begun bool
	// since is when the activation ended; it may lie before the process.
	since time.Duration
	// after is the last ID issued before the soak began, or before the last
	// refusal: rounds of probes with lower ones do not count.
	after uint64
	// declared says that the host's probes are declared, fresh that a round of
	// them has ended. Results of an earlier process do not count.
	declared, fresh bool
	// resend says that the events about probes and results are to be appended
	// again, though nothing about them has changed.
	resend bool
	// failing are the probes that fail, in the order in which they began to.
	failing []failing
	// retryAt is when a Converged that was refused may be tried again.
	retryAt  time.Duration
	refusals wire.Count
}

// failing is since when a probe has been failing without a pass (A7).
type failing struct {
	probe wire.Name
	since time.Duration
}

// elapsed returns for how long something has lasted since an instant of the
// wall clock, from 0 to most: the only record of a monotonic instant that
// survives a restart. A clock that was set in between can shorten or stretch it
// once.
func (a *Agent) elapsed(since wire.Time, most time.Duration) time.Duration {
	if !since.IsSet() {
		return 0
	}
	return min(max(a.last.Wall.Std().Sub(since.Std()), 0), most)
}

func (a *Agent) beginSoak(p *progress) {
	p.soak = soak{
		begun: true,
		since: a.last.Mono - a.elapsed(p.rec.ActivationCompletedAt, p.rec.Soak()),
		after: a.issued,
	}
	p.resumed = false
	a.round.at = a.last.Mono
}

// soaking reports whether a rollout is soaking on the closure that the host
// runs. On another one its probes would say nothing about it.
func (a *Agent) soaking(p *progress) bool {
	return p.rec.State == wire.Soaking && p.soak.begun && !p.superseded && a.current == p.rec.TargetClosure
}

// convergeDue returns when a rollout has converged (PROTOCOL A8), as far as is
// known now.
func (a *Agent) convergeDue(p *progress) time.Duration {
	if !a.soaking(p) || !p.soak.declared || !p.soak.fresh {
		return NoTimer
	}
	for i := range p.rec.Probes {
		if q := &p.rec.Probes[i]; q.Mode == wire.Enforce && !q.Passes() {
			return NoTimer
		}
	}
	due := NoTimer
	if !p.taken.SoakUnknown {
		due = p.soak.since + p.rec.Soak()
	}
	if p.taken.Recovered {
		due = min(due, a.monoOf(p.rec.SoakDueAt))
	}
	return max(due, p.soak.retryAt)
}

// monoOf returns when the wall clock will show an instant, on the monotonic
// clock; now if it has passed.
func (a *Agent) monoOf(t wire.Time) time.Duration {
	wait := max(t.Std().Sub(a.last.Wall.Std()), 0)
	if wait > NoTimer-a.last.Mono {
		return NoTimer
	}
	return a.last.Mono + wait
}

// convergeAll converges the rollouts whose time has come.
func (a *Agent) convergeAll(out *Output) {
	for _, p := range a.rollouts {
		if a.convergeDue(p) <= a.last.Mono {
			a.converge(p, out)
		}
	}
}

// converge appends Converged. A wall clock that was set back during the soak
// would date it before the soak's end, and the plane would refuse it (E1); by
// the monotonic clock the soak is over, so Converged is dated at the soak's
// end.
func (a *Agent) converge(p *progress, out *Output) {
	at := a.last.Wall
	if end := p.rec.ActivationCompletedAt.Add(p.rec.Soak()); at.Before(end) && a.last.Mono >= p.soak.since+p.rec.Soak() {
		at = end
	}
	p.soak.failing = nil
	a.appendEvent(p, wire.HostConverged{ConvergedAt: at, CurrentClosure: a.current}, out)
}

// maxConvergeRetry bounds the time between two tries of a Converged that the
// plane refuses.
const maxConvergeRetry = time.Hour

// convergeLater prepares the next try of a Converged that was refused (PROTOCOL
// E7). The plane may know a longer soak than the agent does, so the next try is
// later. Or it has lost results of probes to an old backup: nothing else would
// bring them back, since the closure shows no drift and the numbers no gap, so
// their events are appended again. Or its record is Failed, by an earlier life of the
// agent: then the activation is appended again as well (E13), so often and no more.
func (a *Agent) convergeLater(p *progress, out *Output) {
	if p.soak.refusals < maxDriftRenumbers && !p.superseded && p.rec.State == wire.Soaking && a.current == p.rec.TargetClosure {
		a.appendEvent(p, wire.ActivationCompleted{ObservedCurrentClosure: a.current, CompletedAt: p.rec.ActivationCompletedAt}, out)
	}
	p.soak.after, p.soak.declared, p.soak.fresh, p.soak.resend = a.issued, false, false, true
	a.round.at = a.last.Mono
	wait := a.interval()
	for n := p.soak.refusals; n > 0 && wait < maxConvergeRetry; n-- {
		wait *= 2
	}
	p.soak.refusals = counted(p.soak.refusals)
	p.soak.retryAt = a.last.Mono + min(wait, maxConvergeRetry)
}
