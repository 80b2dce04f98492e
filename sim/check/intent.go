package check

import (
	"bytes"
	"strings"
	"time"

	"github.com/refrain-fleet/refrain/core/agent"
	"github.com/refrain-fleet/refrain/core/artifact"
	"github.com/refrain-fleet/refrain/core/wire"
	"github.com/refrain-fleet/refrain/sim/scenario"
	"github.com/refrain-fleet/refrain/sim/world"
)

// signedIntent is S35: an agent that acts only on signed intent activates a closure only
// if a release that was really signed has it for this host in this rollout, was shown to
// the agent as a whole, was signed within the hour by the host's clock, and was not signed
// before another that the agent has seen of the channel since it had its disk. It goes
// back only to what the host ran when it began the activation (PROTOCOL A11, A7).
//
// It judges by the bytes that were signed, and by what the scenario opened the rollouts
// with. It verifies no signature, and reads no artifact.
type signedIntent struct{ hosts []signedHost }

// signedHost is what is known of a host since it had its disk.
type signedHost struct {
	fetched *shown
	seen    map[wire.Channel]wire.Time
	allowed map[wire.RolloutID]shown
	before  map[wire.RolloutID]wire.Closure
}

// shown is what an agent was shown of a rollout that really was signed.
type shown struct {
	channel  wire.Channel
	closure  wire.Closure
	signedAt wire.Time // of the fleet
	future   bool      // by the host's clock
}

// intentWindow is how old a release may be, intentSkew how far clocks may differ
// (PROTOCOL A11).
const (
	intentWindow = time.Hour
	intentSkew   = time.Minute
)

func newSignedIntent(s *Checks) {
	if !s.World.Scenario().Fleet.Verify {
		return
	}
	c := &signedIntent{hosts: make([]signedHost, s.World.Scenario().Fleet.Hosts+1)}
	for i := range c.hosts {
		c.hosts[i].forget()
	}
	s.on(world.EventHostFetched, c.fetched)
	s.on(world.EventHostStepped, c.stepped)
	s.on(world.EventHostLost, func(e *world.Event) { c.hosts[e.Host].forget() })
}

func (h *signedHost) forget() {
	*h = signedHost{seen: make(map[wire.Channel]wire.Time), allowed: make(map[wire.RolloutID]shown), before: make(map[wire.RolloutID]wire.Closure)}
}

// fetched compares what an agent is shown with what was signed.
func (c *signedIntent) fetched(e *world.Event) {
	w, h, f := e.World, &c.hosts[e.Host], e.Fetched
	h.fetched = nil
	if f.Status != 200 {
		return
	}
	fleet := releaseOf(w, func(r *world.SignedRelease) bool { return same(r.Fleet, f.Fleet) })
	rollout := releaseOf(w, func(r *world.SignedRelease) bool {
		o := r.Rollout(f.Rollout)
		return o != nil && same(o.Manifest, f.Manifest)
	})
	if fleet == nil || rollout == nil {
		return
	}
	now := w.HostWall(e.Host)
	h.fetched = &shown{channel: f.Rollout.Channel(), signedAt: fleet.SignedAt, future: now.Add(intentSkew).Before(fleet.SignedAt)}
	if fleet != rollout || h.fetched.future || fleet.SignedAt.Add(intentWindow+intentSkew).Before(now) {
		return
	}
	// The agent may write it down and die before its step is over, so it counts from here.
	for _, line := range rollout.Rollout(f.Rollout).Opened.Hosts {
		if line.Hostname == scenario.HostName(e.Host) && !fleet.SignedAt.Before(h.seen[h.fetched.channel]) {
			allowed := *h.fetched
			allowed.closure = line.TargetClosure
			h.allowed[f.Rollout] = allowed
		}
	}
}

func releaseOf(w *world.World, is func(*world.SignedRelease) bool) *world.SignedRelease {
	for _, r := range w.SignedReleases() {
		if is(r) {
			return r
		}
	}
	return nil
}

func same(a, b artifact.Signed) bool {
	return bytes.Equal(a.Document, b.Document) && bytes.Equal(a.Signature, b.Signature)
}

// stepped judges what an agent begins.
func (c *signedIntent) stepped(e *world.Event) {
	w, h := e.World, &c.hosts[e.Host]
	if w.HostKind(e.Host) != world.FullHost {
		return
	}
	if _, is := e.AgentInput.(*agent.Fetched); is && h.fetched != nil {
		if f := h.fetched; !f.future && h.seen[f.channel].Before(f.signedAt) {
			h.seen[f.channel] = f.signedAt
		}
	}
	for i := range e.AgentOutput.Effects {
		switch x := &e.AgentOutput.Effects[i]; x.Kind {
		case agent.EffectActivate:
			h.activates(w, e.Host, x)
		case agent.EffectRollback:
			if before, known := h.before[x.RolloutID]; !known || before != x.Closure {
				w.Violate("S35", "h%d goes back to %s for %s; want %s, which it ran before", e.Host, x.Closure, x.RolloutID, wire.OrDash(before))
			}
		}
	}
}

func (h *signedHost) activates(w *world.World, host int, x *agent.Effect) {
	allowed, known := h.allowed[x.RolloutID]
	switch {
	case !known:
		w.Violate("S35", "h%d activates %s for %s; want nothing: no release that it was shown in time has a line of it in that rollout", host, x.Closure, x.RolloutID)
	case allowed.closure != x.Closure:
		w.Violate("S35", "h%d activates %s for %s; want %s, which was signed for it", host, x.Closure, x.RolloutID, allowed.closure)
	case allowed.signedAt.Before(h.seen[allowed.channel]):
		w.Violate("S35", "h%d activates %s for %s, which was signed at %v; want nothing that was signed before %v: it has seen that", host, x.Closure, x.RolloutID, allowed.signedAt, h.seen[allowed.channel])
	}
	if _, again := h.before[x.RolloutID]; !again {
		h.before[x.RolloutID] = w.Runs(host)
	}
}

// newHonestIntent is S36: of an honest plane an agent refuses only what it cannot get, and
// what its own clock calls too old or not signed yet.
func newHonestIntent(s *Checks) {
	if !s.World.Scenario().Fleet.Verify || s.World.Scenario().Plane.Hostile > 0 {
		return
	}
	s.on(world.EventHostNoticed, func(e *world.Event) {
		if e.AgentNotice.Kind != agent.NoticeRefused {
			return
		}
		switch word, _, _ := strings.Cut(e.AgentNotice.Detail, ":"); word {
		case "unavailable": // the release changed after the dispatch, or nothing came
		case "stale", "from_the_future":
			c := e.World
			releases := c.SignedReleases()
			now, last := c.HostWall(e.Host), releases[len(releases)-1].SignedAt
			if !last.Add(intentWindow+intentSkew).Before(now) && !now.Add(intentSkew).Before(last) {
				c.Violate("S36", "h%d refuses what an honest plane offers: %v; want it taken up", e.Host, e.AgentNotice)
			}
		default:
			e.World.Violate("S36", "h%d refuses what an honest plane offers: %v; want it taken up", e.Host, e.AgentNotice)
		}
	})
}
