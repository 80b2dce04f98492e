package check

import (
	"fmt"

	"github.com/refrain-fleet/refrain/core/driver"
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
	sections      uint64
	// worked says that the driver was at work since it was looked at at rest.
	worked bool

	// last is the request that the reducer was done with last, if its message is
	// still that of lastID; answered says that it had its answer before.
	last     *world.Message
	lastID   uint64
	answered bool
}

func newInvariants(s *Checks) {
	n := s.World.Scenario().Fleet.Hosts
	c := &invariants{every: uint64(max(512, n))}
	if n <= smallFleet {
		c.every = 1
	}

	s.on(world.EventFinished, c.finished)
	s.on(world.EventStepDone, c.stepDone)
	s.on(world.EventHostStepped, c.hostStepped)
	s.on(world.EventSection, c.section)
	s.on(world.EventStepEnded, c.stepped)
}

// section looks at the driver when a commit was taken over, and when wakes were
// given turns: groups and turns are used again there.
func (c *invariants) section(e *world.Event) {
	c.worked = true
	if e.Section != driver.TakeOver && e.Section != driver.Announce {
		return
	}
	if c.sections++; c.every > 1 && c.sections%16 != 0 {
		return
	}
	if err := e.World.CheckDriver(); err != nil {
		e.World.Violate("INV", "after the section %v the driver's or the gate's state is inconsistent: %v%s", e.Section, err, c.lastRequest())
	}
}

// stepped looks at the driver when it has come to rest: nothing is held then, and
// what the plane's process refuses by is what its disk has.
func (c *invariants) stepped(e *world.Event) {
	w := e.World
	if !c.worked || !w.PlaneIdle() {
		return
	}
	c.worked = false
	if c.sections++; c.every > 1 && c.sections%16 != 0 {
		return
	}
	if err := w.CheckDriver(); err != nil {
		w.Violate("INV", "at rest the driver's or the gate's state is inconsistent: %v%s", err, c.lastRequest())
	}
	if n := w.InboxDepth(); n > 0 {
		w.Violate("INV", "the loop rests, and %d requests are in the inbox; want none%s", n, c.lastRequest())
	}
	durable := w.Durable().Revocations()
	same := len(durable) == w.RevokedNames()
	for name, before := range durable { // order-free: every name has to be there
		same = same && w.Revoked(name) == before
	}
	if !same {
		w.Violate("INV", "at rest the plane refuses the certificates of %d names; want those of the %d that are revoked by what its disk has%s", w.RevokedNames(), len(durable), c.lastRequest())
	}
}

func (c *invariants) stepDone(e *world.Event) {
	w, in := e.World, e.Input
	if c.steps++; c.steps%c.every != 0 {
		return
	}
	if err := w.Plane().Check(); err != nil {
		w.Violate("INV", "after %v: the reducer's state is inconsistent: %v%s", in, err, c.lastRequest())
	}
	if err := w.CheckDriver(); err != nil {
		w.Violate("INV", "after %v: the driver's or the gate's state is inconsistent: %v%s", in, err, c.lastRequest())
	}
}

func (c *invariants) finished(e *world.Event) {
	c.last, c.lastID, c.answered = e.Message, e.Message.ID(), e.Message.Answered()
}

// lastRequest says which request the reducer was done with last: what is found
// after a tick mostly came of it.
func (c *invariants) lastRequest() string {
	if c.last == nil || c.last.ID() != c.lastID {
		return ""
	}
	if c.answered {
		return fmt.Sprintf("; the reducer was done last with %v, which had its answer before", c.last)
	}
	return fmt.Sprintf("; the reducer was done last with %v", c.last)
}

func (c *invariants) hostStepped(e *world.Event) {
	if c.agents++; c.agents%c.every != 0 {
		return
	}
	if err := e.World.Agent(e.Host).Check(); err != nil {
		e.World.Violate("INV", "h%d after %v: the agent's state is inconsistent: %v", e.Host, e.AgentInput, err)
	}
}
