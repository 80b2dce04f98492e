package sabotage

import (
	"time"

	"github.com/refrain-fleet/refrain/core/driver"
	"github.com/refrain-fleet/refrain/core/gate"
	"github.com/refrain-fleet/refrain/core/plane"
	"github.com/refrain-fleet/refrain/core/wire"
	"github.com/refrain-fleet/refrain/sim/scenario"
	"github.com/refrain-fleet/refrain/sim/world"
)

// Worlds that break the 503 contract: S5, S6, S7 and S11.
var admissionBroken = []Bug{
	{"S5", "a request is not answered by its deadline", WedgedStory, func() *Saboteur { return &Saboteur{OnAdmitted: withoutTimer} }},
	{"S5", "a request is answered twice", QuietStory, func() *Saboteur {
		return &Saboteur{OnAnswered: func(w *world.World, m *world.Message) { emit(w, world.EventAnswered, m) }}
	}},
	{"S5", "a request comes twice", QuietStory, func() *Saboteur {
		return &Saboteur{OnArrived: func(w *world.World, m *world.Message) { emit(w, world.EventArrived, m) }}
	}},
	{"S5", "a request is admitted twice", QuietStory, func() *Saboteur {
		return &Saboteur{OnAdmitted: func(w *world.World, m *world.Message) { emit(w, world.EventAdmitted, m) }}
	}},
	{"S5", "a poll is answered before the end of its wait", QuietStory, func() *Saboteur {
		return &Saboteur{OnStepped: func(w *world.World) {
			if w.Now() > 2*time.Minute {
				w.Tamper().AnswerPoll()
			}
		}}
	}},
	{"S5", "a poll is answered long after the end of its wait", QuietStory, func() *Saboteur {
		return &Saboteur{OnAdmitted: func(w *world.World, m *world.Message) { w.Tamper().SetWait(m, time.Second) }}
	}},
	{"S5", "an input is worked off and nobody is answered", QuietStory, func() *Saboteur {
		return &Saboteur{OnStepDone: func(w *world.World, m *world.Message, in plane.Input, _ *plane.Reply) {
			if isEvent(in) { // its reply waits for the commit
				emit(w, world.EventFinished, m)
			}
		}}
	}},
	{"S5", "an answer comes after the deadline", WedgedStory, func() *Saboteur {
		return &Saboteur{OnAnswered: func(w *world.World, m *world.Message) {
			if m.Outcome().Code == wire.Timeout {
				w.Tamper().Advance(1)
			}
		}}
	}},

	{"S6", "a request is refused for another reason", CrowdedStory, func() *Saboteur {
		return &Saboteur{OnRefused: func(_ *world.World, m *world.Message) { m.Outcome().Code = wire.Closed }}
	}},
	{"S6", "a refusal is answered as another one", CrowdedStory, onAnswer(func(_ *world.World, m *world.Message) {
		if m.Outcome().Code == wire.Saturated {
			m.Outcome().Code = wire.NotStarted
		}
	})},
	{"S6", "more is admitted than there is room for", CrowdedStory, func() *Saboteur {
		return &Saboteur{OnArrived: func(w *world.World, _ *world.Message) { w.Tamper().SetCapacity(3) }}
	}},
	{"S6", "a request is refused although there is room", CrowdedStory, func() *Saboteur {
		return &Saboteur{OnArrived: func(w *world.World, _ *world.Message) { w.Tamper().SetCapacity(50) }}
	}},
	{"S6", "a reply is taken for a timeout", QuietStory, onAnswer(func(_ *world.World, m *world.Message) {
		if m.Kind() == scenario.RouteEvent {
			*m.Outcome() = wire.Unavailable(wire.Timeout, time.Second)
		}
	})},
	{"S6", "a timeout is called closed though nothing closes", WedgedStory, onAnswer(func(_ *world.World, m *world.Message) {
		if m.Outcome().Code == wire.Timeout {
			m.Outcome().Code = wire.Closed
		}
	})},
	{"S6", "a dropped reply is called a timeout", DroppedStory, onAnswer(func(_ *world.World, m *world.Message) {
		if m.Outcome().Code == wire.DroppedReply {
			m.Outcome().Code = wire.Timeout
		}
	})},
	{"S6", "a refusal before the gate is a 503", HostileStory, onAnswer(func(_ *world.World, m *world.Message) {
		if m.Outcome().Code == wire.WrongIdentity {
			*m.Outcome() = wire.Unavailable(wire.Saturated, time.Second)
		}
	})},
	{"S6", "a poll that waited is answered 503", QuietStory, onAnswer(func(w *world.World, m *world.Message) {
		if m.Kind() == scenario.RoutePoll && w.Now() >= m.ArrivedAt()+m.Wait() {
			*m.Outcome() = wire.Unavailable(wire.Saturated, time.Second)
		}
	})},
	{"S6", "a reply is dropped for no reason", QuietStory, func() *Saboteur {
		return &Saboteur{OnStepping: func(w *world.World, m *world.Message, in plane.Input) {
			if isEvent(in) {
				emit(w, world.EventDropped, m)
			}
		}}
	}},
	{"S6", "a request inside is answered closed before the end of the drain", WedgedStory, onAnswer(func(w *world.World, m *world.Message) {
		if m.Outcome().Code == wire.Timeout {
			emit(w, world.EventPlaneClosing, nil)
			m.Outcome().Code = wire.Closed
		}
	})},
	{"S6", "a slot lies beyond the interval", CrowdedStory, func() *Saboteur {
		return &Saboteur{OnRefused: func(w *world.World, m *world.Message) { m.Outcome().RetryAfter = 61 * time.Second }}
	}},
	{"S6", "a slot is not in whole seconds", CrowdedStory, func() *Saboteur {
		return &Saboteur{OnRefused: func(w *world.World, m *world.Message) { m.Outcome().RetryAfter = 1500 * time.Millisecond }}
	}},
	{"S6", "a host that asks again loses its slot", FloodedStory, func() *Saboteur {
		n := time.Duration(0)
		return &Saboteur{OnRefused: func(w *world.World, m *world.Message) {
			n++
			m.Outcome().RetryAfter = n%60*time.Second + time.Second
		}}
	}},

	{"S7", "more is inside than the capacity", CrowdedStory, anotherGate(func(cfg *gate.Config) { cfg.Capacity, cfg.HeartbeatReserve = 50, 47 })},
	{"S7", "the reserve is used by events", CrowdedStory, anotherGate(func(cfg *gate.Config) { cfg.HeartbeatReserve = -1 })},
	{"S7", "five of one host are inside", FloodedStory, anotherGate(func(cfg *gate.Config) { cfg.PerHost = 50 })},
	{"S7", "the inbox loses count", QuietStory, func() *Saboteur {
		return &Saboteur{OnStepping: func(w *world.World, m *world.Message, in plane.Input) {
			if isEvent(in) {
				emit(w, world.EventFinished, m)
			}
		}}
	}},

	{"S11", "an input is stepped twice", QuietStory, func() *Saboteur {
		return &Saboteur{OnStepping: func(w *world.World, m *world.Message, in plane.Input) {
			if m != nil {
				stepping(w, m, in)
			}
		}}
	}},
	{"S11", "what was refused is stepped", CrowdedStory, func() *Saboteur {
		return &Saboteur{OnRefused: func(w *world.World, m *world.Message) { stepping(w, m, w.Tamper().Input(m)) }}
	}},
	{"S11", "what was answered at its deadline is taken and stepped", WedgedStory, onAnswer(func(w *world.World, m *world.Message) {
		if m.Outcome().Code == wire.Timeout {
			w.Tamper().Emit(world.Event{Kind: world.EventSection, Section: driver.Take})
			stepping(w, m, w.Tamper().Input(m))
		}
	})},
	{"S11", "what nobody sent is stepped", QuietStory, func() *Saboteur {
		return &Saboteur{OnStepping: func(w *world.World, m *world.Message, in plane.Input) {
			stepping(w, new(world.Message), in)
		}}
	}},
	{"S11", "a reply is delivered before the input was worked off", QuietStory, func() *Saboteur {
		return &Saboteur{OnAdmitted: func(w *world.World, m *world.Message) {
			emit(w, world.EventAdmitted, m)
			emit(w, world.EventAnswered, m)
		}}
	}},
	{"S11", "a late reply is delivered", WedgedStory, func() *Saboteur {
		return &Saboteur{OnAdmitted: withoutTimer, OnAnswered: func(_ *world.World, m *world.Message) {
			if m.Outcome().Code == wire.Timeout {
				*m.Outcome() = wire.Outcome{Code: wire.NoContent}
			}
		}}
	}},
	{"S11", "a dropped reply is delivered", DroppedStory, onAnswer(func(_ *world.World, m *world.Message) {
		if m.Outcome().Code == wire.DroppedReply {
			*m.Outcome() = wire.Outcome{Code: wire.NoContent}
		}
	})},
	{"S11", "an input is finished that was never stepped", QuietStory, func() *Saboteur {
		return &Saboteur{OnAdmitted: func(w *world.World, m *world.Message) {
			emit(w, world.EventAdmitted, m)
			emit(w, world.EventFinished, m)
		}}
	}},
}
