package world

// pool hands out messages and takes back those that nobody holds any more, so
// that a run makes as many as there are at a time and not as there ever were.
//
// Who holds a message: every timer about it, and the plane's gate, from its
// admission until its input is finished. A message that nobody holds any more
// is good until the end of the step. What a gate holds whose process ends is
// not taken back; it goes when the world goes.
type pool struct {
	slots    []*Message
	free     []uint32
	released []*Message // in this step
}

// take returns an empty message that nobody holds yet.
func (p *pool) take() *Message {
	if last := len(p.free) - 1; last >= 0 {
		m := p.slots[p.free[last]]
		p.free = p.free[:last]
		return m
	}
	m := &Message{slot: uint32(len(p.slots))}
	p.slots = append(p.slots, m)
	return m
}

// twin returns a copy of a message that was not sent yet.
func (p *pool) twin(m *Message) *Message {
	t := p.take()
	slot := t.slot
	*t = *m
	t.slot, t.holds = slot, 0
	return t
}

// hold adds a hold.
func (p *pool) hold(m *Message) { m.holds++ }

// release ends a hold.
func (p *pool) release(m *Message) {
	m.holds--
	switch {
	case m.holds == 0:
		p.released = append(p.released, m)
	case m.holds < 0:
		panic("world: a message is released that nobody holds")
	}
}

// sweep takes back what was released in a step and is not held again.
func (p *pool) sweep() {
	for _, m := range p.released {
		if m.holds == 0 {
			*m = Message{slot: m.slot}
			p.free = append(p.free, m.slot)
		}
	}
	p.released = p.released[:0]
}
