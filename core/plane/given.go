package plane

import (
	"fmt"
	"time"

	"github.com/refrain-fleet/refrain/core/wire"
)

// The offers of rollouts with gates are durable before they go out (PROTOCOL W1,
// decision 050): a host that was offered a dispatch may switch, and a plane that was
// restarted must not let others switch in its place.

// TakeUpWithin is how long after the last offer a heartbeat that names no rollout
// shows that an agent of ours has not taken the dispatch up: a poll's answer arrives
// within 70 s of the poll, or never (PROTOCOL A6). Of a field agent it is
// [RetakeAfter].
const TakeUpWithin = 2 * time.Minute

// Offer is the durable part of a poll that was answered with a dispatch of a rollout
// with gates, or of a heartbeat that shows that it was not taken up, or that the host
// has nothing to do any more for a rollout that was superseded (PROTOCOL W1). The
// plane writes it to its log; a driver steps it only when it walks a log. No reply.
type Offer struct {
	Hostname  wire.Hostname
	RolloutID wire.RolloutID
	// Ended says that the host is not in flight for it.
	Ended bool
}

func (*Offer) isInput() {}

// String implements [Input].
func (in *Offer) String() string {
	return fmt.Sprintf("%s %s %s", in.kind(), in.Hostname, in.RolloutID)
}

// kind is the kind of the entry.
func (in *Offer) kind() wire.Name {
	if in.Ended {
		return "offer_ended"
	}
	return "offered"
}

var offerSchema = wire.Schema[Offer]{Fields: []wire.Field[Offer]{
	{Name: "hostname", Presence: wire.Required, Of: func(in *Offer) wire.Value { return &in.Hostname }},
	{Name: "rollout_id", Presence: wire.Required, Of: func(in *Offer) wire.Value { return &in.RolloutID }},
	{Name: "ended", Presence: wire.Optional, Of: func(in *Offer) wire.Value { return (*wire.Flag)(&in.Ended) }},
}}

// isOffered reports whether record i was offered its dispatch, and may have taken it
// up since.
func (r *rolloutState) isOffered(i int) bool { return r.offered != nil && r.offered[i] }

// mayOffer reports whether a gate, or the lack of a disk, holds back a dispatch that is
// queued.
func (p *Plane) mayOffer(ref recordRef) bool {
	r := ref.rollout
	return !r.isBlocked(ref.index) && (!r.gated() || r.isOffered(ref.index) || !p.logsNothing())
}

// give notes that a poll is answered with a dispatch.
func (p *Plane) give(ref recordRef, out *Output) {
	if r := ref.rollout; !r.gated() {
		return
	} else if !r.isOffered(ref.index) {
		p.takeOffer(ref, &Offer{Hostname: ref.record().Hostname, RolloutID: r.id}, out)
	}
	p.countFrom(ref, p.last.Mono)
}

// countFrom has a heartbeat judged by an instant.
func (p *Plane) countFrom(ref recordRef, at time.Duration) {
	p.given.put(ref, at)
}

// takeOffer carries out an offer, or the end of a flight.
func (p *Plane) takeOffer(ref recordRef, in *Offer, out *Output) {
	r, rec := ref.rollout, ref.record()
	switch {
	case rec.State == wire.Pending && rec.DispatchedAt.IsSet() && r.isOffered(ref.index) == in.Ended:
		if r.offered == nil {
			r.offered = make([]bool, len(r.records))
		}
		if r.offered[ref.index] = !in.Ended; !in.Ended {
			rec.Offer(p.last.Wall)
		}
	case in.Ended && r.superseded() && (rec.State == wire.Activating || rec.State == wire.Soaking) && !r.isIdle(ref.index):
		if r.idle == nil {
			r.idle = make([]bool, len(r.records))
		}
		r.idle[ref.index] = true
	default:
		return
	}
	p.stirred = true
	out.changedRecord(ref)
	p.log(out, Entry{Input: in, Hostname: rec.Hostname, RolloutID: r.id, Kind: in.kind(), Outcome: "applied"})
}

// isIdle reports whether the host of record i has nothing to do for it any more.
func (r *rolloutState) isIdle(i int) bool { return r.idle != nil && r.idle[i] }

// offerLogged walks an offer of the log.
func (p *Plane) offerLogged(in *Offer, out *Output) {
	if ref, known := p.refTo(in.Hostname, in.RolloutID); known {
		p.takeOffer(ref, in, out)
	}
}

// endOffers notes that a heartbeat without a rollout shows that a host did not take up
// what it was offered, or has nothing to do any more for a rollout that was
// superseded. Of the latter it is asked since the first such heartbeat.
func (p *Plane) endOffers(h *host, in *Heartbeat, out *Output) {
	field, within := in.Dialect == wire.DialectField, TakeUpWithin
	if field {
		within = RetakeAfter
	}
	for _, ref := range h.records {
		r, rec := ref.rollout, ref.record()
		switch at, given := p.given[ref]; {
		case r.staged || !p.flies(ref), rec.State != wire.Pending && !r.superseded():
		case !given:
			p.countFrom(ref, p.last.Mono)
		case p.last.Mono-at < within, field && rec.State == wire.Soaking && !p.overdue(rec, in.Request.At):
		default:
			delete(p.given, ref)
			p.takeOffer(ref, &Offer{Hostname: rec.Hostname, RolloutID: r.id, Ended: true}, out)
		}
	}
}

// taken notes that a record has another state.
func (p *Plane) taken(ref recordRef) {
	if r := ref.rollout; r.isOffered(ref.index) {
		r.offered[ref.index] = false
	}
	if ref.rollout.isIdle(ref.index) {
		ref.rollout.idle[ref.index] = false
	}
	delete(p.given, ref)
}

// startGiven counts every offer from a start on: when it was made is not known.
func (p *Plane) startGiven() {
	p.given = nil
	for _, r := range p.rollouts {
		for i, offered := range r.offered {
			if offered {
				p.countFrom(recordRef{r, i}, p.last.Mono)
			}
		}
	}
}

// wakeGated wakes the polls of hosts that were not offered a dispatch since nothing
// could be logged.
func (p *Plane) wakeGated(out *Output) {
	for _, r := range p.rollouts {
		for i := 0; r.gated() && i < len(r.records); i++ {
			if rec := &r.records[i]; !r.isOffered(i) && p.offered(r, rec) && p.mayOffer(recordRef{r, i}) {
				out.Wakes = append(out.Wakes, rec.Hostname)
			}
		}
	}
}

func (p *Plane) appendGiven(dst []byte) []byte {
	for _, ref := range p.given.sorted() {
		dst = wire.AppendLine(dst, "given", &offerLineSchema, &offerLine{ref.rollout.id, ref.record().Hostname, wire.Nanos(p.given[ref])})
	}
	return dst
}

func (p *Plane) restoreGiven(l *offerLine) error {
	ref, err := p.refOf(l.Hostname, l.RolloutID)
	if err == nil {
		p.countFrom(ref, time.Duration(l.At))
	}
	return err
}
