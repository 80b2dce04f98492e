package logging

import (
	"sync"
	"time"

	"github.com/benbjohnson/clock"
)

// Throttle allows a number of log lines a second of each kind and counts the
// others. A kind that had more than that in one second has one line in each
// second that follows, until a second passes that has no more than the number.
type Throttle[K comparable] struct {
	clock clock.Clock
	burst int

	mu    sync.Mutex
	kinds map[K]*throttled
}

// throttled is a kind, and the second that began with the first line in it.
type throttled struct {
	start      time.Time
	lines      int
	flooded    bool // the second before had too many
	suppressed uint64
}

// NewThrottle makes a throttle that allows burst lines a second of each kind.
func NewThrottle[K comparable](c clock.Clock, burst int) *Throttle[K] {
	return &Throttle[K]{clock: c, burst: burst, kinds: make(map[K]*throttled)}
}

// Allow reports whether a line of a kind may be written now. If so, suppressed
// is how many were not since the last one; if not, first says whether this is
// the first of them.
func (t *Throttle[K]) Allow(kind K) (suppressed uint64, ok, first bool) {
	now := t.clock.Now()
	t.mu.Lock()
	defer t.mu.Unlock()
	k := t.kinds[kind]
	if k == nil {
		k = &throttled{start: now}
		t.kinds[kind] = k
	} else if since := now.Sub(k.start); since >= time.Second {
		k.flooded = since < 2*time.Second && k.lines > t.burst
		k.start, k.lines = now, 0
	}
	limit := t.burst
	if k.flooded {
		limit = 1
	}
	if k.lines++; k.lines > limit {
		k.suppressed++
		return 0, false, k.suppressed == 1
	}
	return k.take(), true, false
}

func (k *throttled) take() uint64 {
	suppressed := k.suppressed
	k.suppressed = 0
	return suppressed
}

// Leftover returns how many lines of a kind were suppressed in a second that is
// over, if no line was allowed since, which would have said so.
func (t *Throttle[K]) Leftover(kind K) uint64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	if k := t.kinds[kind]; k != nil && t.clock.Since(k.start) >= time.Second {
		return k.take()
	}
	return 0
}

// Leftovers returns how many lines were suppressed and not said to be, by kind.
func (t *Throttle[K]) Leftovers() map[K]uint64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	left := map[K]uint64{}
	for kind, k := range t.kinds {
		if n := k.take(); n > 0 {
			left[kind] = n
		}
	}
	return left
}
