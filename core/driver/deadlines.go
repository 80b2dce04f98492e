package driver

import "time"

// deadlines says which waiting poll is to be answered first. Most polls wait
// equally long and so come in the order of their deadlines: those are a queue,
// and only the others are a heap.
//
// A poll that is answered before its time is not searched for. Its entry stays,
// forgets its poll, which may be another driver's by then, and is dropped when it
// comes first; if more than half of all are stale, all of these are dropped.
type deadlines[T any] struct {
	queue []*deadline[T] // from head on, none before the one in front of it
	head  int
	heap  []*deadline[T]
	live  int            // entries that are not stale
	free  []*deadline[T] // to be used again
}

type deadline[T any] struct {
	until  time.Duration
	number uint64      // of the poll, in the order of arrival
	of     *Request[T] // nil: the entry is stale
}

// keepStale is how many entries may be stale before any is looked for.
const keepStale = 64

func (e *deadline[T]) before(o *deadline[T]) bool {
	return e.until < o.until || e.until == o.until && e.number < o.number
}

// push adds a poll.
func (d *deadlines[T]) push(r *Request[T]) {
	d.live++
	e := d.entry()
	*e = deadline[T]{r.poll.until, r.poll.number, r}
	r.poll.deadline = e
	if n := len(d.queue); n == d.head || d.queue[n-1].until <= e.until {
		if n == cap(d.queue) && d.head > n/2 {
			kept := copy(d.queue, d.queue[d.head:])
			clear(d.queue[kept:])
			d.queue, d.head = d.queue[:kept], 0
		}
		d.queue = append(d.queue, e)
		return
	}
	d.heap = append(d.heap, e)
	d.up(len(d.heap) - 1)
}

// remove makes a poll's entry stale, if it has one.
func (d *deadlines[T]) remove(r *Request[T]) {
	e := r.poll.deadline
	if e == nil {
		return
	}
	r.poll.deadline, e.of = nil, nil
	if d.live--; len(d.queue)-d.head+len(d.heap) > 2*d.live+keepStale {
		d.compact()
	}
}

// first returns the poll that is to be answered first; nil if there is none.
func (d *deadlines[T]) first() *Request[T] {
	for d.head < len(d.queue) && d.queue[d.head].of == nil {
		d.free = append(d.free, d.queue[d.head])
		d.queue[d.head] = nil
		d.head++
	}
	if d.head == len(d.queue) {
		d.queue, d.head = d.queue[:0], 0
	}
	for len(d.heap) > 0 && d.heap[0].of == nil {
		d.popHeap()
	}
	switch {
	case d.head < len(d.queue) && (len(d.heap) == 0 || d.queue[d.head].before(d.heap[0])):
		return d.queue[d.head].of
	case len(d.heap) > 0:
		return d.heap[0].of
	}
	return nil
}

// entry returns an entry to be filled in.
func (d *deadlines[T]) entry() *deadline[T] {
	if last := len(d.free) - 1; last >= 0 {
		e := d.free[last]
		d.free[last], d.free = nil, d.free[:last]
		return e
	}
	return new(deadline[T])
}

// compact drops every stale entry.
func (d *deadlines[T]) compact() {
	kept := d.queue[:0]
	for _, e := range d.queue[d.head:] {
		if e.of != nil {
			kept = append(kept, e)
		}
	}
	clear(d.queue[len(kept):])
	d.queue, d.head = kept, 0
	entries := d.heap
	d.heap = d.heap[:0]
	for _, e := range entries {
		if e.of != nil {
			d.heap = append(d.heap, e)
			d.up(len(d.heap) - 1)
		}
	}
	clear(entries[len(d.heap):])
}

func (d *deadlines[T]) popHeap() {
	last := len(d.heap) - 1
	d.free = append(d.free, d.heap[0])
	d.heap[0] = d.heap[last]
	d.heap[last] = nil
	d.heap = d.heap[:last]
	d.down(0)
}

func (d *deadlines[T]) up(i int) {
	for parent := (i - 1) / 2; i > 0 && d.heap[i].before(d.heap[parent]); parent = (i - 1) / 2 {
		d.heap[i], d.heap[parent] = d.heap[parent], d.heap[i]
		i = parent
	}
}

func (d *deadlines[T]) down(i int) {
	for {
		least := i
		for child := 2*i + 1; child <= 2*i+2 && child < len(d.heap); child++ {
			if d.heap[child].before(d.heap[least]) {
				least = child
			}
		}
		if least == i {
			return
		}
		d.heap[i], d.heap[least] = d.heap[least], d.heap[i]
		i = least
	}
}

// all lists the polls that have a deadline, in no order.
func (d *deadlines[T]) all() []*Request[T] {
	var list []*Request[T]
	for _, entries := range [][]*deadline[T]{d.queue[d.head:], d.heap} {
		for _, e := range entries {
			if e.of != nil {
				list = append(list, e.of)
			}
		}
	}
	return list
}
