package sim

import "time"

// event is something that will happen: at an instant of virtual time, to a
// node. Events of one instant happen in the order in which they were made.
type event struct {
	at   time.Duration
	seq  uint64
	kind eventKind
	// node is a host's index, or one of the nodes that are no host.
	node int32
	// epoch is the life of the node in which the event was made: what a
	// process planned dies with it.
	epoch uint32
	// arg is what the kind says it is.
	arg uint64
	msg *message
}

// queue is a binary heap of events by (at, seq). It is written out, since an
// interface call per comparison would cost more than the comparison.
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
	i := len(q.heap) - 1
	for i > 0 {
		parent := (i - 1) / 2
		if !before(&e, &q.heap[parent]) {
			break
		}
		q.heap[i] = q.heap[parent]
		i = parent
	}
	q.heap[i] = e
}

// pop removes the next event. The queue must not be empty.
func (q *queue) pop() event {
	first := q.heap[0]
	last := len(q.heap) - 1
	e := q.heap[last]
	q.heap[last] = event{}
	q.heap = q.heap[:last]
	if last == 0 {
		return first
	}
	i := 0
	for {
		child := 2*i + 1
		if child >= last {
			break
		}
		if child+1 < last && before(&q.heap[child+1], &q.heap[child]) {
			child++
		}
		if !before(&q.heap[child], &e) {
			break
		}
		q.heap[i] = q.heap[child]
		i = child
	}
	q.heap[i] = e
	return first
}

func before(a, b *event) bool {
	if a.at != b.at {
		return a.at < b.at
	}
	return a.seq < b.seq
}
