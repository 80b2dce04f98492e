package world_test

import (
	"strings"
	"testing"
	"time"

	"github.com/refrain-fleet/refrain/sim/sabotage"
	"github.com/refrain-fleet/refrain/sim/world"
)

func TestAPanicOfWhatIsSimulatedIsAViolation(t *testing.T) {
	for range 2 {
		w, err := world.New(sabotage.QuietStory(), world.Options{})
		if err != nil {
			t.Fatal(err)
		}
		w.Subscribe(world.EventStepping, func(*world.Event) {
			if w.Now() > time.Minute {
				w.Tamper().LoseDriver()
			}
		})
		w.Run(0)
		v := w.Violation()
		if v == nil || v.Checker != "PANIC" {
			t.Fatalf("the violation is %v, want PANIC", v)
		}
		const want = "runtime error: invalid memory address or nil pointer dereference\n\tdriver.(*Worker[...])."
		if !strings.HasPrefix(v.Detail, want) || !strings.Contains(v.Detail, "\tworld.(*planeNode).step:") || strings.Contains(v.Detail, "0x") {
			t.Errorf("the detail is %q, want the reason, and who was called", v.Detail)
		}
	}
}

// PROTOCOL G3
func TestASecondAnswerIsAViolationAndNotSent(t *testing.T) {
	w, err := world.New(sabotage.QuietStory(), world.Options{})
	if err != nil {
		t.Fatal(err)
	}
	w.Subscribe(world.EventAnswered, func(e *world.Event) {
		if w.Now() > time.Minute {
			w.Tamper().AnswerAgain(e.Message)
		}
	})
	w.Run(0)
	if v := w.Violation(); v == nil || v.Checker != "S5" {
		t.Errorf("the violation is %v, want one of S5", v)
	}
}
