package sim

import "time"

// event is something that will happen: at an instant of virtual time, to a
// node. Events of one instant happen in the order in which they were made.
//
// It holds no pointer, since a heap moves its elements about all the time, and
// the garbage collector wants to know of every pointer that is moved.
type event struct {
	at  time.Duration
	seq uint64
	// arg is what the kind says it is: a message's slot in the world's pool,
	// the ID of an effect, an index in the scenario.
	arg  uint64
	kind eventKind
	// node is a host's index, or one of the nodes that are no host.
	node int32
	// epoch is the life of the node in which the event was made: what a
	// process planned dies with it.
	epoch uint32
}

// queue is a heap of events by (at, seq) in which every element has four
// children: half the levels of a binary heap, and the children of an element
// lie side by side. It is written out, since an interface call per comparison
// would cost more than the comparison.
type queue struct {
	heap []event
	next uint64
}

func (q *queue) len() int { return len(q.heap) }

// push adds an event and gives it its place among those of its instant.
func (q *queue) push(e event) {
	e.seq = q.next
	q.next++
	q.heap = append(q.heap, e)
	heap := q.heap
	i := len(heap) - 1
	for i > 0 {
		parent := (i - 1) / 4
		if !before(&e, &heap[parent]) {
			break
		}
		heap[i] = heap[parent]
		i = parent
	}
	heap[i] = e
}

// pop removes the next event. The queue must not be empty.
func (q *queue) pop() event {
	first := q.heap[0]
	last := len(q.heap) - 1
	e := q.heap[last]
	heap := q.heap[:last]
	q.heap = heap
	i := 0
	for {
		child := 4*i + 1
		if child >= last {
			break
		}
		least := child
		for c := child + 1; c < min(child+4, last); c++ {
			if before(&heap[c], &heap[least]) {
				least = c
			}
		}
		if !before(&heap[least], &e) {
			break
		}
		heap[i] = heap[least]
		i = least
	}
	if last > 0 {
		heap[i] = e
	}
	return first
}

func before(a, b *event) bool {
	if a.at != b.at {
		return a.at < b.at
	}
	return a.seq < b.seq
}
