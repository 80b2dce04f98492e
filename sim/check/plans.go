package check

import (
	"slices"

	"github.com/refrain-fleet/refrain/core/wire"
	"github.com/refrain-fleet/refrain/sim/world"
)

// inState reports whether a host has a record in a state, of a rollout that is not
// superseded (PROTOCOL R5). Every host is in state 0.
func (c *operators) inState(name wire.Hostname, state wire.State) bool {
	return state == 0 || slices.ContainsFunc(c.l.hosts[c.l.number(name)], func(r *recordCopy) bool {
		return r.last.State == state && !c.l.live.superseded(r.of)
	})
}

// plan judges what a manifest is said to do, from the decisions so far (PROTOCOL R1).
func (c *operators) plan(e *world.Event, m *wire.Manifest) {
	plan, is := e.Reply.Outcome.Document.(*wire.OpeningPlan)
	known := c.l.live.find(m.ID())
	if known != nil {
		if same := sameManifest(&known.manifest, m); is != same || is && !bool(plan.Unchanged) {
			e.World.Violate("S28", "%v, which is open, is answered %v; want a plan that changes nothing if it is the same, and else a conflict", e.Input, e.Reply.Outcome.Code)
		}
		return
	}
	if !is {
		return // refused, as the opening would be
	}
	var supersedes wire.Names
	for _, o := range c.l.live.opened {
		if o.channel == m.Channel && !c.l.live.superseded(o) {
			supersedes = append(supersedes, wire.Name(o.id))
		}
	}
	slices.Sort(supersedes)
	got := slices.Sorted(slices.Values(plan.Supersedes))
	if !slices.Equal(got, supersedes) {
		e.World.Violate("S28", "%v would supersede %v; want %v", e.Input, got, supersedes)
	}
	first := 0
	for _, h := range m.Hosts {
		if h.Wave == 0 && !c.l.live.quarantined[closureOn{m.Channel, h.TargetClosure}] {
			first++
		}
	}
	if int(plan.Dispatched.Count) != first {
		e.World.Violate("S28", "%v would dispatch to %d hosts at once; want %d, those of the first wave whose target is not in quarantine", e.Input, plan.Dispatched.Count, first)
	}
}
