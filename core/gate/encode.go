package gate

import (
	"encoding/binary"
	"fmt"
	"time"
)

// AppendState appends the canonical encoding of the gate: its clock, judgement
// of progress, inputs, drain, calendar and counters, without the payloads and
// the configuration. Two gates of one configuration with equal encodings behave
// alike from then on, given the same calls, except that one does not know the
// other's tickets. The encoding is for hashes and comparisons within one build;
// it cannot be read back.
func (g *Gate[T]) AppendState(dst []byte) []byte {
	dst = append(dst, byte(g.state), bit(g.impaired, 0))
	dst = appendTime(dst, g.clock)
	dst = appendTime(dst, g.progress)
	dst = g.inbox.appendState(dst)
	dst = g.drain.appendState(dst)
	dst = g.calendar.appendState(dst)
	return g.stats.appendState(dst)
}

func (b *inbox[T]) appendState(dst []byte) []byte {
	dst = binary.AppendUvarint(dst, b.admitted)
	dst = binary.AppendUvarint(dst, uint64(b.depth))
	for i := b.first; i != none; i = b.slots[i].next {
		s := &b.slots[i]
		dst = binary.AppendUvarint(dst, s.number)
		dst = appendTime(dst, s.deadline)
		dst = append(dst, byte(s.class)|bit(s.taken, 4)|bit(s.answered, 5)|bit(s.accepted, 6))
		dst = appendCaller(dst, s.caller)
	}
	return dst
}

func (d *drain) appendState(dst []byte) []byte {
	dst = append(dst, bit(d.running, 0))
	dst = appendTime(dst, d.busy)
	dst = appendTime(dst, d.since)
	dst = binary.AppendUvarint(dst, uint64(d.newest))
	for _, n := range d.counts {
		dst = binary.AppendUvarint(dst, n)
	}
	return dst
}

func (c *calendar) appendState(dst []byte) []byte {
	dst = appendTime(dst, c.next)
	dst = binary.AppendUvarint(dst, uint64(c.size()))
	for n := c.head; n < c.tail; n++ {
		p := c.at(n)
		dst = appendTime(dst, p.at)
		dst = appendCaller(dst, p.caller)
	}
	return dst
}

func (s Stats) appendState(dst []byte) []byte {
	for _, n := range [...]uint64{
		s.Offered, s.Admitted, s.Taken, s.Settled, s.Dropped, s.Flushed, s.Delivered, s.LateReplies,
		s.RefusedByCap, s.RefusedByReserve, s.RefusedOutside, s.ClockReversals, s.Accepted, s.Skipped,
	} {
		dst = binary.AppendUvarint(dst, n)
	}
	for _, n := range s.Refused {
		dst = binary.AppendUvarint(dst, n)
	}
	return dst
}

func appendTime(dst []byte, t time.Duration) []byte { return binary.AppendVarint(dst, int64(t)) }

func appendCaller(dst []byte, c Caller) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(c)))
	return append(dst, c...)
}

func bit(set bool, position uint) byte {
	if set {
		return 1 << position
	}
	return 0
}

// String describes the gate in one line: its state, the latest now, what is
// inside, the earliest deadline, the calendar and the counters.
func (g *Gate[T]) String() string {
	var taken, answered int
	for i := g.inbox.first; i != none; i = g.inbox.slots[i].next {
		if g.inbox.slots[i].taken {
			taken++
		}
		if g.inbox.slots[i].answered {
			answered++
		}
	}
	deadline := "none"
	if d, ok := g.NextDeadline(); ok {
		deadline = d.String()
	}
	return fmt.Sprintf("%s at=%s inside=%d/%d taken=%d queued=%d answered=%d bulk=%d/%d callers=%d deadline=%s promised=%d next-slot=%s; %s",
		g.state, g.clock, g.inbox.depth, g.cfg.Capacity, taken, g.inbox.depth-taken, answered,
		g.inbox.bulk, g.bulkShare, len(g.inbox.callers), deadline,
		len(g.calendar.byCaller), g.calendar.next, g.stats)
}
