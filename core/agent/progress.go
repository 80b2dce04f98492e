package agent

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/refrain-fleet/refrain/core/rollout"
	"github.com/refrain-fleet/refrain/core/wire"
)

// logged is an event of the log.
type logged struct {
	event wire.Event
	// refused says that the plane does not take it (PROTOCOL E7).
	refused bool
}

// retracted reports whether the event no longer counts for the agent's own
// record. A refused Converged does not: it may be tried again later (E7). Any
// other refused event stays true, since the agent decides what is true of its
// host.
func (l *logged) retracted() bool {
	return l.refused && l.event.Body.Kind() == wire.KindConverged
}

// progress is what the agent knows of one rollout.
type progress struct {
	// Durable.
	channel  wire.Channel
	taken    Taken
	log      []logged // by rising number
	acked    wire.Seq // every event up to this one has its final answer
	reserved wire.Seq // the numbers up to this one may not be used any more
	// superseded says that a newer rollout of the channel was taken up. What
	// is not acknowledged is still sent, and nothing new is done.
	superseded bool

	// Derived: taken.Record with the events of the log.
	rec      rollout.Record
	rollback bool // the host has to go back and has not arrived (A7)

	// Volatile.
	sending sending
	soak    soak
	// resumed says that the rollout was under way when the process started.
	resumed bool
	// rollbackAt is when a rollback that failed may be tried again.
	rollbackAt       time.Duration
	rollbackFailures wire.Count
}

func (p *progress) id() wire.RolloutID { return p.rec.RolloutID }

// finished reports whether the host has nothing left to do.
func (p *progress) finished() bool { return !p.rec.State.Active() && !p.rollback }

// lastNumber returns the highest number that may not be used again.
func (p *progress) lastNumber() wire.Seq {
	last := max(p.taken.Record.LastEventSeq, p.reserved)
	if n := len(p.log); n > 0 {
		last = max(last, p.log[n-1].event.Seq)
	}
	return last
}

// after returns the index of the first event of the log with a number above
// seq.
func (p *progress) after(seq wire.Seq) int {
	n := len(p.log)
	if n == 0 || p.log[n-1].event.Seq <= seq { // mostly all are sent
		return n
	}
	i, found := slices.BinarySearchFunc(p.log, seq, func(l logged, seq wire.Seq) int { return cmp.Compare(l.event.Seq, seq) })
	if found {
		i++
	}
	return i
}

// next returns the first event above seq that may be sent; nil if there is
// none.
func (p *progress) next(seq wire.Seq) *logged {
	for i := p.after(seq); i < len(p.log); i++ {
		if l := &p.log[i]; !l.refused {
			return l
		}
	}
	return nil
}

// last returns the number of the last event that may be sent; 0 if there is
// none.
func (p *progress) last() wire.Seq {
	for i := len(p.log) - 1; i >= 0; i-- {
		if !p.log[i].refused {
			return p.log[i].event.Seq
		}
	}
	return 0
}

// find returns an event by its number; nil if it is not in the log.
func (p *progress) find(seq wire.Seq) *logged {
	if seq == 0 {
		return nil
	}
	if i := p.after(seq - 1); i < len(p.log) && p.log[i].event.Seq == seq {
		return &p.log[i]
	}
	return nil
}

// kind returns the first event of a kind; nil if it is not in the log.
func (p *progress) kind(k wire.EventKind) *logged {
	for i := range p.log {
		if p.log[i].event.Body.Kind() == k {
			return &p.log[i]
		}
	}
	return nil
}

// take applies one event to the derived state.
func (p *progress) take(ev wire.Event) rollout.Result {
	result := p.rec.Apply(ev)
	if result.Outcome != rollout.Applied && result.Outcome != rollout.Absorbed {
		return result
	}
	switch b := ev.Body.(type) {
	case wire.HealthFailed:
		p.rollback = p.rollback || b.PolicyApplied == wire.RollbackAndHalt
	case wire.RollbackComplete:
		p.rollback = false
	}
	return result
}

// rebuildRecord derives the record from the log.
func (p *progress) rebuildRecord() error {
	p.rec = p.taken.Record.Clone()
	p.rollback = bool(p.taken.RollingBack)
	for i := range p.log {
		if l := &p.log[i]; !l.retracted() {
			if result := p.take(l.event); result.Outcome != rollout.Applied && result.Outcome != rollout.Absorbed {
				return fmt.Errorf("event %v is %v: %s", l.event, result.Outcome, result.Detail)
			}
		}
	}
	return nil
}

// renumber gives the events from seq on the next free numbers. Refused ones get
// another chance under the new number, except for a Converged, which gets a new
// event when it is true.
func (p *progress) renumber(seq wire.Seq) error {
	if seq == 0 {
		return fmt.Errorf("numbers start at 1")
	}
	from := p.after(seq - 1)
	p.reserved = p.lastNumber()
	next := p.reserved + 1
	kept := p.log[:from]
	for _, l := range p.log[from:] {
		if l.retracted() {
			continue
		}
		l.event.Seq, l.refused = next, false
		kept = append(kept, l)
		next++
	}
	clear(p.log[len(kept):])
	p.log = kept
	return p.rebuildRecord()
}

// maxLog is how long a log may become, apart from four events for each probe,
// before outdated results of probes are dropped from it.
const maxLog = 256

// thin drops outdated events if the log is long: results of probes that have a
// later result, first failures before a later pass, declarations of the same probes,
// and what was retracted. The record that the rest gives is the same. A
// probe that flaps through a long soak, or while the plane is away, must not
// fill the disk. The numbers then have a gap, which a plane takes (PROTOCOL
// E4). The last event always stays.
func (p *progress) thin() {
	if len(p.log) <= maxLog+4*len(p.rec.Probes) {
		return
	}
	overtaken, passed := make(map[wire.Name]bool), make(map[wire.Name]bool)
	var declared *wire.ProbeTopologyDeclared
	kept := len(p.log)
	for i := len(p.log) - 1; i >= 0; i-- {
		l := p.log[i]
		drop := l.retracted()
		switch b := l.event.Body.(type) {
		case wire.ProbeResult:
			drop = overtaken[b.ProbeName]
			overtaken[b.ProbeName] = true
			passed[b.ProbeName] = passed[b.ProbeName] || b.Status == wire.Pass
		case wire.ProbeFailureFirst:
			// A later failure does not take its place: that result may have been
			// sent again, and then it is the only event with the instant.
			drop = passed[b.ProbeName]
		case wire.ProbeTopologyDeclared:
			drop = declared != nil && slices.Equal(b.Probes, declared.Probes)
			declared = &b
		}
		if !drop {
			kept--
			p.log[kept] = l
		}
	}
	p.log = slices.Delete(p.log, 0, kept)
}
