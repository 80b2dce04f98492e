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
	m.sentAt, m.sentMono = w.now, w.monoOf(m.node)
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
		if m.lost = w.lost(m, scenario.Up, s); m.lost {
			w.watch(m)
			return
		}
		w.roam(m)
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
	at := w.now + w.delay(m, s)
	if at >= w.givesUpAt(m) {
		w.watch(m)
	}
	w.pushMessage(dueRequest, worldNodeID, at, 0, m)
}

// roam has a heartbeat leave by the other address of its host, each second time.
func (w *World) roam(m *Message) {
	h := &w.hosts[m.node]
	if m.kind != scenario.RouteHeartbeat || m.heartbeat.From != "" || w.faults.inForce(scenario.NetRoam, int(m.node)+1, m.kind) == nil {
		return
	}
	if h.roams = !h.roams; h.roams {
		w.effect(scenario.EffectRoamed)
		m.heartbeat.From = "172." + h.address[len("10."):]
	}
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
	switch {
	case m.gaveUp:
		w.emitVanished(m, scenario.Down, scenario.EffectClientTimeout)
		return
	case m.resetAnswer:
		w.emitVanished(m, scenario.Down, scenario.EffectReset)
		w.noAnswer(m, w.now+w.delay(m, s))
		return
	}
	if m.lost = m.node >= 0 && w.lost(m, scenario.Down, s); m.lost {
		w.watch(m)
		return
	}
	at := w.now + w.delay(m, s)
	if at > w.givesUpAt(m) && !w.suspended(m.node) {
		w.emitVanished(m, scenario.Down, scenario.EffectClientTimeout)
		w.watch(m)
		return
	}
	w.pushMessage(dueAnswer, m.node, at, m.epoch, m)
}

// watch sets the timer at which a client gives its request up (PROTOCOL A6). It is
// set as soon as that may come before an answer: most requests need none.
func (w *World) watch(m *Message) {
	if !m.duplicate && !m.watched && !m.fromFiles() {
		m.watched = true
		w.pool.hold(m)
		t := Timer{at: max(w.now, w.givesUpAt(m)), kind: dueGiveUp, node: m.node, epoch: m.epoch, arg: uint64(m.slot)}
		if m.node >= 0 {
			w.hosts[m.node].pushOwn(w, t)
		} else {
			w.queue.push(t)
		}
	}
}

// givesUpAt is when a client gives a request up, unless it is suspended from now on.
func (w *World) givesUpAt(m *Message) time.Duration {
	return w.now + m.timeout - (w.monoOf(m.node) - m.sentMono)
}

// monoOf is what the monotonic clock of a node shows.
func (w *World) monoOf(node int32) time.Duration {
	if node < 0 {
		return w.now
	}
	return w.hosts[node].mono(w)
}

// suspended reports whether a node is a host that is.
func (w *World) suspended(node int32) bool { return node >= 0 && w.hosts[node].suspended }

// giveUp is the end of a client's patience (PROTOCOL A6): it closes the connection
// and goes on as without an answer. What it has sent arrives all the same.
func (w *World) giveUp(m *Message) {
	m.gaveUp = true
	if !m.lost {
		w.effect(scenario.EffectClientTimeout)
	}
	w.hungUp(m)
	w.deliver(m, false)
}

// hungUp has the plane's process see that the client of a request has closed its
// connection, if that gets through. The server looks for it only while a poll that
// may wait is there.
func (w *World) hungUp(m *Message) {
	if m.wait == 0 || !m.arrived || m.answered {
		return
	}
	if !w.faults.cut(int(m.node)+1, m.kind, scenario.Up) {
		s := &w.hosts[m.node].sends
		w.pushMessage(dueClientGone, planeNodeID, w.now+w.delay(m, s), w.plane.epoch, m)
	}
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
	w.pushMessage(dueNoAnswer, m.node, max(min(at, w.givesUpAt(m)), w.now), m.epoch, m)
}

func (w *World) downStream(m *Message) *random.Stream {
	if m.node < 0 {
		return &w.operator.stream
	}
	return &w.hosts[m.node].down
}
