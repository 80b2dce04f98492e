package world

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/refrain-fleet/refrain/core/wire"
	"github.com/refrain-fleet/refrain/sim/scenario"
)

// AppendDump appends the whole state of the world, as indented JSON: the same
// bytes for the same scenario and step. Where the reducers have a canonical
// state, its lines are what is written, under the words that they begin with.
func (w *World) AppendDump(dst []byte) []byte {
	d := w.dump()
	b := bytes.NewBuffer(dst)
	e := json.NewEncoder(b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(&d); err != nil {
		panic(err) // it has nothing in it that cannot be encoded
	}
	return b.Bytes()
}

func (w *World) dump() worldDump {
	d := worldDump{
		Step: w.step, At: w.now.String(), Wall: w.wallAt(0).String(), Healed: w.healed, Settled: w.settled, Hash: fmt.Sprintf("%016x", w.hash),
		Faults: w.dumpFaults(), Plane: w.plane.dump(w), Operator: []wire.RolloutID{},
	}
	if w.violation != nil {
		d.Violation = w.violation.String()
	}
	for _, i := range w.operator.opened {
		d.Operator = append(d.Operator, w.scenario.Rollouts[i].ID)
	}
	for i := range w.hosts {
		d.Hosts = append(d.Hosts, w.hosts[i].dump(w))
	}
	d.Network, d.Planned = w.dumpQueue()
	return d
}

// worldDump is the document. Instants and durations are those of virtual time,
// as text, except for those in states, which are in nanoseconds.
type worldDump struct {
	Step      uint64 `json:"step"`
	At        string `json:"at"`
	Wall      string `json:"wall"`
	Hash      string `json:"hash"`
	Violation string `json:"violation,omitempty"`
	Healed    bool   `json:"healed"`
	Settled   bool   `json:"settled"`
	// Faults are those in force, with how often they may still strike.
	Faults []faultDump `json:"faults"`
	Plane  planeDump   `json:"plane"`
	Hosts  []hostDump  `json:"hosts"`
	// Network is what is under way, in the order of arrival.
	Network []flightDump `json:"network"`
	// Planned are the other timers, in the order in which they come due.
	Planned []plannedDump `json:"planned"`
	// Operator lists the rollouts that the operator knows to be open.
	Operator []wire.RolloutID `json:"operator"`
}

type faultDump struct {
	Fault string `json:"fault"`
	Left  *int   `json:"left,omitempty"` // how often it may still strike
}

// states are the lines of a canonical state, by the word that they begin with
// and in their order.
type states map[string][]json.RawMessage

func statesOf(lines []byte) states {
	m := make(states)
	for line := range bytes.Lines(lines) {
		word, doc, _ := bytes.Cut(bytes.TrimSuffix(line, []byte("\n")), []byte(" "))
		m[string(word)] = append(m[string(word)], json.RawMessage(doc))
	}
	return m
}

// flightDump is a message on the network: a request, or an answer.
type flightDump struct {
	Arrives string      `json:"arrives"`
	What    string      `json:"what"` // request, answer, or no answer
	To      string      `json:"to"`
	Message messageDump `json:"message"`
}

// messageDump is a request and, once it has one, its answer.
type messageDump struct {
	ID        uint64          `json:"id"`
	Kind      string          `json:"kind"`
	From      string          `json:"from"`
	Identity  string          `json:"identity"`
	SentAt    string          `json:"sent_at"`
	Duplicate bool            `json:"duplicate,omitempty"`
	Deadline  string          `json:"deadline,omitempty"`
	PollUntil string          `json:"poll_until,omitempty"`
	Request   json.RawMessage `json:"request,omitempty"`
	Answer    string          `json:"answer,omitempty"`
}

func dumpMessage(m *Message) messageDump {
	d := messageDump{ID: m.id, Kind: m.kind.String(), From: nodeName(m.node), SentAt: m.sentAt.String(), Duplicate: m.duplicate}
	if m.identity != nil {
		d.Identity = m.identity.Name
	}
	if m.admitted {
		d.Deadline = m.deadline.String()
	}
	if m.pollUntil > 0 {
		d.PollUntil = m.pollUntil.String()
	}
	switch m.kind {
	case scenario.RouteHeartbeat:
		d.Request = wire.HeartbeatRequestSchema.Append(nil, &m.heartbeat.Request)
	case scenario.RouteEvent:
		d.Request = wire.EventEnvelopeSchema.Append(nil, &m.event.Envelope)
	case scenario.RouteOperator:
		d.Request, _ = json.Marshal(fmt.Sprint(m.operator))
	}
	if m.answered {
		d.Answer = m.AnswerText()
	}
	return d
}

// plannedDump is a timer that is not about a message.
type plannedDump struct {
	At   string `json:"at"`
	What string `json:"what"`
	Node string `json:"node"`
	// Stale says that the life in which it was planned is over, so that nothing
	// will happen.
	Stale bool `json:"stale,omitempty"`
}

func (w *World) dumpFaults() []faultDump {
	list := []faultDump{}
	for kind := range w.faults.active {
		for _, a := range w.faults.active[kind] {
			d := faultDump{Fault: a.Fault.String()}
			if a.left >= 0 {
				d.Left = &a.left
			}
			list = append(list, d)
		}
	}
	return list
}

// dumpQueue splits what is to come into what is on the network and the rest.
func (w *World) dumpQueue() ([]flightDump, []plannedDump) {
	all := w.queue.all()
	slices.SortFunc(all, func(a, b queued) int { return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.order, b.order)) })
	network, planned := []flightDump{}, []plannedDump{}
	for i := range all {
		e := all[i].timer()
		switch e.kind {
		case dueRequest:
			network = append(network, flightDump{e.at.String(), "request", "plane", dumpMessage(w.message(&e))})
		case dueAnswer:
			network = append(network, flightDump{e.at.String(), "answer", nodeName(e.node), dumpMessage(w.message(&e))})
		case dueNoAnswer, dueGiveUp:
			if w.stale(&e) {
				continue // it was answered
			}
			network = append(network, flightDump{e.at.String(), "no answer", nodeName(e.node), dumpMessage(w.message(&e))})
		default:
			planned = append(planned, plannedDump{e.at.String(), timerWords[e.kind], nodeName(e.node), w.stale(&e)})
		}
	}
	return network, planned
}

// dumpDuration leaves out a duration that is not there.
func dumpDuration(d time.Duration) string {
	if d == 0 {
		return ""
	}
	return d.String()
}
