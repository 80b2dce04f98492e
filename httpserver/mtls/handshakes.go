package mtls

import (
	"slices"
	"sync"
	"time"
)

const (
	// maxHandshakes is how many handshakes run at a time. One has a slot from its
	// first byte until the client's certificates are verified, so for about a round
	// trip, and for as long as net/http lets it take.
	maxHandshakes = 256
	// maxHandshakesOfAddress is the same for one address.
	maxHandshakesOfAddress = 32
)

// handshakes are the slots of handshakes. Who gets none waits; a slot that becomes
// free goes to the addresses in turn, and to the first one waiting of an address, so
// that an address with many waits longer and the others do not.
type handshakes struct {
	max, maxOfAddress int

	mu        sync.Mutex
	running   int
	waiting   int
	addresses map[addressKey]*handshakesOf
	turns     []*handshakesOf // those with waiting ones, the next first
}

// handshakesOf are the handshakes of an address.
type handshakesOf struct {
	running int
	waiting []*waiter // the first one first
}

// waiter waits for a slot. granted is closed when it has one.
type waiter struct{ granted chan struct{} }

func newHandshakes() *handshakes {
	return &handshakes{max: maxHandshakes, maxOfAddress: maxHandshakesOfAddress, addresses: make(map[addressKey]*handshakesOf)}
}

// acquire waits for a slot until the deadline of the connection or its end.
func (h *handshakes) acquire(p *peer) error {
	w := h.enter(p.key)
	var expired <-chan time.Time
	if deadline := p.deadline.Load(); deadline != nil {
		timer := time.NewTimer(time.Until(*deadline))
		defer timer.Stop()
		expired = timer.C
	}
	select {
	case <-w.granted:
		p.running.Store(true)
		if isClosed(p) { // its end found no slot to give back
			h.release(p)
		}
		return nil
	case <-expired:
	case <-p.closed:
	}
	h.abandon(p.key, w)
	return errBusy
}

func isClosed(p *peer) bool {
	select {
	case <-p.closed:
		return true
	default:
		return false
	}
}

// enter begins to wait for a slot, which may be granted at once.
func (h *handshakes) enter(key addressKey) *waiter {
	h.mu.Lock()
	defer h.mu.Unlock()
	of := h.addresses[key]
	if of == nil {
		of = new(handshakesOf)
		h.addresses[key] = of
	}
	w := &waiter{granted: make(chan struct{})}
	if len(of.waiting) == 0 {
		h.turns = append(h.turns, of)
	}
	of.waiting = append(of.waiting, w)
	h.waiting++
	h.grant()
	return w
}

// grant gives free slots to those whose turn it is; mu must be held.
func (h *handshakes) grant() {
	for i := 0; i < len(h.turns) && h.running < h.max; {
		of := h.turns[i]
		if of.running >= h.maxOfAddress {
			i++
			continue
		}
		close(of.waiting[0].granted)
		of.waiting = of.waiting[1:]
		of.running++
		h.running++
		h.waiting--
		h.turns = slices.Delete(h.turns, i, i+1)
		if len(of.waiting) > 0 {
			h.turns = append(h.turns, of)
		}
	}
}

// release gives the slot of a connection back, if it has one.
func (h *handshakes) release(p *peer) {
	if p.running.Swap(false) {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.free(p.key)
	}
}

// free gives a slot back; mu must be held.
func (h *handshakes) free(key addressKey) {
	of := h.addresses[key]
	of.running--
	h.running--
	h.grant()
	h.forget(key, of)
}

// abandon ends the wait of w, which may have been granted a slot meanwhile.
func (h *handshakes) abandon(key addressKey, w *waiter) {
	h.mu.Lock()
	defer h.mu.Unlock()
	of := h.addresses[key]
	i := slices.Index(of.waiting, w)
	if i < 0 {
		h.free(key)
		return
	}
	of.waiting = slices.Delete(of.waiting, i, i+1)
	h.waiting--
	if len(of.waiting) == 0 {
		h.turns = slices.DeleteFunc(h.turns, func(other *handshakesOf) bool { return other == of })
	}
	h.forget(key, of)
}

// forget drops an address without handshakes; mu must be held.
func (h *handshakes) forget(key addressKey, of *handshakesOf) {
	if of.running == 0 && len(of.waiting) == 0 {
		delete(h.addresses, key)
	}
}

// counts returns how many handshakes run and wait.
func (h *handshakes) counts() (running, waiting int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.running, h.waiting
}
