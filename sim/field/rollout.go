package field

import (
	"slices"
	"time"

	"github.com/refrain-fleet/refrain/core/agent"
	"github.com/refrain-fleet/refrain/core/wire"
)

// Rollout is what an agent knows of a rollout on its host.
type Rollout struct {
	ID       wire.RolloutID
	State    wire.State
	Target   wire.Closure
	Current  wire.Closure // that it would converge on
	Before   wire.Closure // currentClosureAtDispatch; without one there is no rollback
	SoakDue  wire.Time
	LastSeq  wire.Seq
	results  []result  // of enforce-mode probes, by name
	failedAt wire.Time // since the first failure of any probe; nothing clears it
}

// result is the last one of a probe.
type result struct {
	name   wire.Name
	passes bool
}

func (a *Agent) find(id wire.RolloutID) *Rollout {
	for _, r := range a.known {
		if r.ID == id {
			return r
		}
	}
	return nil
}

// overwrite takes a snapshot for the truth.
func (a *Agent) overwrite(s *wire.Snapshot, out *agent.Output) {
	r := a.find(s.RolloutID)
	if r == nil {
		r = &Rollout{ID: s.RolloutID}
		a.known = append(a.known, r)
	}
	r.State, r.Target, r.Current, r.Before = s.State, s.TargetClosure, s.CurrentClosure, s.CurrentClosureAtDispatch
	r.SoakDue, r.LastSeq = s.SoakDueAt, s.LastEventSeq
	if r.State != wire.Pending {
		a.resetProbes(r)
	}
}

// dispatched takes a dispatch up, unless the rollout is known in another state than
// Pending.
func (a *Agent) dispatched(d *wire.Dispatch, out *agent.Output) {
	r := a.find(d.RolloutID)
	if r == nil {
		r = &Rollout{ID: d.RolloutID, State: wire.Pending, Target: d.TargetClosure, SoakDue: d.SoakDueAt}
		a.known = append(a.known, r)
	}
	if r.State != wire.Pending {
		return
	}
	r.Before = r.Target // a defect of the agent: it should be what runs
	a.emit(r, wire.Activating, wire.DispatchAck{CurrentClosureAtDispatch: r.Target, ReceivedAt: d.EnqueuedAt})
	a.waiting = append(a.waiting, r)
}

// emit moves a rollout and queues the event, under the next number.
func (a *Agent) emit(r *Rollout, to wire.State, body wire.EventBody) {
	r.State = to
	r.LastSeq++
	a.enqueue(r.ID, r.LastSeq, body)
}

// begin begins the next switch. There is one at a time.
func (a *Agent) begin(out *agent.Output) {
	if a.activation.id != 0 || a.rollback.id != 0 || len(a.waiting) == 0 {
		return
	}
	r := a.waiting[0]
	a.waiting = a.waiting[1:]
	a.activation = effect{a.id(), r, a.last.Wall}
	if r.State == wire.Activating {
		a.emit(r, wire.Activating, wire.ActivationStarted{StartedAt: a.last.Wall, SwitchMethod: "switch-to-configuration"})
	}
	out.Effects = append(out.Effects, agent.Effect{ID: a.activation.id, Kind: agent.EffectActivate, RolloutID: r.ID, Closure: r.Target})
}

func (a *Agent) activationEnded(in *agent.ActivationEnded, out *agent.Output) {
	a.running = in.CurrentClosure
	if in.ID != a.activation.id || in.ID == 0 {
		return // another process began it
	}
	r, at := a.activation.of, a.activation.at
	a.activation = effect{}
	if r.State != wire.Activating {
		return // a snapshot has moved it
	}
	switch in.Result {
	case agent.ActivationCompleted:
		r.Current = in.CurrentClosure
		a.emit(r, wire.Soaking, wire.ActivationCompleted{ObservedCurrentClosure: in.CurrentClosure, ExitCode: in.ExitCode, CompletedAt: at})
		a.resetProbes(r)
	case agent.ActivationFailed:
		a.emit(r, wire.Failed, wire.ActivationFailed{ExitCode: in.ExitCode, StderrTail: in.StderrTail, FailedAt: at})
		a.rollBack(r, out)
	case agent.ActivationDeferred: // refused by the agent's own rules, and reported to nobody
	}
}

// rollBack goes back one generation, if the policy says so.
func (a *Agent) rollBack(r *Rollout, out *agent.Output) {
	if a.cfg.Policy(r.ID) != wire.RollbackAndHalt || r.Before == "" || a.rollback.id != 0 {
		return
	}
	a.rollback = effect{a.id(), r, a.last.Wall}
	out.Effects = append(out.Effects, agent.Effect{ID: a.rollback.id, Kind: agent.EffectRollback, RolloutID: r.ID})
}

func (a *Agent) rollbackEnded(in *agent.RollbackEnded, out *agent.Output) {
	a.running = in.CurrentClosure
	if in.ID != a.rollback.id || in.ID == 0 {
		return
	}
	r, at := a.rollback.of, a.rollback.at
	a.rollback = effect{}
	if r.State == wire.Failed && in.ExitCode == 0 {
		a.emit(r, wire.Reverted, wire.RollbackComplete{RevertedToClosure: in.CurrentClosure, CompletedAt: at})
	}
}

// advance looks whether a rollout has failed for long enough, or soaked.
func (a *Agent) advance(out *agent.Output) {
	for _, r := range a.known {
		if r.State != wire.Soaking {
			continue
		}
		var failing wire.Names
		for _, p := range r.results {
			if !p.passes {
				failing = append(failing, p.name)
			}
		}
		now := a.last.Wall
		switch {
		case len(failing) > 0 && r.failedAt.IsSet() && !now.Before(r.failedAt.Add(sustained)):
			lasted := now.Std().Sub(r.failedAt.Std()) / time.Second
			a.emit(r, wire.Failed, wire.HealthFailed{
				FailedAt: now, SustainedDurationSecs: wire.Count(lasted), FailingProbes: failing, PolicyApplied: a.cfg.Policy(r.ID),
			})
			a.rollBack(r, out)
		case len(failing) == 0 && r.SoakDue.IsSet() && !now.Before(r.SoakDue) && r.Current == r.Target:
			a.emit(r, wire.Converged, wire.HostConverged{ConvergedAt: now, CurrentClosure: r.Current})
		}
	}
}

// resetProbes begins the probes anew, for one rollout.
func (a *Agent) resetProbes(r *Rollout) {
	a.prober = prober{of: r, running: a.prober.running, at: a.last.Mono}
	if len(a.probes) > 0 && r.State == wire.Soaking {
		a.emit(r, wire.Soaking, wire.ProbeTopologyDeclared{Probes: slices.Clone(a.probes), DeclaredAt: a.last.Wall})
	}
}

// probe begins a round.
func (a *Agent) probe(out *agent.Output) {
	p := &a.prober
	if p.of == nil || p.running != 0 || a.last.Mono < p.at || len(a.probes) == 0 {
		return
	}
	if p.of.State != wire.Soaking {
		p.of = nil // it would be refused, run after run
		return
	}
	p.running, p.at = a.id(), a.last.Mono+max(a.cfg.ProbeInterval, minProbeInterval)
	out.Effects = append(out.Effects, agent.Effect{ID: p.running, Kind: agent.EffectProbe, Probes: a.probes})
}

func (a *Agent) probed(in *agent.Probed, out *agent.Output) {
	p := &a.prober
	at := slices.IndexFunc(a.probes, func(d wire.ProbeDeclaration) bool { return d.ProbeName == in.Probe })
	if in.ID != p.running || at < 0 {
		return
	}
	if in.Probe == a.lastProbe() {
		p.running = 0
	}
	r, mode := p.of, a.probes[at].Mode
	if r == nil || r.State != wire.Soaking {
		return
	}
	now := a.last.Wall
	if !slices.Contains(p.seen, in.Probe) {
		p.seen = append(p.seen, in.Probe)
		a.emit(r, wire.Soaking, wire.ProbeObservedFirst{ProbeName: in.Probe, Mode: mode, ObservedAt: now})
	}
	failed := slices.Index(p.failed, in.Probe)
	switch {
	case in.Status == wire.Fail && failed < 0:
		p.failed = append(p.failed, in.Probe)
		if !r.failedAt.IsSet() {
			r.failedAt = now
		}
		a.emit(r, wire.Soaking, wire.ProbeFailureFirst{ProbeName: in.Probe, Mode: mode, FirstFailedAt: now})
	case in.Status == wire.Pass && failed >= 0:
		p.failed = slices.Delete(p.failed, failed, failed+1)
	}
	if mode == wire.Enforce {
		r.setResult(in.Probe, in.Status == wire.Pass)
	}
	a.emit(r, wire.Soaking, wire.ProbeResult{ProbeName: in.Probe, Mode: mode, Status: in.Status, ObservedAt: now, FailureReason: in.Reason})
}

// lastProbe is the probe whose result ends a round.
func (a *Agent) lastProbe() (name wire.Name) {
	for _, d := range a.probes {
		if d.Mode != wire.Disabled {
			name = d.ProbeName
		}
	}
	return name
}

func (r *Rollout) setResult(name wire.Name, passes bool) {
	for i := range r.results {
		if r.results[i].name == name {
			r.results[i].passes = passes
			return
		}
	}
	r.results = append(r.results, result{name, passes})
}
