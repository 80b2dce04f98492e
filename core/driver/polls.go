package driver

import (
	"maps"
	"slices"
	"time"

	"github.com/refrain-fleet/refrain/core/gate"
	"github.com/refrain-fleet/refrain/core/plane"
	"github.com/refrain-fleet/refrain/core/wire"
)

// poll is what the driver keeps of a request that is a dispatch poll which may
// wait (PROTOCOL D1).
type poll[T any] struct {
	until    time.Duration // when it is answered 204
	number   uint64        // in the order of arrival
	deadline *deadline[T]  // its entry in polls.deadlines, if it has one

	waits    bool // for work; otherwise it is asking, or answered
	turn     bool // it asks by a turn
	replaced bool // a newer poll of the host has come
	gone     bool // its client is gone

	place      *place[T] // its host's
	queued     bool      // it stands in line for a turn
	prev, next *Request[T]
}

// place is where the poll of a host is, if it has one. It is kept for as long as
// the driver lives: hosts come back every minute.
type place[T any] struct {
	poll *Request[T]
	pace pace
}

// polls are the polls that wait for work. One that waits holds no slot of the
// inbox and none of the plane's time (PROTOCOL D3).
//
// A host has one: a newer poll of it answers the older one 204. The older is
// most likely one whose connection was lost without a word.
//
// A poll that is woken asks when it has a turn. Opening a rollout wakes a whole
// fleet; without a bound on the turns they would fill the inbox, and most would
// be sent away with 503. Turns are given in the order in which polls are woken.
type polls[T any] struct {
	byHost    map[wire.Hostname]*place[T]
	deadlines deadlines[T]
	arrived   uint64
	waiting   int
	paced     uint64 // refused, see pace

	allTurns, turns int // how many there are, and how many are free
	first, last     *Request[T]
	giving          bool // giveTurns is at work
}

// newPolls shares a quarter of the inbox out as turns.
func newPolls[T any](capacity int) polls[T] {
	turns := max(1, capacity/4)
	return polls[T]{byHost: make(map[wire.Hostname]*place[T]), allTurns: turns, turns: turns}
}

func hostOf[T any](r *Request[T]) wire.Hostname { return r.Input.(*plane.Poll).Hostname }

// enter puts a poll on the list as soon as it asks for the first time, so that no
// wake is lost before it waits.
func (f *Front[T]) enter(now wire.Instant, r *Request[T], at *place[T]) {
	p := &f.polls
	p.arrived++
	r.poll.until, r.poll.number = now.Mono+r.Wait, p.arrived
	p.deadlines.push(r)
	f.deadline(r.poll.until)
	older := at.poll
	at.poll, r.poll.place = r, at
	if older != nil {
		older.poll.replaced = true
		if older.poll.waits {
			f.answerWithoutWork(now, older)
		}
	}
}

// answerWithoutWork answers a poll 204.
func (f *Front[T]) answerWithoutWork(now wire.Instant, r *Request[T]) {
	r.Outcome, r.Finished = wire.Outcome{Code: wire.NoContent}, true
	f.answer(now, r)
}

// leave takes a poll that is answered off the list and out of the line, and
// passes its turn on.
func (f *Front[T]) leave(now wire.Instant, r *Request[T]) {
	p := &f.polls
	if at := r.poll.place; at != nil && at.poll == r {
		at.poll = nil
	}
	p.deadlines.remove(r)
	p.dequeue(r)
	if r.poll.waits {
		r.poll.waits = false
		p.waiting--
	}
	f.endTurn(now, r)
}

// await lets a poll that found no work wait, if it still may.
func (f *Front[T]) await(now wire.Instant, r *Request[T]) {
	f.endTurn(now, r)
	switch {
	case f.draining || f.gate.State() == gate.Closed:
		f.refusePoll(now, r)
	case r.poll.gone || r.poll.replaced || now.Mono >= r.poll.until:
		f.answerWithoutWork(now, r)
	default:
		r.poll.waits = true
		f.polls.waiting++
	}
}

// wake gives the polls of hosts a turn, as there may be work for them. A poll
// that is asking just then needs none: the reply follows its step at once, so it
// was not stepped yet, and finds the work.
func (f *Front[T]) wake(now wire.Instant, hosts []wire.Hostname) {
	for _, h := range hosts {
		if r := f.polls.of(h); r != nil && r.poll.waits && !r.poll.queued {
			f.polls.enqueue(r)
		}
	}
	f.giveTurns(now)
}

// wakeAll wakes every poll, in the order of the hosts' names.
func (f *Front[T]) wakeAll(now wire.Instant) { f.wake(now, f.polls.hosts()) }

// hosts returns the hosts that have a poll, in the order of their names.
func (p *polls[T]) hosts() []wire.Hostname {
	hosts := slices.Sorted(maps.Keys(p.byHost))
	return slices.DeleteFunc(hosts, func(h wire.Hostname) bool { return p.byHost[h].poll == nil })
}

// of returns the poll of a host; nil if it has none.
func (p *polls[T]) of(h wire.Hostname) *Request[T] {
	if at := p.byHost[h]; at != nil {
		return at.poll
	}
	return nil
}

// giveTurns lets those ask who are first in line, as far as there are turns. A
// certificate may have been revoked or have expired while its poll waited.
func (f *Front[T]) giveTurns(now wire.Instant) {
	p := &f.polls
	if p.giving {
		return // the call that is at work comes to this poll, too
	}
	p.giving = true
	for p.turns > 0 && p.first != nil {
		r := p.first
		p.dequeue(r)
		if now.Mono >= r.poll.until {
			f.answerWithoutWork(now, r)
			continue
		}
		p.turns--
		p.waiting--
		r.poll.waits, r.poll.turn = false, true
		f.note(Woken, r)
		if refusal, good := f.revocations.Check(&r.Certificate, now.Wall); !good {
			r.Outcome, r.Finished = refusal, true
			f.answer(now, r)
			continue
		}
		r.Input.(*plane.Poll).Again = true // nothing reads the input of a poll that waits
		f.offer(now, r)
	}
	p.giving = false
}

// endTurn passes on the turn of a poll that has asked.
func (f *Front[T]) endTurn(now wire.Instant, r *Request[T]) {
	if r.poll.turn {
		r.poll.turn = false
		f.polls.turns++
		f.giveTurns(now)
	}
}

// expirePolls answers the polls that have waited long enough. One that is asking
// just then is answered when it has asked.
func (f *Front[T]) expirePolls(now wire.Instant) {
	for {
		r := f.polls.deadlines.first()
		if r == nil || r.poll.until > now.Mono {
			return
		}
		f.polls.deadlines.remove(r)
		if r.poll.waits {
			f.answerWithoutWork(now, r)
		}
	}
}

// closePolls refuses every poll that waits when the gate closes, in the order of
// the hosts' names. Those that are asking are refused when they would wait
// again.
func (f *Front[T]) closePolls(now wire.Instant) {
	for _, h := range f.polls.hosts() {
		if r := f.polls.of(h); r.poll.waits {
			f.refusePoll(now, r)
		}
	}
}

// refusePoll answers a poll that may not wait any more, since the gate is closed or
// will be.
func (f *Front[T]) refusePoll(now wire.Instant, r *Request[T]) {
	f.refuse(now, r, f.gate.Refuse(now.Mono, r.Caller, wire.Closed), PollRefused)
}

// enqueue puts a woken poll last in line.
func (p *polls[T]) enqueue(r *Request[T]) {
	r.poll.queued, r.poll.prev, r.poll.next = true, p.last, nil
	if p.last != nil {
		p.last.poll.next = r
	} else {
		p.first = r
	}
	p.last = r
}

// dequeue takes a poll out of the line, if it stands there.
func (p *polls[T]) dequeue(r *Request[T]) {
	if !r.poll.queued {
		return
	}
	if r.poll.prev != nil {
		r.poll.prev.poll.next = r.poll.next
	} else {
		p.first = r.poll.next
	}
	if r.poll.next != nil {
		r.poll.next.poll.prev = r.poll.prev
	} else {
		p.last = r.poll.prev
	}
	r.poll.queued, r.poll.prev, r.poll.next = false, nil, nil
}
