package gate

import "time"

// maxPromises bounds the memory of the calendar. It is a power of two.
const maxPromises = 1 << 16

// promise is a slot that a caller was given. A slot of 0 is a promise that was
// withdrawn: no caller is ever promised an instant before 1 s.
type promise struct {
	caller Caller
	slot   time.Duration
}

// calendar gives refused callers the instants at which they shall come back
// (PROTOCOL G4). The slots follow each other at a distance given by the drain,
// the first one second from now; where they would reach beyond the widest
// Retry-After they start again at the front. The slots already given are thus
// part of every new one.
//
// A caller that is refused again before its slot is held to that slot, so that
// nobody can push the others back by asking often. For that the calendar
// remembers its promises, in the order in which they were made, in a ring that
// grows up to maxPromises and then forgets the oldest.
type calendar struct {
	widest time.Duration // the longest Retry-After
	next   time.Duration // the next free slot

	ring       []promise // promise n is at n modulo len(ring), a power of two
	head, tail uint64    // promises head to tail-1 are in the ring
	byCaller   map[Caller]uint64
}

func makeCalendar(widest time.Duration) calendar {
	return calendar{widest: widest, byCaller: make(map[Caller]uint64)}
}

// slot returns how long the caller shall stay away: whole seconds, at least 1.
// gap is the distance from the slot to the next one, if a new one is given.
func (c *calendar) slot(now time.Duration, caller Caller, gap time.Duration) time.Duration {
	c.purge(now)
	if n, ok := c.byCaller[caller]; ok {
		if p := c.at(n); now < p.slot {
			return wholeSeconds(p.slot - now)
		}
		c.forget(caller)
	}
	front := now + time.Second
	slot := max(c.next, front)
	if slot > now+c.widest {
		slot = front
	}
	c.next = slot + gap
	c.remember(promise{caller, slot})
	return wholeSeconds(slot - now)
}

// wholeSeconds rounds up.
func wholeSeconds(d time.Duration) time.Duration {
	return (d + time.Second - 1) / time.Second * time.Second
}

// forget withdraws the promise of a caller, if it has one.
func (c *calendar) forget(caller Caller) {
	if len(c.byCaller) == 0 {
		return
	}
	if n, ok := c.byCaller[caller]; ok {
		delete(c.byCaller, caller)
		*c.at(n) = promise{}
	}
}

// purge forgets promises that are past, or withdrawn, from the oldest on. One
// behind a promise that still holds has to wait for it, at most for the widest
// Retry-After.
func (c *calendar) purge(now time.Duration) {
	for c.head < c.tail && c.at(c.head).slot <= now {
		c.drop()
	}
}

// drop forgets the oldest promise.
func (c *calendar) drop() {
	p := c.at(c.head)
	if p.slot != 0 {
		delete(c.byCaller, p.caller)
	}
	*p = promise{}
	c.head++
}

func (c *calendar) remember(p promise) {
	if c.size() == maxPromises {
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
	c.ring = make([]promise, max(64, 2*len(old.ring)))
	for n := c.head; n < c.tail; n++ {
		*c.at(n) = *old.at(n)
	}
}

func (c *calendar) size() int { return int(c.tail - c.head) }

func (c *calendar) at(n uint64) *promise { return &c.ring[n&uint64(len(c.ring)-1)] }
