package plane

import (
	"fmt"
	"strings"
	"time"

	"github.com/refrain-fleet/refrain/core/wire"
)

// duplicateTurns is how many turns in a row say that two machines send heartbeats
// in one host's name (PROTOCOL L4).
const duplicateTurns = 4

// senders are the hosts whose heartbeats came from two addresses lately. A host that
// stays where it is keeps the fingerprint of its address among its vitals, and
// nothing here.
type senders struct {
	of map[int32]*twoSenders
	// sweepAt is when those that are over are dropped.
	sweepAt  time.Duration
	reported int // how many are reported as a duplicate identity
}

// twoSenders are the two addresses that a host's heartbeats came from last.
//
// A turn is a heartbeat that comes back to the other address within an interval and
// a quarter of the heartbeat before it from there. An agent has a tenth of an
// interval of jitter (A5), so a machine that sends all the time does. One agent
// that changes its address leaves at least 1.8 intervals between the first of
// three heartbeats and the last: only retries of heartbeats whose answers it did not
// get come closer, and for turns these have to leave by two addresses in turn.
type twoSenders struct {
	prints [2]uint32
	addr   [2]string        // empty if only the fingerprint is known
	at     [2]time.Duration // of the last heartbeat, by the driver's clock
	last   int              // which of the two sent last
	turns  int              // in a row
	// turnedAt is when the last turn was, and reported that the operator is shown it.
	turnedAt time.Duration
	reported bool
}

// senderPrint is the fingerprint of an address; 0 is that of none.
func senderPrint(address string) uint32 { return uint32(fingerprint(address)) | 1 }

// heardFrom notes the address that a heartbeat came from.
func (p *Plane) heardFrom(i int, address string, out *Output) {
	v := &p.table.vitals[i]
	print := senderPrint(address)
	if print == v.sender && !v.moved {
		return // as always
	}
	now := p.last.Mono
	if v.sender == 0 {
		v.sender = print
		return
	}
	s := p.senders.of[int32(i)]
	if s == nil { // the first change
		if p.senders.of == nil {
			p.senders = senders{of: make(map[int32]*twoSenders), sweepAt: now + p.cfg.HeartbeatInterval}
		}
		s = &twoSenders{prints: [2]uint32{v.sender}, at: [2]time.Duration{now - p.duplicateWithin() - 1}}
		p.senders.of[int32(i)], v.moved = s, true
	}
	v.sender = print
	other := 1 - s.last
	switch {
	case print == s.prints[s.last]:
	case print == s.prints[other]:
		s.turns++
		if now-s.at[other] > p.duplicateWithin() {
			s.turns = 0
		}
		s.last, s.turnedAt = other, now
	default: // a third address takes the place of the one that is silent
		s.prints[other], s.addr[other] = print, ""
		s.last, s.turns = other, 0
	}
	if s.addr[s.last] == "" {
		s.addr[s.last] = strings.Clone(address)
	}
	s.at[s.last] = now
	if s.turns >= duplicateTurns && !s.reported {
		s.reported = true
		p.senders.reported++
		out.Notices = append(out.Notices, Notice{
			Kind: NoticeDuplicateIdentity, Hostname: p.table.hosts[i].name, Detail: fmt.Sprintf("%s and %s", s.addr[0], s.addr[1]),
		})
	}
}

// duplicateWithin is how soon a machine that sends all the time sends again, with
// its jitter and the network's.
func (p *Plane) duplicateWithin() time.Duration {
	return p.cfg.HeartbeatInterval + p.cfg.HeartbeatInterval/4
}

// sweepSenders drops, once per interval, the hosts that have stayed at one address
// for three intervals, or for two since the first change; what was reported, ten
// intervals after the last turn.
func (p *Plane) sweepSenders() {
	o, now, interval := &p.senders, p.last.Mono, p.cfg.HeartbeatInterval
	if len(o.of) == 0 || now < o.sweepAt {
		return
	}
	o.sweepAt = now + interval
	for i, s := range o.of { // order-free: each is judged by itself
		over := now-s.at[1-s.last] > 3*interval
		if s.reported {
			over = now-s.turnedAt > 10*interval
		}
		if !over {
			continue
		}
		if s.reported {
			o.reported--
		}
		delete(o.of, i)
		p.table.vitals[i].moved = false
	}
	if len(o.of) == 0 {
		*o = senders{}
	}
}

// forgetSenders begins anew.
func (p *Plane) forgetSenders() {
	p.senders = senders{}
	for i := range p.table.vitals {
		p.table.vitals[i].sender, p.table.vitals[i].moved = 0, false
	}
}

// duplicate lists the two addresses of a host with a duplicate identity; nil if it
// is not known to have one.
func (p *Plane) duplicate(i int) wire.Names {
	s := p.senders.of[int32(i)]
	if s == nil || !s.reported {
		return nil
	}
	return wire.Names{wire.Name(s.addr[0]), wire.Name(s.addr[1])}
}

// sendersLine is what is kept of a host's two addresses.
type sendersLine struct {
	Hostname          wire.Hostname
	FirstPrint, Print wire.Seq
	FirstAddr, Addr   wire.Name
	FirstAt, At       wire.Nanos
	Last, Turns       wire.Count
	TurnedAt, SweepAt wire.Nanos
	Reported          wire.Flag
}

var sendersLineSchema = wire.Schema[sendersLine]{Fields: []wire.Field[sendersLine]{
	{Name: "hostname", Presence: wire.Required, Of: func(l *sendersLine) wire.Value { return &l.Hostname }},
	{Name: "first_print", Presence: wire.Required, Of: func(l *sendersLine) wire.Value { return &l.FirstPrint }},
	{Name: "first_address", Presence: wire.Optional, Of: func(l *sendersLine) wire.Value { return &l.FirstAddr }},
	{Name: "first_at", Presence: wire.Required, Of: func(l *sendersLine) wire.Value { return &l.FirstAt }},
	{Name: "print", Presence: wire.Required, Of: func(l *sendersLine) wire.Value { return &l.Print }},
	{Name: "address", Presence: wire.Optional, Of: func(l *sendersLine) wire.Value { return &l.Addr }},
	{Name: "at", Presence: wire.Required, Of: func(l *sendersLine) wire.Value { return &l.At }},
	{Name: "last", Presence: wire.Required, Of: func(l *sendersLine) wire.Value { return &l.Last }},
	{Name: "turns", Presence: wire.Required, Of: func(l *sendersLine) wire.Value { return &l.Turns }},
	{Name: "turned_at", Presence: wire.Required, Of: func(l *sendersLine) wire.Value { return &l.TurnedAt }},
	{Name: "sweep_at", Presence: wire.Required, Of: func(l *sendersLine) wire.Value { return &l.SweepAt }},
	{Name: "reported", Presence: wire.Optional, Of: func(l *sendersLine) wire.Value { return &l.Reported }},
}}

// appendSenders appends the lines of the hosts with two addresses, by name.
func (p *Plane) appendSenders(dst []byte) []byte {
	if len(p.senders.of) == 0 {
		return dst
	}
	for _, i := range p.hostsByName() {
		if s := p.senders.of[i]; s != nil {
			dst = wire.AppendLine(dst, "senders", &sendersLineSchema, &sendersLine{
				Hostname: p.table.hosts[i].name, FirstPrint: wire.Seq(s.prints[0]), Print: wire.Seq(s.prints[1]),
				FirstAddr: wire.Name(s.addr[0]), Addr: wire.Name(s.addr[1]), FirstAt: wire.Nanos(s.at[0]), At: wire.Nanos(s.at[1]),
				Last: wire.Count(s.last), Turns: wire.Count(s.turns), TurnedAt: wire.Nanos(s.turnedAt), SweepAt: wire.Nanos(p.senders.sweepAt),
				Reported: wire.Flag(s.reported),
			})
		}
	}
	return dst
}

func (p *Plane) restoreSenders(l *sendersLine) error {
	i, known := p.table.find(l.Hostname)
	if !known || p.table.vitals[i].moved || l.Last > 1 {
		return fmt.Errorf("%s is not known before this line, has one already, or sent last from neither of its addresses", l.Hostname)
	}
	if p.senders.of == nil {
		p.senders.of = make(map[int32]*twoSenders)
	}
	p.senders.of[int32(i)] = &twoSenders{
		prints: [2]uint32{uint32(l.FirstPrint), uint32(l.Print)}, addr: [2]string{string(l.FirstAddr), string(l.Addr)},
		at: [2]time.Duration{time.Duration(l.FirstAt), time.Duration(l.At)}, last: int(l.Last), turns: int(l.Turns),
		turnedAt: time.Duration(l.TurnedAt), reported: bool(l.Reported),
	}
	p.senders.sweepAt = time.Duration(l.SweepAt)
	p.table.vitals[i].moved = true
	if l.Reported {
		p.senders.reported++
	}
	return nil
}

func (o *senders) clone() senders {
	c := senders{sweepAt: o.sweepAt, reported: o.reported}
	if len(o.of) > 0 {
		c.of = make(map[int32]*twoSenders, len(o.of))
		for i, s := range o.of { // order-free: a map into a map
			own := *s
			c.of[i] = &own
		}
	}
	return c
}
