package driver

import (
	"slices"
	"time"

	"github.com/refrain-fleet/refrain/core/gate"
	"github.com/refrain-fleet/refrain/core/plane"
	"github.com/refrain-fleet/refrain/core/wire"
)

// A giant manifest is opened in slices (PROTOCOL R1, decision 035). The request
// stays with the worker meanwhile: it is held, and between two batches it is taken
// as a batch of its own, for which the plane is given a [plane.ContinueOpening].
// Other openings wait behind it, unstepped. What the last slice puts out is
// committed as a group of its own, and then the opening is finished.
//
// An opening that the worker has begun with is answered 202 at its deadline. One
// that it has not is answered 503 timeout, and then it is not stepped any more.

// openings is what the worker knows of the requests that are held.
type openings struct {
	begun bool                   // the plane is at work on the first
	taken bool                   // the first is the batch
	kept  bool                   // it is to be held again
	turn  bool                   // it comes before the next batch
	next  *plane.ContinueOpening // what is stepped for it; nil for the input itself
	// sealed is to be committed; durable says that it was.
	sealed  *plane.Sealed
	durable bool
}

// manifestOf is the manifest that an input opens; nil if it opens none.
func manifestOf(in plane.Input) *wire.Manifest {
	switch in := in.(type) {
	case *plane.OpenRollout:
		return &in.Manifest
	case *plane.FileManifest:
		return &in.Manifest
	}
	return nil
}

// askAgain is the Retry-After of a 202: when to ask what has become of the opening.
const askAgain = time.Second

// outcomeOf is the answer that a refusal of the gate is.
func (r *Request[T]) outcomeOf(refusal gate.Refusal) wire.Outcome {
	if refusal.Code != wire.Accepted {
		return wire.Unavailable(refusal.Code, refusal.RetryAfter)
	}
	if r.progress == nil {
		m := manifestOf(r.Input)
		r.progress = &wire.OpeningStatus{RolloutID: m.ID(), Hosts: wire.Count(len(m.Hosts))}
	}
	return wire.Outcome{Code: wire.Accepted, Document: r.progress, RetryAfter: askAgain}
}

// Input is what the next Step steps.
func (w *Worker[T]) Input() plane.Input {
	if w.openings.taken && w.openings.next != nil {
		return w.openings.next
	}
	r := w.batch[w.at]
	if r.By.IsSet() {
		return &plane.Requested{By: r.By, Input: r.Input}
	}
	return r.Input
}

// Continues reports whether the next Step is about a slice of an opening and not
// about a whole input. Faults before a step are for whole inputs.
func (w *Worker[T]) Continues() bool { return w.openings.taken && w.openings.next != nil }

// HoldsOpening reports whether an opening is held.
func (f *Front[T]) HoldsOpening() bool { return len(f.held) > 0 }

// waitsBehind reports whether the next input of the batch is an opening that has to
// wait for another.
func (w *Worker[T]) waitsBehind() bool {
	return !w.openings.taken && len(w.front.held) > 0 && manifestOf(w.batch[w.at].Input) != nil
}

// continues reports whether an opening is held that may be continued.
func (w *Worker[T]) continues() bool {
	return len(w.front.held) > 0 && w.openings.sealed == nil && (w.flying == nil || w.flying.opened == nil)
}

// sift skips the inputs of a new batch that are late already: their callers have
// been answered, or are now, and stepping them would make those behind them late as
// well (PROTOCOL G2, decision 043). It notes which openings the worker has begun with.
func (w *Worker[T]) sift(now wire.Instant) {
	f := w.front
	f.batch = slices.DeleteFunc(f.batch, func(taken gate.Taken[*Request[T]]) bool {
		if f.gate.Late(now.Mono, taken.Ticket) {
			f.skip(now, &taken)
			return true
		}
		if manifestOf(taken.Payload.Input) != nil {
			f.gate.Accept(taken.Ticket, true)
		}
		return false
	})
}

// Hold lets an opening wait for its next slice, or behind the one that is under way.
// It is guarded.
func (w *Worker[T]) Hold(now wire.Instant) {
	f, taken := w.front, &w.front.batch[w.at]
	stepped := w.stage == stageStepped
	if stepped {
		w.openings.begun = true
		w.openings.sealed, w.out.Sealed = w.out.Sealed, nil
	}
	if r := taken.Payload; r != nil { // not abandoned
		f.gate.Progress(now.Mono)
		if f.gate.Accept(taken.Ticket, stepped); stepped {
			r.progress, _ = w.plane.Opening()
		}
		if w.openings.taken {
			w.openings.kept = true
			f.held = slices.Insert(f.held, 0, *taken)
		} else {
			f.held = append(f.held, *taken)
		}
		taken.Payload = nil
	}
	w.endStep()
}

// Continue takes the opening that is held for its next step, as a batch of its own.
// Those behind it whose deadline has come are dropped. It is guarded.
func (w *Worker[T]) Continue(now wire.Instant) {
	f, o := w.front, &w.openings
	o.turn = false
	for len(f.held) > 0 {
		taken := f.held[0]
		f.held = slices.Delete(f.held, 0, 1)
		r := taken.Payload
		if r == nil {
			continue // abandoned
		}
		if !o.begun && f.gate.Late(now.Mono, taken.Ticket) {
			f.skip(now, &taken)
			continue
		}
		if o.taken, o.next = true, nil; o.begun {
			o.next = &plane.ContinueOpening{Durable: o.durable}
		}
		f.gate.Accept(taken.Ticket, true)
		f.batch = append(f.batch[:0], taken)
		w.batch = append(w.batch[:0], r)
		w.out.BeginBatch()
		w.at, w.stage = 0, stageStepping
		return
	}
}

// endContinuation comes after a batch. An opening that is not held again has its
// reply.
func (w *Worker[T]) endContinuation() {
	o := &w.openings
	if o.taken && !o.kept {
		o.begun, o.durable = false, false
	}
	o.taken, o.kept, o.next = false, false, nil
}

// dropOpenings drops what is held after a failure.
func (w *Worker[T]) dropOpenings(now wire.Instant) {
	f := w.front
	for i := range f.held {
		f.drop(now, &f.held[i], true)
	}
	clear(f.held)
	f.held, f.sealing = f.held[:0], false
	w.openings = openings{}
}
