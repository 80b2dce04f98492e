package sim

import (
	"time"

	"github.com/refrain-fleet/refrain/core/driver"
	"github.com/refrain-fleet/refrain/core/gate"
	"github.com/refrain-fleet/refrain/core/plane"
	"github.com/refrain-fleet/refrain/core/wire"
	"github.com/refrain-fleet/refrain/sim/scenario"
)

// Message is one request and, once it has one, its answer. Messages come from
// the world's [pool] and go back to it.
type Message struct {
	slot  uint32 // in the pool
	holds int32  // who holds it: see pool
	id    uint64
	kind  scenario.Route
	// node sent it: a host's index, or operatorNode.
	node int32
	// call is the sender's own number of the request, epoch the sender's life:
	// an answer to another life is nobody's.
	call    uint64
	epoch   uint32
	sentAt  time.Duration
	timeout time.Duration

	// What the certificate says. The identity is the node's own and does not
	// change.
	identity  *wire.Identity
	notBefore wire.Time

	heartbeat plane.Heartbeat
	event     plane.Event
	poll      plane.Poll
	operator  plane.Input
	wait      time.Duration
	// garbage chooses the bytes of a MsgGarbage.
	garbage uint64

	// duplicate: the network made it, or a scenario (ActSend); nobody waits for
	// its answer.
	duplicate bool
	// resetAnswer: the connection is reset in place of the answer.
	resetAnswer bool

	// At the plane.
	request   driver.Request[*Message]
	arrivedAt time.Duration
	deadline  time.Duration
	admitted  bool
	// pollUntil is when a poll is answered 204.
	pollUntil time.Duration
	answered  bool
	at        int // place in the plane's list of what it has open
}

// message is what this package calls a Message.
type message = Message

// input is what the reducer is given.
func (m *message) input() plane.Input {
	switch m.kind {
	case scenario.RouteHeartbeat:
		return &m.heartbeat
	case scenario.RouteEvent:
		return &m.event
	case scenario.RoutePoll:
		return &m.poll
	default:
		return m.operator
	}
}

// certificate is what the driver has to know of the client certificate.
func (m *message) certificate() driver.Certificate {
	return driver.Certificate{CommonName: wire.CommonName(m.identity.CommonName), NotBefore: m.notBefore}
}

// claimed is the hostname that the body names; empty if it names none.
func (m *message) claimed() wire.Hostname {
	switch m.kind {
	case scenario.RouteHeartbeat:
		return m.heartbeat.Request.Hostname
	case scenario.RouteEvent:
		return m.event.Envelope.Hostname
	default:
		return ""
	}
}

func (m *message) class() gate.Class {
	if m.kind == scenario.RouteHeartbeat {
		return gate.Heartbeat
	}
	return gate.Bulk
}

func (m *message) caller() gate.Caller {
	if m.node == manifestNodeID {
		return "manifests:" // no hostname has a colon
	}
	if m.identity.Operator {
		return gate.Operator(m.identity.Name)
	}
	return gate.Host(wire.Hostname(m.identity.Name))
}

// pool hands out messages and takes back those that nobody holds any more, so
// that a run makes as many as there are at a time and not as there ever were.
//
// Who holds a message: every timer about it, and the plane's gate, from its
// admission until its input is finished. A message that nobody holds any more
// is good until the end of the step. What a gate holds whose process ends is
// not taken back; it goes when the world goes.
type pool struct {
	slots    []*message
	free     []uint32
	released []*message // in this step
}

// take returns an empty message that nobody holds yet.
func (p *pool) take() *message {
	if last := len(p.free) - 1; last >= 0 {
		m := p.slots[p.free[last]]
		p.free = p.free[:last]
		return m
	}
	m := &message{slot: uint32(len(p.slots))}
	p.slots = append(p.slots, m)
	return m
}

// twin returns a copy of a message that was not sent yet.
func (p *pool) twin(m *message) *message {
	t := p.take()
	slot := t.slot
	*t = *m
	t.slot, t.holds = slot, 0
	return t
}

// hold adds a hold.
func (p *pool) hold(m *message) { m.holds++ }

// release ends a hold.
func (p *pool) release(m *message) {
	m.holds--
	switch {
	case m.holds == 0:
		p.released = append(p.released, m)
	case m.holds < 0:
		panic("sim: a message is released that nobody holds")
	}
}

// sweep takes back what was released in a step and is not held again.
func (p *pool) sweep() {
	for _, m := range p.released {
		if m.holds == 0 {
			*m = message{slot: m.slot}
			p.free = append(p.free, m.slot)
		}
	}
	p.released = p.released[:0]
}
