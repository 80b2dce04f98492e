package agent

import (
	"slices"
	"strings"
	"time"

	"github.com/refrain-fleet/refrain/core/rollout"
	"github.com/refrain-fleet/refrain/core/wire"
)

// round is one run of every enabled probe; id is 0 while none runs.
type round struct {
	id     uint64
	at     time.Duration // when the next one is due
	probes []wire.ProbeDeclaration
	ended  []bool // by index of probes
	left   int
}

// declare takes the host's probes from its configuration.
func (a *Agent) declare(probes []wire.ProbeDeclaration, out *Output) {
	set := make([]wire.ProbeDeclaration, 0, len(probes))
	for i := len(probes) - 1; i >= 0; i-- { // of a name given twice the later one counts
		d := probes[i]
		named := func(o wire.ProbeDeclaration) bool { return o.ProbeName == d.ProbeName }
		if d.ProbeName == "" || d.ProbeKind == "" || d.Mode < wire.Enforce || d.Mode > wire.Disabled {
			out.Notices = append(out.Notices, Notice{Kind: NoticeDefect, Detail: "a probe wants a name, a kind and a mode: " + wire.OrDash(d.ProbeName)})
		} else if !slices.ContainsFunc(set, named) {
			set = append(set, d)
		}
	}
	slices.SortFunc(set, func(a, b wire.ProbeDeclaration) int {
		return strings.Compare(string(a.ProbeName), string(b.ProbeName))
	})
	if len(set) > rollout.MaxProbes {
		out.Notices = append(out.Notices, Notice{Kind: NoticeDefect, Detail: "a host has at most 1024 probes; the last by name are left out"})
		set = set[:rollout.MaxProbes]
	}
	if slices.Equal(set, a.probes) {
		return
	}
	a.probes = set
	a.enabled = nil
	for _, d := range set {
		if d.Mode != wire.Disabled {
			a.enabled = append(a.enabled, d)
		}
	}
	for _, p := range a.rollouts {
		p.soak.declared = false
	}
	a.round.at = a.last.Mono
}

// declaration returns the declaration of a probe; nil if the host has none of
// that name any more.
func (a *Agent) declaration(name wire.Name) *wire.ProbeDeclaration {
	i, found := slices.BinarySearchFunc(a.probes, name, func(d wire.ProbeDeclaration, name wire.Name) int {
		return strings.Compare(string(d.ProbeName), string(name))
	})
	if !found {
		return nil
	}
	return &a.probes[i]
}

// roundDue returns when the next round is to begin: NoTimer while one runs, and
// while no rollout is soaking on the closure that the host runs.
func (a *Agent) roundDue() time.Duration {
	if a.round.id != 0 {
		return NoTimer
	}
	for _, p := range a.rollouts {
		if a.soaking(p) {
			return a.round.at
		}
	}
	return NoTimer
}

// beginRound declares the probes where that was not done, and runs them.
func (a *Agent) beginRound(out *Output) {
	for _, p := range a.rollouts {
		if a.soaking(p) && !p.soak.declared {
			p.soak.declared = true
			if p.soak.resend || !p.hasDeclared(a.probes) {
				a.appendEvent(p, wire.ProbeTopologyDeclared{Probes: a.probes, DeclaredAt: a.last.Wall}, out)
			}
		}
	}
	if len(a.enabled) == 0 {
		a.endRound(a.issue())
		return
	}
	r := &a.round
	r.id, r.probes, r.left = a.issue(), a.enabled, len(a.enabled)
	r.ended = slices.Grow(r.ended[:0], r.left)[:r.left]
	clear(r.ended)
	out.Effects = append(out.Effects, Effect{ID: r.id, Kind: EffectProbe, Probes: r.probes})
}

// hasDeclared reports whether the last set that the rollout's log declares is
// this one.
func (p *progress) hasDeclared(probes []wire.ProbeDeclaration) bool {
	for i := len(p.log) - 1; i >= 0; i-- {
		if b, is := p.log[i].event.Body.(wire.ProbeTopologyDeclared); is {
			return slices.Equal(b.Probes, probes)
		}
	}
	return false
}

func (a *Agent) probed(in *Probed, out *Output) {
	r := &a.round
	i := slices.IndexFunc(r.probes, func(d wire.ProbeDeclaration) bool { return d.ProbeName == in.Probe })
	if in.ID == 0 || in.ID != r.id || i < 0 || r.ended[i] {
		return
	}
	r.ended[i] = true
	r.left--
	if d := a.declaration(in.Probe); d != nil && d.Mode != wire.Disabled {
		for _, p := range a.rollouts {
			// A probe that began before the activation ended says nothing
			// about it.
			if a.soaking(p) && r.id > p.soak.after {
				a.observe(p, d, in, out)
			}
		}
	}
	if r.left == 0 {
		id := r.id
		r.id, r.probes = 0, nil
		a.endRound(id)
	}
}

// endRound sets when the next round begins: after the interval, at once if a
// rollout still wants one, and in time for a failure to become a sustained one
// (A7), which takes a result. Without a probe there is nothing to repeat.
func (a *Agent) endRound(id uint64) {
	r := &a.round
	r.at = NoTimer
	if len(a.enabled) > 0 {
		r.at = a.last.Mono + a.cfg.ProbeInterval
	}
	for _, p := range a.rollouts {
		if !a.soaking(p) {
			continue
		}
		if id > p.soak.after {
			p.soak.fresh, p.soak.resend = true, false
		}
		if !p.soak.fresh || !p.soak.declared {
			r.at = a.last.Mono
		}
		for _, f := range p.soak.failing {
			if limit := f.since + a.cfg.SustainedFailure; limit > a.last.Mono {
				r.at = min(r.at, limit)
			}
		}
	}
}

// observe appends events for what a probe's result changes. A result equal to
// the one before gives no event: a log must not grow with time alone.
func (a *Agent) observe(p *progress, d *wire.ProbeDeclaration, in *Probed, out *Output) {
	var known rollout.Probe
	if i, found := slices.BinarySearchFunc(p.rec.Probes, d.ProbeName, func(o rollout.Probe, name wire.Name) int {
		return strings.Compare(string(o.Name), string(name))
	}); found {
		known = p.rec.Probes[i]
	}
	status, reason := in.Status, wire.Text("")
	if status != wire.Pass {
		status, reason = wire.Fail, tail(in.Reason)
	}
	if !known.FirstObservedAt.IsSet() {
		a.appendEvent(p, wire.ProbeObservedFirst{ProbeName: d.ProbeName, Mode: d.Mode, ObservedAt: a.last.Wall}, out)
	}
	if known.Status != status || p.soak.resend {
		a.appendEvent(p, wire.ProbeResult{
			ProbeName: d.ProbeName, Mode: d.Mode, Status: status, ObservedAt: a.last.Wall,
			FailureReason: reason, SubResults: slices.Clone(in.SubResults),
		}, out)
	}
	s := &p.soak
	if status == wire.Pass {
		s.failing = slices.DeleteFunc(s.failing, func(f failing) bool { return f.probe == d.ProbeName })
		return
	}
	if !known.FirstFailedAt.IsSet() {
		a.appendEvent(p, wire.ProbeFailureFirst{ProbeName: d.ProbeName, Mode: d.Mode, FirstFailedAt: a.last.Wall}, out)
	}
	i := slices.IndexFunc(s.failing, func(f failing) bool { return f.probe == d.ProbeName })
	if i < 0 {
		i = len(s.failing)
		s.failing = append(s.failing, failing{d.ProbeName, a.last.Mono - a.elapsed(known.FirstFailedAt, a.cfg.SustainedFailure)})
	}
	if d.Mode == wire.Enforce && a.last.Mono-s.failing[i].since >= a.cfg.SustainedFailure {
		a.fail(p, a.last.Mono-s.failing[i].since, out)
	}
}

// fail appends Failed, and begins the rollback if the rollout's policy wants
// one and there is a closure to go back to (PROTOCOL A7).
func (a *Agent) fail(p *progress, sustained time.Duration, out *Output) {
	policy := wire.Halt
	if before := p.rec.CurrentClosureAtDispatch; p.taken.Policy == wire.RollbackAndHalt && before != "" && before != p.rec.TargetClosure {
		policy = wire.RollbackAndHalt
		out.Notices = append(out.Notices, Notice{Kind: NoticeRollback, RolloutID: p.id(), Detail: string(before)})
	}
	a.appendEvent(p, wire.HealthFailed{
		FailedAt: a.last.Wall, SustainedDurationSecs: wire.Count(min(sustained/time.Second, 1<<31-1)),
		FailingProbes: p.rec.FailingProbes(), PolicyApplied: policy,
	}, out)
}
