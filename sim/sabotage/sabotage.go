package sabotage

import (
	"fmt"
	"slices"

	"github.com/refrain-fleet/refrain/core/agent"
	"github.com/refrain-fleet/refrain/core/gate"
	"github.com/refrain-fleet/refrain/core/plane"
	"github.com/refrain-fleet/refrain/core/wire"
	"github.com/refrain-fleet/refrain/sim/scenario"
	"github.com/refrain-fleet/refrain/sim/world"
)

// Bug is something that breaks a rule, and a scenario in which it shows.
type Bug struct {
	// Checker is the number of the rule that it breaks.
	Checker string
	// Name says what is wrong.
	Name string
	// Story makes a scenario in which it shows.
	Story func() scenario.Scenario
	// By makes a fresh saboteur.
	By func() *Saboteur
}

// onReply changes replies of the reducer.
func onReply(change func(w *world.World, in plane.Input, r *plane.Reply)) func() *Saboteur {
	return func() *Saboteur {
		return &Saboteur{OnStepDone: func(w *world.World, _ *world.Message, in plane.Input, r *plane.Reply) {
			if r != nil {
				change(w, in, r)
			}
		}}
	}
}

// onAnswer changes answers on their way out.
func onAnswer(change func(*world.World, *world.Message)) func() *Saboteur {
	return func() *Saboteur { return &Saboteur{OnAnswered: change} }
}

// withoutTimer lets no deadline of the gate come.
func withoutTimer(w *world.World, _ *world.Message) { w.Tamper().LoseDeadline() }

func isEvent(in plane.Input) bool     { _, is := in.(*plane.Event); return is }
func isHeartbeat(in plane.Input) bool { _, is := in.(*plane.Heartbeat); return is }
func isPoll(in plane.Input) bool      { _, is := in.(*plane.Poll); return is }

// anotherGate gives the plane another gate than it should have.
func anotherGate(change func(*gate.Config)) func() *Saboteur {
	return func() *Saboteur {
		return &Saboteur{OnPlaneStarted: func(w *world.World) {
			cfg := w.Tamper().GateConfig()
			change(&cfg)
			w.Tamper().SetGate(cfg)
		}}
	}
}

// afterStep edits the record of a host once, after a step of some kind.
func afterStep(of func(plane.Input) bool, host, pattern, by string) func() *Saboteur {
	return func() *Saboteur {
		done := false
		return &Saboteur{OnStepDone: func(w *world.World, _ *world.Message, in plane.Input, _ *plane.Reply) {
			if !done && of(in) && world.AboutHost(in) == wire.Hostname(host) {
				done = editRecord(w, host, pattern, by)
			}
		}}
	}
}

// addLine adds a line to the log after a step of some kind.
func addLine(of func(plane.Input) bool) func() *Saboteur {
	return onReply(func(w *world.World, in plane.Input, _ *plane.Reply) {
		if of(in) {
			w.Tamper().Output().Entries = append(w.Tamper().Output().Entries, plane.Entry{Input: in})
		}
	})
}

// beside sets an instant in the record of a host after every heartbeat of
// another, each time to another one.
func beside(host, member string) func() *Saboteur {
	return func() *Saboteur {
		return &Saboteur{OnStepDone: func(w *world.World, _ *world.Message, in plane.Input, _ *plane.Reply) {
			if isHeartbeat(in) && world.AboutHost(in) != wire.Hostname(host) {
				editRecord(w, host, `"`+member+`":"[^"]*"`, fmt.Sprintf(`"%s":"2026-01-01T00:00:%02dZ"`, member, w.Step()%60))
			}
		}}
	}
}

// dispatchEarly dispatches h3, which is in the second wave, while the first is
// under way.
func dispatchEarly(w *world.World) bool {
	return editRecord(w, "h3", `"state":"Pending",(.*),"lastEventSeq":0`,
		`"state":"Pending",$1,"dispatchedAt":"2026-01-01T00:01:00Z","soakDueAt":"2026-01-01T00:02:00Z","lastEventSeq":0`)
}

// All lists every one.
func All() []Bug {
	return slices.Concat(durabilityBroken, recordsBroken, admissionBroken, answersBroken, rolloutsBroken, conductBroken, fieldBroken, signedBroken, gatesBroken, intentBroken, steeringBroken, whyBroken, actsBroken)
}

// emit emits an event that has not happened.
func emit(w *world.World, kind world.EventKind, m *world.Message) {
	w.Tamper().Emit(world.Event{Kind: kind, Message: m})
}

// stepping emits that an input is about to be stepped.
func stepping(w *world.World, m *world.Message, in plane.Input) {
	w.Tamper().Emit(world.Event{Kind: world.EventStepping, Message: m, Input: in, Output: new(plane.Output)})
}

// Saboteur breaks a world: it receives events before the checkers do.
type Saboteur struct {
	OnArrived, OnAdmitted, OnRefused, OnFinished, OnAnswered func(*world.World, *world.Message)

	OnStepping     func(*world.World, *world.Message, plane.Input)
	OnStepDone     func(*world.World, *world.Message, plane.Input, *plane.Reply)
	onNoticed      func(*world.World, *plane.Notice)
	OnPlaneDown    func(*world.World)
	OnPlaneStarted func(*world.World)
	OnStepped      func(*world.World)
	OnHostStepped  func(*agent.Output, agent.Input)

	busy bool
}

// Attach subscribes the Saboteur. It is to be called before the checkers are
// attached.
func (s *Saboteur) Attach(w *world.World) {
	onMessage := func(kind world.EventKind, f func(*world.World, *world.Message)) {
		if f != nil {
			s.on(w, kind, func(e *world.Event) { f(e.World, e.Message) })
		}
	}
	onWorld := func(kind world.EventKind, f func(*world.World)) {
		if f != nil {
			s.on(w, kind, func(e *world.Event) { f(e.World) })
		}
	}
	onMessage(world.EventArrived, s.OnArrived)
	onMessage(world.EventAdmitted, s.OnAdmitted)
	onMessage(world.EventRefused, s.OnRefused)
	onMessage(world.EventFinished, s.OnFinished)
	onMessage(world.EventAnswered, s.OnAnswered)
	onWorld(world.EventPlaneDown, s.OnPlaneDown)
	onWorld(world.EventPlaneStarted, s.OnPlaneStarted)
	onWorld(world.EventStepEnded, s.OnStepped)
	if s.OnStepping != nil {
		s.on(w, world.EventStepping, func(e *world.Event) { s.OnStepping(e.World, e.Message, e.Input) })
	}
	if s.OnStepDone != nil {
		s.on(w, world.EventStepDone, func(e *world.Event) { s.OnStepDone(e.World, e.Message, e.Input, e.Reply) })
	}
	if s.onNoticed != nil {
		s.on(w, world.EventNoticed, func(e *world.Event) { s.onNoticed(e.World, e.Notice) })
	}
	if s.OnHostStepped != nil {
		s.on(w, world.EventHostStepped, func(e *world.Event) { s.OnHostStepped(e.AgentOutput, e.AgentInput) })
	}
}

// on subscribes to one kind. What the saboteur itself has the world emit is for
// the others.
func (s *Saboteur) on(w *world.World, kind world.EventKind, f func(*world.Event)) {
	w.Subscribe(kind, func(e *world.Event) {
		if !s.busy {
			s.busy = true
			f(e)
			s.busy = false
		}
	})
}
