package sim

import (
	"strings"
	"testing"
	"time"
)

func TestAPanicOfWhatIsSimulatedIsAViolation(t *testing.T) {
	for range 2 {
		w, err := New(quietStory(), Options{Checkers: []Checker{}})
		if err != nil {
			t.Fatal(err)
		}
		w.Subscribe(EventStepping, func(*Event) {
			if w.now > time.Minute {
				w.plane.worker = nil
			}
		})
		w.run(0)
		v := w.violation
		if v == nil || v.Checker != "PANIC" {
			t.Fatalf("the violation is %v, want PANIC", v)
		}
		const want = "runtime error: invalid memory address or nil pointer dereference\n\tdriver.(*Worker[...])."
		if !strings.HasPrefix(v.Detail, want) || !strings.Contains(v.Detail, "\tsim.(*planeNode).step:") || strings.Contains(v.Detail, "0x") {
			t.Errorf("the detail is %q, want the reason, and who was called", v.Detail)
		}
	}
}

// PROTOCOL G3
func TestASecondAnswerIsAViolationAndNotSent(t *testing.T) {
	s := &saboteur{onAnswered: func(w *World, m *message) {
		if w.now > time.Minute {
			w.plane.answer(w, m)
		}
	}}
	if v := runWith(t, quietStory(), []Checker{}, s); v == nil || v.Checker != "S5" {
		t.Errorf("the violation is %v, want one of S5", v)
	}
}
