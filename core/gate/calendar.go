package gate

import "time"

// maxReservations bounds the memory of the calendar. It is a power of two.
const maxReservations = 1 << 16

// reservation is the instant at which a caller shall come back. An instant of 0
// is a reservation that was withdrawn: none is before 1 s.
type reservation struct {
	caller Caller
	at     time.Duration
}

// calendar gives refused callers the instants at which they shall come back
// (PROTOCOL G4 calls them slots). The instants follow each other at a distance
// given by the drain rate, the first one second from now; where they would
// reach beyond the longest Retry-After they start again one second from now.
// Each new one thus takes those already given into account.
//
// A caller that is refused again before its instant is given the same instant,
// so that no caller can push the others back by asking often. For that the
// calendar keeps its reservations, in the order in which they were made, in a
// ring that grows up to maxReservations and then drops the oldest.
type calendar struct {
	widest time.Duration // the longest Retry-After
	next   time.Duration // the next free instant

	ring       []reservation // reservation n is at n modulo len(ring), a power of two
	head, tail uint64        // reservations head to tail-1 are in the ring
	byCaller   map[Caller]uint64
}

func makeCalendar(widest time.Duration) calendar {
	return calendar{widest: widest, byCaller: make(map[Caller]uint64)}
}

// returnAfter returns how long the caller shall stay away: whole seconds, at
// least 1. gap is the distance from a new reservation to the next one.
func (c *calendar) returnAfter(now time.Duration, caller Caller, gap time.Duration) time.Duration {
	c.purge(now)
	if n, ok := c.byCaller[caller]; ok {
		if p := c.at(n); now < p.at {
			return wholeSeconds(p.at - now)
		}
		c.forget(caller)
	}
	front := now + time.Second
	at := max(c.next, front)
	if at > now+c.widest {
		at = front
	}
	c.next = at + gap
	c.remember(reservation{caller, at})
	return wholeSeconds(at - now)
}

// wholeSeconds rounds up.
func wholeSeconds(d time.Duration) time.Duration {
	return (d + time.Second - 1) / time.Second * time.Second
}

// forget withdraws the reservation of a caller, if it has one.
func (c *calendar) forget(caller Caller) {
	if len(c.byCaller) == 0 {
		return
	}
	if n, ok := c.byCaller[caller]; ok {
		delete(c.byCaller, caller)
		*c.at(n) = reservation{}
	}
}

// purge drops reservations that are past, or withdrawn, from the oldest on. One
// behind a reservation that still holds stays until that one is past, at most
// for the longest Retry-After.
func (c *calendar) purge(now time.Duration) {
	for c.head < c.tail && c.at(c.head).at <= now {
		c.drop()
	}
}

// drop drops the oldest reservation.
func (c *calendar) drop() {
	p := c.at(c.head)
	if p.at != 0 {
		delete(c.byCaller, p.caller)
	}
	*p = reservation{}
	c.head++
}

func (c *calendar) remember(p reservation) {
	if c.size() == maxReservations {
		c.drop()
	}
	if c.size() == len(c.ring) {
		c.grow()
	}
	*c.at(c.tail) = p
	c.byCaller[p.caller] = c.tail
	c.tail++
}

func (c *calendar) grow() {
	old := *c
	c.ring = make([]reservation, max(64, 2*len(old.ring)))
	for n := c.head; n < c.tail; n++ {
		*c.at(n) = *old.at(n)
	}
}

func (c *calendar) size() int { return int(c.tail - c.head) }

func (c *calendar) at(n uint64) *reservation { return &c.ring[n&uint64(len(c.ring)-1)] }
