package world

import (
	"cmp"
	"math/bits"
	"slices"
	"time"
)

// queued is a timer in the queue. It is 32 bytes without a pointer: a heap
// moves its elements about all the time, and the garbage collector wants to
// know of every pointer that is moved.
type queued struct {
	at    time.Duration
	order uint64 // the timer's place among all, and below it its kind
	arg   uint64
	node  int32
	epoch uint32
}

const kindBits = 8 // of order

// queue is the timers to come, by (at, order): a wheel of time in three parts.
// What is due within the slot of time that has begun is in a small heap, near,
// and in front of it is a place for the very next event: a step is planned a few
// microseconds ahead, when nothing else is due. What is due within the wheel's
// turn lies in its slot, in no order; most timers do, and so cost nothing until
// their time has come, however many there are. The rest is in a heap of its own,
// far. A slot is as wide as a few hundred timers of a thousand hosts, and a turn
// is longer than the interval of heartbeats.
type queue struct {
	front    queued // comes before everything else
	hasFront bool
	near     heap // of the slot that has begun, or earlier

	slot  int64      // the number of the slot that has begun
	slots [][]queued // by number modulo turn; made when the first is used
	used  [turn / 64]uint64
	spare [][]queued // emptied slots, to be used again

	far  heap // beyond the turn when it was pushed
	size int
	next uint64
}

const (
	slotBits = 26   // of nanoseconds: 67 ms
	turn     = 2048 // slots: 137 s
)

func (q *queue) len() int { return q.size }

// push adds a timer and gives it its place among those of its instant.
func (q *queue) push(e Timer) {
	n := queued{at: e.at, order: q.next<<kindBits | uint64(e.kind), arg: e.arg, node: e.node, epoch: e.epoch}
	q.next++
	q.size++
	switch slot := int64(e.at) >> slotBits; {
	case slot >= q.slot+turn:
		q.far.push(&n)
	case slot > q.slot:
		q.putOff(slot, &n)
	case q.hasFront:
		if before(&n, &q.front) == 1 {
			n, q.front = q.front, n
		}
		q.near.push(&n)
	case len(q.near) == 0 || before(&n, &q.near[0]) == 1:
		q.front, q.hasFront = n, true
	default:
		q.near.push(&n)
	}
}

// putOff puts a timer into a slot of the wheel.
func (q *queue) putOff(slot int64, n *queued) {
	if q.slots == nil {
		q.slots = make([][]queued, turn)
	}
	at := slot % turn
	if q.slots[at] == nil {
		q.used[at/64] |= 1 << (at % 64)
		if last := len(q.spare) - 1; last >= 0 {
			q.slots[at], q.spare = q.spare[last], q.spare[:last]
		}
	}
	q.slots[at] = append(q.slots[at], *n)
}

// pop removes the next timer. The queue must not be empty.
func (q *queue) pop() Timer {
	q.size--
	if q.hasFront {
		q.hasFront = false
		return q.front.timer()
	}
	if len(q.near) == 0 {
		q.begin()
	}
	first := q.near.pop()
	return first.timer()
}

// all returns every timer that is to come, in no order.
func (q *queue) all() []queued {
	list := make([]queued, 0, q.size)
	if q.hasFront {
		list = append(list, q.front)
	}
	list = append(append(list, q.near...), q.far...)
	for _, slot := range q.slots {
		list = append(list, slot...)
	}
	return list
}

// move gives every timer the instant that at returns for it, which may be earlier
// than its own and not earlier than now. Timers of one instant keep their order.
func (q *queue) move(at func(Timer) time.Duration) {
	all := q.all()
	slices.SortFunc(all, func(a, b queued) int { return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.order, b.order)) })
	*q = queue{slot: q.slot, next: q.next}
	for i := range all {
		t := all[i].timer()
		t.at = at(t)
		q.push(t)
	}
}

// begin begins the next slot in which anything is due: near, which is empty,
// takes what is due there.
func (q *queue) begin() {
	next, there := q.nextUsed()
	if len(q.far) > 0 {
		if slot := int64(q.far[0].at) >> slotBits; !there || slot < next {
			next = slot
		}
	}
	q.slot = next
	if at := next % turn; q.used[at/64]&(1<<(at%64)) != 0 {
		q.near = append(q.near, q.slots[at]...)
		q.spare = append(q.spare, q.slots[at][:0])
		q.slots[at] = nil
		q.used[at/64] &^= 1 << (at % 64)
	}
	for len(q.far) > 0 && int64(q.far[0].at)>>slotBits == next {
		q.near = append(q.near, q.far.pop())
	}
	q.near.order()
}

// nextUsed returns the number of the first slot of the wheel that has
// something.
func (q *queue) nextUsed() (int64, bool) {
	at := (q.slot + 1) % turn
	word := q.used[at/64] >> (at % 64)
	for passed := int64(0); passed < turn; {
		if word != 0 {
			return q.slot + 1 + passed + int64(bits.TrailingZeros64(word)), true
		}
		passed += 64 - (at+passed)%64
		word = q.used[(at+passed)%turn/64]
	}
	return 0, false
}

// before is 1 if a comes before b, and 0 otherwise.
func before(a, b *queued) uint64 {
	_, less := bits.Sub64(a.order, b.order, 0)
	_, less = bits.Sub64(uint64(a.at), uint64(b.at), less)
	return less
}

func (n *queued) timer() Timer {
	return Timer{at: n.at, kind: timerKind(n.order & (1<<kindBits - 1)), node: n.node, epoch: n.epoch, arg: n.arg}
}
