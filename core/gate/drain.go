package gate

import "time"

const (
	// drainWindow is the length of a window, by the busy clock.
	drainWindow = time.Second
	// drainWindows is the number of windows that are looked back.
	drainWindows = 8
)

// drain measures how fast inputs finish while there are any. It has a clock of
// its own, the busy clock, which runs only while the inbox is not empty, and
// counts finishes in windows of one second of it. A long idle time therefore
// does not make the plane look slow, and a wedge does, second by second.
//
// Reading the pace changes nothing. So a gate's answers do not depend on how
// often the pace is read.
type drain struct {
	busy    time.Duration // the busy clock, up to since
	since   time.Duration // when the inbox became non-empty, if running
	running bool
	newest  int64                // the window that was counted in last
	counts  [drainWindows]uint64 // by window modulo drainWindows
}

// fill says that the inbox became non-empty.
func (d *drain) fill(now time.Duration) { d.since, d.running = now, true }

// empty says that the inbox became empty.
func (d *drain) empty(now time.Duration) { d.busy, d.running = d.clock(now), false }

// clock reads the busy clock.
func (d *drain) clock(now time.Duration) time.Duration {
	if d.running {
		return d.busy + now - d.since
	}
	return d.busy
}

// finish counts one finished input. It must be called before the inbox is
// declared empty.
func (d *drain) finish(now time.Duration) {
	window := int64(d.clock(now) / drainWindow)
	for w := max(d.newest+1, window-drainWindows+1); w <= window; w++ {
		d.counts[w%drainWindows] = 0
	}
	d.newest = window
	d.counts[window%drainWindows]++
}

// measure returns the number of inputs that finished in the last windows, the
// running one included, and the length of these windows. A length below one
// window counts as one, so that the first few inputs after a start, which say
// little, do not make the plane look fast.
func (d *drain) measure(now time.Duration) (finished uint64, span time.Duration) {
	clock := d.clock(now)
	window := int64(clock / drainWindow)
	oldest := max(0, window-drainWindows+1)
	for w := oldest; w <= d.newest; w++ {
		finished += d.counts[w%drainWindows]
	}
	return finished, max(clock-time.Duration(oldest)*drainWindow, drainWindow)
}

// pace bounds the distance of two reservations in the calendar.
type pace struct{ quickest, slowest time.Duration }

// paceOf derives the bounds from the configuration:
//
//   - quickest is one inbox-full a second. Retry-After has whole seconds, so
//     all callers that are refused in one instant and given the same second
//     come back in one instant; more than an inbox-full of them would be
//     refused again, however fast the reducer is.
//   - slowest is one inbox-full in MaxRetryAfter, and never slower than one a
//     second. It holds before anything was measured and during a wedge: the
//     callers are spread over the whole calendar, and one sweep of it does not
//     overfill the inbox even if nothing finishes meanwhile.
func paceOf(cfg Config) pace {
	return pace{
		quickest: time.Second / time.Duration(cfg.Capacity),
		slowest:  min(cfg.MaxRetryAfter/time.Duration(cfg.Capacity), time.Second),
	}
}

// gap is the distance of two reservations in the calendar now: the time that
// one input takes by the measured drain, within the bounds.
func (p pace) gap(d *drain, now time.Duration) time.Duration {
	finished, span := d.measure(now)
	if finished == 0 {
		return p.slowest
	}
	return min(max(span/time.Duration(finished), p.quickest), p.slowest)
}
