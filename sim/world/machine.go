package world

import (
	"time"

	"github.com/refrain-fleet/refrain/core/agent"
	"github.com/refrain-fleet/refrain/core/wire"
	"github.com/refrain-fleet/refrain/sim/scenario"
)

// The machine: what an agent's effects do to its host.

// probeTakes is how long a round of probes runs.
const probeTakes = time.Second

// begin begins an effect on the host.
func (h *hostNode) begin(w *World, e *agent.Effect) {
	switch e.Kind {
	case agent.EffectActivate, agent.EffectRollback:
		a := w.scenario.Fleet.Activation
		takes := h.machine.Between(a.Min, a.Max)
		if slow := w.faults.each(scenario.ActivationSlow, h.index+1, 0); slow > 0 {
			w.effect(scenario.EffectActivationSlow)
			takes += slow
		}
		closure := e.Closure
		if h.kind == FieldHost {
			if !h.beginField(w, e) {
				return
			}
			takes = min(takes, fieldSwitchLimit)
			if e.Kind == agent.EffectRollback {
				closure = h.field.before
			}
		}
		h.switching = switching{id: e.ID, kind: e.Kind, closure: closure}
		w.effect(scenario.EffectSwitch)
		w.queue.push(Timer{at: w.now + takes, kind: dueActivationEnd, node: int32(h.index), epoch: h.epoch, arg: e.ID})
	case agent.EffectFetch:
		h.fetch(w, e)
	case agent.EffectProbe:
		h.probing = e.ID
		w.queue.push(Timer{at: w.now + probeTakes, kind: dueProbeEnd, node: int32(h.index), epoch: h.epoch, arg: e.ID})
	}
}

// switchEnded is the end of an activation or a rollback.
func (h *hostNode) switchEnded(w *World, id uint64) {
	if h.lockedOut(w, id) {
		return
	}
	if h.switching.id != id {
		return
	}
	s := h.switching
	h.switching = switching{}
	n := h.index + 1
	if s.kind == agent.EffectRollback {
		h.running, h.nextBoot = s.closure, ""
		if h.up {
			h.step(w, &agent.RollbackEnded{ID: id, CurrentClosure: h.running})
		}
		return
	}
	in := agent.ActivationEnded{ID: id, Result: agent.ActivationCompleted}
	if h.running != s.closure {
		h.field.before = h.running
	}
	switch {
	case w.faults.striking(scenario.ActivationFail, n, 0) != nil:
		w.effect(scenario.EffectActivationFailed)
		in.Result, in.ExitCode, in.StderrTail = agent.ActivationFailed, 4, "simulated"
	case w.faults.striking(scenario.ActivationDefer, n, 0) != nil:
		w.effect(scenario.EffectActivationDeferred)
		in.Result, in.Component = agent.ActivationDeferred, "kernel"
		h.nextBoot = s.closure
		w.queue.push(Timer{at: w.now + h.machine.Between(2*time.Minute, 15*time.Minute), kind: dueReboot, node: int32(h.index)})
	default:
		h.running, h.nextBoot = s.closure, "" // a switch sets what is booted, too
	}
	in.CurrentClosure = h.running
	if h.up {
		h.step(w, &in)
	}
}

// probesEnded is the end of a round of probes.
func (h *hostNode) probesEnded(w *World, id uint64) {
	if h.probing != id {
		return
	}
	h.probing = 0
	status, reason := wire.Pass, wire.Text("")
	if w.faults.inForce(scenario.ProbeFail, h.index+1, 0) != nil {
		w.effect(scenario.EffectProbeFailed)
		status, reason = wire.Fail, "simulated"
	}
	for _, p := range w.probes {
		if p.Mode == wire.Disabled {
			continue
		}
		w.inputs.probed = agent.Probed{ID: id, Probe: p.ProbeName, Status: status, Reason: reason}
		h.step(w, &w.inputs.probed)
		if !h.up {
			return // the process died at an append
		}
	}
}
