package driver

import (
	"github.com/refrain-fleet/refrain/core/gate"
	"github.com/refrain-fleet/refrain/core/plane"
	"github.com/refrain-fleet/refrain/core/wire"
)

// Loaded is the end of a Load that succeeded. The plane is the driver's from now
// on; [plane.Started] was not stepped. Before the next section, publish
// [Worker.Revocations].
func (w *Worker[T]) Loaded(now wire.Instant, p *plane.Plane) {
	w.alone.Reset()
	p.Step(now, &plane.Started{}, &w.alone)
	w.plane = p
	w.loads++
	if !w.broken {
		w.retry = 0
	}
	w.stage = stageOpening
}

// LoadFailed is the end of a Load that failed. What is queued is dropped, since
// it would only wait for its timeout, and the inbox would look wedged, which a
// failing store is not. [Worker.Retry] says when the next attempt is due. It is
// guarded.
func (w *Worker[T]) LoadFailed(now wire.Instant) {
	f := w.front
	f.batch = f.gate.Take(now.Mono, f.gate.Depth(), f.batch[:0])
	w.dropBatch(now)
	w.stage = stageWaiting
	if !w.endIfOver() {
		w.backOff()
	}
}

// Open opens the gate: the plane is up. Hosts whose wake was lost with a plane
// before ask again. It is guarded, as is all that publishes revocations to the
// polls.
func (w *Worker[T]) Open(now wire.Instant) {
	f := w.front
	f.revocations = w.plane.Revocations()
	f.rebuilding = false
	f.gate.Start(now.Mono)
	if w.loads > 1 {
		f.wakeAll(now)
	}
	w.due.add(nil, w.alone.Notices)
	w.more = true
	w.betweenBatches()
}

// Tick lets the plane judge liveness; impaired is what [Front.Impaired] says.
// The next tick is due [plane.Config.TickEvery] later.
func (w *Worker[T]) Tick(now wire.Instant, impaired bool) {
	w.tickDue = false
	w.alone.Reset()
	w.tick.Impaired = impaired
	w.plane.Step(now, &w.tick, &w.alone)
	w.bring(&w.alone)
}

// Take takes a batch and returns how many inputs it took; those that are late
// among them are skipped. If there are none and the gate is closed and drained, or
// the driver was abandoned, the worker ends. It is guarded.
func (w *Worker[T]) Take(now wire.Instant) int {
	w.more, w.openings.turn = false, len(w.front.held) > 0
	if w.endIfOver() || w.plane == nil {
		return 0
	}
	f := w.front
	f.batch = f.gate.Take(now.Mono, w.cfg.Batch, f.batch[:0])
	took := len(f.batch)
	if took == 0 {
		return 0
	}
	// A request that was admitted after a batch was taken rings again, so one
	// that is not full was all there was.
	w.more = took == w.cfg.Batch
	if w.sift(now); len(f.batch) == 0 {
		return took
	}
	for i := range f.batch {
		w.batch = append(w.batch, f.batch[i].Payload)
	}
	w.out.BeginBatch()
	w.at = 0
	w.stage = stageStepping
	return took
}

// endIfOver ends the worker if nothing is left to do or the driver was abandoned.
func (w *Worker[T]) endIfOver() bool {
	over := w.front.abandoned || w.front.Drained() && w.flying == nil && len(w.out.Entries) == 0
	if over {
		w.stage = stageEnded
	}
	return over
}

// Step steps the next input of the batch: [Worker.Current]. Replies that need
// nothing durable go out at once, so that a heartbeat waits neither for a disk
// nor for the rest of its batch (PROTOCOL H4).
func (w *Worker[T]) Step(now wire.Instant) {
	w.plane.Step(now, w.Input(), &w.out)
	w.stage = stageStepped
}

// Skip drops the next input of the batch without stepping it. It is for faults,
// and guarded.
func (w *Worker[T]) Skip(now wire.Instant) gate.Disposal {
	disposal := w.front.drop(now, &w.front.batch[w.at], true)
	w.endStep()
	return disposal
}

// Park lets the reply of the step wait until the entries that it depends on are
// durable. It is guarded.
func (w *Worker[T]) Park() {
	f := w.front
	if taken := &f.batch[w.at]; taken.Payload != nil { // not abandoned
		r := w.Stepped()
		f.parked = append(f.parked, parkedReply[T]{
			request: taken.Payload, taken: *taken, outcome: r.Outcome, after: w.out.Entries[r.AfterEntries-1].Number,
		})
		taken.Payload = nil
	}
	w.endStep()
}

// Reply delivers the reply to [Worker.Current], unless it is late or was
// abandoned. It says what became of it; 0 if it was abandoned. It is guarded.
func (w *Worker[T]) Reply(now wire.Instant) gate.Disposal {
	if w.stage == stageDelivering {
		p := &w.front.parked[w.at]
		disposal := w.front.settle(now, &p.taken, &p.outcome)
		w.endReply(p)
		return disposal
	}
	disposal := w.front.settle(now, &w.front.batch[w.at], &w.Stepped().Outcome)
	w.endStep()
	return disposal
}

// DropReply drops the reply to [Worker.Current]. It is for faults, and guarded.
func (w *Worker[T]) DropReply(now wire.Instant) gate.Disposal {
	if w.stage == stageDelivering {
		p := &w.front.parked[w.at]
		disposal := w.front.drop(now, &p.taken, true)
		w.endReply(p)
		return disposal
	}
	disposal := w.front.drop(now, &w.front.batch[w.at], true)
	w.endStep()
	return disposal
}

func (w *Worker[T]) endReply(p *parkedReply[T]) {
	p.over = true
	w.at++
	w.nextParked()
}

// wakesAtOnce is for how many wakes the guard is held: a giant rollout has very many.
const wakesAtOnce = 4096

// Announce wakes the polls for which there may be work and returns notices for
// people and counters. They are good until the next Announce. It is guarded.
func (w *Worker[T]) Announce(now wire.Instant) []plane.Notice {
	if wakes := w.due.wakes; len(wakes) > wakesAtOnce { // the rest in the next sections
		w.front.wake(now, wakes[:wakesAtOnce])
		w.due.wakes = wakes[wakesAtOnce:]
		w.betweenBatches()
		return nil
	}
	w.told, w.due = w.due, w.told
	w.due.reset()
	w.front.wake(now, w.told.wakes)
	w.betweenBatches()
	return w.told.notices
}

// BeginCommit returns the group whose commit is to begin: every entry that is
// not durable. After a commit that failed there is none: the group is a trial,
// whether the store can write again. [Worker.CommitEnded] says how it ended. It returns nil, and the
// worker ends, if the driver was abandoned: the store is being closed, and no
// caller was answered that the entries are durable. It is guarded.
func (w *Worker[T]) BeginCommit() *Group {
	if w.front.abandoned {
		w.stage = stageEnded
		return nil
	}
	w.trialDue = false
	g := w.next
	n := len(w.out.Entries)
	g.Entries = w.out.Entries[:n:n]
	if sealed := w.openings.sealed; n == 0 && sealed != nil {
		w.openings.sealed, g.opened, w.front.sealing = nil, sealed, true
		g.Entries = []plane.Entry{sealed.Entry}
	}
	if w.cfg.Rows {
		g.Rows = w.plane.AppendRows(g.Rows, w.out.Changes)
	}
	w.out.Changes = w.out.Changes[:0]
	w.next, w.spare = w.spare, nil
	w.flying = g
	return g
}

// TakeOver takes over a commit that has ended. If it succeeded, the replies and
// news that waited for it come next; before the next section, publish
// [Worker.Revocations]. If it failed, the error is the commit's, and all that
// was stepped since is discarded. It is guarded.
func (w *Worker[T]) TakeOver() error {
	g, err := w.flying, w.commitErr
	w.flying, w.ended, w.commitErr = nil, false, nil
	w.front.sealing = false
	if trial := len(g.Entries) == 0; trial {
		w.recycle(g)
		if w.broken = err != nil; w.broken {
			w.backOff()
		} else {
			w.retry = 0
		}
		w.more = w.more || w.front.Drained()
		return err
	}
	if err != nil {
		w.recycle(g)
		w.broken, w.trialDue = true, true
		if !w.failed { // otherwise a failure is being handled already
			w.Fail()
		}
		return err
	}
	if g.revocations != nil {
		w.front.revocations = g.revocations
	}
	w.durable = g.Entries[len(g.Entries)-1].Number
	if g.opened != nil {
		w.openings.durable = true
	} else {
		w.out.MarkDurable(len(g.Entries))
	}
	w.due.add(g.news.wakes, g.news.notices)
	w.recycle(g)
	w.more = w.more || w.front.Drained() // if nothing else is to come, the worker ends
	w.at = 0
	w.nextParked()
	return nil
}

func (w *Worker[T]) recycle(g *Group) {
	g.reset()
	w.spare = g
}

// Pause stops admission after a failure: until the plane is loaded again, new
// requests are refused not_started. It is guarded.
func (w *Worker[T]) Pause() {
	w.front.rebuilding = w.front.gate.State() != gate.Closed // G1: a closed gate says closed
	w.stage = stageDiscarding
}

// Discard drops everything that the worker has in its hands after a failure: what
// is left of its batch, the replies that wait, the plane. It is guarded.
func (w *Worker[T]) Discard(now wire.Instant) {
	f := w.front
	for i := range f.parked {
		f.drop(now, &f.parked[i].taken, true)
	}
	clear(f.parked)
	f.parked = f.parked[:0]
	w.dropBatch(now)
	w.dropOpenings(now)
	w.out.Reset()
	w.next.reset()
	w.plane, w.failed = nil, false
	w.stage = stageLoading
}

// dropBatch drops what is left of the batch.
func (w *Worker[T]) dropBatch(now wire.Instant) {
	f := w.front
	for i := range f.batch {
		f.drop(now, &f.batch[i], true)
	}
	clear(w.batch)
	w.batch = w.batch[:0]
}
