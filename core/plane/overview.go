package plane

import (
	"cmp"
	"slices"
	"time"

	"github.com/refrain-fleet/refrain/core/wire"
)

// The bounds of an [Overview] (decision 065).
const (
	// MaxOverviewHosts is how many hosts a query for an overview looks at, and
	// MaxOverviewRecords how many of their records. The next query goes on behind them.
	MaxOverviewHosts   = 100_000
	MaxOverviewRecords = 20_000
	// MaxOverviewRollouts is how many rollouts an overview has, MaxOverviewQuarantine how
	// many quarantined closures.
	MaxOverviewRollouts   = 40
	MaxOverviewQuarantine = 20
	// OverviewTop is how many hosts are named of those that are silent, and of those that
	// are slow.
	OverviewTop = 10
)

// QueryOverview asks for what a page shows of the whole fleet (docs/live-page.md). One
// reply, with an [Overview].
type QueryOverview struct {
	// From is the place in the plane's table of hosts from where on silent and slow ones
	// are looked for: 0, or the Next of the overview before.
	From wire.Count
}

// Overview is the fleet at one instant, bounded in size however large the fleet is.
type Overview struct {
	// At is the plane's wall clock.
	At wire.Time
	// Fleet has the counts of the whole fleet.
	Fleet wire.FleetStatus
	// Blocked counts the hosts that gates hold back, over all rollouts.
	Blocked wire.BlockedCounts
	// Rollouts are those that are not superseded: held and halted ones first, then those
	// under way, then those at their end; by ID among these. MoreRollouts is how many
	// were left out.
	Rollouts     []RolloutOverview
	MoreRollouts wire.Count
	// Silent are hosts that missed a heartbeat, the longest silent first. Slow are hosts
	// that were dispatched and have not come to an end in a rollout in force, the longest
	// first; without those that wait for a halted one. Both are of the part of the fleet
	// that this query looked at.
	Silent []SilentHost
	Slow   []SlowHost
	// Quarantine has the quarantined closures; Fleet has their number.
	Quarantine []wire.QuarantineEntry
	// Next is From of the query that goes on. It is 0 if this one came to the last host.
	Next wire.Count
}

// RolloutOverview is a rollout with the counts of each wave.
type RolloutOverview struct {
	Status wire.RolloutStatus
	Waves  []wire.StateCounts
}

// SilentHost is a host that missed a heartbeat.
type SilentHost struct {
	Hostname     wire.Hostname
	Reachability wire.Reachability
	// Seconds is for how long, without the plane's own impairment (PROTOCOL L2).
	Seconds wire.Count
}

// SlowHost is a host with a record that has not come to its end.
type SlowHost struct {
	Hostname  wire.Hostname
	RolloutID wire.RolloutID
	State     wire.State
	// Since is when the plane dispatched, by its clock.
	Since wire.Time
	// Blocked is the gate that holds the dispatch back, if one does.
	Blocked wire.Gate
}

// queryOverview answers with an [Overview].
func (p *Plane) queryOverview(in *QueryOverview, out *Output) {
	v := &Overview{At: p.last.Wall, Fleet: *p.fleetStatus()}
	p.overviewRollouts(v)
	for _, key := range p.quarantineKeys() {
		if len(v.Quarantine) == MaxOverviewQuarantine {
			break
		}
		v.Quarantine = append(v.Quarantine, p.quarantine[key])
	}
	p.overviewHosts(int(in.From), v)
	reply(out, len(out.Entries), wire.Outcome{Code: wire.OK, Document: v})
}

// overviewRollouts fills in the rollouts.
func (p *Plane) overviewRollouts(v *Overview) {
	var current []*rolloutState
	for _, r := range p.rollouts {
		for gate, n := range r.blockedCounts {
			v.Blocked[gate] += n
		}
		if !r.superseded() && !r.staged {
			current = append(current, r)
		}
	}
	slices.SortFunc(current, func(a, b *rolloutState) int {
		return cmp.Or(cmp.Compare(urgency(a.state()), urgency(b.state())), cmp.Compare(a.id, b.id))
	})
	for i, r := range current {
		if i == MaxOverviewRollouts {
			v.MoreRollouts = wire.Count(len(current) - i)
			break
		}
		item := RolloutOverview{Status: *r.status(), Waves: make([]wire.StateCounts, len(r.waves))}
		for w := range r.waves {
			for _, state := range wire.States {
				*item.Waves[w].Of(state) = wire.Count(r.waves[w][state])
			}
		}
		v.Rollouts = append(v.Rollouts, item)
	}
}

// urgency orders rollouts by whether an operator has to act.
func urgency(s wire.RolloutState) int {
	switch s {
	case wire.Held, wire.Halted:
		return 0
	case wire.Terminal:
		return 2
	default:
		return 1
	}
}

// silentSince is what [SilentHost] is made of, slowSince what [SlowHost] is.
type silentSince struct {
	host  int
	heard time.Duration
}

type slowSince struct {
	host int
	ref  recordRef
}

// overviewHosts looks for silent and slow hosts, from a place in the table on. It is
// bounded in hosts and records, since the reducer does nothing else meanwhile.
func (p *Plane) overviewHosts(from int, v *Overview) {
	var silent []silentSince
	var slow []slowSince
	if from < 0 || from >= len(p.table.hosts) {
		from = 0
	}
	end := min(len(p.table.hosts), from+MaxOverviewHosts)
	heardSince := p.clock() - 2*p.cfg.HeartbeatInterval
	records, i := 0, from
	for ; i < end && records < MaxOverviewRecords; i++ {
		vitals := &p.table.vitals[i]
		if vitals.heard <= heardSince && !p.isHidden(i) {
			silent = keepTop(silent, silentSince{i, vitals.heard}, func(a, b silentSince) int { return cmp.Compare(a.heard, b.heard) })
		}
		if vitals.active == 0 {
			continue
		}
		for _, ref := range p.table.hosts[i].records {
			if !ref.rollout.inForce() {
				continue
			}
			records++
			if isUnderWay(ref) {
				slow = keepTop(slow, slowSince{i, ref}, func(a, b slowSince) int {
					return a.ref.record().DispatchedAt.Compare(b.ref.record().DispatchedAt)
				})
			}
		}
	}
	if i < len(p.table.hosts) {
		v.Next = wire.Count(i)
	}
	for _, s := range silent {
		v.Silent = append(v.Silent, SilentHost{
			Hostname: p.table.hosts[s.host].name, Reachability: p.table.vitals[s.host].reachability(),
			Seconds: wire.Count((p.clock() - s.heard) / time.Second),
		})
	}
	for _, s := range slow {
		rec := s.ref.record()
		item := SlowHost{Hostname: rec.Hostname, RolloutID: s.ref.rollout.id, State: rec.State, Since: rec.DispatchedAt}
		if s.ref.rollout.isBlocked(s.ref.index) {
			item.Blocked = s.ref.rollout.blocked[s.ref.index]
		}
		v.Slow = append(v.Slow, item)
	}
}

// isUnderWay reports whether a host is to come to an end in a rollout in force. One that
// has not begun does not begin while the rollout is halted.
func isUnderWay(ref recordRef) bool {
	r, rec := ref.rollout, ref.record()
	return rec.State.Active() && rec.DispatchedAt.IsSet() && !(r.halted() && rec.State == wire.Pending)
}

// keepTop inserts an item into a sorted list of at most [OverviewTop]. Of equal ones
// the earlier stays before.
func keepTop[T any](top []T, item T, compare func(a, b T) int) []T {
	if len(top) == OverviewTop && compare(item, top[len(top)-1]) >= 0 {
		return top
	}
	at, _ := slices.BinarySearchFunc(top, item, func(a, b T) int {
		if compare(a, b) <= 0 {
			return -1
		}
		return 1
	})
	if top = slices.Insert(top, at, item); len(top) > OverviewTop {
		top = top[:OverviewTop]
	}
	return top
}
