package httpagent

import (
	"time"

	"github.com/refrain-fleet/refrain/core/agent"
	"github.com/refrain-fleet/refrain/core/wire"
)

// Exchange is a request that has ended, for observers.
type Exchange struct {
	Kind agent.RequestKind
	// Status is the HTTP status, or 0 if no answer came, or none that could be
	// read.
	Status int
	// Reason is the stable word of a refusal (PROTOCOL T10); empty if there was
	// none, or the body had no word.
	Reason wire.Name
	// Replay says that the answer asked for a replay (H2, E6).
	Replay bool
	// RetryAfter is the answer's, in the plane's time; 0 if it had none, or none
	// in whole seconds.
	RetryAfter time.Duration
	// Defect says that the answer could not be read: what is wrong with it is
	// Err.
	Defect bool
	// Err says why no answer came or why it could not be read; nil otherwise.
	Err error
	// Elapsed is the time from sending to the end of the answer, by the base of
	// the driver's clock.
	Elapsed time.Duration
}

// Observer is notified of what a driver does. All of its methods are called by
// the driver's one goroutine, between two steps, so they have to be quick.
type Observer interface {
	// Exchanged reports a request that has ended. Requests of a session that
	// has ended are not reported.
	Exchanged(Exchange)
	// Noticed reports a notice of the reducer.
	Noticed(agent.Notice)
	// Changed says that a session has begun, or that the agent's durable state
	// has changed; a may be read until Changed returns.
	Changed(a *agent.Agent)
}

// unobserved is the observer of a driver that has none.
type unobserved struct{}

func (unobserved) Exchanged(Exchange)   {}
func (unobserved) Noticed(agent.Notice) {}
func (unobserved) Changed(*agent.Agent) {}
