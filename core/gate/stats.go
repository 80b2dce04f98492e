package gate

import (
	"fmt"
	"strings"

	"github.com/refrain-fleet/refrain/core/wire"
)

// Stats counts what a gate has done since New. Counters only grow.
type Stats struct {
	// Offered is the number of offers; Admitted of them have become inputs.
	Offered  uint64
	Admitted uint64
	// Taken is the number of inputs that were handed to the reducer.
	Taken uint64
	// Settled and Dropped are the ways in which an input finishes; Skipped ones
	// were taken when they were late, and not worked on; Flushed ones leave
	// without having been taken.
	Settled uint64
	Dropped uint64
	Skipped uint64
	Flushed uint64
	// Delivered and LateReplies are the two ends of a reply: LateReplies were
	// discarded since they came at or after their deadline (PROTOCOL G2).
	// Together they are Settled.
	Delivered   uint64
	LateReplies uint64
	// Refused counts the 503 answers, by reason, in the order of
	// [wire.UnavailableCodes] (PROTOCOL G8). See [Stats.RefusedWith].
	Refused [len(wire.UnavailableCodes)]uint64
	// Accepted counts the inputs that were answered so at their deadline, see
	// [Gate.Accept].
	Accepted uint64
	// RefusedByCap and RefusedByReserve are those of the offers refused
	// saturated whose caller was at its cap (PROTOCOL G6), and those that were
	// bulk and found only the heartbeats' reserve free (G5). The rest found the
	// inbox full.
	RefusedByCap     uint64
	RefusedByReserve uint64
	// RefusedOutside is the number of refusals by [Gate.Refuse].
	RefusedOutside uint64
	// ClockReversals is the number of calls whose now was before an earlier
	// call's. Each is a defect of the driver.
	ClockReversals uint64
}

// RefusedWith returns the number of answers with one of the seven 503 codes; 0
// for every other code.
func (s Stats) RefusedWith(code wire.Code) uint64 {
	if !code.Unavailable() {
		return 0
	}
	return s.Refused[code-wire.NotStarted]
}

// Finished returns the number of inputs that the reducer is done with.
func (s Stats) Finished() uint64 { return s.Settled + s.Dropped }

// refusals is the number of 503 answers.
func (s Stats) refusals() uint64 {
	var sum uint64
	for _, n := range s.Refused {
		sum += n
	}
	return sum
}

// String describes the counters that are not 0 in one line.
func (s Stats) String() string {
	var b strings.Builder
	write := func(name string, n uint64) {
		if n != 0 {
			fmt.Fprintf(&b, " %s=%d", name, n)
		}
	}
	write("offered", s.Offered)
	write("admitted", s.Admitted)
	write("taken", s.Taken)
	write("settled", s.Settled)
	write("dropped", s.Dropped)
	write("skipped", s.Skipped)
	write("flushed", s.Flushed)
	write("delivered", s.Delivered)
	write("late_replies", s.LateReplies)
	for i, code := range wire.UnavailableCodes {
		write(code.String(), s.Refused[i])
	}
	write("accepted", s.Accepted)
	write("by_cap", s.RefusedByCap)
	write("by_reserve", s.RefusedByReserve)
	write("outside", s.RefusedOutside)
	write("clock_reversals", s.ClockReversals)
	if b.Len() == 0 {
		return "nothing"
	}
	return b.String()[1:]
}
