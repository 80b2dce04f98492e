package world

import (
	"time"

	"github.com/refrain-fleet/refrain/core/agent"
	"github.com/refrain-fleet/refrain/core/wire"
	"github.com/refrain-fleet/refrain/sim/scenario"
)

// comeUp starts the agent's process on what the disk has.
func (h *hostNode) comeUp(w *World) {
	if h.up {
		return
	}
	if h.kind == FieldHost {
		h.loadField(w)
		h.up = true
	} else {
		a := h.loadAgent(w)
		if a == nil {
			return
		}
		h.agent, h.up = a, true
		w.emit(Event{Kind: EventHostLoaded, Host: h.index + 1, Lines: h.disk.lines})
	}
	h.epoch++
	h.timerAt = -1
	h.out = agent.Output{}
	h.step(w, &agent.ProbesDeclared{Probes: w.probes})
	boot := agent.ProcessStart
	if h.nextBoot == rebooted {
		boot, h.nextBoot = agent.Reboot, ""
	}
	h.step(w, &agent.Started{CurrentClosure: h.running, NextBoot: h.nextBoot, Boot: boot})
	if boot == agent.Reboot && !h.up { // it died, and has not told what the boot brought
		h.nextBoot = rebooted
	}
}

// rebooted stands in nextBoot while a host that was rebooted comes up.
const rebooted wire.Closure = "(rebooted)"

// goDown ends the agent's process. A switch that runs is cut off, before or
// after it took effect.
func (h *hostNode) goDown(w *World, down time.Duration) {
	if h.switching.id != 0 && h.kind != FieldHost {
		w.effect(scenario.EffectSwitchCut)
		if h.machine.Chance(500) {
			h.running, h.nextBoot = h.switching.closure, ""
		}
	}
	h.fetchID = 0
	if h.probing = 0; h.kind != FieldHost {
		h.switching = switching{}
	}
	h.up, h.crashAtAppend, h.reboots = false, false, false
	h.epoch++
	h.pushOwn(w, Timer{at: w.now + down, kind: dueHostUp, node: int32(h.index)})
}

// plannedReboot is the reboot that a deferred activation waits for. It is put
// off while the agent is down, and called off if something else has been
// switched to.
func (h *hostNode) plannedReboot(w *World) {
	switch {
	case h.nextBoot == "" || h.nextBoot == rebooted:
	case !h.up || h.switching.id != 0:
		w.queue.push(Timer{at: w.now + time.Minute, kind: dueReboot, node: int32(h.index)})
	default:
		h.reboot(w, h.machine.Between(20*time.Second, 90*time.Second))
		h.reboots = true
	}
}

// reboot takes the host down and up again; what was deferred takes effect.
func (h *hostNode) reboot(w *World, down time.Duration) {
	if !h.up {
		return
	}
	w.effect(scenario.EffectReboot)
	h.goDown(w, down)
	h.switching = switching{} // of a field host, whose switches outlive the agent
	h.losePower(w)
	if h.nextBoot != "" && h.nextBoot != rebooted {
		h.running = h.nextBoot
	}
	h.nextBoot = rebooted
}

// hostFaults are the faults that hit hosts at an instant.
var hostFaults = []faultHooks{
	{kind: scenario.AgentCrash,
		begin: onHosts((*hostNode).crash),
		heal: func(w *World) {
			for i := range w.hosts {
				w.hosts[i].crashAtAppend = false
			}
		}},
	{kind: scenario.HostReboot, begin: onHosts(func(h *hostNode, w *World, f *scenario.Fault, i int) {
		if h.up {
			w.reached(i)
		}
		h.reboot(w, f.For)
	})},
	{kind: scenario.AgentCompact, begin: onHosts((*hostNode).cutCompaction)},
	{kind: scenario.AgentAmnesia, begin: onHosts((*hostNode).loseDisk)},
}

// onHosts has every host that a fault names hit by it. What runs on a hostile
// host is nobody's agent.
func onHosts(hit func(*hostNode, *World, *scenario.Fault, int)) func(*World, *scenario.Fault, int) {
	return func(w *World, f *scenario.Fault, i int) {
		for n := range w.hosts {
			if h := &w.hosts[n]; f.Hosts.Has(n+1) && h.kind != HostileHost {
				hit(h, w, f, i)
			}
		}
	}
}

// crash ends the agent's process, at once or at its next append.
func (h *hostNode) crash(w *World, f *scenario.Fault, i int) {
	switch {
	case f.After:
		h.crashAtAppend, h.crashDown, h.crashFault = true, f.For, i
	case h.up:
		w.effect(scenario.EffectAgentCrash)
		w.reached(i)
		h.goDown(w, f.For)
	}
}

// loseDisk loses the disk, and with it the agent's log.
func (h *hostNode) loseDisk(w *World, f *scenario.Fault, i int) {
	w.effect(scenario.EffectAmnesia)
	w.reached(i)
	h.field.disk.Queue = nil
	h.disk.lines, h.disk.appended, h.disk.torn, h.disk.synced = nil, nil, nil, 0
	if h.up {
		h.goDown(w, f.For)
	}
	w.emit(Event{Kind: EventHostLost, Host: h.index + 1})
}
