package sim

import (
	"fmt"
	"time"

	"github.com/refrain-fleet/refrain/sim/scenario"
)

// Violation says which rule was broken, when, and how.
type Violation struct {
	// Checker is its number: S8, L1.
	Checker string
	Step    uint64
	At      time.Duration
	Detail  string
}

// String writes the violation in one line.
func (v *Violation) String() string {
	return fmt.Sprintf("%s at step %d, %v: %s", v.Checker, v.Step, v.At, v.Detail)
}

// Result is how a run ended.
type Result struct {
	Violation *Violation
	Seed      uint64
	// Events is how many events happened, Simulated how much time passed.
	Events    uint64
	Simulated time.Duration
	// Settled is when after the healing the fleet had come to rest.
	Settled time.Duration
	// Ended says that the run came to its end, and was not stopped before.
	Ended   bool
	Hash    uint64
	Effects scenario.Effects
	// Reached is how often each of the scenario's faults took effect: a fault
	// that never did might as well not be there.
	Reached []uint64
}
