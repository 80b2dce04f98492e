package plane

import (
	"fmt"
	"slices"
	"strings"

	"github.com/refrain-fleet/refrain/core/rollout"
	"github.com/refrain-fleet/refrain/core/wire"
)

// Gates hold back the dispatches of a rollout beside its waves (PROTOCOL W). What
// they decide follows from the records of all rollouts, so it is worked out anew after
// each step that may have changed it, and kept by record.

// gateIndex says for each record of a rollout which gates are about it.
type gateIndex struct {
	budgets map[int][]int           // by record: indexes of the budgets that list its host
	edges   map[int][]wire.HostEdge // by record that waits
	// hosts has the places of each budget's hosts in the plane's table, as far as it had
	// them when it had so many; the index is made anew when it has more.
	hosts [][]int32
	known int
}

// gated reports whether a rollout has gates.
func (r *rolloutState) gated() bool { return !r.gates.IsUnset() }

// indexGates makes the index of a rollout whose records are there.
func (p *Plane) indexGates(r *rolloutState) *gateIndex {
	x := &gateIndex{budgets: make(map[int][]int), edges: make(map[int][]wire.HostEdge), known: len(p.table.hosts)}
	for k := range r.gates.Budgets {
		var places []int32
		for _, host := range r.gates.Budgets[k].Hosts {
			if i, has := r.find(wire.Hostname(host)); has {
				x.budgets[i] = append(x.budgets[i], k)
			}
			if at, known := p.table.find(wire.Hostname(host)); known {
				places = append(places, int32(at))
			}
		}
		x.hosts = append(x.hosts, places)
	}
	for _, e := range r.gates.Edges {
		if i, has := r.find(e.Gated); has {
			x.edges[i] = append(x.edges[i], e)
		}
	}
	return x
}

// gateView is what the gates of a rollout are judged by, but for the record.
type gateView struct {
	channel wire.Blocked // of the whole rollout
	// failing is the earliest wave with a host whose probe fails, and by which host.
	failing   int
	failingBy wire.Hostname
	// inFlight has the hosts of each budget that are in flight, by name.
	inFlight [][]wire.Hostname
}

// viewGates looks at everything that the gates of a rollout are about.
func (p *Plane) viewGates(r *rolloutState) *gateView {
	if !r.gated() {
		return nil // what operators hold back needs no look at other records
	}
	v := &gateView{channel: p.channelBlocks(r), failing: len(r.policy.Waves)}
	for i := range r.records {
		if rec := &r.records[i]; bool(r.gates.Compliance) && int(rec.Wave) < v.failing && fails(rec) && !r.isExcused(i) {
			v.failing, v.failingBy = int(rec.Wave), rec.Hostname
		}
	}
	for k := range r.gates.Budgets {
		var flying []wire.Hostname
		for _, at := range r.index.hosts[k] {
			if h := &p.table.hosts[at]; p.inFlight(h) {
				flying = append(flying, h.name)
			}
		}
		v.inFlight = append(v.inFlight, flying)
	}
	return v
}

// blocks says which gate holds back the dispatch of record i, if one does.
func (p *Plane) blocks(r *rolloutState, i int, v *gateView) (b wire.Blocked) {
	rec := &r.records[i]
	if !r.isQueued(i) || p.quarantined(r, rec) {
		return b // it is not queued
	}
	if b = p.steeredBack(r, i); b.Gate != 0 || !r.gated() { // O
		return b
	}
	if v.channel.Gate != 0 { // W4
		return v.channel
	}
	for _, e := range r.index.edges[i] { // W3
		k, _ := r.find(e.Gates)
		if first := &r.records[k]; holdsBack(first.State, r.isExcused(k)) {
			return wire.Blocked{Gate: wire.GateHostEdge, By: wire.Name(e.Gates), Reason: because(fmt.Sprintf("%s comes first, and is %s", e.Gates, first.State), e.Reason)}
		}
	}
	if int(rec.Wave) > v.failing { // W5
		return wire.Blocked{Gate: wire.GateCompliance, By: wire.Name(v.failingBy),
			Reason: wire.Text(fmt.Sprintf("a probe of mode enforce fails on %s, in wave %d", v.failingBy, v.failing))}
	}
	if r.isOffered(i) {
		return b // it has its place
	}
	for _, k := range r.index.budgets[i] { // W2
		budget, flying := &r.gates.Budgets[k], v.inFlight[k]
		others := len(flying)
		if others >= int(budget.MaxInFlight) && slices.Contains(flying, rec.Hostname) {
			others--
		}
		if others >= int(budget.MaxInFlight) {
			return wire.Blocked{Gate: wire.GateBudget, By: budget.Name,
				Reason: wire.Text(fmt.Sprintf("%d hosts are in flight, and %d may be: %s", others, budget.MaxInFlight, some(flying)))}
		}
	}
	return b
}

// some lists a few names.
func some(hosts []wire.Hostname) string {
	const most = 5
	var names []string
	for _, h := range hosts[:min(most, len(hosts))] {
		names = append(names, string(h))
	}
	if len(hosts) > most {
		names = append(names, fmt.Sprintf("and %d more", len(hosts)-most))
	}
	return strings.Join(names, ", ")
}

// because adds what people wrote about a gate.
func because(text string, reason wire.Text) wire.Text {
	if reason != "" {
		text += ": " + string(reason)
	}
	return wire.Text(text).Kept()
}

// channelBlocks says which channel's rollout comes before r and is not done (W4).
func (p *Plane) channelBlocks(r *rolloutState) wire.Blocked {
	for _, e := range r.gates.ChannelEdges {
		if why := p.unfinishedOf(e.Gates); why != "" {
			return wire.Blocked{Gate: wire.GateChannelEdge, By: wire.Name(e.Gates), Reason: because(why, e.Reason)}
		}
	}
	return wire.Blocked{}
}

// unfinishedOf says why the rollout of a channel is not done; empty if it is, or if the
// channel has none.
func (p *Plane) unfinishedOf(channel wire.Channel) string {
	for _, id := range p.release {
		if id.Channel() == channel && !p.known(id) {
			return fmt.Sprintf("%s comes first, and is not open yet", id)
		}
	}
	first := p.inForce[channel]
	switch {
	case p.undecided(channel):
		return fmt.Sprintf("channel %s comes first, and its rollouts are held until an operator chooses one", channel)
	case first == nil:
		return ""
	case !first.aborted.IsUnset():
		return fmt.Sprintf("%s comes first, and is aborted", first.id)
	case first.halted():
		return fmt.Sprintf("%s comes first, and is halted by %s", first.id, first.haltedBy)
	}
	left := 0
	for _, n := range first.holding {
		left += n
	}
	if left > 0 {
		return fmt.Sprintf("%s comes first, and %d of its hosts are not done", first.id, left)
	}
	return ""
}

// circleOf says how the channel of a manifest would wait for itself; empty if it would
// not. The release of a signed one was judged as a whole.
func (p *Plane) circleOf(m *wire.Manifest) string {
	type step struct {
		channel wire.Channel
		path    string
	}
	seen := make(map[wire.Channel]bool)
	next := []step{{m.Channel, string(m.Channel)}}
	for len(next) > 0 {
		at, edges := next[0], m.Gates.ChannelEdges
		next = next[1:]
		if at.channel != m.Channel {
			if r := p.inForce[at.channel]; r == nil {
				continue
			} else {
				edges = r.gates.ChannelEdges
			}
		}
		for _, e := range edges {
			path := at.path + " waits for " + string(e.Gates)
			if e.Gates == m.Channel {
				return path + "; want channels in no circle"
			}
			if !seen[e.Gates] {
				seen[e.Gates] = true
				next = append(next, step{e.Gates, path + ", which"})
			}
		}
	}
	return ""
}

// fails reports whether a probe of mode enforce has failed at its last run, and the
// host has not come to its end otherwise.
func fails(rec *rollout.Record) bool {
	return slices.ContainsFunc(rec.Probes, func(probe rollout.Probe) bool { return probe.Mode == wire.Enforce && probe.Status == wire.Fail })
}

// inFlight reports whether a host is disrupted, or may be: it was offered a dispatch
// and has not converged, failed, reverted or deferred since (W1).
func (p *Plane) inFlight(h *host) bool {
	return !p.isForgotten(h.name) && slices.ContainsFunc(h.records, p.flies)
}

// flies reports whether a host is in flight for a record. One of a rollout that was
// superseded counts until the host takes up a newer one, or has nothing to do.
func (p *Plane) flies(ref recordRef) bool {
	r, rec := ref.rollout, ref.record()
	switch rec.State {
	case wire.Pending:
		return r.isOffered(ref.index)
	case wire.Activating, wire.Soaking:
		return !r.staged && (!r.superseded() || !r.isIdle(ref.index) && !p.movedOn(r, rec.Hostname))
	default:
		return false
	}
}

// mayRegate reports whether an input may have changed what the gates hold back. An
// event that moves no record and makes no probe fail or pass does not.
func (p *Plane) mayRegate(in Input, logged bool) bool {
	stirred := p.stirred
	p.stirred = false
	switch in.(type) {
	case *Release:
		return true
	case *Event, *Discarded, *Heartbeat, *Poll, *Confirm, *Offer:
		return stirred
	default:
		return logged
	}
}

// regate works out anew what the gates hold back, and wakes the polls of the hosts
// that they have let go.
func (p *Plane) regate(out *Output) {
	for _, r := range p.rollouts {
		if r.gated() {
			p.regateOne(r, out)
		}
	}
}

// regateOne does so for one rollout. What an operator has held back, without a gate that
// logs its offers, soaks from when it is let go (O1).
func (p *Plane) regateOne(r *rolloutState, out *Output) {
	was := r.blocked
	p.judgeGates(r)
	for i, gate := range was {
		rec := &r.records[i]
		if gate == 0 || r.isBlocked(i) || !r.isQueued(i) {
			continue
		}
		if !r.gated() && !p.quarantined(r, rec) {
			rec.Offer(p.last.Wall)
			out.changedRecordAt(r, i)
		}
		if p.offered(r, rec) {
			out.Wakes = append(out.Wakes, rec.Hostname)
		}
	}
}

// showGates has the answers of a step show what the gates hold back after it.
func (p *Plane) showGates(replies []Reply) {
	for i := range replies {
		if s, shows := replies[i].Outcome.Document.(*wire.RolloutStatus); shows {
			s.Blocked = p.byID[s.RolloutID].blockedCounts
		}
	}
}

// judgeGates sets what is derived of a rollout's gates: blocked is nil if they hold
// nothing back.
func (p *Plane) judgeGates(r *rolloutState) {
	r.blocked, r.blockedCounts, r.stale = nil, wire.BlockedCounts{}, false
	if !r.inForce() || r.stopped() || r.counts[wire.Pending] == 0 {
		return
	}
	if r.gated() && (r.index == nil || r.index.known != len(p.table.hosts)) {
		r.index = p.indexGates(r)
	}
	view := p.viewGates(r)
	for i := range r.records {
		if b := p.blocks(r, i, view); b.Gate != 0 {
			if r.blocked == nil {
				r.blocked = make([]wire.Gate, len(r.records))
			}
			r.blocked[i] = b.Gate
			r.blockedCounts[b.Gate]++
		}
	}
}

// isBlocked reports whether a gate holds back record i.
func (r *rolloutState) isBlocked(i int) bool { return r.blocked != nil && r.blocked[i] != 0 }

// gateViews are those of the rollouts that a query has come by.
type gateViews map[*rolloutState]*gateView

// recordStatus is a record as an operator sees it.
func (p *Plane) recordStatus(ref recordRef, views gateViews) wire.RecordStatus {
	s := recordStatus(ref.record())
	s.Pin, s.Excused = ref.rollout.pinOf(s.Snapshot.Hostname), wire.Flag(ref.rollout.isExcused(ref.index))
	s.Blocked = p.blockedBy(ref, views)
	return s
}

// blockedBy says which gate holds back the dispatch of a record, if one does.
func (p *Plane) blockedBy(ref recordRef, views gateViews) wire.Blocked {
	r := ref.rollout
	if !r.isBlocked(ref.index) {
		return wire.Blocked{}
	}
	if views[r] == nil {
		views[r] = p.viewGates(r)
	}
	return p.blocks(r, ref.index, views[r])
}

// Blocked says which gate holds back the dispatch of a host, for onlookers.
func (p *Plane) Blocked(id wire.RolloutID, name wire.Hostname) wire.Blocked {
	if r := p.byID[id]; r != nil {
		if i, has := r.find(name); has && r.isBlocked(i) {
			return p.blocks(r, i, p.viewGates(r))
		}
	}
	return wire.Blocked{}
}

// checkGates verifies P13.
func (p *Plane) checkGates() error {
	for _, r := range p.rollouts {
		fresh := *r
		p.judgeGates(&fresh)
		if !slices.Equal(fresh.blocked, r.blocked) || fresh.blockedCounts != r.blockedCounts {
			return fmt.Errorf("P13: the gates of %s hold back %v, kept as %v", r.id, fresh.blocked, r.blocked)
		}
		for i, offered := range r.offered {
			if rec := &r.records[i]; offered && (rec.State != wire.Pending || !rec.DispatchedAt.IsSet()) {
				return fmt.Errorf("P13: %s was offered %s, and is %s", rec.Hostname, r.id, rec.State)
			}
		}
	}
	return nil
}
