package world

import (
	"fmt"
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
	// sentMono is sentAt by the sender's monotonic clock.
	sentMono time.Duration

	// What the certificate says. The identity is the node's own and does not
	// change.
	identity  *wire.Identity
	notBefore wire.Time
	issued    *issued // nil for those that neither expire nor are of an old CA

	heartbeat plane.Heartbeat
	event     plane.Event
	poll      plane.Poll
	operator  plane.Input
	history   History
	wait      time.Duration
	// garbage chooses the bytes of a request on RouteGarbage.
	garbage uint64

	// ended: its sender was given the answer, or the news that none comes. gaveUp:
	// it was the latter, at the timeout, and the connection is closed. lost: the
	// network lost the request or its answer.
	ended, gaveUp, lost bool
	// watched: there is a timer at which it gives up.
	watched bool
	// duplicate: the network made it, or an act of the scenario; nobody waits for
	// its answer.
	duplicate bool
	// resetAnswer: the connection is reset in place of the answer.
	resetAnswer bool

	// At the plane.
	arrived   bool
	request   driver.Request[*Message]
	arrivedAt time.Duration
	deadline  time.Duration
	admitted  bool
	// pollUntil is when a poll is answered 204.
	pollUntil time.Duration
	answered  bool
	// said is the code of its answer, saidAt when it was given.
	said   wire.Code
	saidAt time.Duration
	at     int // place in the plane's list of what it has open
}

// History is what an operator asks for of a rollout's history: at most Limit entries
// with numbers above After. A Limit of 0 asks for none of it.
type History struct {
	After wire.Seq
	Limit int
}

// input is what the reducer is given.
func (m *Message) input() plane.Input {
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
func (m *Message) certificate() driver.Certificate {
	c := driver.Certificate{CommonName: wire.CommonName(m.identity.CommonName), NotBefore: m.notBefore}
	if m.issued != nil {
		c.NotAfter, c.Untrusted = m.issued.notAfter, m.issued.untrusted
	}
	return c
}

// claimed is the hostname that the body names; empty if it names none.
func (m *Message) claimed() wire.Hostname {
	switch m.kind {
	case scenario.RouteHeartbeat:
		return m.heartbeat.Request.Hostname
	case scenario.RouteEvent:
		return m.event.Envelope.Hostname
	default:
		return ""
	}
}

// Dialect is that of the agent that sent it.
func (m *Message) Dialect() wire.Dialect {
	switch m.kind {
	case scenario.RouteHeartbeat:
		return m.heartbeat.Dialect
	case scenario.RouteEvent:
		return m.event.Dialect
	case scenario.RoutePoll:
		return m.poll.Dialect
	default:
		return wire.DialectRefrain
	}
}

func (m *Message) class() gate.Class {
	if m.kind == scenario.RouteHeartbeat {
		return gate.Heartbeat
	}
	return gate.Bulk
}

func (m *Message) caller() gate.Caller {
	switch m.node {
	case manifestNodeID:
		return "manifests:" // no hostname has a colon
	case releaseNodeID:
		return "releases:"
	}
	if m.identity.Operator {
		return gate.Operator(m.identity.Name)
	}
	return gate.Host(wire.Hostname(m.identity.Name))
}

// History is what is asked for of the history of the rollout that [Message.Operator]
// names.
func (m *Message) History() History { return m.history }

// What a consumer may look at of a message. Everything that it returns is to be
// read only.

// ID is the message's number among all of the world.
func (m *Message) ID() uint64 { return m.id }

// Slot is its place in the world's pool: two messages that are there at a time
// have different ones.
func (m *Message) Slot() uint32 { return m.slot }

// Kind says which route it takes.
func (m *Message) Kind() scenario.Route { return m.kind }

// Host is the number of the host that sent it, from 1; 0 if it was no host.
func (m *Message) Host() int { return max(int(m.node)+1, 0) }

// FromManifests reports whether it is a manifest of the plane's directory.
func (m *Message) FromManifests() bool { return m.node == manifestNodeID }

// FromReleases reports whether it is the release of the plane's directory, or a
// rollout of it.
func (m *Message) FromReleases() bool { return m.node == releaseNodeID }

// fromFiles reports whether it is of the plane's own process, and of no network.
func (m *Message) fromFiles() bool { return m.FromManifests() || m.FromReleases() }

// Identity is what the certificate says that it came with.
func (m *Message) Identity() *wire.Identity { return m.identity }

// Certificate is the number of the sender's certificate, among those that the host was
// given, from 0; 0 of a sender that is no host.
func (m *Message) Certificate() int {
	if m.issued == nil {
		return 0
	}
	return m.issued.number
}

// NotBefore is when that certificate was issued.
func (m *Message) NotBefore() wire.Time { return m.notBefore }

// Heartbeat is the input of a heartbeat.
func (m *Message) Heartbeat() *plane.Heartbeat { return &m.heartbeat }

// Event is the input of an event.
func (m *Message) Event() *plane.Event { return &m.event }

// Operator is the input of an operator's request.
func (m *Message) Operator() plane.Input { return m.operator }

// Wait is how long a poll waits, at most.
func (m *Message) Wait() time.Duration { return m.wait }

// Waits reports whether it is a poll that waits for work.
func (m *Message) Waits() bool { return m.request.Waits() }

// PolledFor is the host that a poll asks work for.
func (m *Message) PolledFor() wire.Hostname { return m.poll.Hostname }

// ArrivedAt is when it reached the plane.
func (m *Message) ArrivedAt() time.Duration { return m.arrivedAt }

// Outcome is its answer, once it has one.
func (m *Message) Outcome() *wire.Outcome { return &m.request.Outcome }

// Sender is the name of the node that sent the message.
func (m *Message) Sender() string { return nodeName(m.node) }

// Call is the sender's own number of the request.
func (m *Message) Call() uint64 { return m.call }

// SentAt is when it was put on the network.
func (m *Message) SentAt() time.Duration { return m.sentAt }

// Deadline is when it has to be answered, once it was admitted.
func (m *Message) Deadline() time.Duration { return m.deadline }

// Answered reports whether the plane has answered it, or needs to no more.
func (m *Message) Answered() bool { return m.answered }

// GaveUp reports whether its sender has given it up at its timeout.
func (m *Message) GaveUp() bool { return m.gaveUp }

// Duplicate reports whether nobody waits for its answer: the network made it, or
// the scenario.
func (m *Message) Duplicate() bool { return m.duplicate }

// Garbage is the body of a request on [scenario.RouteGarbage].
func (m *Message) Garbage() string { return garbageBody(m.garbage) }

// String names it, and says what it is and whose: "m28, an event of h3".
func (m *Message) String() string {
	if m.identity == nil {
		return fmt.Sprintf("m%d", m.id) // never sent by anybody
	}
	return fmt.Sprintf("m%d, %s of %s", m.id, requestWords[m.kind], m.identity.Name)
}

var requestWords = map[scenario.Route]string{
	scenario.RouteHeartbeat: "a heartbeat", scenario.RouteEvent: "an event", scenario.RoutePoll: "a poll",
	scenario.RouteOperator: "an operator's request", scenario.RouteGarbage: "a malformed request",
}

// AnswerText is its answer in words, once it has one: "timeout retry-after=1s".
func (m *Message) AnswerText() string {
	o := m.Outcome()
	s := o.Code.String()
	if o.Code.Unavailable() {
		s += fmt.Sprintf(" retry-after=%v", o.RetryAfter)
	}
	if o.Replay {
		s += fmt.Sprintf(" replay-from=%d", o.ReplayFrom)
	}
	return s
}
