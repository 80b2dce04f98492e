package world

import (
	"github.com/refrain-fleet/refrain/core/agent"
	"github.com/refrain-fleet/refrain/core/driver"
	"github.com/refrain-fleet/refrain/core/plane"
)

// stream delivers a world's events to those who subscribed.
type stream struct {
	// wanted has a bit for each kind that somebody subscribed to.
	wanted    uint64
	consumers [EventKindCount][]func(*Event)
	// events are used again: one, and one more for each consumer that makes the
	// world emit another event meanwhile.
	events []*Event
	depth  int
}

// Subscribe has a consumer receive every event of a kind, after those who
// subscribed before.
func (w *World) Subscribe(kind EventKind, consumer func(*Event)) {
	w.stream.wanted |= 1 << kind
	w.stream.consumers[kind] = append(w.stream.consumers[kind], consumer)
}

// wants reports whether anybody subscribed to a kind.
func (w *World) wants(kind EventKind) bool { return w.stream.wanted>>kind&1 != 0 }

// emit delivers an event. It is the only function that does.
//
// An Event is large. The kinds that come with every message or step are emitted
// by the functions below, which make none if nobody subscribed. The halves that
// make one are not inlined: they would widen the frames of the hottest functions
// by the size of an Event.
func (w *World) emit(e Event) {
	s := &w.stream
	if !w.wants(e.Kind) {
		return
	}
	if s.depth == len(s.events) {
		s.events = append(s.events, new(Event))
	}
	delivered := s.events[s.depth]
	s.depth++
	*delivered = e
	delivered.World, delivered.Step, delivered.At = w, w.step, w.now
	for _, consumer := range s.consumers[e.Kind] {
		consumer(delivered)
	}
	s.depth--
}

// emitPlain emits an event that has no fields of its own.
func (w *World) emitPlain(kind EventKind) { w.emitMessage(kind, nil) }

// emitMessage emits an event that has a message and nothing else.
func (w *World) emitMessage(kind EventKind, m *Message) {
	if w.wants(kind) {
		w.messageEvent(kind, m)
	}
}

//go:noinline
func (w *World) messageEvent(kind EventKind, m *Message) { w.emit(Event{Kind: kind, Message: m}) }

// emitStepBegan emits that a timer has gone off.
func (w *World) emitStepBegan() {
	if w.wants(EventStepBegan) {
		w.stepBeganEvent()
	}
}

//go:noinline
func (w *World) stepBeganEvent() {
	e := Event{Kind: EventStepBegan, Timer: w.last}
	if w.last.kind.aboutMessage() {
		e.Message = w.message(&w.last)
	}
	w.emit(e)
}

// emitHeard emits that a sender is given the answer, or the news that none will
// come.
func (w *World) emitHeard(m *Message, answered bool) {
	if w.wants(EventHeard) {
		w.heardEvent(m, answered)
	}
}

//go:noinline
func (w *World) heardEvent(m *Message, answered bool) {
	w.emit(Event{Kind: EventHeard, Message: m, Answered: answered})
}

// emitSection emits that the loop carried out a section.
func (w *World) emitSection(section driver.Work, m *Message, n int) {
	if w.wants(EventSection) {
		w.sectionEvent(section, m, n)
	}
}

//go:noinline
func (w *World) sectionEvent(section driver.Work, m *Message, n int) {
	w.emit(Event{Kind: EventSection, Section: section, Message: m, Count: n})
}

// emitInput emits EventStepping or EventStepDone.
func (w *World) emitInput(kind EventKind, m *Message, in plane.Input, r *plane.Reply, out *plane.Output) {
	if w.wants(kind) {
		w.inputEvent(kind, m, in, r, out)
	}
}

//go:noinline
func (w *World) inputEvent(kind EventKind, m *Message, in plane.Input, r *plane.Reply, out *plane.Output) {
	w.emit(Event{Kind: kind, Message: m, Input: in, Reply: r, Output: out})
}

// emitReplied emits that the loop hands a reply back to the gate.
func (w *World) emitReplied(m *Message, lost bool) {
	if w.wants(EventReplied) {
		w.repliedEvent(m, lost)
	}
}

//go:noinline
func (w *World) repliedEvent(m *Message, lost bool) {
	w.emit(Event{Kind: EventReplied, Message: m, ReplyLost: lost})
}

// emitHostAppended emits that entries are on the disk of a host.
func (w *World) emitHostAppended(h *hostNode, entries []agent.Entry) {
	if w.wants(EventHostAppended) {
		w.hostAppendedEvent(h, entries)
	}
}

//go:noinline
func (w *World) hostAppendedEvent(h *hostNode, entries []agent.Entry) {
	w.emit(Event{Kind: EventHostAppended, Host: h.index + 1, Appended: entries})
}

// emitHostStepped emits that a host's agent stepped an input.
func (w *World) emitHostStepped(h *hostNode, in agent.Input) {
	if w.wants(EventHostStepped) {
		w.hostSteppedEvent(h, in)
	}
}

//go:noinline
func (w *World) hostSteppedEvent(h *hostNode, in agent.Input) {
	w.emit(Event{Kind: EventHostStepped, Host: h.index + 1, AgentInput: in, AgentOutput: &h.out})
}
