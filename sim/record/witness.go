package record

import (
	"time"

	"github.com/refrain-fleet/refrain/core/agent"
	"github.com/refrain-fleet/refrain/core/plane"
	"github.com/refrain-fleet/refrain/core/wire"
	"github.com/refrain-fleet/refrain/sim/scenario"
	"github.com/refrain-fleet/refrain/sim/world"
)

// Witness writes down what could be seen of a run from outside: what reached
// the plane, what was answered, and what the hosts heard. It judges
// nothing and changes nothing, the hash included. It is for those who hold a
// run to a property of their own; attach an empty one to a world, and read it
// between two calls of [world.World.Next], or at the end.
//
// It keeps everything, so it is for worlds of some ten hosts and some hours.
type Witness struct {
	// Exchanges are the requests that reached the plane, in order of arrival.
	Exchanges []*Exchange
	// Sights are what happened, in order.
	Sights []Sight
	// Entries are the lines of the plane's log in the order in which they
	// became durable. What the plane loses with its disk stays here.
	Entries []plane.Entry

	byMessage map[uint64]*Exchange // those that are not answered or not finished
	byCall    map[call]*Exchange   // what each host waits for
}

// call is a request as its host numbers it.
type call struct {
	host int
	id   uint64
}

// Never is the instant of what did not happen.
const Never time.Duration = -1

// Exchange is one request and its answer. Instants are [Never] for what did not
// happen.
type Exchange struct {
	Kind scenario.Route
	// Host is the number of the host that sent it, from 1; 0 is the operator,
	// -1 the plane's manifests directory.
	Host int
	// Duplicate: the network made it; nobody waits for its answer.
	Duplicate bool
	// Rollout is the rollout that a heartbeat or an event names; Closure is
	// what a heartbeat says that the host runs; Event and Seq are an event's
	// kind and number.
	Rollout wire.RolloutID
	Closure wire.Closure
	Event   wire.EventKind
	Seq     wire.Seq
	// Wait is how long a poll waits.
	Wait time.Duration

	SentAt, ArrivedAt time.Duration
	// AdmittedAt is when it was last let into the inbox: a poll that waits
	// comes in again. SteppedAt is when the reducer last took it, FinishedAt
	// when the reducer was done with it.
	AdmittedAt, SteppedAt, FinishedAt time.Duration
	// AnsweredAt is when the plane answered; the answer is Outcome.
	AnsweredAt time.Duration
	Outcome    wire.Outcome
	// HeardAt is when the sender learned what became of it, and Heard what it
	// was told: a Status of 0 is that no answer came.
	HeardAt time.Duration
	Heard   agent.Answer
}

// SightKind is what happened.
type SightKind uint8

// What happens to a request, or to the plane.
const (
	// SightArrived: it reached the plane.
	SightArrived SightKind = iota + 1
	// SightAdmitted, SightRefused: what the gate said.
	SightAdmitted
	SightRefused
	// SightStepped: the reducer took it.
	SightStepped
	// SightDropped: the reducer dropped it without a reply.
	SightDropped
	// SightFinished: the reducer is done with it, and its place is free.
	SightFinished
	// SightAnswered: the plane answered it.
	SightAnswered
	// SightHeard: its sender learned what became of it.
	SightHeard
	// SightDown, SightWiped: the plane's process ended, or its disk was lost
	// or put back to a backup as well. SightStarted: it has loaded what the disk has.
	SightDown
	SightWiped
	SightStarted
)

// Sight is one thing that happened. Exchange is nil if it happened to the
// plane.
type Sight struct {
	Kind     SightKind
	Step     uint64
	At       time.Duration
	Exchange *Exchange
}

// Attach has it see what it writes down. It is to be called before the world's
// first step.
func (o *Witness) Attach(w *world.World) {
	w.Subscribe(world.EventArrived, o.arrived)
	w.Subscribe(world.EventAdmitted, o.admitted)
	w.Subscribe(world.EventRefused, o.refused)
	w.Subscribe(world.EventStepDone, o.stepDone)
	w.Subscribe(world.EventDropped, o.dropped)
	w.Subscribe(world.EventFinished, o.finished)
	w.Subscribe(world.EventAnswered, o.answered)
	w.Subscribe(world.EventCommitted, o.committed)
	w.Subscribe(world.EventPlaneDown, o.planeDown)
	w.Subscribe(world.EventPlaneStarted, o.planeStarted)
	w.Subscribe(world.EventHostStepped, o.hostStepped)
}

func (o *Witness) note(w *world.World, k SightKind, x *Exchange) {
	o.Sights = append(o.Sights, Sight{Kind: k, Step: w.Step(), At: w.Now(), Exchange: x})
}

func (o *Witness) arrived(e *world.Event) {
	w, m := e.World, e.Message
	x := &Exchange{
		Kind: m.Kind(), Duplicate: m.Duplicate(), Wait: m.Wait(), SentAt: m.SentAt(), ArrivedAt: w.Now(),
		AdmittedAt: Never, SteppedAt: Never, FinishedAt: Never, AnsweredAt: Never, HeardAt: Never,
	}
	switch m.Kind() {
	case scenario.RouteHeartbeat:
		r := &m.Heartbeat().Request
		x.Rollout, x.Closure = r.RolloutID, r.CurrentClosure
	case scenario.RouteEvent:
		e := &m.Event().Envelope
		x.Rollout, x.Event, x.Seq = e.RolloutID, e.Event.Body.Kind(), e.Event.Seq
	}
	if o.byMessage == nil {
		o.byMessage, o.byCall = make(map[uint64]*Exchange), make(map[call]*Exchange)
	}
	o.byMessage[m.ID()] = x
	switch {
	case m.FromManifests(), m.FromReleases():
		x.Host = -1
	case m.Host() > 0:
		x.Host = m.Host()
		if !m.Duplicate() {
			o.byCall[call{m.Host(), m.Call()}] = x
		}
	}
	o.Exchanges = append(o.Exchanges, x)
	o.note(w, SightArrived, x)
}

func (o *Witness) admitted(e *world.Event) {
	w, m := e.World, e.Message
	x := o.byMessage[m.ID()]
	x.AdmittedAt, x.FinishedAt = w.Now(), Never
	o.note(w, SightAdmitted, x)
}

func (o *Witness) refused(e *world.Event) { o.note(e.World, SightRefused, o.byMessage[e.Message.ID()]) }

func (o *Witness) stepDone(e *world.Event) {
	w, m := e.World, e.Message
	if m == nil {
		return // a tick
	}
	x := o.byMessage[m.ID()]
	x.SteppedAt = w.Now()
	o.note(w, SightStepped, x)
}

func (o *Witness) dropped(e *world.Event) { o.note(e.World, SightDropped, o.byMessage[e.Message.ID()]) }

func (o *Witness) finished(e *world.Event) {
	w, m := e.World, e.Message
	x := o.byMessage[m.ID()]
	x.FinishedAt = w.Now()
	o.note(w, SightFinished, x)
	if m.Answered() {
		delete(o.byMessage, m.ID())
	}
}

func (o *Witness) answered(e *world.Event) {
	w, m := e.World, e.Message
	x := o.byMessage[m.ID()]
	x.AnsweredAt, x.Outcome = w.Now(), *m.Outcome()
	x.Outcome.Heartbeat.Bootstrap = append([]wire.Snapshot(nil), m.Outcome().Heartbeat.Bootstrap...)
	o.note(w, SightAnswered, x)
	if x.AdmittedAt == Never || x.FinishedAt != Never {
		delete(o.byMessage, m.ID())
	}
}

func (o *Witness) committed(e *world.Event) {
	entries := e.Entries
	o.Entries = append(o.Entries, entries...)
}

func (o *Witness) planeDown(e *world.Event) {
	w, k := e.World, SightDown
	if e.Wiped || e.Restored {
		k = SightWiped
	}
	o.note(w, k, nil)
	clear(o.byMessage) // nobody there has any of them any more
}

func (o *Witness) planeStarted(e *world.Event) { o.note(e.World, SightStarted, nil) }

func (o *Witness) hostStepped(e *world.Event) {
	switch in := e.AgentInput.(type) {
	case *agent.HeartbeatAnswered:
		o.heard(e, in.ID, in.Answer)
	case *agent.EventAnswered:
		o.heard(e, in.ID, in.Answer)
	case *agent.PollAnswered:
		o.heard(e, in.ID, in.Answer)
	}
}

// heard notes what a host was told of a request, if the request ever reached
// the plane.
func (o *Witness) heard(e *world.Event, id uint64, a agent.Answer) {
	key := call{e.Host, id}
	x := o.byCall[key]
	if x == nil {
		return
	}
	delete(o.byCall, key)
	x.HeardAt, x.Heard = e.At, a
	o.note(e.World, SightHeard, x)
}
