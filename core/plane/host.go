package plane

import (
	"slices"
	"strings"

	"github.com/refrain-fleet/refrain/core/rollout"
	"github.com/refrain-fleet/refrain/core/wire"
)

// host is what the plane knows of one host, without its vitals.
type host struct {
	name wire.Hostname
	// closure is what the host said last that it runs.
	closure wire.Closure
	records []recordRef // ordered by rollout ID
}

// recordRef leads from a host to one of its records.
type recordRef struct {
	rollout *rolloutState
	index   int
}

func (ref recordRef) record() *rollout.Record { return &ref.rollout.records[ref.index] }

// find returns the host's record of a rollout.
func (h *host) find(id wire.RolloutID) (recordRef, bool) {
	for _, ref := range h.records {
		if ref.rollout.id == id && !ref.rollout.staged {
			return ref, true
		}
	}
	return recordRef{}, false
}

// know returns the index of a host, making it known if it is not. A new host
// is never seen, and its silence begins now.
func (p *Plane) know(name wire.Hostname) int {
	i, known := p.table.find(name)
	if !known {
		i = p.table.add(name)
		p.table.vitals[i].heard, p.table.vitals[i].unseen = p.clock(), true
		p.stats.HostsNeverSeen++
		p.order.added = append(p.order.added, int32(i))
	} else if p.isHidden(i) {
		p.reveal(i)
	}
	return i
}

// find returns the index of a host that is known.
func (p *Plane) find(name wire.Hostname) (int, bool) {
	i, there := p.table.find(name)
	return i, there && !p.isHidden(i)
}

// isHidden reports whether a host of the table is not known: nothing of it has
// arrived, and no rollout that can be seen has it.
func (p *Plane) isHidden(i int) bool {
	return p.hidden > 0 && p.table.vitals[i].unseen &&
		!slices.ContainsFunc(p.table.hosts[i].records, func(ref recordRef) bool { return !ref.rollout.staged })
}

// reveal makes a hidden host known.
func (p *Plane) reveal(i int) {
	p.hidden--
	p.table.vitals[i].heard = p.clock()
	p.stats.HostsNeverSeen++
	p.order.added = append(p.order.added, int32(i))
}

// knownHosts is how many hosts are known.
func (p *Plane) knownHosts() int { return len(p.table.hosts) - p.hidden - p.forgotten }

// touch notes that the plane hears from a host now, by whatever request.
func (p *Plane) touch(name wire.Hostname, out *Output) int {
	i := p.know(name)
	v := &p.table.vitals[i]
	v.heard = p.clock()
	switch {
	case p.isForgotten(name): // it is not counted
	case v.gone:
		p.stats.HostsUnreachable--
		out.Notices = append(out.Notices, Notice{Kind: NoticeReachable, Hostname: p.table.hosts[i].name})
	case v.unseen:
		p.stats.HostsNeverSeen--
	}
	v.gone, v.unseen = false, false
	return i
}

// reachability is what the plane believes of a host (PROTOCOL L1).
func (v *vitals) reachability() wire.Reachability {
	switch {
	case v.gone:
		return wire.Unreachable
	case v.unseen:
		return wire.NeverSeen
	default:
		return wire.Reachable
	}
}

// spoke reports whether a record shows that something of the host has arrived:
// only its events and confirmations end Pending.
func (h *host) spoke() bool {
	return slices.ContainsFunc(h.records, func(ref recordRef) bool { return ref.record().State != wire.Pending })
}

// attach makes the records of a rollout known to their hosts.
func (p *Plane) attach(r *rolloutState) {
	r.hosts = make([]int32, 0, len(r.records))
	for i := range r.records {
		known := p.know(r.records[i].Hostname)
		p.refer(r, i, known)
		if r.records[i].State.Active() && r.inForce() {
			p.table.vitals[known].active++
		}
	}
}

// refer leads from a host to a record.
func (p *Plane) refer(r *rolloutState, record, at int) {
	h := &p.table.hosts[at]
	r.hosts = append(r.hosts, int32(at))
	r.records[record].Hostname = h.name // one string for both
	place, _ := slices.BinarySearchFunc(h.records, r.id, func(ref recordRef, id wire.RolloutID) int {
		return strings.Compare(string(ref.rollout.id), string(id))
	})
	h.records = slices.Insert(h.records, place, recordRef{r, record})
}

// hostOrder keeps host indices in the order of their names, for pages. Hosts
// are many and come in any order, so new ones wait unsorted until a query
// asks for a page.
type hostOrder struct {
	sorted []int32
	added  []int32
}

// hostsByName returns the host indices in the order of their names.
func (p *Plane) hostsByName() []int32 {
	byName := func(a, b int32) int {
		return strings.Compare(string(p.table.hosts[a].name), string(p.table.hosts[b].name))
	}
	o := &p.order
	if len(o.added) > 0 {
		slices.SortFunc(o.added, byName)
		merged := make([]int32, 0, len(o.sorted)+len(o.added))
		rest := o.sorted
		for _, i := range o.added {
			at, _ := slices.BinarySearchFunc(rest, i, byName)
			merged = append(merged, rest[:at]...)
			merged = append(merged, i)
			rest = rest[at:]
		}
		o.sorted = append(merged, rest...)
		o.added = o.added[:0]
	}
	return o.sorted
}
