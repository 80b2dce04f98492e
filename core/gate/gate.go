package gate

import (
	"fmt"
	"time"

	"github.com/refrain-fleet/refrain/core/wire"
)

// Gate is the bounded inbox of PROTOCOL G. T is what the driver attaches to a
// request and gets back with it. Make one with [New].
//
// The instants handed in are durations since some fixed instant of the driver's
// monotonic clock, from 0 to a hundred years. A now before an earlier one is a
// defect of the driver; the gate then takes the latest it has seen and counts
// it in Stats.ClockReversals. It does not panic, because the usual cause is
// harmless and rare: a clock that was read before the guard was taken.
//
// [Gate.Check] verifies these invariants:
//
//  1. Each of the Capacity slots is either free or holds an input, once; the
//     list of inputs is linked both ways and depth counts it.
//  2. Inputs are in order of admission: their numbers rise, their deadlines do
//     not fall, and none was offered after the latest now.
//  3. The taken inputs come first; the cursor of the queue is the first other.
//  4. The answered inputs come first; the cursor of the unanswered is the first
//     other; nothing is answered before its deadline and still inside.
//  5. Every input has a class; bulk inputs are counted rightly, and no more of
//     them are inside than their share.
//  6. Callers are counted rightly, and none has more than PerHost inside.
//  7. Every input ends once: those admitted are settled, dropped, skipped,
//     flushed or inside.
//  8. Every request is answered once: those offered, and those refused outside,
//     were delivered to, were refused, or are waiting. Every reply of the
//     reducer was either delivered or late.
//  9. A gate that is not started has nothing inside. Only a closed one has
//     flushed.
//  10. The busy clock runs exactly while something is inside; neither it nor
//     the last progress is ahead of the clock; no more inputs are in its windows
//     than finished.
//  11. The calendar's ring is no larger than its bound, and the reservations in
//     it are exactly those found by caller; none reaches further than the
//     longest Retry-After.
type Gate[T any] struct {
	cfg       Config
	bulkShare int
	pace      pace

	state    State
	clock    time.Duration // the latest now
	progress time.Duration // the last finish, or when the inbox became non-empty
	impaired bool          // see Impaired
	inbox    inbox[T]
	drain    drain
	calendar calendar
	stats    Stats
}

// New makes a gate that is not started. The error names the field of cfg that
// is wrong.
func New[T any](cfg Config) (*Gate[T], error) {
	cfg = cfg.withDefaults()
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	return &Gate[T]{
		cfg:       cfg,
		bulkShare: cfg.bulkShare(),
		pace:      paceOf(cfg),
		inbox:     makeInbox[T](cfg.Capacity),
		calendar:  makeCalendar(cfg.MaxRetryAfter),
	}, nil
}

// Config returns the configuration in force, with the defaults filled in.
func (g *Gate[T]) Config() Config { return g.cfg }

// Start opens a gate that is not started. It does nothing to one that is open
// or closed: a closed gate stays closed, even if Close comes before Start.
func (g *Gate[T]) Start(now time.Duration) {
	g.advance(now)
	if g.state == NotStarted {
		g.state = Open
		g.impaired = false // for a host refused before, liveness counts from now
	}
}

// Close ends admission; a closed gate cannot be opened again. What is inside is
// still taken, settled, dropped and expired.
func (g *Gate[T]) Close(now time.Duration) {
	g.advance(now)
	g.state = Closed
}

// Offer asks for the admission of a request. With a refusal whose Code is
// [wire.OK] it is admitted under the ticket, and its deadline is now plus the
// reply timeout. Otherwise the code is NotStarted, Saturated or Closed, nothing
// will be applied, and the ticket is the zero one (PROTOCOL G1, G5, G6).
func (g *Gate[T]) Offer(now time.Duration, caller Caller, class Class, payload T) (Ticket, Refusal) {
	if class != Heartbeat && class != Bulk {
		panic(fmt.Sprintf("gate: Offer of class %d: want Heartbeat or Bulk", class))
	}
	now = g.advance(now)
	g.stats.Offered++
	inside := g.inbox.callers[caller]
	switch {
	case g.state == NotStarted:
		g.impaired = true
		return Ticket{}, g.refuse(now, caller, wire.NotStarted)
	case g.state == Closed:
		g.impaired = true
		return Ticket{}, g.refuse(now, caller, wire.Closed)
	case int(inside) >= g.cfg.PerHost:
		// Before the checks for room: a caller at its cap would be refused in
		// an empty inbox as well, so the caller is the cause and not the plane.
		g.stats.RefusedByCap++
		return Ticket{}, g.refuse(now, caller, wire.Saturated)
	case g.inbox.depth >= g.cfg.Capacity:
		g.impaired = true
		return Ticket{}, g.refuse(now, caller, wire.Saturated)
	case class == Bulk && g.inbox.bulk >= g.bulkShare:
		// The reserve is free, so the caller's heartbeats come in.
		g.stats.RefusedByReserve++
		return Ticket{}, g.refuse(now, caller, wire.Saturated)
	}
	g.stats.Admitted++
	g.calendar.forget(caller)
	if g.inbox.depth == 0 {
		g.progress = now
		g.drain.fill(now)
	}
	return g.inbox.admit(caller, inside, class, now+g.cfg.ReplyTimeout, payload), Refusal{}
}

// Take hands out at most limit inputs that were not taken yet, oldest first, and
// appends them to dst. Inputs that were answered by Expire are among them.
func (g *Gate[T]) Take(now time.Duration, limit int, dst []Taken[T]) []Taken[T] {
	g.advance(now)
	for ; limit > 0 && g.inbox.queued != none; limit-- {
		ticket, s := g.inbox.take()
		g.stats.Taken++
		dst = append(dst, Taken[T]{ticket, s.payload})
	}
	return dst
}

// Settle says that the reducer has finished a taken input and has a reply to
// it. Deliver: the reply goes to the caller. Refuse: it is at or past its
// deadline and has no answer yet, so the caller is refused with Timeout.
// Discard: the caller has been answered. A reply at the deadline is late
// (PROTOCOL G2). The ticket is used up.
func (g *Gate[T]) Settle(now time.Duration, ticket Ticket) (Disposal, Refusal) {
	now = g.advance(now)
	accepted := g.accepts(ticket)
	caller, deadline, answered := g.finish(now, "Settle", ticket, true)
	g.stats.Settled++
	switch {
	case answered:
		g.stats.LateReplies++
		return Discard, Refusal{}
	case now >= deadline:
		g.stats.LateReplies++
		return Refuse, g.late(now, caller, accepted)
	default:
		g.stats.Delivered++
		return Deliver, Refusal{}
	}
}

// Drop says that the reducer dropped a taken input without a reply. Refuse: the
// caller is refused with DroppedReply, or with Timeout at or past the deadline.
// Discard: the caller has been answered. The input may have been applied
// (PROTOCOL G2). The ticket is used up.
func (g *Gate[T]) Drop(now time.Duration, ticket Ticket) (Disposal, Refusal) {
	now = g.advance(now)
	accepted := g.accepts(ticket)
	caller, deadline, answered := g.finish(now, "Drop", ticket, true)
	g.stats.Dropped++
	switch {
	case answered:
		return Discard, Refusal{}
	case now >= deadline && !accepted: // what was accepted is not dropped for being late
		return Refuse, g.refuse(now, caller, wire.Timeout)
	default:
		return Refuse, g.refuse(now, caller, wire.DroppedReply)
	}
}

// Accept says whether a taken input is worked on for longer than a reply may take,
// so that at its deadline the caller is answered Accepted and not refused with
// Timeout (PROTOCOL R1). It does nothing to one that is not inside.
func (g *Gate[T]) Accept(ticket Ticket, accept bool) {
	if s := g.inbox.find(ticket); s != nil {
		s.accepted = accept
	}
}

func (g *Gate[T]) accepts(ticket Ticket) bool {
	s := g.inbox.find(ticket)
	return s != nil && s.accepted
}

// late is what a caller is answered at its deadline. Its Code is Accepted or
// Timeout.
func (g *Gate[T]) late(now time.Duration, caller Caller, accepted bool) Refusal {
	if accepted {
		g.stats.Accepted++
		return Refusal{Code: wire.Accepted}
	}
	return g.refuse(now, caller, wire.Timeout)
}

// Progress says that the reducer has done a part of a taken input. It counts as
// progress (PROTOCOL G7).
func (g *Gate[T]) Progress(now time.Duration) { g.progress = g.advance(now) }

// finish takes a taken input out of the inbox. One that the reducer has worked on
// counts for the drain rate.
func (g *Gate[T]) finish(now time.Duration, call string, ticket Ticket, worked bool) (caller Caller, deadline time.Duration, answered bool) {
	s := g.inbox.find(ticket)
	if s == nil {
		panic(fmt.Sprintf("gate: %s of %s: no such input is inside", call, ticket))
	}
	if !s.taken {
		panic(fmt.Sprintf("gate: %s of %s: it was not taken", call, ticket))
	}
	caller, deadline, answered = s.caller, s.deadline, s.answered
	if worked {
		g.drain.finish(now)
	}
	g.progress = now
	g.remove(now, ticket.slot)
	return caller, deadline, answered
}

func (g *Gate[T]) remove(now time.Duration, slot int32) {
	g.inbox.release(slot)
	if g.inbox.depth == 0 {
		g.drain.empty(now)
	}
}

// Expire answers every request whose deadline has come, in order of deadline,
// and appends the answers, all refused with Timeout but for [Gate.Accept], to dst.
// Each is returned once (PROTOCOL G3). The inputs stay inside, queued or taken, until the
// reducer has finished them.
func (g *Gate[T]) Expire(now time.Duration, dst []Expired[T]) []Expired[T] {
	now = g.advance(now)
	for g.inbox.waiting != none && g.inbox.slots[g.inbox.waiting].deadline <= now {
		ticket, s := g.inbox.answer()
		dst = append(dst, Expired[T]{ticket, s.payload, g.late(now, s.caller, s.accepted)})
	}
	return dst
}

// Flush empties a closed gate of the inputs that were never taken and will not
// be. Those that were not answered are appended to dst, oldest first, refused
// with Closed, even if their deadline has come: nothing of them was applied,
// and of the two reasons only Closed says so. Flushing a gate that is not
// closed is a defect of the driver and a panic.
func (g *Gate[T]) Flush(now time.Duration, dst []Expired[T]) []Expired[T] {
	if g.state != Closed {
		panic("gate: Flush of a gate that is " + g.state.String() + ": want it closed first")
	}
	now = g.advance(now)
	for g.inbox.queued != none {
		i := g.inbox.queued
		s := &g.inbox.slots[i]
		if !s.answered {
			dst = append(dst, Expired[T]{Ticket{s.number, i}, s.payload, g.refuse(now, s.caller, wire.Closed)})
		}
		g.stats.Flushed++
		g.impaired = true
		g.remove(now, i)
	}
	return dst
}

// Refuse counts a 503 that is given outside the inbox, for instance to a poll
// that waits when the plane shuts down (PROTOCOL D3), and makes a reservation
// in the calendar for its caller. code is one of [wire.UnavailableCodes]; any
// other is a panic.
func (g *Gate[T]) Refuse(now time.Duration, caller Caller, code wire.Code) Refusal {
	if !code.Unavailable() {
		panic("gate: Refuse with " + code.String() + ": want one of the 503 codes")
	}
	now = g.advance(now)
	g.stats.RefusedOutside++
	return g.refuse(now, caller, code)
}

// CountRefused counts a 503 that is given outside the inbox and has a Retry-After of
// its own. code is one of [wire.UnavailableCodes].
func (g *Gate[T]) CountRefused(code wire.Code) {
	g.stats.RefusedOutside++
	g.stats.Refused[code-wire.NotStarted]++
}

func (g *Gate[T]) refuse(now time.Duration, caller Caller, code wire.Code) Refusal {
	g.stats.Refused[code-wire.NotStarted]++
	return Refusal{code, g.calendar.returnAfter(now, caller, g.pace.gap(&g.drain, now))}
}

// advance moves the clock to now and returns it. It never goes back.
func (g *Gate[T]) advance(now time.Duration) time.Duration {
	if now < g.clock {
		g.stats.ClockReversals++
		return g.clock
	}
	g.clock = now
	return now
}

// NextDeadline returns the earliest deadline of an unanswered input, which may
// have come already, and false if there is none.
func (g *Gate[T]) NextDeadline() (time.Duration, bool) {
	if g.inbox.waiting == none {
		return 0, false
	}
	return g.inbox.slots[g.inbox.waiting].deadline, true
}

// Wedged reports whether the inbox is not empty and nothing has finished for
// longer than the reply timeout, counted from the last finish or from when the
// inbox became non-empty, whichever is later (PROTOCOL G7). A full inbox is not
// wedged, nor is a closed one, as long as inputs finish.
func (g *Gate[T]) Wedged(now time.Duration) bool {
	return g.inbox.depth > 0 && max(now, g.clock)-g.progress > g.cfg.ReplyTimeout
}

// Depth returns the number of inputs inside: queued, taken, or answered and not
// finished. It is at most Capacity.
func (g *Gate[T]) Depth() int { return g.inbox.depth }

// Oldest returns how long ago the oldest input inside was offered, and false if
// there is none.
func (g *Gate[T]) Oldest(now time.Duration) (time.Duration, bool) {
	if g.inbox.first == none {
		return 0, false
	}
	return max(now, g.clock) - g.offered(g.inbox.first), true
}

func (g *Gate[T]) offered(slot int32) time.Duration {
	return g.inbox.slots[slot].deadline - g.cfg.ReplyTimeout
}

// State returns whether the gate is not started, open or closed.
func (g *Gate[T]) State() State { return g.state }

// Impaired reports whether, since it was last called or since the start,
// requests of some host may have been refused through the plane's own fault: an
// offer was refused since the gate was not started or closed, or since the
// whole inbox was full; or a flush removed an input; or one was skipped. The plane
// credits such time to its hosts (PROTOCOL L2). Refusals by the per-host cap do not count,
// since otherwise one flooding host could switch off the liveness judgement of
// all hosts; nor do those by the reserve, which lets heartbeats in while other
// hosts replay.
func (g *Gate[T]) Impaired() bool {
	unheard := g.impaired
	g.impaired = false
	return unheard
}

// Stats returns the counters.
func (g *Gate[T]) Stats() Stats { return g.stats }

// Each visits what the driver attached to every input inside, oldest first. It is
// for observers.
func (g *Gate[T]) Each(visit func(T)) {
	for i := g.inbox.first; i != none; i = g.inbox.slots[i].next {
		visit(g.inbox.slots[i].payload)
	}
}
