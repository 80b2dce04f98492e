package httpagent

import (
	"context"

	"github.com/refrain-fleet/refrain/core/agent"
	"github.com/refrain-fleet/refrain/core/wire"
)

// Machine is the host that an agent acts on. Its methods may be called by
// several goroutines at once: at most one switch (activation or rollback) and a
// few probes are under way at a time.
//
// A method that takes a context has to return soon after it ends, whatever it
// was doing; what it returns then is ignored. The context ends when the
// driver's session does. The next session may ask for the same switch again, so
// a switch has to be idempotent, and one that goes on by itself after the
// context ended must not run beside the next one.
type Machine interface {
	// CurrentClosure returns what the host runs now; empty if unknown.
	CurrentClosure() wire.Closure
	// NextBoot returns what the host would run after a boot, if it is something
	// else: a deferred switch left it. Empty if it is CurrentClosure, or
	// unknown.
	NextBoot() wire.Closure
	// Probes returns the probes that the host's configuration has.
	Probes() []wire.ProbeDeclaration
	// Activate switches the host to a closure and says how that ended. If it
	// ended well, a boot brings that closure too, whatever a deferred switch
	// had left before. The driver sets the ID of the result.
	Activate(ctx context.Context, closure wire.Closure) agent.ActivationEnded
	// RollBack switches the host back to a closure that it ran before.
	RollBack(ctx context.Context, closure wire.Closure) agent.RollbackEnded
	// Probe runs one probe once. ctx ends after [Config.ProbeTimeout] as well;
	// the probe has failed then. The driver sets ID and Probe of the result.
	Probe(ctx context.Context, probe wire.ProbeDeclaration) agent.Probed
}
