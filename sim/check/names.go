package check

import (
	"github.com/refrain-fleet/refrain/core/driver"
	"github.com/refrain-fleet/refrain/core/plane"
	"github.com/refrain-fleet/refrain/core/wire"
	"github.com/refrain-fleet/refrain/sim/world"
)

// names is the part of S10 that is about whom an operator revokes (PROTOCOL T5):
// a host that the plane can know, by a record or by a request that was stepped
// since the plane was loaded, or anybody if it is forced; and both names of the
// host together.
type names struct {
	l *ledger
	// heard are the hosts that made a request since the plane was loaded.
	heard map[wire.Hostname]bool
	known bool // whether the name of the revocation that is stepped is known
}

func newNames(s *Checks) {
	c := &names{l: s.ledger(), heard: make(map[wire.Hostname]bool)}
	s.on(world.EventStepping, c.stepping)
	s.on(world.EventStepDone, c.stepDone)
	s.on(world.EventSection, c.section)
}

func (c *names) section(e *world.Event) {
	if e.Section == driver.Load {
		clear(c.heard)
	}
}

func (c *names) stepping(e *world.Event) {
	if host := world.AboutHost(e.Input); host != "" {
		c.heard[host] = true
	}
	in, is := e.Input.(*plane.Revoke)
	if !is {
		return
	}
	_, again := c.l.live.revoked[in.CommonName]
	c.known = again || in.Holder.Force || c.heard[in.Holder.Hostname]
	for _, o := range c.l.live.opened {
		for _, r := range o.records {
			c.known = c.known || r.last.Hostname == in.Holder.Hostname
		}
	}
}

func (c *names) stepDone(e *world.Event) {
	w, in, r := e.World, e.Input, e.Reply
	revoke, is := in.(*plane.Revoke)
	if !is || r == nil {
		return
	}
	switch code := r.Outcome.Code; {
	case code == wire.OK && !c.known:
		w.Violate("S10", "%v is answered ok, and nobody is known by the name; want unknown_name", in)
	case code == wire.UnknownName && c.known:
		w.Violate("S10", "%v is answered unknown_name, and the plane knows the host, or was told to go on", in)
	case code == wire.OK:
		inForce := w.Plane().Revocations()
		for _, name := range []wire.CommonName{revoke.CommonName, revoke.Also} {
			if before := c.l.live.revoked[name]; name != "" && inForce[name] != before {
				w.Violate("S10", "after %v the certificates of %s from before %v are refused; want %v, as of both names of the host", in, name, inForce[name], before)
			}
		}
	}
}
