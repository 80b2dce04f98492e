package plane

import (
	"strings"
	"time"

	"github.com/refrain-fleet/refrain/core/wire"
)

// Discarded is an event of a field agent that can never be applied (PROTOCOL E12).
// The plane writes it to its log; a driver steps it for an event that it cannot read.
// It changes no record. One reply: 204, since a field agent sends nothing else before
// it has one. Durable.
type Discarded struct {
	Hostname wire.Hostname
	// RolloutID, Kind and Seq are what the event says, as far as it can be read.
	RolloutID wire.RolloutID
	Kind      wire.Name
	Seq       wire.Seq
	// Reason is the reason word of the refusal that an agent of ours would get, and
	// Detail the sentence.
	Reason wire.Name
	Detail wire.Text
	// Event is the beginning of what came, of at most [wire.MaxKeptText] bytes.
	Event wire.Text
}

var discardedSchema = wire.Schema[Discarded]{Fields: []wire.Field[Discarded]{
	{Name: "hostname", Presence: wire.Required, Of: func(in *Discarded) wire.Value { return &in.Hostname }},
	{Name: "rollout_id", Presence: wire.Optional, Of: func(in *Discarded) wire.Value { return &in.RolloutID }},
	{Name: "kind", Presence: wire.Optional, Of: func(in *Discarded) wire.Value { return &in.Kind }},
	{Name: "seq", Presence: wire.Required, Of: func(in *Discarded) wire.Value { return &in.Seq }},
	{Name: "reason", Presence: wire.Required, Of: func(in *Discarded) wire.Value { return &in.Reason }},
	{Name: "detail", Presence: wire.Optional, Of: func(in *Discarded) wire.Value { return &in.Detail }},
	{Name: "event", Presence: wire.Optional, Of: func(in *Discarded) wire.Value { return &in.Event }},
}}

// DiscardUnread makes the input for an event of a field agent that cannot be read.
func DiscardUnread(host wire.Hostname, code wire.Code, detail string, body []byte) *Discarded {
	return &Discarded{
		Hostname: host, Reason: wire.Name(code.Reason()), Detail: wire.Text(detail).Kept(), Event: beginning(body),
	}
}

// beginning returns the beginning of a body as text.
func beginning(body []byte) wire.Text {
	return wire.Text(strings.ToValidUTF8(string(body), "?")).Kept()
}

// refuseEvent answers an event that cannot be applied: with the refusal, or for a
// field agent with 204, and the event is discarded (PROTOCOL E12).
func (p *Plane) refuseEvent(in *Event, needs int, refusal wire.Outcome, out *Output) {
	if in.Dialect != wire.DialectField {
		reply(out, needs, refusal)
		return
	}
	env := in.Envelope
	env.Event = env.Event.Cut()
	p.scratch = wire.EventEnvelopeSchema.Append(p.scratch[:0], &env)
	p.discard(&Discarded{
		Hostname: env.Hostname, RolloutID: env.RolloutID, Kind: wire.Name(env.Event.Body.Kind().String()), Seq: env.Event.Seq,
		Reason: wire.Name(refusal.Code.Reason()), Detail: wire.Text(refusal.Detail).Kept(), Event: beginning(p.scratch),
	}, out)
}

// discard logs an event that is discarded, and answers 204. What would fill the disk
// is counted only: while little is free, and beyond the host's budget.
func (p *Plane) discard(in *Discarded, out *Output) {
	if p.walking {
		// It is no sign of its host: which hosts were heard is no durable state, and a
		// plane that loads its rows instead does not know of it either (L1).
		kept := *in
		p.log(out, Entry{Input: &kept, Hostname: in.Hostname, RolloutID: in.RolloutID, Kind: "discarded", Outcome: "discarded"})
		p.stats.Discarded++
		reply(out, len(out.Entries), wire.Outcome{Code: wire.NoContent})
		return
	}
	host := p.touch(in.Hostname, out)
	if p.logsNothing() { // it may be possible to apply it later, with the record that becomes durable
		p.withheld(out)
		return
	}
	p.stats.Discarded++
	d := p.discards.of(host)
	d.count++
	d.at, d.rollout, d.kind, d.reason = p.last.Wall, in.RolloutID, in.Kind, in.Reason
	out.Notices = append(out.Notices, Notice{
		Kind: NoticeDiscarded, Hostname: p.table.hosts[host].name, RolloutID: in.RolloutID, Seq: in.Seq,
		Detail: wire.OrDash(string(in.Kind)) + ": " + string(in.Detail),
	})
	cost := p.cfg.EventBudget.cost(len(in.Event) + len(in.Detail))
	used := max(d.fullAt-p.last.Mono, 0)
	if p.scarce || used+cost > p.cfg.EventBudget.Per {
		reply(out, dependsOn(out, in.Hostname), wire.Outcome{Code: wire.NoContent})
		return
	}
	d.fullAt = p.last.Mono + used + cost
	kept := *in
	p.log(out, Entry{Input: &kept, Hostname: p.table.hosts[host].name, RolloutID: in.RolloutID, Kind: "discarded", Outcome: "discarded"})
	reply(out, len(out.Entries), wire.Outcome{Code: wire.NoContent})
}

// discards are what was discarded of each host since the plane started, by its index.
// They are no durable state: the log is.
type discards map[int]*discardCount

// discardCount is what was discarded of one host.
type discardCount struct {
	count   uint64
	at      wire.Time // of the last, and what it was
	rollout wire.RolloutID
	kind    wire.Name
	reason  wire.Name
	fullAt  time.Duration // when the host's budget is full again, see [EventBudget]
}

func (d *discards) of(host int) *discardCount {
	if *d == nil {
		*d = make(discards)
	}
	one := (*d)[host]
	if one == nil {
		one = new(discardCount)
		(*d)[host] = one
	}
	return one
}

// status is what an operator is shown of a host.
func (d discards) status(host int) wire.DiscardStatus {
	one := d[host]
	if one == nil {
		return wire.DiscardStatus{}
	}
	return wire.DiscardStatus{Count: wire.Seq(one.count), LastAt: one.at, RolloutID: one.rollout, Kind: one.kind, Reason: one.reason}
}

// discardLine is a discardCount.
type discardLine struct {
	Hostname wire.Hostname
	Status   wire.DiscardStatus
	FullAt   wire.Nanos
}

var discardLineSchema = wire.Schema[discardLine]{Fields: []wire.Field[discardLine]{
	{Name: "hostname", Presence: wire.Required, Of: func(l *discardLine) wire.Value { return &l.Hostname }},
	{Name: "discarded", Presence: wire.Required, Of: func(l *discardLine) wire.Value {
		return wire.Nested[wire.DiscardStatus]{Doc: &l.Status, Schema: &wire.DiscardStatusSchema}
	}},
	{Name: "full_at", Presence: wire.Required, Of: func(l *discardLine) wire.Value { return &l.FullAt }},
}}

// appendDiscards appends the lines of the hosts of which something was discarded, by name.
func (p *Plane) appendDiscards(dst []byte) []byte {
	if len(p.discards) == 0 {
		return dst
	}
	for _, i := range p.hostsByName() {
		if one := p.discards[int(i)]; one != nil {
			dst = wire.AppendLine(dst, "discards", &discardLineSchema, &discardLine{
				p.table.hosts[i].name, p.discards.status(int(i)), wire.Nanos(one.fullAt),
			})
		}
	}
	return dst
}

func (p *Plane) restoreDiscards(l *discardLine) {
	*p.discards.of(p.know(l.Hostname)) = discardCount{
		count: uint64(l.Status.Count), at: l.Status.LastAt, rollout: l.Status.RolloutID, kind: l.Status.Kind, reason: l.Status.Reason,
		fullAt: time.Duration(l.FullAt),
	}
}

func (d discards) clone() discards {
	if len(d) == 0 {
		return nil
	}
	c := make(discards, len(d))
	for host, one := range d { // order-free: a map into a map
		own := *one
		c[host] = &own
	}
	return c
}
