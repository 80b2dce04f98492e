package gate

import "time"

// none is no slot.
const none int32 = -1

// slot is one place of the inbox.
type slot[T any] struct {
	payload  T
	caller   Caller
	number   uint64 // of the ticket; 0 while the slot is free
	deadline time.Duration
	next     int32 // the input admitted after this one; the next free slot
	prev     int32 // the input admitted before this one
	class    Class
	taken    bool
	answered bool
	accepted bool // at its deadline the answer is Accepted, see [Gate.Accept]
}

// inbox holds the inputs in a fixed array of slots. They form one doubly linked
// list in order of admission. Since inputs are taken in that order, and expire
// in that order too (the reply timeout is the same for all), both the queued
// and the unanswered inputs are always a tail of the list, and a cursor to the
// first of each is all that the queue and the deadlines need.
type inbox[T any] struct {
	slots    []slot[T]
	free     int32 // first free slot
	first    int32 // oldest input
	last     int32 // newest input
	queued   int32 // oldest input that was not taken
	waiting  int32 // oldest input that was not answered
	depth    int
	bulk     int    // bulk inputs of depth
	admitted uint64 // number of the newest ticket
	callers  map[Caller]int32
}

func makeInbox[T any](capacity int) inbox[T] {
	b := inbox[T]{
		slots: make([]slot[T], capacity),
		first: none, last: none, queued: none, waiting: none,
		callers: make(map[Caller]int32),
	}
	for i := range b.slots {
		b.slots[i].next = int32(i) + 1
	}
	b.slots[capacity-1].next = none
	return b
}

// admit puts an input at the end. There must be a free slot.
func (b *inbox[T]) admit(caller Caller, inside int32, class Class, deadline time.Duration, payload T) Ticket {
	i := b.free
	s := &b.slots[i]
	b.free = s.next
	b.admitted++
	s.payload, s.caller, s.class = payload, caller, class
	s.number, s.deadline = b.admitted, deadline
	s.taken, s.answered, s.accepted = false, false, false
	s.prev, s.next = b.last, none
	if b.last == none {
		b.first = i
	} else {
		b.slots[b.last].next = i
	}
	b.last = i
	if b.queued == none {
		b.queued = i
	}
	if b.waiting == none {
		b.waiting = i
	}
	b.depth++
	if class == Bulk {
		b.bulk++
	}
	b.callers[caller] = inside + 1
	return Ticket{number: s.number, slot: i}
}

// find returns the input of a ticket, or nil if it is not inside.
func (b *inbox[T]) find(t Ticket) *slot[T] {
	if t.number == 0 || int(t.slot) >= len(b.slots) || b.slots[t.slot].number != t.number {
		return nil
	}
	return &b.slots[t.slot]
}

// take marks the oldest queued input, which must exist, as taken.
func (b *inbox[T]) take() (Ticket, *slot[T]) {
	i := b.queued
	s := &b.slots[i]
	s.taken = true
	b.queued = s.next
	return Ticket{number: s.number, slot: i}, s
}

// answer marks the oldest unanswered input, which must exist, as answered.
func (b *inbox[T]) answer() (Ticket, *slot[T]) {
	i := b.waiting
	s := &b.slots[i]
	s.answered = true
	b.waiting = s.next
	return Ticket{number: s.number, slot: i}, s
}

// release frees slot i, whose input is finished.
func (b *inbox[T]) release(i int32) {
	s := &b.slots[i]
	if b.queued == i {
		b.queued = s.next
	}
	if b.waiting == i {
		b.waiting = s.next
	}
	if s.prev == none {
		b.first = s.next
	} else {
		b.slots[s.prev].next = s.next
	}
	if s.next == none {
		b.last = s.prev
	} else {
		b.slots[s.next].prev = s.prev
	}
	b.depth--
	if s.class == Bulk {
		b.bulk--
	}
	if inside := b.callers[s.caller]; inside > 1 {
		b.callers[s.caller] = inside - 1
	} else {
		delete(b.callers, s.caller)
	}
	*s = slot[T]{next: b.free} // drops the payload and the caller
	b.free = i
}
