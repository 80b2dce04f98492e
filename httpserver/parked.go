package httpserver

import (
	"slices"
	"time"

	"github.com/refrain-fleet/refrain/core/gate"
	"github.com/refrain-fleet/refrain/core/plane"
	"github.com/refrain-fleet/refrain/core/wire"
)

// parked is an input whose reply waits for the disk.
type parked struct {
	taken   gate.Taken[*pending]
	input   plane.Input
	outcome wire.Outcome
	needs   wire.Seq // the last entry of the log that has to be durable
}

// park lets the reply to the i-th input of the batch wait until an entry of the
// log is durable. It returns the time.
func (a *admission) park(i int, needs wire.Seq, reply *wire.Outcome) time.Time {
	a.mu.Lock()
	defer a.mu.Unlock()
	if p := a.inside[i].Payload; p != nil { // not abandoned
		a.parked = append(a.parked, parked{a.inside[i], p.input, *reply, needs})
		a.inside[i].Payload = nil
	}
	return a.clock.Now()
}

// settleParked delivers the replies that waited for entries up to durable, in
// the order of their steps. Those that drop picks it lets go of.
func (a *admission) settleParked(durable wire.Seq, drop func(plane.Input) bool) {
	for i := range a.parked {
		p := &a.parked[i]
		if p.needs > durable {
			continue
		}
		dropped := drop(p.input)
		a.mu.Lock()
		if dropped {
			a.dropLocked(&p.taken, true)
		} else {
			a.settleLocked(&p.taken, &p.outcome, a.now())
		}
		a.mu.Unlock()
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.parked = slices.DeleteFunc(a.parked, func(p parked) bool { return p.needs <= durable })
}
