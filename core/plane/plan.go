package plane

import (
	"cmp"
	"slices"
	"strings"

	"github.com/refrain-fleet/refrain/core/wire"
)

// planOpening answers with what an operator's manifest would do (PROTOCOL R1), and
// does nothing. What would be refused is refused the same.
func (p *Plane) planOpening(in *PlanRollout, out *Output) {
	m := &in.Manifest
	plan := &wire.OpeningPlan{RolloutID: m.ID(), Hosts: wire.Count(len(m.Hosts))}
	if r := p.byID[plan.RolloutID]; r != nil {
		if !r.same(m, sortedHosts(m), false) {
			reply(out, len(out.Entries), manifestConflict(r))
			return
		}
		plan.Unchanged = true
		reply(out, len(out.Entries), wire.Outcome{Code: wire.OK, Document: plan})
		return
	}
	if refusal, good := p.admissible(&OpenRollout{Manifest: *m}); !good {
		reply(out, len(out.Entries), refusal)
		return
	}
	for _, r := range p.rollouts {
		if r.id.Channel() == m.Channel && !r.staged && !r.superseded() {
			plan.Supersedes = append(plan.Supersedes, wire.Name(r.id))
		}
	}
	for _, wave := range m.Policy.Waves {
		plan.Waves = append(plan.Waves, wire.PlannedWave{SoakMinutes: wave.SoakMinutes})
	}
	withheld := make(map[wire.Closure]wire.Count)
	var unknown []wire.Hostname
	for _, h := range sortedHosts(m) {
		plan.Waves[h.Wave].Hosts++
		_, quarantined := p.quarantine[quarantineKey{m.Channel, h.TargetClosure}]
		switch {
		case quarantined:
			withheld[h.TargetClosure]++
		case h.Wave == 0:
			plan.Dispatched.Add(h.Hostname)
		}
		i, known := p.find(h.Hostname)
		if !known || p.isForgotten(h.Hostname) {
			plan.Unknown.Add(h.Hostname)
			unknown = append(unknown, h.Hostname)
			continue
		}
		if p.table.hosts[i].closure == h.TargetClosure {
			plan.Running.Add(h.Hostname)
		}
		switch p.table.vitals[i].reachability() {
		case wire.Unreachable:
			plan.Unreachable.Add(h.Hostname)
		case wire.NeverSeen:
			plan.NeverSeen.Add(h.Hostname)
		}
	}
	for closure, hosts := range withheld { // order-free: sorted below
		plan.Quarantined = append(plan.Quarantined, wire.PlannedQuarantine{Closure: closure, Hosts: hosts})
	}
	slices.SortFunc(plan.Quarantined, func(a, b wire.PlannedQuarantine) int { return cmp.Compare(a.Closure, b.Closure) })
	plan.CaseDiffers = p.differInCase(unknown)
	reply(out, len(out.Entries), wire.Outcome{Code: wire.OK, Document: plan})
}

// differInCase finds the first of the unknown hosts, in order, that differ from a known
// one only in case: hostnames are compared byte for byte (T3), so such a host would wait
// for a dispatch for ever. It looks at every known host if there is an unknown one.
func (p *Plane) differInCase(unknown []wire.Hostname) (found []wire.CaseDifference) {
	if len(unknown) == 0 {
		return nil
	}
	folded := make(map[string]wire.Hostname, len(unknown))
	for _, h := range unknown {
		folded[strings.ToLower(string(h))] = h
	}
	for i := range p.table.hosts {
		known := p.table.hosts[i].name
		h, differs := folded[strings.ToLower(string(known))]
		if differs && !p.isHidden(i) {
			found = append(found, wire.CaseDifference{Hostname: h, Known: known})
		}
	}
	slices.SortFunc(found, func(a, b wire.CaseDifference) int {
		return cmp.Or(cmp.Compare(a.Hostname, b.Hostname), cmp.Compare(a.Known, b.Known))
	})
	return found[:min(len(found), wire.MaxGroupNames)]
}
