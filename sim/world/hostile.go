package world

import (
	"time"

	"github.com/refrain-fleet/refrain/core/wire"
	"github.com/refrain-fleet/refrain/sim/scenario"
)

// misbehave is what a hostile host does: it floods, sends garbage, speaks in
// other hosts' names, and sends events that it has no business to send. It
// has a good certificate, of its own.
func (h *hostNode) misbehave(w *World) {
	w.effect(scenario.EffectHostile)
	s := &h.machine
	other := scenario.HostName(s.IntN(len(w.hosts)) + 1)
	at := w.wallAt(0)
	if h.flooding == 0 && s.Chance(60) {
		h.flooding = 5 + s.IntN(80)
	}
	if h.flooding > 0 {
		if h.flooding--; h.sendFlood(w) {
			h.planMisbehaviour(w)
			return
		}
		h.flooding = 0
	}
	if s.Chance(600) && h.sendMadeUp(w) {
		h.planMisbehaviour(w)
		return
	}
	switch s.IntN(5) {
	case 0: // a flood
		for range 4 + s.IntN(12) {
			m := h.message(w, scenario.RouteHeartbeat)
			m.heartbeat.Request = wire.HeartbeatRequest{Hostname: scenario.HostName(h.index + 1), At: at}
			w.send(m, &h.sends)
		}
	case 1:
		m := h.message(w, scenario.RouteGarbage)
		m.garbage = s.Uint64()
		w.send(m, &h.sends)
	case 2: // in another host's name
		m := h.message(w, scenario.RouteHeartbeat)
		m.heartbeat.Request = wire.HeartbeatRequest{Hostname: other, CurrentClosure: "evil", At: at}
		w.send(m, &h.sends)
	case 3: // an event in another host's name, or its own name in a rollout that is not its own
		m := h.message(w, scenario.RouteEvent)
		name := scenario.HostName(h.index + 1)
		if s.Chance(500) {
			name = other
		}
		m.event.Envelope = wire.EventEnvelope{
			Hostname: name, RolloutID: h.someRollout(w),
			Event: wire.Event{Seq: wire.Seq(1 + s.IntN(20)), Body: wire.HostConverged{ConvergedAt: at, CurrentClosure: "evil"}},
		}
		w.send(m, &h.sends)
	case 4:
		m := h.message(w, scenario.RoutePoll)
		m.wait, m.timeout = time.Duration(s.IntN(3))*time.Second, 20*time.Second
		m.poll.Hostname = scenario.HostName(h.index + 1)
		w.send(m, &h.sends)
	}
	h.planMisbehaviour(w)
}

func (h *hostNode) planMisbehaviour(w *World) {
	if !w.healed { // a host that never stops flooding never lets the fleet rest
		if h.flooding > 0 {
			w.queue.push(Timer{at: w.now + h.machine.Between(10*time.Millisecond, 400*time.Millisecond), kind: dueHostile, node: int32(h.index)})
			return
		}
		w.queue.push(Timer{at: w.now + h.machine.Between(200*time.Millisecond, 20*time.Second), kind: dueHostile, node: int32(h.index)})
	}
}

func (h *hostNode) message(w *World, kind scenario.Route) *Message {
	m := w.pool.take()
	m.kind, m.node, m.timeout = kind, int32(h.index), 10*time.Second
	m.identity, m.notBefore, m.issued = &h.identity, h.notBefore, h.issued
	return m
}

func (h *hostNode) someRollout(w *World) wire.RolloutID {
	if n := len(w.scenario.Rollouts); n > 0 {
		return w.scenario.Rollouts[h.machine.IntN(n)].ID
	}
	return "stable@none"
}
