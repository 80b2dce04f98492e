package gate

import (
	"errors"
	"fmt"
)

// Check verifies the invariants that are numbered in the comment of [Gate]. An
// error names the number of the one that does not hold, and is a defect of this
// package. It takes time proportional to Capacity and to the number of
// reservations.
func (g *Gate[T]) Check() error {
	// The list is checked first: the others walk along it.
	for _, check := range []struct {
		number int
		holds  func() error
	}{
		{1, g.checkSlots},
		{2, g.checkOrder},
		{3, g.checkQueue},
		{4, g.checkUnanswered},
		{5, g.checkRoom},
		{6, g.checkCallers},
		{7, g.checkEnds},
		{8, g.checkAnswers},
		{9, g.checkState},
		{10, g.checkDrain},
		{11, g.calendar.check},
	} {
		if err := check.holds(); err != nil {
			return fmt.Errorf("gate: invariant %d: %w", check.number, err)
		}
	}
	return nil
}

func (g *Gate[T]) checkSlots() error {
	b := &g.inbox
	valid := func(i int32) bool { return i >= 0 && int(i) < len(b.slots) }
	// A circle needs no check of its own: where it closes, a slot comes after
	// another one than it says.
	seen, prev := 0, none
	for i := b.first; i != none; i = b.slots[i].next {
		switch {
		case !valid(i):
			return fmt.Errorf("the list leads to slot %d, which does not exist", i)
		case b.slots[i].number == 0:
			return fmt.Errorf("slot %d is in the list and free", i)
		case b.slots[i].prev != prev:
			return fmt.Errorf("slot %d comes after %d and says after %d", i, prev, b.slots[i].prev)
		}
		seen, prev = seen+1, i
	}
	if b.last != prev {
		return fmt.Errorf("the list ends at slot %d and should at %d", prev, b.last)
	}
	if b.depth != seen {
		return fmt.Errorf("%d inputs are in the list, depth is %d", seen, b.depth)
	}
	for i := b.free; i != none; i = b.slots[i].next {
		switch {
		case !valid(i):
			return fmt.Errorf("the free list leads to slot %d, which does not exist", i)
		case seen == len(b.slots):
			return errors.New("the free list goes in a circle")
		case b.slots[i].number != 0:
			return fmt.Errorf("slot %d is in the free list and holds t%d", i, b.slots[i].number)
		}
		seen++
	}
	if seen != g.cfg.Capacity {
		return fmt.Errorf("%d slots are free or used, capacity is %d", seen, g.cfg.Capacity)
	}
	return nil
}

func (g *Gate[T]) checkOrder() error {
	b := &g.inbox
	for i := b.first; i != none; i = b.slots[i].next {
		s := &b.slots[i]
		if s.prev != none {
			before := &b.slots[s.prev]
			if s.number <= before.number {
				return fmt.Errorf("t%d comes after t%d", s.number, before.number)
			}
			if s.deadline < before.deadline {
				return fmt.Errorf("t%d is due before t%d", s.number, before.number)
			}
		}
		if s.number > b.admitted {
			return fmt.Errorf("t%d is inside, %d were admitted", s.number, b.admitted)
		}
		if offered := g.offered(i); offered > g.clock {
			return fmt.Errorf("t%d was offered at %s, it is %s", s.number, offered, g.clock)
		}
	}
	return nil
}

func (g *Gate[T]) checkQueue() error {
	b := &g.inbox
	queued := none
	for i := b.first; i != none; i = b.slots[i].next {
		switch s := &b.slots[i]; {
		case !s.taken && queued == none:
			queued = i
		case s.taken && queued != none:
			return fmt.Errorf("t%d was taken, t%d before it was not", s.number, b.slots[queued].number)
		}
	}
	if b.queued != queued {
		return fmt.Errorf("the queue starts at slot %d, the cursor is at %d", queued, b.queued)
	}
	return nil
}

func (g *Gate[T]) checkUnanswered() error {
	b := &g.inbox
	waiting := none
	for i := b.first; i != none; i = b.slots[i].next {
		switch s := &b.slots[i]; {
		case !s.answered && waiting == none:
			waiting = i
		case s.answered && waiting != none:
			return fmt.Errorf("t%d was answered, t%d before it was not", s.number, b.slots[waiting].number)
		case s.answered && s.deadline > g.clock:
			return fmt.Errorf("t%d was answered, it is due at %s and it is %s", s.number, s.deadline, g.clock)
		}
	}
	if b.waiting != waiting {
		return fmt.Errorf("the unanswered start at slot %d, the cursor is at %d", waiting, b.waiting)
	}
	return nil
}

func (g *Gate[T]) checkRoom() error {
	b := &g.inbox
	bulk := 0
	for i := b.first; i != none; i = b.slots[i].next {
		switch b.slots[i].class {
		case Heartbeat:
		case Bulk:
			bulk++
		default:
			return fmt.Errorf("t%d has class %d", b.slots[i].number, b.slots[i].class)
		}
	}
	switch {
	case b.bulk != bulk:
		return fmt.Errorf("%d inputs are bulk, the count is %d", bulk, b.bulk)
	case bulk > g.bulkShare:
		return fmt.Errorf("%d inputs are bulk, their share is %d", bulk, g.bulkShare)
	}
	return nil
}

func (g *Gate[T]) checkCallers() error {
	b := &g.inbox
	counts := make(map[Caller]int32)
	for i := b.first; i != none; i = b.slots[i].next {
		counts[b.slots[i].caller]++
	}
	// Along the list and not over the map, so that the error is always the same.
	for i := b.first; i != none; i = b.slots[i].next {
		caller := b.slots[i].caller
		if counts[caller] != b.callers[caller] {
			return fmt.Errorf("%s has %d inputs inside, the count is %d", caller, counts[caller], b.callers[caller])
		}
		if int(counts[caller]) > g.cfg.PerHost {
			return fmt.Errorf("%s has %d inputs inside, the cap is %d", caller, counts[caller], g.cfg.PerHost)
		}
	}
	if len(counts) != len(b.callers) {
		return fmt.Errorf("%d callers have inputs inside, %d are counted", len(counts), len(b.callers))
	}
	return nil
}

func (g *Gate[T]) checkEnds() error {
	s := &g.stats
	if s.Admitted != g.inbox.admitted {
		return fmt.Errorf("%d tickets were given, %d inputs admitted", g.inbox.admitted, s.Admitted)
	}
	if ends := s.Settled + s.Dropped + s.Skipped + s.Flushed + uint64(g.inbox.depth); ends != s.Admitted {
		return fmt.Errorf("%d inputs were admitted, %d have ended or are inside", s.Admitted, ends)
	}
	return nil
}

func (g *Gate[T]) checkAnswers() error {
	s := &g.stats
	var waiting uint64
	for i := g.inbox.waiting; i != none; i = g.inbox.slots[i].next {
		waiting++
	}
	requests, answers := s.Offered+s.RefusedOutside, s.Delivered+s.refusals()+s.Accepted
	if requests != answers+waiting {
		return fmt.Errorf("there were %d requests, %d answers, and %d wait", requests, answers, waiting)
	}
	if s.Settled != s.Delivered+s.LateReplies {
		return fmt.Errorf("there were %d replies, %d delivered and %d late", s.Settled, s.Delivered, s.LateReplies)
	}
	return nil
}

func (g *Gate[T]) checkState() error {
	switch {
	case g.state > Closed:
		return fmt.Errorf("the state is %d", g.state)
	case g.state == NotStarted && g.stats.Admitted != 0:
		return errors.New("the gate is not started and has admitted")
	case g.state != Closed && g.stats.Flushed != 0:
		return errors.New("the gate is not closed and has flushed")
	}
	return nil
}

func (g *Gate[T]) checkDrain() error {
	d := &g.drain
	if d.running != (g.inbox.depth > 0) {
		return fmt.Errorf("the busy clock runs: %t, %d inputs are inside", d.running, g.inbox.depth)
	}
	if busy := d.clock(g.clock); busy < 0 || busy > g.clock {
		return fmt.Errorf("the inbox was busy for %s, it is %s", busy, g.clock)
	}
	if g.progress > g.clock {
		return fmt.Errorf("the last progress was at %s, it is %s", g.progress, g.clock)
	}
	if finished, _ := d.measure(g.clock); finished > g.stats.Finished() {
		return fmt.Errorf("%d inputs finished lately, %d in all", finished, g.stats.Finished())
	}
	return nil
}

func (c *calendar) check() error {
	size := c.tail - c.head
	if c.tail < c.head || size > maxReservations || size > uint64(len(c.ring)) {
		return fmt.Errorf("reservations %d to %d are in a ring of %d, the bound is %d", c.head, c.tail, len(c.ring), maxReservations)
	}
	live := 0
	for n := c.head; n < c.tail; n++ {
		p := c.at(n)
		if p.at == 0 {
			continue
		}
		live++
		if found, ok := c.byCaller[p.caller]; !ok || found != n {
			return fmt.Errorf("reservation %d of %s is found as %d", n, p.caller, found)
		}
		if p.at >= c.next+c.widest {
			return fmt.Errorf("reservation %d of %s is for %s, the next instant is %s", n, p.caller, p.at, c.next)
		}
	}
	if live != len(c.byCaller) {
		return fmt.Errorf("%d reservations are in the ring, %d callers have one", live, len(c.byCaller))
	}
	return nil
}
