package world

import (
	"slices"
	"testing"

	"github.com/refrain-fleet/refrain/sim/scenario"
)

// TestEveryEventKindHasAName finds a kind that was added to the constants alone.
func TestEveryEventKindHasAName(t *testing.T) {
	seen := map[string]bool{}
	for kind := EventKind(0); kind < EventKindCount; kind++ {
		if name := kind.String(); name == "" || seen[name] {
			t.Errorf("kind %d is called %q, which is empty or taken", kind, name)
		}
		seen[kind.String()] = true
	}
	if EventKindCount > 64 {
		t.Errorf("%d kinds do not fit into the bits of stream.wanted", EventKindCount)
	}
}

func TestStream_ConsumersOfAKindAreCalledInOrderOfSubscription(t *testing.T) {
	w := &World{step: 7, now: 9}
	var calls []string
	note := func(name string) func(*Event) {
		return func(e *Event) {
			if e.World != w || e.Step != 7 || e.At != 9 {
				t.Errorf("the event is %+v", e)
			}
			calls = append(calls, name+" "+e.Kind.String())
		}
	}
	w.Subscribe(EventArrived, note("first"))
	w.Subscribe(EventArrived, note("second"))
	w.Subscribe(EventExpired, note("third"))
	w.emitMessage(EventArrived, nil)
	w.emitMessage(EventAdmitted, nil) // nobody wants it
	w.emit(Event{Kind: EventExpired})
	if want := []string{"first arrived", "second arrived", "third expired"}; !slices.Equal(calls, want) {
		t.Errorf("calls are %q, want %q", calls, want)
	}
}

// A consumer that makes the world emit another event leaves the first as it was.
func TestStream_NestedEventKeepsTheOuterOne(t *testing.T) {
	w := new(World)
	m := &Message{id: 3}
	w.Subscribe(EventArrived, func(*Event) { w.emit(Event{Kind: EventVanished, Effect: scenario.EffectLost}) })
	w.Subscribe(EventVanished, func(e *Event) {
		if e.Message != nil || e.Effect != scenario.EffectLost {
			t.Errorf("the inner event is %+v", e)
		}
	})
	outer := 0
	w.Subscribe(EventArrived, func(e *Event) {
		if outer++; e.Message != m || e.Effect != scenario.EffectNone || e.Kind != EventArrived {
			t.Errorf("the outer event is %+v", e)
		}
	})
	for range 3 {
		w.emitMessage(EventArrived, m)
	}
	if outer != 3 || len(w.stream.events) != 2 {
		t.Errorf("%d outer events with %d values, want 3 with 2", outer, len(w.stream.events))
	}
}

func TestStream_EmittingAllocatesNothing(t *testing.T) {
	w := new(World)
	w.Subscribe(EventFinished, func(*Event) {})
	w.emitMessage(EventFinished, nil) // makes the value
	if n := testing.AllocsPerRun(100, func() {
		w.emitMessage(EventFinished, nil)
		w.emitMessage(EventArrived, nil)
		w.effect(scenario.EffectLost)
	}); n != 0 {
		t.Errorf("%v allocations, want none", n)
	}
}
