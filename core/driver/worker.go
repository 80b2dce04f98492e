package driver

import (
	"fmt"
	"slices"
	"time"

	"github.com/refrain-fleet/refrain/core/gate"
	"github.com/refrain-fleet/refrain/core/plane"
	"github.com/refrain-fleet/refrain/core/wire"
)

// Config sizes a driver.
type Config struct {
	// Gate is the configuration of the gate; its zero value is the default.
	Gate gate.Config
	// Batch is how many inputs are taken at a time, at least 1.
	Batch int
	// DiskReserve is how many bytes of disk are kept free (PROTOCOL G11), see
	// [Worker.FreeDisk]; 0 is none.
	DiskReserve int64
	// Rows says that commits are given the changed rows of the durable state.
	Rows bool
}

// The times between two attempts to load the plane, or to commit.
const (
	firstRetry   = 100 * time.Millisecond
	longestRetry = 5 * time.Second
)

// Work is what a worker does next: a section. Each is carried out by the method
// that it names; see the package documentation for which of them need the guard.
type Work uint8

// The sections.
const (
	// Rest: there is nothing to do until [Worker.Ring], [Worker.TickDue],
	// [Worker.RetryDue] or [Worker.CommitEnded].
	Rest Work = iota
	// Load: load the plane from the store, and then call [Worker.Loaded] or
	// [Worker.LoadFailed].
	Load
	// Open: [Worker.Open] opens the gate.
	Open
	// Tick: [Worker.Tick] lets the plane judge liveness.
	Tick
	// Take: [Worker.Take] takes a batch.
	Take
	// Step: [Worker.Step] steps the next input of the batch.
	Step
	// Park: [Worker.Park] lets the reply of the step wait for the disk.
	Park
	// Reply: [Worker.Reply] delivers a reply that waits for nothing, or for
	// nothing any more.
	Reply
	// Announce: [Worker.Announce] wakes polls and hands out notices.
	Announce
	// Commit: [Worker.BeginCommit] begins a commit.
	Commit
	// TakeOver: [Worker.TakeOver] takes over a commit that has ended.
	TakeOver
	// Storage: [Worker.TellStorage] tells the plane how its disk is.
	Storage
	// Pause: [Worker.Pause] stops admission after a failure.
	Pause
	// Discard: [Worker.Discard] drops what depends on a plane that failed.
	Discard
	// End: the worker has ended.
	End
	// Hold: [Worker.Hold] lets an opening wait for its next slice, or behind another.
	Hold
	// Continue: [Worker.Continue] takes the opening that is held for its next step.
	Continue

	// WorkCount is the number of sections.
	WorkCount int = iota
)

var workWords = [WorkCount]string{
	Rest: "rest", Load: "load", Open: "open", Tick: "tick", Take: "take", Step: "step", Park: "park", Reply: "reply",
	Announce: "announce", Commit: "commit", TakeOver: "take-over", Storage: "storage", Pause: "pause", Discard: "discard", End: "end",
	Hold: "hold", Continue: "continue",
}

// String returns the section as one word.
func (w Work) String() string {
	if int(w) < WorkCount {
		return workWords[w]
	}
	return "?"
}

// stage is where a worker is between two sections.
type stage uint8

const (
	stageLoading    stage = iota // the plane has to be loaded
	stageWaiting                 // for the next attempt to load it
	stageOpening                 // it is loaded, the gate is to be opened
	stageServing                 // between two batches
	stageStepping                // before the next step of a batch
	stageStepped                 // a step is done: its reply has to wait, or may go
	stageDelivering              // a group is durable, its replies may go
	stageAnnouncing              // news may go
	stagePausing                 // a failure: admission is to be stopped
	stageDiscarding              // what depends on the failed plane is to be dropped
	stageEnded
)

// Worker is the half of the driver that owns the plane. One goroutine runs it:
// it asks [Worker.Next] what comes next and carries that out.
type Worker[T any] struct {
	cfg   Config
	front *Front[T]

	stage   stage
	failed  bool // a failure is being handled
	plane   *plane.Plane
	loads   uint64
	out     plane.Output // its Entries are those that are not durable
	alone   plane.Output // of the driver's own inputs
	tick    plane.Tick
	batch   []*Request[T]
	at      int  // in the batch, or in the parked replies
	more    bool // there may be something in the inbox
	tickDue bool

	flying    *Group // its commit is under way
	ended     bool   // that commit has ended
	commitErr error
	next      *Group // what waits for the commit after it
	spare     *Group
	durable   wire.Seq // the last entry of the group that was taken over
	broken    bool     // the last commit has failed
	scarce    bool     // less disk is free than the reserve
	trialDue  bool     // while broken: a commit is to be tried
	storage   plane.Storage
	openings  openings
	due       news // what to announce
	told      news // what was announced last
	retry     time.Duration
	arm       bool // the timer of the next attempt is to be set
}

// New makes the two halves of a driver. The worker's first section is Load.
func New[T any](cfg Config) (*Front[T], *Worker[T], error) {
	if cfg.Batch < 1 {
		return nil, nil, fmt.Errorf("driver: batch is %d, want at least 1", cfg.Batch)
	}
	front, err := newFront[T](cfg)
	if err != nil {
		return nil, nil, err
	}
	return front, &Worker[T]{cfg: cfg, front: front, next: new(Group), spare: new(Group)}, nil
}

// Next says which section comes next. It changes nothing. What it says holds
// until a section was carried out or one of Ring, TickDue, RetryDue,
// CommitEnded and Fail was called.
func (w *Worker[T]) Next() Work {
	switch w.stage {
	case stageLoading:
		return Load
	case stageWaiting:
		if w.more {
			return Take // perhaps the gate was closed
		}
		return Rest
	case stageOpening:
		return Open
	case stageServing:
		return w.nextBatch()
	case stageStepping:
		if w.waitsBehind() {
			return Hold
		}
		return Step
	case stageStepped:
		if w.Stepped().Unfinished {
			return Hold
		}
		if w.Stepped().AfterEntries > 0 {
			return Park
		}
		return Reply
	case stageDelivering:
		return Reply
	case stageAnnouncing:
		return Announce
	case stagePausing:
		return Pause
	case stageDiscarding:
		switch {
		case w.flying == nil:
			return Discard
		case w.ended:
			// What it made durable is true, and the store is not loaded meanwhile.
			return TakeOver
		}
		return Rest
	default:
		return End
	}
}

// nextBatch is Next between two batches.
func (w *Worker[T]) nextBatch() Work {
	switch {
	case w.ended:
		return TakeOver
	case w.plane.ReadOnly() != w.broken, w.plane.Scarce() != w.scarce:
		return Storage
	case w.flying == nil && (len(w.out.Entries) > 0 || w.openings.sealed != nil || w.broken && w.trialDue):
		return Commit
	case w.tickDue:
		return Tick
	case w.continues() && w.openings.turn:
		return Continue
	case w.more || w.continues(): // by turns, whether or not the worker was rung
		return Take
	default:
		return Rest
	}
}

// Ring says that something may be in the inbox, or that the gate was closed or
// the driver abandoned.
func (w *Worker[T]) Ring() { w.more = true }

// TickDue says that [plane.Config.TickEvery] has passed since the gate was
// opened or the plane ticked last.
func (w *Worker[T]) TickDue() { w.tickDue = true }

// RetryDue says that the time that [Worker.Retry] gave has passed.
func (w *Worker[T]) RetryDue() {
	if w.stage == stageWaiting {
		w.stage = stageLoading
	}
	w.trialDue = true
}

// CommitEnded says how the commit that [Worker.BeginCommit] began has ended. It
// may be called between any two sections. After an error nothing is known of
// the group: the plane is discarded and loaded again.
func (w *Worker[T]) CommitEnded(err error) { w.ended, w.commitErr = true, err }

// Fail says that a step or a tick panicked, or that an invariant is broken: what
// the plane holds is not to be trusted.
func (w *Worker[T]) Fail() { w.stage, w.failed = stagePausing, true }

// Committing reports whether a commit is under way that has not ended.
func (w *Worker[T]) Committing() bool { return w.flying != nil && !w.ended }

// Plane returns the plane, nil while there is none.
func (w *Worker[T]) Plane() *plane.Plane { return w.plane }

// Retry returns how long to wait before [Worker.RetryDue], if the timer for that
// has to be set, which it says once: after a load or a trial has failed.
func (w *Worker[T]) Retry() (in time.Duration, set bool) {
	set, w.arm = w.arm, false
	return w.retry, set
}

// backOff has the next attempt made later than the one before.
func (w *Worker[T]) backOff() {
	w.retry = min(max(2*w.retry, firstRetry), longestRetry)
	w.arm = true
}

// Pending returns how many entries are logged and not known to be durable.
func (w *Worker[T]) Pending() int { return len(w.out.Entries) }

// Current returns the request that the next Step, Park or Reply is about. It
// stays that request's until it is finished; there is none in other sections.
func (w *Worker[T]) Current() *Request[T] {
	switch w.stage {
	case stageStepping, stageStepped:
		return w.batch[w.at]
	case stageDelivering:
		return w.front.parked[w.at].request
	}
	return nil
}

// Stepped returns the reply to the input that was stepped last, until the
// request is parked or replied to.
func (w *Worker[T]) Stepped() *plane.Reply { return &w.out.Replies[len(w.out.Replies)-1] }

// Output is what the steps of this batch have put out, with every entry that is
// not durable, for observers.
func (w *Worker[T]) Output() *plane.Output { return &w.out }

// TickOutput is what the last tick has put out, for observers.
func (w *Worker[T]) TickOutput() *plane.Output { return &w.alone }

// Revocations returns what is revoked by what is durable, after a load or a
// group that was taken over.
func (w *Worker[T]) Revocations() Revocations { return w.front.revocations }

// Each visits what the worker has in its hands: replies that wait for the disk,
// and then inputs of its batch that are not finished. It is for observers, and
// guarded.
func (w *Worker[T]) Each(visit func(r *Request[T], stepped bool)) {
	for i := range w.front.parked {
		if r := w.front.parked[i].taken.Payload; r != nil {
			visit(r, true)
		}
	}
	for i := range w.front.batch {
		if r := w.front.batch[i].Payload; r != nil {
			visit(r, i < w.at && w.stage != stageDelivering)
		}
	}
	for i := range w.front.held {
		if r := w.front.held[i].Payload; r != nil {
			visit(r, i == 0 && w.openings.begun)
		}
	}
}

// nextParked moves on to the next parked reply that waits for nothing any more,
// and if there is none to what comes after the replies of a group.
func (w *Worker[T]) nextParked() {
	f := w.front
	for w.at < len(f.parked) && f.parked[w.at].after > w.durable {
		w.at++
	}
	if w.at < len(f.parked) {
		w.stage = stageDelivering
		return
	}
	w.endDelivery()
}

// endDelivery comes after the replies of a group. If nothing was logged since,
// no commit comes that the news of what was stepped meanwhile could wait for.
func (w *Worker[T]) endDelivery() {
	w.front.parked = slices.DeleteFunc(w.front.parked, func(p parkedReply[T]) bool { return p.over })
	if len(w.out.Entries) == 0 {
		w.due.add(w.next.news.wakes, w.next.news.notices)
		w.next.news.reset()
	}
	w.betweenBatches()
}

// betweenBatches comes when a batch, a tick or a group is done with.
func (w *Worker[T]) betweenBatches() {
	switch {
	case !w.due.empty():
		w.stage = stageAnnouncing
	case w.failed:
		w.stage = stageDiscarding
	default:
		w.stage = stageServing
	}
}

// endStep comes when an input of the batch is finished or parked.
func (w *Worker[T]) endStep() {
	w.at++
	if w.at < len(w.batch) {
		w.stage = stageStepping
		return
	}
	w.endBatch()
}

// endBatch comes after the last input of a batch.
func (w *Worker[T]) endBatch() {
	clear(w.batch)
	w.batch = w.batch[:0]
	w.endContinuation()
	if w.out.RevocationsChanged {
		w.next.revocations = w.plane.Revocations()
	}
	w.bring(&w.out)
}

// bring has the wakes and notices of an output announced: at once, or after
// everything that was logged before them, so that they stay in their order.
func (w *Worker[T]) bring(out *plane.Output) {
	if len(w.out.Entries) == 0 {
		w.due.add(out.Wakes, out.Notices)
	} else {
		w.next.news.add(out.Wakes, out.Notices)
	}
	w.betweenBatches()
}
