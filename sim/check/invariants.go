package check

import (
	"github.com/refrain-fleet/refrain/sim/world"
)

// smallFleet is the number of hosts up to which the reducers check their own
// invariants after every step. That walks over everything they know, so in
// larger fleets they do so after every 512th, and in very large ones after as
// many as there are hosts.
const smallFleet = 8

// invariants is INV: the numbered invariants of gate, plane and agents
// hold after every step.
type invariants struct {
	every         uint64
	steps, agents uint64
}

func newInvariants(s *Checks) {
	n := s.World.Scenario().Fleet.Hosts
	c := &invariants{every: uint64(max(512, n))}
	if n <= smallFleet {
		c.every = 1
	}

	s.on(world.EventStepDone, c.stepDone)
	s.on(world.EventHostStepped, c.hostStepped)
}

func (c *invariants) stepDone(e *world.Event) {
	w, in := e.World, e.Input
	if c.steps++; c.steps%c.every != 0 {
		return
	}
	if err := w.Plane().Check(); err != nil {
		w.Violate("INV", "after %v: %v", in, err)
	}
	if err := w.CheckDriver(); err != nil {
		w.Violate("INV", "after %v: %v", in, err)
	}
}

func (c *invariants) hostStepped(e *world.Event) {
	if c.agents++; c.agents%c.every != 0 {
		return
	}
	if err := e.World.Agent(e.Host).Check(); err != nil {
		e.World.Violate("INV", "h%d after %v: %v", e.Host, e.AgentInput, err)
	}
}
