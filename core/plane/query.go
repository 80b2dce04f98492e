package plane

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/refrain-fleet/refrain/core/rollout"
	"github.com/refrain-fleet/refrain/core/wire"
)

// Answers to queries show the whole state, so they wait for the whole batch to
// be durable: an operator never sees what a crash could take back.

func limited(limit int) int { return max(1, min(limit, MaxLimit)) }

// maxPageBytes is how large a page of hosts becomes, about (PROTOCOL R5). Records of
// ordinary hosts have a few hundred bytes, so that a page of [MaxLimit] is whole; one
// with very many failing probes of long names has half a megabyte.
const maxPageBytes = 4 << 20

// room is what is left of a page.
type room struct{ items, bytes int }

func newRoom(limit int) room { return room{limited(limit), maxPageBytes} }

// takes reports whether one more item of this size fits, and takes it off. The first
// one always fits.
func (r *room) takes(size int) bool {
	first := r.bytes == maxPageBytes
	r.items--
	r.bytes -= size
	return r.items >= 0 && (first || r.bytes >= 0)
}

// sizeOf is about how many bytes a record takes on a page.
func sizeOf(s *wire.RecordStatus) int {
	const without = 512 // of its names
	size := without + len(s.Snapshot.TargetClosure) + len(s.Snapshot.CurrentClosure)
	for _, name := range s.FailingProbes {
		size += len(name) + len(`"",`)
	}
	return size
}

// queryHost answers with one host (PROTOCOL R5).
func (p *Plane) queryHost(name wire.Hostname, out *Output) {
	i, known := p.find(name)
	if !known || p.isForgotten(name) {
		reply(out, len(out.Entries), wire.Refuse(wire.UnknownHost, "hostname", fmt.Sprintf("no host %s is known", name)))
		return
	}
	status := p.hostStatus(i, make(gateViews))
	reply(out, len(out.Entries), wire.Outcome{Code: wire.OK, Document: &status})
}

// queryHosts answers with a page of the hosts by name.
func (p *Plane) queryHosts(q *QueryHosts, out *Output) {
	page := &wire.Page[wire.HostStatus]{Name: "hosts", Schema: &wire.HostStatusSchema}
	sorted := p.hostsByName()
	start, found := slices.BinarySearchFunc(sorted, q.After, func(i int32, after wire.Hostname) int {
		return cmp.Compare(p.table.hosts[i].name, after)
	})
	if found {
		start++
	}
	left, views := newRoom(q.Limit), make(gateViews)
	for at, i := range sorted[start:] {
		if q.Filter != (HostFilter{}) {
			if at == MaxScan {
				page.Next = string(p.table.hosts[sorted[start+at-1]].name)
				break
			}
			if !q.Filter.selects(p, int(i)) {
				continue
			}
		}
		if p.isForgotten(p.table.hosts[i].name) {
			continue
		}
		status := p.hostStatus(int(i), views)
		size := 256 // of a host without records
		for j := range status.Records {
			size += sizeOf(&status.Records[j])
		}
		if !left.takes(size) {
			page.Next = string(page.Items[len(page.Items)-1].Hostname)
			break
		}
		page.Items = append(page.Items, status)
	}
	reply(out, len(out.Entries), wire.Outcome{Code: wire.OK, Document: page})
}

func (p *Plane) hostStatus(i int, views gateViews) wire.HostStatus {
	h, v := &p.table.hosts[i], &p.table.vitals[i]
	s := wire.HostStatus{
		Hostname:        h.name,
		Reachability:    v.reachability(),
		LastHeartbeatAt: v.lastHeartbeatAt,
		SilentSeconds:   wire.Count((p.clock() - v.heard) / time.Second),
		CurrentClosure:  h.closure,

		DuplicateIdentity: p.duplicate(i),
		Discarded:         p.discards.status(i),
		Cordoned:          p.holds[holdKey{h.name, Cordoned}],
	}
	for _, ref := range h.records {
		if !ref.rollout.staged {
			s.Records = append(s.Records, p.recordStatus(ref, views))
		}
	}
	return s
}

// queryRollout answers with one rollout and a page of its hosts by name.
func (p *Plane) queryRollout(q *QueryRollout, out *Output) {
	r := p.byID[q.RolloutID]
	if opening, under := p.Opening(); r == nil && under && opening.RolloutID == q.RolloutID {
		reply(out, len(out.Entries), wire.Outcome{Code: wire.OK, Document: opening})
		return
	}
	if r == nil {
		reply(out, len(out.Entries), p.unknownRollout(q.RolloutID))
		return
	}
	s := r.status()
	start, found := r.find(q.After)
	if found {
		start++
	}
	left, views := newRoom(q.Limit), make(gateViews)
	for i := start; i < len(r.records); i++ {
		if q.State != 0 && i == start+MaxScan {
			s.Next = wire.Text(r.records[i-1].Hostname)
			break
		}
		if q.State != 0 && r.records[i].State != q.State {
			continue
		}
		status := p.recordStatus(recordRef{r, i}, views)
		if !left.takes(sizeOf(&status)) {
			s.Next = wire.Text(s.Hosts[len(s.Hosts)-1].Snapshot.Hostname)
			break
		}
		s.Hosts = append(s.Hosts, status)
	}
	reply(out, len(out.Entries), wire.Outcome{Code: wire.OK, Document: s})
}

// queryRollouts answers with a page of the rollouts by ID.
func (p *Plane) queryRollouts(q *QueryRollouts, out *Output) {
	page := &wire.Page[wire.RolloutStatus]{Name: "rollouts", Schema: &wire.RolloutStatusSchema}
	sorted := slices.SortedFunc(slices.Values(p.rollouts), func(a, b *rolloutState) int { return cmp.Compare(a.id, b.id) })
	for _, r := range sorted {
		if r.id <= q.After || !q.Filter.selects(r) {
			continue
		}
		if len(page.Items) == limited(q.Limit) {
			page.Next = string(page.Items[len(page.Items)-1].RolloutID)
			break
		}
		page.Items = append(page.Items, *r.status())
	}
	reply(out, len(out.Entries), wire.Outcome{Code: wire.OK, Document: page})
}

// queryStatus answers with the counts of the whole fleet.
func (p *Plane) queryStatus(out *Output) {
	reply(out, len(out.Entries), wire.Outcome{Code: wire.OK, Document: p.fleetStatus()})
}

// fleetStatus counts the whole fleet.
func (p *Plane) fleetStatus() *wire.FleetStatus {
	stats := p.Stats()
	s := &wire.FleetStatus{
		Reachable: wire.Count(stats.HostsReachable), Unreachable: wire.Count(stats.HostsUnreachable), NeverSeen: wire.Count(stats.HostsNeverSeen),
		DuplicateIdentities: wire.Count(stats.DuplicateIdentities), Held: wire.Count(stats.Held), Unbacked: wire.Count(stats.Unbacked),
		Quarantined: wire.Count(len(p.quarantine)), Revoked: wire.Count(len(p.revocations)), LastEntry: p.logged, Acts: p.acts,
		StoreUnavailable: wire.Flag(p.readOnly), DiskScarce: wire.Flag(p.scarce),
	}
	for _, r := range p.rollouts {
		if !r.inForce() {
			continue
		}
		s.InForce++
		if r.halted() {
			s.Halted++
		}
		for _, state := range wire.States {
			*s.Records.Of(state) += wire.Count(r.counts[state])
		}
	}
	return s
}

// queryQuarantine answers with every quarantined closure.
func (p *Plane) queryQuarantine(out *Output) {
	page := &wire.Page[wire.QuarantineEntry]{Name: "quarantine", Schema: &wire.QuarantineEntrySchema}
	for _, key := range p.quarantineKeys() {
		page.Items = append(page.Items, p.quarantine[key])
	}
	reply(out, len(out.Entries), wire.Outcome{Code: wire.OK, Document: page})
}

func (p *Plane) quarantineKeys() []quarantineKey {
	return slices.SortedFunc(maps.Keys(p.quarantine), func(a, b quarantineKey) int {
		return cmp.Or(strings.Compare(string(a.channel), string(b.channel)), strings.Compare(string(a.closure), string(b.closure)))
	})
}

// queryRevocations answers with every revocation.
func (p *Plane) queryRevocations(out *Output) {
	page := &wire.Page[wire.Revocation]{Name: "revocations", Schema: &wire.RevocationSchema}
	for _, name := range slices.Sorted(maps.Keys(p.revocations)) {
		page.Items = append(page.Items, wire.Revocation{CommonName: name, RevokedBefore: p.revocations[name]})
	}
	reply(out, len(out.Entries), wire.Outcome{Code: wire.OK, Document: page})
}

// Record returns a copy of the record of a host in a rollout, for onlookers.
// Its probes are the plane's own and to be read only.
func (p *Plane) Record(id wire.RolloutID, name wire.Hostname) (rollout.Record, bool) {
	if i, known := p.find(name); known {
		if ref, known := p.table.hosts[i].find(id); known {
			return *ref.record(), true
		}
	}
	return rollout.Record{}, false
}

// Look appends the records of a host to dst, ordered by rollout ID, for
// onlookers who look at every step. They are the plane's own: they are to be
// read only, and are good until the next step.
func (p *Plane) Look(name wire.Hostname, dst []*rollout.Record) []*rollout.Record {
	if i, known := p.find(name); known {
		for _, ref := range p.table.hosts[i].records {
			if !ref.rollout.staged {
				dst = append(dst, ref.record())
			}
		}
	}
	return dst
}

// Host returns what an operator would be shown of a host, for onlookers.
func (p *Plane) Host(name wire.Hostname) (wire.HostStatus, bool) {
	if i, known := p.find(name); known && !p.isForgotten(name) {
		return p.hostStatus(i, make(gateViews)), true
	}
	return wire.HostStatus{}, false
}

// Rollout returns what an operator would be shown of a rollout, without its
// hosts, for onlookers.
func (p *Plane) Rollout(id wire.RolloutID) (*wire.RolloutStatus, bool) {
	if r := p.byID[id]; r != nil {
		return r.status(), true
	}
	return nil, false
}

// Quarantined reports whether a closure is withheld on a channel (PROTOCOL R3).
func (p *Plane) Quarantined(channel wire.Channel, closure wire.Closure) bool {
	_, there := p.quarantine[quarantineKey{channel, closure}]
	return there
}
