package plane

import (
	"github.com/refrain-fleet/refrain/core/rollout"
	"github.com/refrain-fleet/refrain/core/wire"
)

// advance dispatches the waves whose turn it is: the first at once, wave n+1
// when every host of wave n is Converged or Deferred (PROTOCOL R2). It reports
// whether there was any.
func (p *Plane) advance(r *rolloutState, out *Output) (moved bool) {
	for r.inForce() && !r.stopped() && r.wavesDispatched < len(r.policy.Waves) {
		if n := r.wavesDispatched; n > 0 && r.holding[n-1] > 0 {
			break
		}
		out.Notices = append(out.Notices, Notice{Kind: NoticeWave, RolloutID: r.id, Count: r.wavesDispatched})
		r.wavesDispatched++
		out.changedRollout(r)
		moved = true
	}
	if moved {
		p.dispatchDue(r, out)
	}
	return moved
}

// dispatchDue queues a dispatch for every Pending host of the waves that are
// dispatched and wakes the polls of all that have one. A quarantined target
// waits (R3).
func (p *Plane) dispatchDue(r *rolloutState, out *Output) {
	if !r.inForce() || r.stopped() {
		return
	}
	r.stale = true
	for i := range r.records {
		rec := &r.records[i]
		if rec.State != wire.Pending || int(rec.Wave) >= r.wavesDispatched || p.quarantined(r, rec) {
			continue
		}
		if !rec.DispatchedAt.IsSet() {
			out.changedRecordAt(r, i)
		}
		rec.Dispatch(p.last.Wall)
		out.Wakes = append(out.Wakes, rec.Hostname)
	}
}

// offered reports whether this record's dispatch is queued for its host
// (PROTOCOL D2, R1–R3, V6).
func (p *Plane) offered(r *rolloutState, rec *rollout.Record) bool {
	return rec.State == wire.Pending && rec.DispatchedAt.IsSet() && !p.unbacked(r) &&
		r.inForce() && !r.stopped() && !p.quarantined(r, rec)
}

// next is the record that a host that asks for work is given; its rollout is nil
// if there is none.
func (p *Plane) next(h *host) (next recordRef) {
	for _, ref := range h.records {
		if p.waitsForAgent(ref) {
			continue
		}
		if p.offered(ref.rollout, ref.record()) && !p.offers.has(ref) && p.mayOffer(ref) && (next.rollout == nil || ref.rollout.order < next.rollout.order) {
			next = ref
		}
	}
	return next
}

// HasWork reports whether a poll of a host would be given work now. It changes
// nothing; it is for observers.
func (p *Plane) HasWork(name wire.Hostname) bool {
	at, known := p.find(name)
	return known && p.next(&p.table.hosts[at]).rollout != nil
}

// poll answers a host that asks for work with the dispatch, of those queued for
// it, whose rollout was opened first. It stays queued until its DispatchAck is
// applied, and is not offered again for [ReofferAfter] (D2).
//
// A field agent is also given the dispatch of an Activating record again that it has
// been silent about for [RetakeAfter] (D4).
func (p *Plane) poll(in *Poll, out *Output) {
	at := p.touch(in.Hostname, out)
	p.table.vitals[at].field = in.Dialect == wire.DialectField
	h := &p.table.hosts[at]
	p.asked(h, in)
	next := p.next(h)
	if next.rollout != nil {
		p.offers.add(next, p.last.Mono)
		p.give(next, out)
		if in.Dialect == wire.DialectField {
			p.retakes.put(next, p.last.Mono)
		}
	} else if in.Dialect == wire.DialectField {
		if next = p.nextRetake(h); next.rollout != nil {
			p.retakes.put(next, p.last.Mono)
		}
	}
	if next.rollout == nil {
		reply(out, 0, wire.Outcome{Code: wire.NoContent})
		return
	}
	rec := next.record()
	// What made the dispatch (an opening, another host's event) may be in this
	// batch, so the answer waits for all of it.
	reply(out, len(out.Entries), wire.Outcome{Code: wire.OK, Document: &wire.Dispatch{
		Hostname:        rec.Hostname,
		RolloutID:       next.rollout.id,
		TargetClosure:   rec.TargetClosure,
		SoakDueAt:       rec.SoakDueAt,
		SoakSeconds:     rec.SoakSeconds,
		EnqueuedAt:      rec.DispatchedAt,
		OnHealthFailure: next.rollout.policy.OnHealthFailure,
	}})
}
