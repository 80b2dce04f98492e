package sim

import (
	"time"

	"github.com/refrain-fleet/refrain/core/gate"
	"github.com/refrain-fleet/refrain/core/plane"
	"github.com/refrain-fleet/refrain/core/wire"
	"github.com/refrain-fleet/refrain/sim/scenario"
)

// Worlds that break the 503 contract: S5, S6, S7 and S11.
var admissionBroken = []sabotage{
	{"S5", "a request is not answered by its deadline", wedgedStory, func() *saboteur { return &saboteur{onAdmitted: withoutTimer} }},
	{"S5", "a request is answered twice", quietStory, func() *saboteur {
		return &saboteur{onAnswered: func(w *World, m *message) { w.emitMessage(EventAnswered, m) }}
	}},
	{"S5", "a request comes twice", quietStory, func() *saboteur {
		return &saboteur{onArrived: func(w *World, m *message) { w.emitMessage(EventArrived, m) }}
	}},
	{"S5", "a request is admitted twice", quietStory, func() *saboteur {
		return &saboteur{onAdmitted: func(w *World, m *message) { w.emitMessage(EventAdmitted, m) }}
	}},
	{"S5", "a poll is answered before the end of its wait", quietStory, func() *saboteur {
		return &saboteur{onStepped: func(w *World) {
			for _, m := range w.plane.open {
				if w.now > 2*time.Minute && m.request.Waits() {
					m.outcome = wire.Outcome{Code: wire.NoContent}
					w.plane.answer(w, m)
					return
				}
			}
		}}
	}},
	{"S5", "a poll is answered long after the end of its wait", quietStory, func() *saboteur {
		return &saboteur{onAdmitted: func(_ *World, m *message) { m.wait = time.Second }}
	}},
	{"S5", "an input is worked off and nobody is answered", quietStory, func() *saboteur {
		return &saboteur{onStepDone: func(w *World, m *message, in plane.Input, _ *plane.Reply) {
			if isEvent(in) { // its reply waits for the commit
				w.emitMessage(EventFinished, m)
			}
		}}
	}},
	{"S5", "an answer comes after the deadline", wedgedStory, func() *saboteur {
		return &saboteur{onAnswered: func(w *World, m *message) {
			if m.outcome.Code == wire.Timeout {
				w.now++
			}
		}}
	}},

	{"S6", "a request is refused for another reason", crowdedStory, func() *saboteur {
		return &saboteur{onRefused: func(_ *World, m *message) { m.outcome.Code = wire.Closed }}
	}},
	{"S6", "a refusal is answered as another one", crowdedStory, onAnswer(func(_ *World, m *message) {
		if m.outcome.Code == wire.Saturated {
			m.outcome.Code = wire.NotStarted
		}
	})},
	{"S6", "more is admitted than there is room for", crowdedStory, func() *saboteur {
		return &saboteur{onArrived: func(w *World, _ *message) { w.plane.capacity = 3 }}
	}},
	{"S6", "a request is refused although there is room", crowdedStory, func() *saboteur {
		return &saboteur{onArrived: func(w *World, _ *message) { w.plane.capacity = 50 }}
	}},
	{"S6", "a reply is taken for a timeout", quietStory, onAnswer(func(_ *World, m *message) {
		if m.kind == scenario.RouteEvent {
			m.outcome = wire.Unavailable(wire.Timeout, time.Second)
		}
	})},
	{"S6", "a timeout is called closed though nothing closes", wedgedStory, onAnswer(func(_ *World, m *message) {
		if m.outcome.Code == wire.Timeout {
			m.outcome.Code = wire.Closed
		}
	})},
	{"S6", "a dropped reply is called a timeout", droppedStory, onAnswer(func(_ *World, m *message) {
		if m.outcome.Code == wire.DroppedReply {
			m.outcome.Code = wire.Timeout
		}
	})},
	{"S6", "the door answers 503", hostileStory, onAnswer(func(_ *World, m *message) {
		if m.outcome.Code == wire.WrongIdentity {
			m.outcome = wire.Unavailable(wire.Saturated, time.Second)
		}
	})},
	{"S6", "a poll that waited is answered 503", quietStory, onAnswer(func(w *World, m *message) {
		if m.kind == scenario.RoutePoll && w.now >= m.arrivedAt+m.wait {
			m.outcome = wire.Unavailable(wire.Saturated, time.Second)
		}
	})},
	{"S6", "a reply is dropped for no reason", quietStory, func() *saboteur {
		return &saboteur{onStepping: func(w *World, m *message, in plane.Input) {
			if isEvent(in) {
				w.emitMessage(EventDropped, m)
			}
		}}
	}},
	{"S6", "a request inside is answered closed before the end of the drain", wedgedStory, onAnswer(func(w *World, m *message) {
		if m.outcome.Code == wire.Timeout {
			w.emitPlain(EventPlaneClosing)
			m.outcome.Code = wire.Closed
		}
	})},
	{"S6", "a slot lies beyond the interval", crowdedStory, func() *saboteur {
		return &saboteur{onRefused: func(_ *World, m *message) { m.request.Outcome.RetryAfter = 61 * time.Second }}
	}},
	{"S6", "a slot is not in whole seconds", crowdedStory, func() *saboteur {
		return &saboteur{onRefused: func(_ *World, m *message) { m.request.Outcome.RetryAfter = 1500 * time.Millisecond }}
	}},
	{"S6", "a host that asks again loses its slot", floodedStory, func() *saboteur {
		n := time.Duration(0)
		return &saboteur{onRefused: func(_ *World, m *message) {
			n++
			m.request.Outcome.RetryAfter = n%60*time.Second + time.Second
		}}
	}},

	{"S7", "more is inside than the capacity", crowdedStory, anotherGate(func(cfg *gate.Config) { cfg.Capacity, cfg.HeartbeatReserve = 50, 47 })},
	{"S7", "the reserve is used by events", crowdedStory, anotherGate(func(cfg *gate.Config) { cfg.HeartbeatReserve = -1 })},
	{"S7", "five of one host are inside", floodedStory, anotherGate(func(cfg *gate.Config) { cfg.PerHost = 50 })},
	{"S7", "the inbox loses count", quietStory, func() *saboteur {
		return &saboteur{onStepping: func(w *World, m *message, in plane.Input) {
			if isEvent(in) {
				w.emitMessage(EventFinished, m)
			}
		}}
	}},

	{"S11", "an input is stepped twice", quietStory, func() *saboteur {
		return &saboteur{onStepping: func(w *World, m *message, in plane.Input) {
			if m != nil {
				w.emitInput(EventStepping, m, in, nil, w.plane.worker.Output())
			}
		}}
	}},
	{"S11", "what was refused is stepped", crowdedStory, func() *saboteur {
		return &saboteur{onRefused: func(w *World, m *message) { w.emitInput(EventStepping, m, m.input(), nil, w.plane.worker.Output()) }}
	}},
	{"S11", "what nobody sent is stepped", quietStory, func() *saboteur {
		return &saboteur{onStepping: func(w *World, m *message, in plane.Input) {
			w.emitInput(EventStepping, &message{id: 1 << 40}, in, nil, w.plane.worker.Output())
		}}
	}},
	{"S11", "a reply is delivered before the input was worked off", quietStory, func() *saboteur {
		return &saboteur{onAdmitted: func(w *World, m *message) {
			w.emitMessage(EventAdmitted, m)
			w.emitMessage(EventAnswered, m)
		}}
	}},
	{"S11", "a late reply is delivered", wedgedStory, func() *saboteur {
		return &saboteur{onAdmitted: withoutTimer, onAnswered: func(_ *World, m *message) {
			if m.outcome.Code == wire.Timeout {
				m.outcome = wire.Outcome{Code: wire.NoContent}
			}
		}}
	}},
	{"S11", "a dropped reply is delivered", droppedStory, onAnswer(func(_ *World, m *message) {
		if m.outcome.Code == wire.DroppedReply {
			m.outcome = wire.Outcome{Code: wire.NoContent}
		}
	})},
	{"S11", "an input is finished that was never stepped", quietStory, func() *saboteur {
		return &saboteur{onAdmitted: func(w *World, m *message) {
			w.emitMessage(EventAdmitted, m)
			w.emitMessage(EventFinished, m)
		}}
	}},
}
