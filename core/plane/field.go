package plane

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"github.com/refrain-fleet/refrain/core/rollout"
	"github.com/refrain-fleet/refrain/core/wire"
)

// What the plane does for field agents alone (PROTOCOL H10, D4).

// RetakeAfter is how long an Activating record of a field agent has to be without
// news before its dispatch is offered once more (PROTOCOL D4). An agent that was
// restarted has forgotten it. It is longer than its longest switch, 5 minutes, so that
// a second switch does not meet the first.
const RetakeAfter = 10 * time.Minute

// retakes are instants of the driver's clock by record of a field agent: of a Pending
// one, when it was offered last, or when the plane started, which does not know it; of an
// Activating one, since when nothing was heard of it. They are no durable state.
type retakes map[recordRef]time.Duration

// put sets the instant of a record.
func (r *retakes) put(ref recordRef, at time.Duration) {
	if *r == nil {
		*r = make(retakes)
	}
	(*r)[ref] = at
}

// restart notes that the agent of a host has started anew. What it was offered and has
// not acknowledged it may have taken up, and forgotten: its switch may run, and its
// acknowledgement may be on its disk. So that is not offered for RetakeAfter.
func (p *Plane) restart(h *host) {
	for _, ref := range h.records {
		if at, offered := p.retakes[ref]; offered && ref.record().State == wire.Pending {
			p.restarted.put(ref, at)
		}
	}
}

// waitsForAgent reports whether a dispatch that a field agent may have been offered
// before is held back: its agent has started anew since, or no heartbeat has come since
// its poll asked for the first time.
func (p *Plane) waitsForAgent(ref recordRef) bool {
	_, restarted := p.restarted[ref]
	_, unheard := p.unheard[ref]
	return restarted || unheard
}

// asked notes that a poll of a host asks. Only a heartbeat that comes after it asked for
// the first time says of the process that polls what the host runs, and whether it has
// started anew. An agent of ours, which may have taken its place, knows what it took up.
func (p *Plane) asked(h *host, in *Poll) {
	field := in.Dialect == wire.DialectField
	if field && in.Again || len(p.retakes) == 0 {
		return
	}
	for _, ref := range h.records {
		if _, before := p.retakes[ref]; field && before && ref.record().State == wire.Pending {
			p.unheard.put(ref, p.last.Mono)
		} else {
			delete(p.unheard, ref)
		}
	}
}

// beat notes a heartbeat of a field agent, and wakes its poll if there is work for it
// since.
func (p *Plane) beat(h *host, out *Output) {
	news := false
	for _, ref := range h.records {
		if _, unheard := p.unheard[ref]; unheard {
			delete(p.unheard, ref)
			news = true
		}
	}
	if news && p.next(h).rollout != nil {
		out.Wakes = append(out.Wakes, h.name)
	}
}

// startRetakes counts everything that is queued as offered: whether it was is not known.
func (p *Plane) startRetakes() {
	p.retakes, p.restarted, p.unheard, p.elsewhere = nil, nil, nil, nil
	for _, r := range p.rollouts {
		for i := range r.records {
			if rec := &r.records[i]; rec.State == wire.Pending && rec.DispatchedAt.IsSet() && r.inForce() {
				p.retakes.put(recordRef{r, i}, p.last.Mono)
				p.unheard.put(recordRef{r, i}, p.last.Mono)
			}
		}
	}
}

// offerRestarted lets what was held back be offered again whose time is over, and wakes
// the polls of the hosts.
func (p *Plane) offerRestarted(out *Output) {
	for _, ref := range p.restarted.sorted() {
		if p.last.Mono-p.restarted[ref] < RetakeAfter {
			continue
		}
		delete(p.restarted, ref)
		if rec := ref.record(); p.offered(ref.rollout, rec) {
			out.Wakes = append(out.Wakes, rec.Hostname)
		}
	}
}

// sorted returns the records in the order of opening and of hosts.
func (r retakes) sorted() []recordRef {
	return slices.SortedFunc(maps.Keys(r), func(a, b recordRef) int {
		return cmp.Or(cmp.Compare(a.rollout.order, b.rollout.order), cmp.Compare(a.index, b.index))
	})
}

// forgetRetake forgets a record that has moved on.
func (p *Plane) forgetRetake(ref recordRef) {
	delete(p.retakes, ref)
	delete(p.restarted, ref)
	delete(p.unheard, ref)
	delete(p.elsewhere, ref)
}

// retakeDue reports whether the dispatch of an Activating record is to be offered again, and
// begins to count if it has not.
func (p *Plane) retakeDue(ref recordRef) bool {
	r, rec := ref.rollout, ref.record()
	if rec.State != wire.Activating {
		return false
	}
	if !r.inForce() || r.stopped() || p.quarantined(r, rec) {
		delete(p.retakes, ref)
		return false
	}
	since, counts := p.retakes[ref]
	if !counts {
		p.retakes.put(ref, p.last.Mono)
		return false
	}
	return p.last.Mono-since >= RetakeAfter
}

// nextRetake is the Activating record whose dispatch a field agent is given again; its
// rollout is nil if there is none.
func (p *Plane) nextRetake(h *host) (next recordRef) {
	for _, ref := range h.records {
		if !ref.rollout.staged && p.retakeDue(ref) && (next.rollout == nil || ref.rollout.order < next.rollout.order) {
			next = ref
		}
	}
	return next
}

// retakeLine is a count of retakes.
type retakeLine struct {
	RolloutID wire.RolloutID
	Hostname  wire.Hostname
	Since     wire.Nanos
	// Restarted says that it is held back, as offered at Since; Unheard, that it is, as
	// asked for at Since; Elsewhere, that it keeps the host's closure from confirming
	// others since then.
	Restarted, Unheard, Elsewhere wire.Flag
}

var retakeLineSchema = wire.Schema[retakeLine]{Fields: []wire.Field[retakeLine]{
	{Name: "rollout_id", Presence: wire.Required, Of: func(l *retakeLine) wire.Value { return &l.RolloutID }},
	{Name: "hostname", Presence: wire.Required, Of: func(l *retakeLine) wire.Value { return &l.Hostname }},
	{Name: "since", Presence: wire.Required, Of: func(l *retakeLine) wire.Value { return &l.Since }},
	{Name: "restarted", Presence: wire.Optional, Of: func(l *retakeLine) wire.Value { return &l.Restarted }},
	{Name: "unheard", Presence: wire.Optional, Of: func(l *retakeLine) wire.Value { return &l.Unheard }},
	{Name: "elsewhere", Presence: wire.Optional, Of: func(l *retakeLine) wire.Value { return &l.Elsewhere }},
}}

func (p *Plane) appendRetakes(dst []byte) []byte {
	for i, list := range []retakes{p.retakes, p.restarted, p.unheard, p.elsewhere} {
		for _, ref := range list.sorted() {
			dst = wire.AppendLine(dst, "retake", &retakeLineSchema, &retakeLine{
				ref.rollout.id, ref.record().Hostname, wire.Nanos(list[ref]), i == 1, i == 2, i == 3,
			})
		}
	}
	return dst
}

func (p *Plane) restoreRetake(l *retakeLine) error {
	ref, err := p.refOf(l.Hostname, l.RolloutID)
	if err != nil {
		return err
	}
	list := &p.retakes
	switch {
	case bool(l.Restarted):
		list = &p.restarted
	case bool(l.Unheard):
		list = &p.unheard
	case bool(l.Elsewhere):
		list = &p.elsewhere
	}
	list.put(ref, time.Duration(l.Since))
	return nil
}

// clone returns a copy for a plane whose rollouts are given in the order of opening.
func (r retakes) clone(rollouts []*rolloutState) retakes {
	if len(r) == 0 {
		return nil
	}
	c := make(retakes, len(r))
	for ref, since := range r { // order-free: a map into a map
		c[recordRef{rollouts[ref.rollout.order], ref.index}] = since
	}
	return c
}

// fieldHeartbeat answers a field agent, which takes every snapshot for the truth and
// probes anew (PROTOCOL H10): it is told of a record only if it is Soaking, runs the
// target, and has probably forgotten it.
func (p *Plane) fieldHeartbeat(host int, req *wire.HeartbeatRequest, before wire.Time, entries int, out *Output, answer *Reply) {
	h := &p.table.hosts[host]
	booted := p.booted(before, req.At)
	if booted {
		p.restart(h)
	}
	if before.IsSet() { // else it does not say whether the agent has started anew
		p.beat(h, out)
	}
	for _, ref := range h.records {
		rec := ref.record()
		if rec.State != wire.Soaking || !ref.rollout.inForce() || req.CurrentClosure != rec.TargetClosure {
			continue
		}
		confirmed := slices.ContainsFunc(out.Entries[entries:], func(e Entry) bool { return e.Kind == "confirmed" && e.RolloutID == rec.RolloutID })
		if !confirmed && !booted && !p.overdue(rec, req.At) {
			continue
		}
		answer.Outcome.Heartbeat.Bootstrap = append(answer.Outcome.Heartbeat.Bootstrap, rec.FieldSnapshot())
		answer.AfterEntries = dependsOn(out, h.name)
	}
}

// switchesElsewhere reports whether a field agent may be switching its host away from
// what it runs, for another record, which need not be in force: then what it runs
// confirms nothing (H4). A switch that has begun has no other one before it, but one that
// has begun later is what an agent does that was started anew and has forgotten it. And
// an Activating record of which nothing is heard for [RetakeAfter] is not switched any
// more: the agent has forgotten it, or the plane what became of it.
func (p *Plane) switchesElsewhere(h *host, ref recordRef) (elsewhere bool) {
	rec := ref.record()
	begun := rec.State == wire.Activating && rec.ActivationStartedAt.IsSet()
	for _, other := range h.records {
		o := other.record()
		switch {
		case other == ref || other.rollout.staged || o.TargetClosure == rec.TargetClosure:
		case o.State == wire.Deferred:
			elsewhere = elsewhere || !begun
		case o.State == wire.Activating && !(begun && !rec.ActivationStartedAt.Before(o.ActivationStartedAt)):
			since, counts := p.elsewhere[other]
			if !counts {
				p.elsewhere.put(other, p.last.Mono)
			}
			elsewhere = elsewhere || !counts || p.last.Mono-since < RetakeAfter
		}
	}
	return elsewhere
}

// overdue reports whether a Soaking host should have converged or failed long ago, by
// its own clock.
func (p *Plane) overdue(rec *rollout.Record, at wire.Time) bool {
	due := rec.SoakDueAt
	if due.Before(rec.ActivationCompletedAt) {
		due = rec.ActivationCompletedAt
	}
	return !at.Before(due.Add(2 * p.cfg.HeartbeatInterval))
}

// booted reports whether a field agent has just started, by the instants of its last
// two heartbeats: later ones are whole intervals apart, up to a twentieth of one. Its
// first is at any time, and the second follows at once.
func (p *Plane) booted(before, at wire.Time) bool {
	if !before.IsSet() {
		return false
	}
	interval := p.cfg.HeartbeatInterval
	apart := at.Std().Sub(before.Std())
	off := apart % interval
	return apart < interval*3/4 || off > interval/20 && off < interval-interval/20
}
