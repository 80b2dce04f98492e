package driver

import (
	"time"

	"github.com/refrain-fleet/refrain/core/gate"
	"github.com/refrain-fleet/refrain/core/plane"
	"github.com/refrain-fleet/refrain/core/wire"
)

// Front is the half of the driver that requests meet: admission, deadlines,
// answers, and the polls that wait. It is called for each request and by
// the worker, one at a time: production guards it with one mutex.
//
// Every call may answer requests, admit some, and bring a deadline. Before the
// guard is given up, deliver [Front.Answered], set the timer if [Front.Alarm]
// says so, and ring the worker if [Front.Rings] says so.
type Front[T any] struct {
	gate *gate.Gate[*Request[T]]
	// rebuilding: the plane is rebuilt after a failure. No request is offered to
	// the gate meanwhile; all are refused not_started (PROTOCOL G1).
	rebuilding bool
	// draining: the gate will be closed soon, and no poll begins to wait.
	draining bool
	// abandoned: the worker is not waited for any more.
	abandoned    bool
	revocations  Revocations
	replyTimeout time.Duration

	// batch is what the worker has taken, parked what it has stepped and whose
	// replies wait for the disk. A Payload is nil once the input is finished,
	// so that none is finished twice after the driver was abandoned. The lists
	// themselves are the worker's.
	batch  []gate.Taken[*Request[T]]
	parked []parkedReply[T]
	held   []gate.Taken[*Request[T]] // openings, the one that is under way first
	// sealing: an opening that was prepared is being committed.
	sealing bool

	observe  func(Fate, *Request[T])
	polls    polls[T]
	answers  []*Request[T]
	expired  []gate.Expired[*Request[T]] // kept by Expire and Abandon
	rings    bool
	armed    bool
	armedFor time.Duration
	sooner   bool // a deadline may have come up that is before armedFor
}

// Fate is what becomes of a request inside the driver, for observers: the
// simulator's checkers and traces. Everything is reported in the order in which
// it happens.
type Fate uint8

// The fates.
const (
	// Admitted: the gate admitted it. A poll that waited is offered again.
	Admitted Fate = iota + 1
	// Refused: the gate refused it, or it is a poll that exceeds the pace of its host.
	Refused
	// Flushed: the driver was abandoned before the worker had taken it.
	Flushed
	// PollRefused: a poll may not wait any more, since the gate is closed or will be.
	PollRefused
	// Woken: a poll that waited has a turn.
	Woken
	// Late: the reply came at or after its deadline, which nothing had noticed.
	Late
	// Expired: its deadline has come. All of an instant expire before the first
	// of them is answered.
	Expired
	// Dropped: it was dropped without a reply. Finished follows.
	Dropped
	// Finished: the worker is done with its input.
	Finished
	// Answered: it has its answer.
	Answered
)

// Observe has a function called with what becomes of every request. It is called
// with the guard held and must not call the driver.
func (f *Front[T]) Observe(observe func(Fate, *Request[T])) { f.observe = observe }

func (f *Front[T]) note(fate Fate, r *Request[T]) {
	if f.observe != nil {
		f.observe(fate, r)
	}
}

func newFront[T any](cfg Config) (*Front[T], error) {
	g, err := gate.New[*Request[T]](cfg.Gate)
	if err != nil {
		return nil, err
	}
	return &Front[T]{gate: g, replyTimeout: g.Config().ReplyTimeout, polls: newPolls[T](g.Config().Capacity)}, nil
}

// Gate returns the gate, for its figures: capacity, depth, counters. The guard
// is the same.
func (f *Front[T]) Gate() *gate.Gate[*Request[T]] { return f.gate }

// Arrive takes a request that has passed every check. It reports whether it was
// admitted; if not, it is among the answers.
func (f *Front[T]) Arrive(now wire.Instant, r *Request[T]) (admitted bool) {
	r.Outcome, r.Finished, r.answered, r.progress = wire.Outcome{}, false, false, nil
	r.poll = poll[T]{}
	if poll, polls := r.Input.(*plane.Poll); polls {
		return f.arrivePoll(now, r, poll)
	}
	return f.offer(now, r)
}

// offer puts a request through the gate.
func (f *Front[T]) offer(now wire.Instant, r *Request[T]) (admitted bool) {
	r.Offered = now.Mono
	var refusal gate.Refusal
	if f.rebuilding {
		refusal = f.gate.Refuse(now.Mono, r.Caller, wire.NotStarted)
	} else {
		_, refusal = f.gate.Offer(now.Mono, r.Caller, r.Class, r)
	}
	if refusal.Code != wire.OK {
		f.refuse(now, r, refusal, Refused)
		return false
	}
	f.note(Admitted, r)
	f.rings = true
	f.deadline(now.Mono + f.replyTimeout)
	return true
}

// refuse answers a request, which the driver is done with, with a refusal of the
// gate.
func (f *Front[T]) refuse(now wire.Instant, r *Request[T], refusal gate.Refusal, fate Fate) {
	r.Outcome = r.outcomeOf(refusal)
	r.Finished = true
	f.note(fate, r)
	f.answer(now, r)
}

// answer gives a request the one answer that its Outcome is.
func (f *Front[T]) answer(now wire.Instant, r *Request[T]) {
	if r.answered {
		panic("driver: a request is answered twice")
	}
	r.answered = true
	f.answers = append(f.answers, r)
	f.note(Answered, r)
	if r.Wait > 0 {
		f.leave(now, r)
	}
}

// Answered returns the requests that were answered since it was last called, in
// the order of their answers. The slice is good until the next call of the
// front or of a guarded section of the worker.
func (f *Front[T]) Answered() []*Request[T] {
	list := f.answers
	f.answers = f.answers[:0]
	return list
}

// Rings reports whether the worker has to be rung, which it says once: a request
// was admitted, or the gate was closed or is drained, or the driver abandoned.
func (f *Front[T]) Rings() bool {
	rings := f.rings
	f.rings = false
	return rings
}

// Alarm returns the instant at which [Front.Expire] has to be called, if the
// timer has to be set anew for it: it is not set, or for a later instant. Taking
// note of it is the caller's duty, since it is said once. Most deadlines come in
// the order of the requests, so that in a busy plane the timer is set once per
// reply timeout and not once per request.
func (f *Front[T]) Alarm() (at time.Duration, set bool) {
	if !f.sooner {
		return 0, false
	}
	f.sooner = false
	at, waiting := f.gate.NextDeadline()
	if poll := f.polls.deadlines.first(); poll != nil && (!waiting || poll.poll.until < at) {
		at, waiting = poll.poll.until, true
	}
	if !waiting || f.abandoned || f.armed && f.armedFor <= at {
		return 0, false
	}
	f.armed, f.armedFor = true, at
	return at, true
}

// deadline notes that there is a deadline.
func (f *Front[T]) deadline(at time.Duration) {
	f.sooner = f.sooner || !f.armed || at < f.armedFor
}

// Expire answers every request whose deadline has come: those inside the gate
// with 503 timeout (PROTOCOL G2), polls that have waited long enough with 204
// (D1). It is called when the timer goes off.
func (f *Front[T]) Expire(now wire.Instant) {
	f.armed, f.sooner = false, true
	f.expired = f.gate.Expire(now.Mono, f.expired[:0])
	f.answerExpired(now, Expired)
	f.expirePolls(now)
}

// answerExpired gives refusals to requests that stay with the worker, if they
// are with it.
func (f *Front[T]) answerExpired(now wire.Instant, fate Fate) {
	for i := range f.expired {
		e := &f.expired[i]
		e.Payload.Outcome = e.Payload.outcomeOf(e.Refusal)
		f.note(fate, e.Payload)
	}
	for i := range f.expired {
		f.answer(now, f.expired[i].Payload)
	}
	clear(f.expired)
}

// GiveUp says that the client of a request is gone. It reports true if the
// request was a poll that waits: it is taken off the list, gets no answer, and
// is the caller's again. Otherwise the answer comes as always, and a poll that
// is just asking does not wait again.
func (f *Front[T]) GiveUp(now wire.Instant, r *Request[T]) bool {
	if r.answered || !r.poll.waits {
		r.poll.gone = true
		return false
	}
	r.answered, r.Finished = true, true
	f.leave(now, r)
	return true
}

// Drain says that the gate will be closed soon. Requests are admitted as before,
// but no poll begins to wait any more: one that finds no work is answered closed
// (PROTOCOL D3). Those that wait already are the caller's to release, one by one.
func (f *Front[T]) Drain() { f.draining = true }

// Release answers a poll that waits closed, as [Front.Close] would. It reports
// whether the request was one. A poll that is just asking while the driver drains
// does not wait again.
func (f *Front[T]) Release(now wire.Instant, r *Request[T]) bool {
	if r.answered || !r.poll.waits {
		return false
	}
	f.refusePoll(now, r)
	return true
}

// Close ends admission for good (PROTOCOL G1) and answers every poll that waits
// (D3). What is inside is still worked on.
func (f *Front[T]) Close(now wire.Instant) {
	f.rebuilding = false
	f.gate.Close(now.Mono)
	f.closePolls(now)
	f.rings = true
}

// Closed reports whether admission has ended for good.
func (f *Front[T]) Closed() bool { return f.gate.State() == gate.Closed }

// Drained reports whether the gate is closed and nothing is inside.
func (f *Front[T]) Drained() bool { return f.gate.State() == gate.Closed && f.gate.Depth() == 0 }

// Abandon answers every request that is still inside a closed gate, without the
// worker: those never taken with closed, the others with dropped_reply. The
// worker may come back later; it finds nothing to finish and ends.
func (f *Front[T]) Abandon(now wire.Instant) {
	f.abandoned, f.rings = true, true
	f.expired = f.gate.Flush(now.Mono, f.expired[:0])
	for i := range f.expired {
		f.expired[i].Payload.Finished = true // it was never taken
	}
	f.answerExpired(now, Flushed)
	for i := range f.parked {
		f.drop(now, &f.parked[i].taken, false)
	}
	for i := range f.batch {
		f.drop(now, &f.batch[i], false)
	}
	for i := range f.held {
		f.drop(now, &f.held[i], false)
	}
}

// Rebuilding reports whether requests are refused because the plane is being
// rebuilt.
func (f *Front[T]) Rebuilding() bool { return f.rebuilding }

// Wedged reports whether the worker has finished nothing for longer than the
// reply timeout though something is inside (PROTOCOL G7). A plane that is being
// rebuilt finishes nothing and is not wedged: what is slow or broken is the
// store. The same holds while an opening that was prepared is committed.
func (f *Front[T]) Wedged(now time.Duration) bool {
	return !f.rebuilding && !f.sealing && f.gate.Wedged(now)
}

// Impaired reports whether hosts may have gone unheard since it was last asked
// (PROTOCOL L2). Its answer goes into the next [Worker.Tick].
func (f *Front[T]) Impaired() bool { return f.gate.Impaired() }

// WaitingPolls returns how many polls wait for work.
func (f *Front[T]) WaitingPolls() int { return f.polls.waiting }

// settle delivers the reply to an input that the worker has finished, unless it
// is late (PROTOCOL G2). The disposal is 0 if the input was abandoned.
func (f *Front[T]) settle(now wire.Instant, taken *gate.Taken[*Request[T]], outcome *wire.Outcome) gate.Disposal {
	r := taken.Payload
	if r == nil {
		return 0
	}
	taken.Payload = nil
	disposal, refusal := f.gate.Settle(now.Mono, taken.Ticket)
	f.rings = f.rings || f.Drained()
	f.note(Finished, r)
	switch disposal {
	case gate.Deliver:
		r.Outcome = *outcome
		if r.Wait > 0 && outcome.Code == wire.NoContent {
			f.await(now, r)
			break
		}
		r.Finished = true
		switch outcome.Code { // the plane's own refusals
		case wire.StoreUnavailable: // for which nothing knows a Retry-After (G9)
			r.Outcome.RetryAfter = f.gate.Refuse(now.Mono, r.Caller, outcome.Code).RetryAfter
		case wire.OverBudget: // which has one (G10)
			f.gate.CountRefused(outcome.Code)
		}
		f.answer(now, r)
	case gate.Refuse:
		f.refuse(now, r, refusal, Late)
	}
	return disposal
}

// drop finishes an input without a reply. finished says that the worker has no
// more use for it.
func (f *Front[T]) drop(now wire.Instant, taken *gate.Taken[*Request[T]], finished bool) gate.Disposal {
	return f.without(now, taken, f.gate.Drop, finished)
}

// skip finishes an input that was late before the worker came to it.
func (f *Front[T]) skip(now wire.Instant, taken *gate.Taken[*Request[T]]) {
	f.without(now, taken, f.gate.Skip, true)
}

// without finishes an input without a reply, as the gate's end says.
func (f *Front[T]) without(now wire.Instant, taken *gate.Taken[*Request[T]], end func(time.Duration, gate.Ticket) (gate.Disposal, gate.Refusal), finished bool) gate.Disposal {
	r := taken.Payload
	if r == nil {
		return 0
	}
	taken.Payload = nil
	f.note(Dropped, r)
	disposal, refusal := end(now.Mono, taken.Ticket)
	f.rings = f.rings || f.Drained()
	f.note(Finished, r)
	if disposal == gate.Refuse {
		r.Outcome, r.Finished = r.outcomeOf(refusal), finished
		f.answer(now, r)
	}
	return disposal
}
