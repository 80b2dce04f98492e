package plane

import (
	"fmt"
	"slices"
	"time"

	"github.com/refrain-fleet/refrain/core/wire"
)

// ReofferAfter is how long a dispatch that was offered is not offered again, if
// its DispatchAck does not come (PROTOCOL D2). It is offered again from the first
// [Tick] on that comes as late as that, so at most [Config.TickEvery] later.
const ReofferAfter = 15 * time.Second

// offers are the dispatches that hosts were given and have not acknowledged. They
// are no durable state: after a start everything that is queued is offered at once.
type offers struct {
	// open are those that are not offered again yet, by when they were offered.
	open map[recordRef]time.Duration
	// line has each of them once, by instant, and some that were acknowledged
	// meanwhile.
	line []offer
}

// offer is one of them, and the instant of the driver's clock at which a poll was
// answered with it.
type offer struct {
	ref recordRef
	at  time.Duration
}

// has reports whether a dispatch was offered and is not offered again yet.
func (o *offers) has(ref recordRef) bool {
	if len(o.open) == 0 {
		return false
	}
	_, open := o.open[ref]
	return open
}

// add notes that a poll was answered with a dispatch.
func (o *offers) add(ref recordRef, at time.Duration) {
	if o.open == nil {
		o.open = make(map[recordRef]time.Duration)
	}
	o.open[ref] = at
	o.line = append(o.line, offer{ref, at})
}

// end notes that a record is Pending no more.
func (o *offers) end(ref recordRef) { delete(o.open, ref) }

// reoffer lets the dispatches be offered again whose time is over, and wakes the
// polls of their hosts.
func (p *Plane) reoffer(out *Output) {
	o := &p.offers
	n := 0
	for ; n < len(o.line) && p.last.Mono-o.line[n].at >= ReofferAfter; n++ {
		ref := o.line[n].ref
		if !o.has(ref) {
			continue
		}
		o.end(ref)
		if rec := ref.record(); p.offered(ref.rollout, rec) {
			out.Wakes = append(out.Wakes, rec.Hostname)
		}
	}
	if n == len(o.line) {
		*o = offers{} // what a whole fleet needed once is not kept
		return
	}
	o.line = slices.Delete(o.line, 0, n)
}

// offerLine is an offer.
type offerLine struct {
	RolloutID wire.RolloutID
	Hostname  wire.Hostname
	At        wire.Nanos
}

var offerLineSchema = wire.Schema[offerLine]{Fields: []wire.Field[offerLine]{
	{Name: "rollout_id", Presence: wire.Required, Of: func(l *offerLine) wire.Value { return &l.RolloutID }},
	{Name: "hostname", Presence: wire.Required, Of: func(l *offerLine) wire.Value { return &l.Hostname }},
	{Name: "at", Presence: wire.Required, Of: func(l *offerLine) wire.Value { return &l.At }},
}}

// appendOffers appends the lines of the offers, by instant.
func (p *Plane) appendOffers(dst []byte) []byte {
	for _, o := range p.offers.line {
		if p.offers.has(o.ref) {
			dst = wire.AppendLine(dst, "offer", &offerLineSchema, &offerLine{o.ref.rollout.id, o.ref.record().Hostname, wire.Nanos(o.at)})
		}
	}
	return dst
}

func (p *Plane) restoreOffer(l *offerLine) error {
	ref, err := p.refOf(l.Hostname, l.RolloutID)
	if err != nil {
		return err
	}
	if last := len(p.offers.line) - 1; p.offers.has(ref) || last >= 0 && p.offers.line[last].at > time.Duration(l.At) {
		return fmt.Errorf("the offer of %s to %s stands twice, or an earlier one follows a later", l.RolloutID, l.Hostname)
	}
	p.offers.add(ref, time.Duration(l.At))
	return nil
}

// refTo leads to the record of a host in a rollout.
func (p *Plane) refTo(name wire.Hostname, id wire.RolloutID) (recordRef, bool) {
	if i, known := p.find(name); known {
		return p.table.hosts[i].find(id)
	}
	return recordRef{}, false
}

// clone returns a copy for a plane whose rollouts are given in the order of opening.
func (o *offers) clone(rollouts []*rolloutState) (c offers) {
	for _, one := range o.line {
		if o.has(one.ref) {
			c.add(recordRef{rollouts[one.ref.rollout.order], one.ref.index}, one.at)
		}
	}
	return c
}
