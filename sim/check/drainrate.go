package check

import (
	"fmt"
	"time"

	"github.com/refrain-fleet/refrain/sim/world"
)

// drainRate is how fast the inbox drains, by what was seen of it (PROTOCOL G4). It
// has a clock of its own, which runs only while a request is in the inbox, and keeps
// when inputs finished by that clock.
//
// The plane looks back on the last 7 to 8 s: it counts in seconds, of which the last
// is not over. So of the distance of two slots, the time looked back on over the
// number of inputs that finished in it, no more is known than that it lies between
// two bounds. The shortest is 7 s over what finished in 8 s, the longest 8 s over
// what finished in 7 s. What finishes at the instant at which a slot is given may
// count or not.
type drainRate struct {
	busy    time.Duration // its clock, until since
	since   time.Duration // when the inbox came to have something in it
	running bool
	ends    []finish // of the last 8 s, in order
	// counted is what was counted last, for people.
	counted distances
}

// finish is the end of one input.
type finish struct{ busy, at time.Duration }

// distances bound how far two slots are apart.
type distances struct {
	near, far   time.Duration
	most, least int // how many inputs finished in the longer and the shorter time
}

// Over how much of its clock the rate is measured.
const shortLook, longLook = 7 * time.Second, 8 * time.Second

func (d *drainRate) clock(now time.Duration) time.Duration {
	if d.running {
		return d.busy + now - d.since
	}
	return d.busy
}

// fills: the inbox is no longer empty.
func (d *drainRate) fills(now time.Duration) { d.since, d.running = now, true }

// finished: an input has left the inbox, after the reducer worked on it unless it
// was skipped, and the inbox may be empty now.
func (d *drainRate) finished(now time.Duration, worked, empty bool) {
	clock := d.clock(now)
	for len(d.ends) > 0 && d.ends[0].busy < clock-longLook {
		d.ends = d.ends[1:]
	}
	if worked {
		d.ends = append(d.ends, finish{clock, now})
	}
	if empty {
		d.busy, d.running = clock, false
	}
}

// distance is how far the slot that is given now is from the next one.
func (d *drainRate) distance(w *world.World, now time.Duration) distances {
	clock := d.clock(now)
	long, short := max(min(longLook, clock), time.Second), max(min(shortLook, clock), time.Second)
	var c distances
	for _, end := range d.ends {
		if end.busy >= clock-long {
			c.most++
		}
		if end.busy > clock-short && end.at < now {
			c.least++
		}
	}
	quickest := time.Second / time.Duration(w.Capacity())
	slowest := min(w.Scenario().Fleet.Interval/time.Duration(w.Capacity()), time.Second)
	c.near, c.far = slowest, slowest // while nothing has finished
	if c.most > 0 {
		c.near = min(max(short/time.Duration(c.most), quickest), slowest)
	}
	if c.least > 0 {
		c.far = min(max(long/time.Duration(c.least), quickest), slowest)
	}
	d.counted = c
	return c
}

// String says what the inbox was measured to do when the last slot was given.
func (d *drainRate) String() string {
	return fmt.Sprintf("in the last 7 to 8 s in which the inbox was not empty, from %d to %d inputs finished", d.counted.least, d.counted.most)
}
