package world

import (
	"fmt"
	"slices"
	"time"

	"github.com/refrain-fleet/refrain/core/agent"
	"github.com/refrain-fleet/refrain/core/wire"
	"github.com/refrain-fleet/refrain/sim/field"
	"github.com/refrain-fleet/refrain/sim/scenario"
)

// fieldHost is what a host has that runs an agent of the field. Its switches run in a
// unit of their own: they go on when the agent's process ends.
type fieldHost struct {
	agent *field.Agent
	disk  field.Disk
	// before is the generation before the one that is set: what a rollback leads to.
	before wire.Closure
	// lockedOut are switches that were begun while another one ran, and fail.
	lockedOut []uint64
}

// fieldRestarts is how likely it is, per mille, that a switch restarts the agent.
const fieldRestarts = 700

// dialect is that of the host's requests.
func (h *hostNode) dialect() wire.Dialect {
	if h.kind == FieldHost {
		return wire.DialectField
	}
	return wire.DialectRefrain
}

// loadField starts the process of a field agent.
func (h *hostNode) loadField(w *World) {
	s := &w.scenario
	h.field.agent = field.New(field.Config{
		Hostname: scenario.HostName(h.index + 1), Interval: s.Fleet.Interval, ProbeInterval: s.Fleet.ProbeInterval,
		FirstID: uint64(h.epoch+1) << 32,
		Policy: func(id wire.RolloutID) wire.HealthPolicy {
			if i := s.RolloutIndex(id); i >= 0 {
				return s.Rollouts[i].Policy
			}
			return wire.Halt
		},
	}, &h.field.disk)
}

// stepField gives a field agent an input.
func (h *hostNode) stepField(w *World, in agent.Input) {
	queued := len(h.field.disk.Queue)
	h.field.agent.Step(h.instant(w), in, &h.out)
	if n := len(h.out.Requests) + len(h.out.Effects); n > 0 {
		w.mix(uint64(len(h.field.disk.Queue))<<32|uint64(n), uint64(h.out.NextTimer))
	}
	if h.crashAtAppend && len(h.field.disk.Queue) > queued {
		h.crashAtAppend = false
		w.effect(scenario.EffectAgentCrashAtAppend)
		w.reached(h.crashFault)
		h.out.Reset()
		h.goDown(w, h.crashDown)
		return
	}
	if w.wants(EventFieldStepped) {
		w.emit(Event{Kind: EventFieldStepped, Host: h.index + 1, AgentInput: in, AgentOutput: &h.out})
	}
	for i := range h.out.Requests {
		h.send(w, &h.out.Requests[i])
	}
	for i := range h.out.Effects {
		h.begin(w, &h.out.Effects[i])
	}
	h.out.Reset()
	h.planTimer(w)
}

// fieldSwitchLimit is how long a field agent waits for a switch.
const fieldSwitchLimit = 5 * time.Minute

// beginField prepares a switch of a field host. It reports false if another one runs,
// whose lock it does not get.
func (h *hostNode) beginField(w *World, e *agent.Effect) bool {
	if h.switching.id != 0 {
		h.field.lockedOut = append(h.field.lockedOut, e.ID)
		w.queue.push(Timer{at: w.now, kind: dueActivationEnd, node: int32(h.index), epoch: h.epoch, arg: e.ID})
		return false
	}
	if e.Kind == agent.EffectActivate && h.machine.Chance(fieldRestarts) {
		h.pushOwn(w, Timer{at: w.now + h.machine.Between(0, w.scenario.Fleet.Activation.Max+5*time.Second), kind: dueFieldRestart, node: int32(h.index)})
	}
	return true
}

// lockedOut answers a switch that did not get the lock. It reports whether it was one.
func (h *hostNode) lockedOut(w *World, id uint64) bool {
	at := slices.Index(h.field.lockedOut, id)
	if at < 0 {
		return false
	}
	h.field.lockedOut = slices.Delete(h.field.lockedOut, at, at+1)
	if h.up {
		h.step(w, &agent.ActivationEnded{ID: id, Result: agent.ActivationFailed, CurrentClosure: h.running, ExitCode: -1, StderrTail: "lock held"})
		if h.up {
			h.step(w, &agent.RollbackEnded{ID: id, CurrentClosure: h.running, ExitCode: -1})
		}
	}
	return true
}

// restartField restarts the agent's process, which its own switch does.
func (h *hostNode) restartField(w *World) {
	if h.up {
		w.effect(scenario.EffectAgentCrash)
		h.goDown(w, h.machine.Between(time.Second, 5*time.Second))
	}
}

// appendField appends what the final state's hash covers.
func (h *hostNode) appendField(b []byte) []byte {
	b = append(b, h.running...)
	if h.field.agent == nil {
		return b
	}
	for _, r := range h.field.agent.Rollouts() {
		b = fmt.Appendf(b, " %s %v %d", r.ID, r.State, r.LastSeq)
	}
	return fmt.Appendf(b, " queue=%d\n", len(h.field.disk.Queue))
}

// Field returns the agent of host number n, from 1, if it is one of the field and its
// process runs; else nil. It is to be read only, and good until the next event.
func (w *World) Field(n int) *field.Agent {
	if h := &w.hosts[n-1]; h.up {
		return h.field.agent
	}
	return nil
}

// FieldQueue returns the events that a field agent has on its disk, to be read only.
func (w *World) FieldQueue(n int) []wire.EventEnvelope { return w.hosts[n-1].field.disk.Queue }

// HostUp reports whether the agent's process of host number n, from 1, runs.
func (w *World) HostUp(n int) bool { return w.hosts[n-1].up }
