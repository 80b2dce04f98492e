package check

import (
	"github.com/refrain-fleet/refrain/core/agent"
	"github.com/refrain-fleet/refrain/core/wire"
	"github.com/refrain-fleet/refrain/sim/world"
)

// channels is S45: a switch or a rollback of one channel says what it means for the
// host's rollouts of the others, in the same step (PROTOCOL A10). And no rollout soaks
// while another channel has the host, once the agent has started, or after its Converged
// was refused.
//
// It follows each rollout of a host by the entries of the agent's log alone.
type channels struct {
	hosts [][]followed
	views []agent.View
}

// followed is a rollout that an agent has taken up.
type followed struct {
	id         wire.RolloutID
	target     wire.Closure
	state      wire.State
	superseded bool
	// converged is the number of the agent's Converged; 0 if it has none, or if its
	// events were renumbered since.
	converged wire.Seq
	// has is where the rollout has the host: what its last switch ended on, or what
	// the host ran when it was taken up, of which found says so.
	has   wire.Closure
	found bool
}

func newChannels(s *Checks) {
	c := &channels{hosts: make([][]followed, s.World.Scenario().Fleet.Hosts)}
	s.on(world.EventHostStepped, c.stepped)
	s.on(world.EventHostLoaded, c.loaded)
	s.on(world.EventHostLost, func(e *world.Event) { c.hosts[e.Host-1] = nil })
}

// loaded begins anew with what the process came up as: what it had not made durable
// is lost.
func (c *channels) loaded(e *world.Event) {
	c.views = e.World.Agent(e.Host).Views(c.views[:0])
	list := c.hosts[e.Host-1][:0]
	for _, v := range c.views {
		r := followed{id: v.Record.RolloutID, target: v.Record.TargetClosure, state: v.Record.State, superseded: v.Superseded, has: v.Record.CurrentClosure}
		if r.has == "" {
			r.has, r.found = v.Record.CurrentClosureAtDispatch, true
		}
		list = append(list, r)
	}
	c.hosts[e.Host-1] = list
}

func (c *channels) stepped(e *world.Event) {
	if e.World.HostKind(e.Host) != world.FullHost {
		return
	}
	_, judged := e.AgentInput.(*agent.Started)
	for i := range e.AgentOutput.Appends {
		switch a := &e.AgentOutput.Appends[i]; a.Kind {
		case agent.EntryTaken:
			c.taken(e.Host, a)
		case agent.EntryForgotten:
			c.forget(e.Host, a.RolloutID)
		case agent.EntryEvent:
			c.told(e.Host, a)
		case agent.EntryRenumbered:
			if r := c.of(e.Host, a.RolloutID); r != nil {
				r.converged = 0
			}
		case agent.EntryRefused:
			if r := c.of(e.Host, a.RolloutID); r != nil && r.state == wire.Converged && r.converged == a.Seq {
				r.state, judged = wire.Soaking, true
			}
		}
	}
	for i := range e.AgentOutput.Appends {
		if to, ended := endsOn(&e.AgentOutput.Appends[i]); ended {
			c.judge(e, e.AgentOutput.Appends[i].RolloutID, to)
		}
	}
	if judged {
		c.strays(e)
	}
}

// strays judges the rollouts that soak while the host runs what another channel has it
// on.
func (c *channels) strays(e *world.Event) {
	list, runs := c.hosts[e.Host-1], e.World.Runs(e.Host)
	for i := range list {
		r := &list[i]
		if r.state != wire.Soaking || r.superseded || r.target == runs {
			continue
		}
		for j := range list {
			by := &list[j]
			if by.superseded || by.id.Channel() == r.id.Channel() || by.has != runs || by.found && j < i {
				continue
			}
			e.World.Violate("S45", "h%d soaks in %s and runs %s, where %s has it; want Failed of the first, whose target is %s (A10)", e.Host, r.id, runs, by.id, r.target)
			return
		}
	}
}

// judge judges what the end of a switch or a rollback on a closure has left of the
// other rollouts.
func (c *channels) judge(e *world.Event, by wire.RolloutID, to wire.Closure) {
	for i := range c.hosts[e.Host-1] {
		r := &c.hosts[e.Host-1][i]
		if r.id == by || r.superseded {
			continue
		}
		switch {
		case r.state == wire.Soaking && r.target != to:
			e.World.Violate("S45", "h%d was brought to %s by %s and goes on soaking in %s; want Failed of it, whose target is %s (A10)", e.Host, to, by, r.id, r.target)
		case r.state == wire.Deferred && r.target == to:
			e.World.Violate("S45", "h%d was brought to %s by %s, and %s, which was deferred to it, still waits for a boot; want ActivationCompleted of it (A10)", e.Host, to, by, r.id)
		}
	}
}

// endsOn returns the closure that an event says a switch or a rollback ended on.
func endsOn(entry *agent.Entry) (wire.Closure, bool) {
	if entry.Kind != agent.EntryEvent {
		return "", false
	}
	switch body := entry.Event.Body.(type) {
	case wire.ActivationCompleted:
		return body.ObservedCurrentClosure, true
	case wire.RollbackComplete:
		return body.RevertedToClosure, true
	}
	return "", false
}

func (c *channels) told(host int, entry *agent.Entry) {
	r := c.of(host, entry.RolloutID)
	if r == nil {
		return
	}
	if to, ended := endsOn(entry); ended {
		r.has, r.found = to, false
	}
	switch body := entry.Event.Body.(type) {
	case wire.DispatchAck:
		r.state, r.has, r.found = wire.Activating, body.CurrentClosureAtDispatch, true
	case wire.ActivationCompleted:
		r.state = wire.Soaking
	case wire.ActivationDeferred:
		r.state = wire.Deferred
	case wire.ActivationFailed, wire.HealthFailed:
		r.state = wire.Failed
	case wire.RollbackComplete:
		r.state = wire.Reverted
	case wire.HostConverged:
		r.state, r.converged = wire.Converged, entry.Event.Seq
	}
}

func (c *channels) taken(host int, entry *agent.Entry) {
	rec := &entry.Taken.Record
	for i := range c.hosts[host-1] {
		if r := &c.hosts[host-1][i]; r.id.Channel() == entry.RolloutID.Channel() {
			r.superseded = true
		}
	}
	c.forget(host, entry.RolloutID)
	c.hosts[host-1] = append(c.hosts[host-1], followed{id: entry.RolloutID, target: rec.TargetClosure, state: rec.State})
}

func (c *channels) forget(host int, id wire.RolloutID) {
	list := c.hosts[host-1]
	for i := range list {
		if list[i].id == id {
			c.hosts[host-1] = append(list[:i], list[i+1:]...)
			return
		}
	}
}

func (c *channels) of(host int, id wire.RolloutID) *followed {
	for i := range c.hosts[host-1] {
		if r := &c.hosts[host-1][i]; r.id == id {
			return r
		}
	}
	return nil
}
