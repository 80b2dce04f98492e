package world

import (
	"time"

	"github.com/refrain-fleet/refrain/sim/random"
	"github.com/refrain-fleet/refrain/sim/scenario"
)

// The network. A message is lost, delayed or doubled by the draws of its
// sender's stream, so that one host's traffic does not reshuffle another's.

// send puts a request on the network.
func (w *World) send(m *Message, s *random.Stream) {
	w.messages++
	m.id = w.messages
	m.sentAt = w.now
	w.mixMessage(m)
	w.emitMessage(EventSent, m)
	if m.node >= 0 {
		n := int(m.node) + 1
		if f := w.faults.striking(scenario.NetReset, n, m.kind); f != nil {
			w.effect(scenario.EffectReset)
			if !f.After {
				w.emitVanished(m, scenario.Up, scenario.EffectReset)
				w.noAnswer(m, w.now+w.delay(m, s))
				return
			}
			m.resetAnswer = true
		}
		if w.lost(m, scenario.Up, s) {
			w.noAnswer(m, m.sentAt+m.timeout)
			return
		}
		if rate := w.scenario.Network.Dup + w.faults.rate(scenario.NetDup, n, m.kind); s.Chance(rate) {
			w.faults.tookAll(scenario.NetDup, n, m.kind)
			w.effect(scenario.EffectDuplicated)
			twin := w.pool.twin(m)
			w.messages++
			twin.id, twin.duplicate = w.messages, true
			w.emitMessage(EventSent, twin)
			w.pushMessage(dueRequest, worldNodeID, w.now+w.delay(twin, s), 0, twin)
		}
	}
	w.pushMessage(dueRequest, worldNodeID, w.now+w.delay(m, s), 0, m)
}

// mixMessage takes what a request says into the trace hash: as much of it as
// tells two requests of a host apart.
func (w *World) mixMessage(m *Message) {
	switch m.kind {
	case scenario.RouteHeartbeat:
		w.mixString(string(m.heartbeat.Request.RolloutID))
		w.mixString(string(m.heartbeat.Request.CurrentClosure))
	case scenario.RouteEvent:
		e := &m.event.Envelope
		w.mixString(string(e.RolloutID))
		w.mix(uint64(e.Event.Body.Kind()), uint64(e.Event.Seq))
	default:
		w.mix(uint64(m.kind))
	}
}

// lost draws whether a message of the direction is lost.
func (w *World) lost(m *Message, dir scenario.Dir, s *random.Stream) bool {
	n := int(m.node) + 1
	if w.faults.partitioned(n, m.kind, dir) {
		w.effect(scenario.EffectPartitioned)
		w.emitVanished(m, dir, scenario.EffectPartitioned)
		return true
	}
	if s.Chance(w.scenario.Network.Loss + w.faults.rate(scenario.NetDrop, n, m.kind)) {
		w.faults.tookAll(scenario.NetDrop, n, m.kind)
		w.effect(scenario.EffectLost)
		w.emitVanished(m, dir, scenario.EffectLost)
		return true
	}
	return false
}

// delay draws how long a message takes.
func (w *World) delay(m *Message, s *random.Stream) time.Duration {
	d := s.Between(w.scenario.Network.Delay.Min, w.scenario.Network.Delay.Max)
	n := int(m.node) + 1
	if more := w.faults.each(scenario.NetDelay, n, m.kind); more > 0 {
		w.effect(scenario.EffectDelayed)
		d += more
	}
	if spread := w.faults.each(scenario.NetReorder, n, m.kind); spread > 0 {
		d += s.Between(0, spread) // whether anything is overtaken, arrive sees
	}
	return d
}

// answer puts the plane's answer on the network.
func (w *World) answer(m *Message) {
	if m.answered {
		panic("world: a message is answered twice")
	}
	m.answered = true
	w.emitMessage(EventAnswered, m)
	w.mix(uint64(m.request.Outcome.Code)<<32|uint64(m.request.Outcome.RetryAfter/time.Second), uint64(m.request.Outcome.ReplayFrom))
	if m.request.Outcome.Replay {
		w.mix(1)
	}
	if m.duplicate {
		return
	}
	s := w.downStream(m)
	if m.resetAnswer || m.node >= 0 && w.lost(m, scenario.Down, s) {
		at := m.sentAt + m.timeout
		if m.resetAnswer {
			w.emitVanished(m, scenario.Down, scenario.EffectReset)
			at = w.now + w.delay(m, s)
		}
		w.noAnswer(m, at)
		return
	}
	at := w.now + w.delay(m, s)
	if late := m.sentAt + m.timeout; at > late {
		w.effect(scenario.EffectClientTimeout)
		w.emitVanished(m, scenario.Down, scenario.EffectClientTimeout)
		w.noAnswer(m, late)
		return
	}
	w.pushMessage(dueAnswer, m.node, at, m.epoch, m)
}

// emitVanished emits that a message gets no further, and why.
func (w *World) emitVanished(m *Message, dir scenario.Dir, why scenario.Effect) {
	w.emit(Event{Kind: EventVanished, Message: m, Dir: dir, Effect: why})
}

// noAnswer tells the sender at an instant that none will come.
func (w *World) noAnswer(m *Message, at time.Duration) {
	if m.duplicate {
		return
	}
	w.pushMessage(dueNoAnswer, m.node, max(at, w.now), m.epoch, m)
}

func (w *World) downStream(m *Message) *random.Stream {
	if m.node < 0 {
		return &w.operator.stream
	}
	return &w.hosts[m.node].down
}
