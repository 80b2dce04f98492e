package agent

import (
	"errors"
	"fmt"
	"time"

	"github.com/refrain-fleet/refrain/core/wire"
)

// Agent is the reducer of one host's agent: the one owner of everything that
// is known about the host's rollouts. Its only mutator is [Agent.Step]. It is
// not safe for use by two goroutines.
type Agent struct {
	cfg  Config
	last wire.Instant
}

// New returns an agent that knows nothing: one that runs for the first time,
// or that lost its disk.
func New(cfg Config) (*Agent, error) {
	cfg = cfg.withDefaults()
	if err := cfg.validate(); err != nil {
		return nil, fmt.Errorf("agent: %w", err)
	}
	return &Agent{cfg: cfg}, nil
}

// Config returns the agent's configuration with its defaults filled in.
func (a *Agent) Config() Config { return a.cfg }

// Step takes one input at now and appends to out what it asks of the world. It
// cannot fail. now.Mono must not be earlier than at the step before; an
// earlier one is taken as that one. now.Wall is the host's own clock, which may
// say anything.
func (a *Agent) Step(now wire.Instant, in Input, out *Output) {}

// NextTimer returns the instant at which [Timer] is to be stepped, as the last
// step gave it.
func (a *Agent) NextTimer() time.Duration { return NoTimer }

// Apply walks one entry of a log, before [Started] is stepped. The error says
// why the entry cannot follow those before it.
func (a *Agent) Apply(e Entry) error { return errors.New("not yet") }
