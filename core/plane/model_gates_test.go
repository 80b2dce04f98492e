package plane_test

import (
	"maps"
	"slices"
	"time"

	"pgregory.net/rapid"

	"github.com/refrain-fleet/refrain/core/plane"
	"github.com/refrain-fleet/refrain/core/rollout"
	"github.com/refrain-fleet/refrain/core/wire"
)

// modelFlights is what offers of rollouts with gates leave behind (PROTOCOL W1).
type modelFlights struct {
	offered map[offerOf]bool          // Pending records whose offer was not taken up
	idle    map[offerOf]bool          // records of superseded rollouts whose host has nothing to do
	since   map[offerOf]time.Duration // of both, since when heartbeats without a rollout count
	states  map[offerOf]wire.State    // of every record, when it was looked at last
}

func newModelFlights() modelFlights {
	return modelFlights{map[offerOf]bool{}, map[offerOf]bool{}, map[offerOf]time.Duration{}, map[offerOf]wire.State{}}
}

func (f modelFlights) clone() modelFlights {
	return modelFlights{maps.Clone(f.offered), maps.Clone(f.idle), maps.Clone(f.since), maps.Clone(f.states)}
}

// land forgets the offers of records that have another state now.
func (m *model) land() {
	for id, r := range m.rollouts {
		for h, rec := range r.records {
			of := offerOf{h, id}
			if was, known := m.flights.states[of]; known && was != rec.State {
				delete(m.flights.offered, of)
				delete(m.flights.idle, of)
				delete(m.flights.since, of)
			}
			m.flights.states[of] = rec.State
		}
	}
}

// flies reports whether a host is in flight for a rollout.
func (m *model) flies(h wire.Hostname, id wire.RolloutID) bool {
	rec, of := m.rollouts[id].records[h], offerOf{h, id}
	switch {
	case rec == nil:
		return false
	case rec.State == wire.Pending:
		return m.flights.offered[of]
	case rec.State == wire.Activating || rec.State == wire.Soaking:
		return m.by[id] == "" || !m.flights.idle[of] && !m.tookUpNewer(h, id)
	}
	return false
}

// tookUpNewer reports whether a host has taken up a newer rollout of the channel.
func (m *model) tookUpNewer(h wire.Hostname, id wire.RolloutID) bool {
	newer := map[wire.RolloutID]bool{}
	for by := m.by[id]; by != ""; by = m.by[by] {
		newer[by] = true
	}
	for _, other := range m.order {
		if other.Channel() == id.Channel() && m.signed[other] == m.signed[id] && m.serial(id) != 0 && m.serial(other) > m.serial(id) {
			newer[other] = true
		}
	}
	for other := range newer {
		if r := m.rollouts[other]; r != nil && r.records[h] != nil && r.records[h].State != wire.Pending {
			return true
		}
	}
	return false
}

func (m *model) inFlight(h wire.Hostname) bool {
	return !m.steering.isForgotten(h) && slices.ContainsFunc(m.order, func(id wire.RolloutID) bool { return m.flies(h, id) })
}

// done reports whether a host lets those go that wait for it.
func (r *modelRollout) done(h wire.Hostname) bool {
	switch r.records[h].State {
	case wire.Converged, wire.Deferred:
		return true
	}
	return r.excused[h]
}

// blocked is which gate holds back a dispatch that is queued, and by what.
func (m *model) blocked(h wire.Hostname, id wire.RolloutID) (b wire.Blocked) {
	r := m.rollouts[id]
	rec, gates := r.records[h], &r.manifest.Gates
	if b = m.steeredBack(rec); b.Gate != 0 || !m.queued(rec) {
		return b
	}
	for _, e := range gates.ChannelEdges {
		if !m.channelDone(e.Gates) {
			return wire.Blocked{Gate: wire.GateChannelEdge, By: wire.Name(e.Gates)}
		}
	}
	for _, e := range gates.Edges {
		if e.Gated == h && !r.done(e.Gates) {
			return wire.Blocked{Gate: wire.GateHostEdge, By: wire.Name(e.Gates)}
		}
	}
	if gates.Compliance {
		for wave := range int(rec.Wave) {
			for _, other := range slices.Sorted(maps.Keys(r.records)) {
				if int(r.records[other].Wave) == wave && !r.excused[other] && failsOne(r.records[other]) {
					return wire.Blocked{Gate: wire.GateCompliance, By: wire.Name(other)}
				}
			}
		}
	}
	if m.flights.offered[offerOf{h, id}] {
		return b
	}
	for _, budget := range gates.Budgets {
		others := 0
		for _, other := range budget.Hosts {
			if other != wire.Name(h) && m.inFlight(wire.Hostname(other)) {
				others++
			}
		}
		if slices.Contains(budget.Hosts, wire.Name(h)) && others >= int(budget.MaxInFlight) {
			return wire.Blocked{Gate: wire.GateBudget, By: budget.Name}
		}
	}
	return b
}

func failsOne(rec *rollout.Record) bool {
	for _, p := range rec.Probes {
		if p.Mode == wire.Enforce && p.Status == wire.Fail {
			return true
		}
	}
	return false
}

// channelDone is PROTOCOL W4.
func (m *model) channelDone(channel wire.Channel) bool {
	for id := range m.release {
		if id.Channel() == channel && m.rollouts[id] == nil {
			return false
		}
	}
	if m.waits(channel) {
		return false
	}
	r := m.rollouts[m.has[channel]]
	if r == nil {
		return true
	}
	if m.steering.isAborted(m.has[channel]) {
		return false
	}
	for h := range r.records {
		if !r.done(h) {
			return false
		}
	}
	return true
}

// mayOffer reports whether a dispatch that is queued may go out: while nothing can be
// logged, none of a rollout with gates for the first time.
func (m *model) mayOffer(h wire.Hostname, id wire.RolloutID) bool {
	if m.rollouts[id].manifest.Gates.IsUnset() {
		return true
	}
	return m.blocked(h, id).Gate == 0 && (!m.readOnly || m.flights.offered[offerOf{h, id}])
}

// give notes an offer.
func (m *model) give(now wire.Instant, rec *rollout.Record) {
	of := offerOf{rec.Hostname, rec.RolloutID}
	if m.rollouts[of.id].manifest.Gates.IsUnset() {
		return
	}
	if !m.flights.offered[of] {
		m.flights.offered[of] = true
		rec.Offer(now.Wall)
	}
	m.flights.since[of] = now.Mono
}

// endFlights notes what a heartbeat that names no rollout shows.
func (m *model) endFlights(in *plane.Heartbeat) {
	m.land()
	gated := false
	for _, r := range m.rollouts {
		gated = gated || !r.manifest.Gates.IsUnset()
	}
	if req := &in.Request; !gated || req.RolloutID != "" || m.readOnly {
		return
	}
	field, within := in.Dialect == wire.DialectField, 2*time.Minute
	if field {
		within = 10 * time.Minute
	}
	var ended []offerOf // all are judged by what was before
	for _, id := range m.order {
		rec, of := m.rollouts[id].records[in.Request.Hostname], offerOf{in.Request.Hostname, id}
		if !m.flies(of.host, id) || rec.State != wire.Pending && m.by[id] == "" {
			continue
		}
		since, counted := m.flights.since[of]
		soaks := field && rec.State == wire.Soaking && in.Request.At.Before(later(rec.SoakDueAt, rec.ActivationCompletedAt).Add(2*m.replays.interval))
		switch {
		case !counted:
			m.flights.since[of] = m.replays.now
		case m.replays.now >= since+within && !soaks:
			ended = append(ended, of)
		}
	}
	for _, of := range ended {
		if delete(m.flights.since, of); m.rollouts[of.id].records[of.host].State == wire.Pending {
			delete(m.flights.offered, of)
		} else {
			m.flights.idle[of] = true
		}
	}
}

// gates draws the gates of a manifest. Hosts wait for those before them by name that are
// in no later wave, and stable for edge, so that nothing waits for itself.
func (f *fleet) gates(m *wire.Manifest) {
	if rapid.IntRange(0, 2).Draw(f.t, "gates") != 1 {
		return
	}
	for i := range rapid.IntRange(0, 2).Draw(f.t, "budgets") {
		b := wire.DisruptionBudget{Name: wire.Name([]string{"b0", "b1"}[i]), MaxInFlight: wire.Count(rapid.IntRange(0, 2).Draw(f.t, "in flight"))}
		for _, a := range f.agents {
			if rapid.Bool().Draw(f.t, "in the budget") {
				b.Hosts = append(b.Hosts, wire.Name(a.name))
			}
		}
		if len(b.Hosts) > 0 {
			m.Gates.Budgets = append(m.Gates.Budgets, b)
		}
	}
	for range rapid.IntRange(0, 2).Draw(f.t, "edges") {
		first := rapid.SampledFrom(m.Hosts).Draw(f.t, "first host")
		then := rapid.SampledFrom(m.Hosts).Draw(f.t, "host that waits")
		if first.Hostname < then.Hostname && first.Wave <= then.Wave {
			m.Gates.Edges = append(m.Gates.Edges, wire.HostEdge{Gates: first.Hostname, Gated: then.Hostname})
		}
	}
	if m.Channel == "stable" && rapid.Bool().Draw(f.t, "after edge") {
		m.Gates.ChannelEdges = []wire.ChannelEdge{{Gates: "edge"}}
	}
	m.Gates.Compliance = wire.Flag(rapid.Bool().Draw(f.t, "compliance"))
}
