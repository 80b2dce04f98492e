package plane

import (
	"maps"
	"slices"

	"github.com/refrain-fleet/refrain/core/wire"
)

// Clone returns an independent plane in the same state, as [Restore] would make
// of [Plane.AppendState], at a fraction of the cost. What the plane did since it
// was made ([Stats]) begins anew.
func (p *Plane) Clone() *Plane {
	c := &Plane{
		cfg: p.cfg, gated: p.gated, last: p.last, logged: p.logged, acts: p.acts, readOnly: p.readOnly, scarce: p.scarce, liveness: p.liveness,
		stats:       Stats{HostsUnreachable: p.stats.HostsUnreachable, HostsNeverSeen: p.stats.HostsNeverSeen, Records: p.stats.Records},
		rollouts:    make([]*rolloutState, 0, len(p.rollouts)),
		byID:        make(map[wire.RolloutID]*rolloutState, len(p.rollouts)),
		inForce:     make(map[wire.Channel]*rolloutState, len(p.inForce)),
		quarantine:  maps.Clone(p.quarantine),
		revocations: maps.Clone(p.revocations),
		retired:     maps.Clone(p.retired),
		enrolments:  maps.Clone(p.enrolments),
		holds:       maps.Clone(p.holds),
		forgotten:   p.forgotten,
		release:     slices.Clone(p.release),
		freshUntil:  maps.Clone(p.freshUntil),
		order:       hostOrder{sorted: slices.Clone(p.order.sorted), added: slices.Clone(p.order.added)},
	}
	for _, r := range p.rollouts {
		own := r.clone()
		c.rollouts = append(c.rollouts, own)
		c.byID[own.id] = own
		if own.inForce() {
			c.inForce[own.id.Channel()] = own
		}
	}
	c.table = p.table.clone(c.rollouts)
	c.senders = p.senders.clone()
	c.toReplay = p.cloneReplays(c.rollouts)
	c.hidden = p.hidden
	if p.opening != nil {
		c.takeUp(p.opening.line())
	}
	c.offers = p.offers.clone(c.rollouts)
	c.replays = p.replays.clone(c.rollouts)
	c.retakes, c.restarted, c.unheard = p.retakes.clone(c.rollouts), p.restarted.clone(c.rollouts), p.unheard.clone(c.rollouts)
	c.elsewhere = p.elsewhere.clone(c.rollouts)
	c.given = p.given.clone(c.rollouts)
	c.discards = p.discards.clone()
	return c
}

// clone copies whatever of a rollout may change.
func (r *rolloutState) clone() *rolloutState {
	c := *r
	c.records = slices.Clone(r.records)
	for i := range c.records {
		c.records[i].Probes = slices.Clone(c.records[i].Probes)
	}
	c.excused = slices.Clone(r.excused)
	c.offered = slices.Clone(r.offered)
	c.idle, c.blocked = slices.Clone(r.idle), slices.Clone(r.blocked)
	c.budgets = slices.Clone(r.budgets)
	c.holding, c.waves = slices.Clone(r.holding), slices.Clone(r.waves)
	return &c
}

// clone copies the table; the records that hosts lead to are those of rollouts,
// which are in the order of opening.
func (t *hostTable) clone(rollouts []*rolloutState) hostTable {
	c := hostTable{index: slices.Clone(t.index), vitals: slices.Clone(t.vitals), hosts: slices.Clone(t.hosts)}
	n := 0
	for i := range c.hosts {
		n += len(c.hosts[i].records)
	}
	refs := make([]recordRef, 0, n)
	for i := range c.hosts {
		first := len(refs)
		for _, ref := range c.hosts[i].records {
			if ref.rollout.staged {
				continue // takeUp makes them again
			}
			refs = append(refs, recordRef{rollouts[ref.rollout.order], ref.index})
		}
		c.hosts[i].records = refs[first:len(refs):len(refs)]
	}
	return c
}
