package world

// heap is a heap of events by (at, order) in which every element has four
// children. It is written out, since a call per comparison would cost more than
// the comparison.
type heap []queued

// push adds an event.
func (h *heap) push(n *queued) {
	*h = append(*h, queued{})
	h.up(len(*h)-1, n)
}

// up moves the gap at i towards the root until n fits in.
func (h heap) up(i int, n *queued) {
	for i > 0 {
		parent := (i - 1) / 4
		if before(n, &h[parent]) == 0 {
			break
		}
		h[i] = h[parent]
		i = parent
	}
	h[i] = *n
}

// pop removes the first event. The heap must not be empty.
func (h *heap) pop() queued {
	first := (*h)[0]
	last := len(*h) - 1
	n := (*h)[last]
	*h = (*h)[:last]
	if last > 0 {
		// The gap goes down to a leaf, and n, which was a leaf, up from there:
		// that takes fewer comparisons than asking on every level whether n
		// fits in.
		h.up(h.down(0), &n)
	}
	return first
}

// down moves the gap at i to a leaf and returns where it is then.
func (h heap) down(i int) int {
	last := len(h)
	for {
		child := 4*i + 1
		if child+4 > last {
			if child >= last {
				return i
			}
			least := child
			for c := child + 1; c < last; c++ {
				if before(&h[c], &h[least]) == 1 {
					least = c
				}
			}
			h[i] = h[least]
			return least
		}
		// Which of the four is the least cannot be foreseen, so it is computed
		// without a branch.
		four := h[child : child+4 : child+4]
		a := before(&four[1], &four[0])
		b := 2 + before(&four[3], &four[2])
		least := a + (b-a)*before(&four[b&3], &four[a&3])
		h[i] = four[least&3]
		i = child + int(least)
	}
}

// order makes a heap of events in any order.
func (h heap) order() {
	for i := (len(h) - 2) / 4; i >= 0 && len(h) > 1; i-- {
		n := h[i]
		gap := i
		for {
			child := 4*gap + 1
			if child >= len(h) {
				break
			}
			least := child
			for c := child + 1; c < min(child+4, len(h)); c++ {
				if before(&h[c], &h[least]) == 1 {
					least = c
				}
			}
			if before(&h[least], &n) == 0 {
				break
			}
			h[gap] = h[least]
			gap = least
		}
		h[gap] = n
	}
}
