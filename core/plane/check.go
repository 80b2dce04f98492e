package plane

import (
	"fmt"
	"slices"

	"github.com/refrain-fleet/refrain/core/wire"
)

// Check verifies the invariants of [Plane] and names the first that does not
// hold. It walks over everything the plane knows.
func (p *Plane) Check() error {
	checks := []func() error{p.checkRecords, p.checkChannels, p.checkCounts, p.checkWaves, p.checkLiveness, p.checkHalts, p.checkBudgets, p.checkReplays, p.checkBacked, p.checkGates, p.checkActs}
	for _, check := range checks {
		if err := check(); err != nil {
			return err
		}
	}
	return nil
}

// checkRecords verifies P1 and P2.
func (p *Plane) checkRecords() error {
	if len(p.table.vitals) != len(p.table.hosts) {
		return fmt.Errorf("P2: %d hosts, vitals of %d", len(p.table.hosts), len(p.table.vitals))
	}
	known := 0
	for i := range p.table.hosts {
		h := &p.table.hosts[i]
		if at, ok := p.table.find(h.name); !ok || at != i {
			return fmt.Errorf("P2: host %s is not found by its name", h.name)
		}
		for k, ref := range h.records {
			if ref.record().Hostname != h.name {
				return fmt.Errorf("P2: host %s has a record of %s", h.name, ref.record().Hostname)
			}
			if !ref.rollout.staged {
				known++
			}
			if k > 0 && h.records[k-1].rollout.id >= ref.rollout.id {
				return fmt.Errorf("P2: records of host %s are not ordered by rollout ID", h.name)
			}
		}
	}
	total := 0
	for _, r := range p.rollouts {
		for i := range r.records {
			rec := &r.records[i]
			if err := rec.Check(); err != nil {
				return fmt.Errorf("P1: record of %s in %s: %w", rec.Hostname, r.id, err)
			}
			if rec.RolloutID != r.id {
				return fmt.Errorf("P2: rollout %s has a record of %s", r.id, rec.RolloutID)
			}
			if i > 0 && r.records[i-1].Hostname >= rec.Hostname {
				return fmt.Errorf("P2: records of rollout %s are not ordered by hostname", r.id)
			}
		}
		total += len(r.records)
	}
	if known != total {
		return fmt.Errorf("P2: the hosts know %d records, the rollouts have %d", known, total)
	}
	return nil
}

// checkChannels verifies P3.
func (p *Plane) checkChannels() error {
	held, has := make(map[wire.Channel]bool), make(map[wire.Channel]*rolloutState)
	for i, r := range p.rollouts {
		channel := r.id.Channel()
		if r.held && r.superseded() {
			return fmt.Errorf("P3: rollout %s is held, and superseded by %s", r.id, r.supersededBy)
		}
		if r.inForce() {
			if other := has[channel]; other != nil {
				return fmt.Errorf("P3: neither of %s and %s is superseded", other.id, r.id)
			}
			has[channel] = r
		}
		held[channel] = held[channel] || r.held
		if r.superseded() && r.supersededBy.Channel() != channel {
			return fmt.Errorf("P3: rollout %s is superseded by %s, of another channel", r.id, r.supersededBy)
		}
		if p.byID[r.id] != r || r.order != i {
			return fmt.Errorf("P3: rollout %s is not found by its ID or order", r.id)
		}
		if _, retired := p.retired[r.id]; retired {
			return fmt.Errorf("P9: rollout %s is retired and known", r.id)
		}
	}
	for _, r := range p.rollouts {
		channel := r.id.Channel()
		if held[channel] == (has[channel] != nil) || p.inForce[channel] != has[channel] {
			return fmt.Errorf("P3: channel %s: held: %v; %v has it, kept as %v", channel, held[channel], has[channel].name(), p.inForce[channel].name())
		}
	}
	return nil
}

// name is the ID of a rollout for a message; - if there is none.
func (r *rolloutState) name() string {
	if r == nil {
		return "-"
	}
	return string(r.id)
}

// checkCounts verifies P4.
func (p *Plane) checkCounts() error {
	var records [wire.Reverted + 1]int
	for _, r := range p.rollouts {
		fresh := rolloutState{id: r.id, policy: r.policy, records: r.records, excused: r.excused}
		fresh.recount()
		if fresh.counts != r.counts || fresh.skipped != r.skipped {
			return fmt.Errorf("P4: rollout %s counts %v, %d of them skipped, has %v, %d", r.id, r.counts, r.skipped, fresh.counts, fresh.skipped)
		}
		if !slices.Equal(fresh.waves, r.waves) {
			return fmt.Errorf("P4: rollout %s counts %v by wave, has %v", r.id, r.waves, fresh.waves)
		}
		for w := range fresh.holding {
			if fresh.holding[w] != r.holding[w] {
				return fmt.Errorf("P4: rollout %s wave %d: %d hosts counted as holding back, %d do", r.id, w, r.holding[w], fresh.holding[w])
			}
		}
		for s, n := range r.counts {
			records[s] += n
		}
	}
	if records != p.stats.Records {
		return fmt.Errorf("P4: records by state %v, counted %v", records, p.stats.Records)
	}
	gone, unseen, hidden, forgotten := 0, 0, 0, 0
	for i := range p.table.vitals {
		if p.isHidden(i) {
			hidden++
			continue
		}
		switch v := &p.table.vitals[i]; {
		case p.isForgotten(p.table.hosts[i].name):
			forgotten++
		case v.reachability() == wire.Unreachable:
			gone++
		case v.reachability() == wire.NeverSeen:
			unseen++
		}
		active := 0
		for _, ref := range p.table.hosts[i].records {
			if ref.record().State.Active() && ref.rollout.inForce() {
				active++
			}
		}
		if got := p.table.vitals[i].active; int(got) != active {
			return fmt.Errorf("P4: host %s has %d active records, counted %d", p.table.hosts[i].name, active, got)
		}
	}
	if forgotten != p.forgotten {
		return fmt.Errorf("P4: %d hosts are forgotten, counted %d", forgotten, p.forgotten)
	}
	if hidden != p.hidden {
		return fmt.Errorf("P4: %d hosts hidden, counted %d", hidden, p.hidden)
	}
	if gone != p.stats.HostsUnreachable {
		return fmt.Errorf("P4: %d hosts unreachable, counted %d", gone, p.stats.HostsUnreachable)
	}
	if unseen != p.stats.HostsNeverSeen {
		return fmt.Errorf("P4: %d hosts never seen, counted %d", unseen, p.stats.HostsNeverSeen)
	}
	return nil
}

// checkWaves verifies P5 and P7.
func (p *Plane) checkWaves() error {
	for _, r := range p.rollouts {
		if r.wavesDispatched > len(r.policy.Waves) || r.wavesDispatched == 0 && r.inForce() && !r.halted() {
			return fmt.Errorf("P7: rollout %s has %d of %d waves dispatched", r.id, r.wavesDispatched, len(r.policy.Waves))
		}
		for i := range r.records {
			if rec := &r.records[i]; rec.DispatchedAt.IsSet() && int(rec.Wave) >= r.wavesDispatched {
				return fmt.Errorf("P5: %s in %s is dispatched in wave %d, only %d waves are", rec.Hostname, r.id, rec.Wave, r.wavesDispatched)
			}
		}
	}
	return nil
}

// checkLiveness verifies P6.
func (p *Plane) checkLiveness() error {
	for i := range p.table.vitals {
		if heard := p.table.vitals[i].heard; heard > p.clock() {
			return fmt.Errorf("P6: host %s was heard at %v, it is %v", p.table.hosts[i].name, heard, p.clock())
		}
	}
	return nil
}

// checkBudgets verifies P10.
func (p *Plane) checkBudgets() error {
	for _, r := range p.rollouts {
		for i, at := range r.budgets {
			if per := p.cfg.EventBudget.Per; at-p.last.Mono > per {
				return fmt.Errorf("P10: %s in %s has an event budget that is full at %v, it is %v; want at most %v later", r.records[i].Hostname, r.id, at, p.last.Mono, per)
			}
		}
	}
	return nil
}

// checkHalts verifies P8. A superseded rollout is not halted by what its hosts tell
// later.
func (p *Plane) checkHalts() error {
	for _, r := range p.rollouts {
		failed, named := false, false
		for i := range r.records {
			if r.failed(i) {
				failed = true
				named = named || r.records[i].Hostname == r.haltedBy
			}
		}
		if !r.superseded() && failed != r.halted() {
			return fmt.Errorf("P8: rollout %s: halted by %q, failed hosts: %v", r.id, r.haltedBy, failed)
		}
		if r.halted() && !named {
			return fmt.Errorf("P8: rollout %s is halted by %s, which has not failed", r.id, r.haltedBy)
		}
	}
	return nil
}
