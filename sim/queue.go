package sim

import (
	"math/bits"
	"time"
)

// event is something that will happen: at an instant of virtual time, to a
// node. Events of one instant happen in the order in which they were made.
type event struct {
	at   time.Duration // not below 0
	kind eventKind
	// node is a host's index, or one of the nodes that are no host.
	node int32
	// epoch is the life of the node in which the event was made: what a
	// process planned dies with it.
	epoch uint32
	// arg is what the kind says it is: a message's slot in the world's pool,
	// the ID of an effect, an index in the scenario.
	arg uint64
}

// queued is an event in the queue. It is 32 bytes without a pointer: a heap
// moves its elements about all the time, and the garbage collector wants to
// know of every pointer that is moved.
type queued struct {
	at    time.Duration
	order uint64 // the event's place among all, and below it its kind
	arg   uint64
	node  int32
	epoch uint32
}

const kindBits = 8 // of order

// queue is the events to come, by (at, order). It is a heap in which every
// element has four children, and in front of it a place for the very next
// event: a step is planned a few microseconds ahead, when nothing else is due.
// It is written out, since a call per comparison would cost more than the
// comparison.
type queue struct {
	front    queued // comes before everything in heap
	hasFront bool
	heap     []queued
	next     uint64
}

func (q *queue) len() int {
	if q.hasFront {
		return len(q.heap) + 1
	}
	return len(q.heap)
}

// push adds an event and gives it its place among those of its instant.
func (q *queue) push(e event) {
	n := queued{at: e.at, order: q.next<<kindBits | uint64(e.kind), arg: e.arg, node: e.node, epoch: e.epoch}
	q.next++
	switch {
	case q.hasFront:
		if before(&n, &q.front) == 1 {
			n, q.front = q.front, n
		}
	case len(q.heap) == 0 || before(&n, &q.heap[0]) == 1:
		q.front, q.hasFront = n, true
		return
	}
	q.heap = append(q.heap, n)
	q.up(len(q.heap)-1, &n)
}

// up moves the gap at i towards the root until n fits in.
func (q *queue) up(i int, n *queued) {
	heap := q.heap
	for i > 0 {
		parent := (i - 1) / 4
		if before(n, &heap[parent]) == 0 {
			break
		}
		heap[i] = heap[parent]
		i = parent
	}
	heap[i] = *n
}

// pop removes the next event. The queue must not be empty.
func (q *queue) pop() event {
	if q.hasFront {
		q.hasFront = false
		return q.front.event()
	}
	first := q.heap[0].event()
	last := len(q.heap) - 1
	n := q.heap[last]
	q.heap = q.heap[:last]
	if last == 0 {
		return first
	}
	// The gap goes down to a leaf, and n, which was a leaf, up from there: that
	// takes fewer comparisons than asking on every level whether n fits in.
	heap := q.heap
	i := 0
	for {
		child := 4*i + 1
		if child+4 > last {
			if child >= last {
				break
			}
			least := child
			for c := child + 1; c < last; c++ {
				if before(&heap[c], &heap[least]) == 1 {
					least = c
				}
			}
			heap[i] = heap[least]
			i = least
			break
		}
		// Which of the four is the least cannot be foreseen, so it is computed
		// without a branch.
		four := heap[child : child+4 : child+4]
		a := before(&four[1], &four[0])
		b := 2 + before(&four[3], &four[2])
		least := a + (b-a)*before(&four[b&3], &four[a&3])
		heap[i] = four[least&3]
		i = child + int(least)
	}
	q.up(i, &n)
	return first
}

// before is 1 if a comes before b, and 0 otherwise.
func before(a, b *queued) uint64 {
	_, less := bits.Sub64(a.order, b.order, 0)
	_, less = bits.Sub64(uint64(a.at), uint64(b.at), less)
	return less
}

func (n *queued) event() event {
	return event{at: n.at, kind: eventKind(n.order & (1<<kindBits - 1)), node: n.node, epoch: n.epoch, arg: n.arg}
}
