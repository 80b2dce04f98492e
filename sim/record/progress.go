package record

import (
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/refrain-fleet/refrain/sim/world"
)

// progressSteps is how many steps a progress keeps.
const progressSteps = 20

// Progress keeps the last steps that a world has begun, so that another goroutine
// can say where a run is that does not end. It is safe for concurrent use, and
// the only part of a run that is. The zero value has none.
type Progress struct {
	mu    sync.Mutex
	begun [progressSteps]BegunStep
	n     uint64
}

// BegunStep is a step that a world has begun.
type BegunStep struct {
	// Step is its number, At the virtual time.
	Step uint64
	At   time.Duration
	// Timer is what went off.
	Timer world.Timer
}

// String writes the step like a line of a text trace.
func (s BegunStep) String() string {
	return fmt.Sprintf("%8d %14.6f %-6s %s", s.Step, s.At.Seconds(), s.Timer.Node(), s.Timer.Name())
}

// Attach has it keep the steps of a world. It is to be called before the first.
func (p *Progress) Attach(w *world.World) { w.Subscribe(world.EventStepBegan, p.began) }

func (p *Progress) began(e *world.Event) {
	p.mu.Lock()
	p.begun[p.n%progressSteps] = BegunStep{Step: e.Step, At: e.At, Timer: e.Timer}
	p.n++
	p.mu.Unlock()
}

// Last returns the last steps that were begun, the newest last: twenty at most.
func (p *Progress) Last() []BegunStep {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.n <= progressSteps {
		return slices.Clone(p.begun[:p.n])
	}
	at := p.n % progressSteps
	return slices.Concat(p.begun[at:], p.begun[:at])
}
