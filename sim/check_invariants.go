package sim

import (
	"github.com/refrain-fleet/refrain/core/agent"
	"github.com/refrain-fleet/refrain/core/plane"
)

// smallFleet is the number of hosts up to which the reducers check their own
// invariants after every step. That walks over everything they know, so in
// larger fleets they do so after every 512th, and in very large ones after as
// many as there are hosts.
const smallFleet = 8

// checkInvariants is INV: the numbered invariants of gate, plane and agents
// hold after every step.
type checkInvariants struct {
	every         uint64
	steps, agents uint64
}

func newCheckInvariants(w *World) any {
	n := w.scenario.Fleet.Hosts
	c := &checkInvariants{every: uint64(max(512, n))}
	if n <= smallFleet {
		c.every = 1
	}
	return c
}

func (c *checkInvariants) stepDone(w *World, m *message, in plane.Input, _ *plane.Reply) {
	if c.steps++; c.steps%c.every != 0 {
		return
	}
	if err := w.plane.plane.Check(); err != nil {
		w.Violate("INV", "after %v: %v", in, err)
	}
	if err := w.plane.gate.Check(); err != nil {
		w.Violate("INV", "after %v: %v", in, err)
	}
}

func (c *checkInvariants) hostStepped(w *World, h *hostNode, in agent.Input) {
	if c.agents++; c.agents%c.every != 0 {
		return
	}
	if err := h.agent.Check(); err != nil {
		w.Violate("INV", "h%d after %v: %v", h.index+1, in, err)
	}
}
