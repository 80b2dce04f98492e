package httpserver

import (
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/refrain-fleet/refrain/core/wire"
)

// waiters are the dispatch polls that wait for work (PROTOCOL D1). A waiting
// poll is a goroutine that holds no slot of the inbox and none of the plane's
// time (D3).
//
// A host has one: a newer poll of it answers the older one 204. The older is
// most likely one whose connection was lost without a word.
//
// A woken poll asks when it has a turn. Opening a rollout wakes a whole fleet;
// without a bound on the turns the herd would fill the inbox and send most of
// itself away with 503. Turns are given in the order in which polls are woken.
type waiters struct {
	mu     sync.Mutex
	byHost map[wire.Hostname]*waiter
	turns  int          // that nobody has
	line   []*waiter    // woken, waiting for a turn
	parked atomic.Int64 // how many wait for news
}

// waiter is one poll on the list.
type waiter struct {
	hostname wire.Hostname
	turn     chan struct{} // has room for the one turn
	replaced chan struct{} // closed when a newer poll has taken the place

	// Guarded by the list's mu.
	waits bool // for news; otherwise it is asking
	woken bool // since it last asked: many wakes are one
	left  bool // it waits no more, and is passed over
}

// news is what ends a poll's waiting.
type news uint8

const (
	pollTurn   news = iota // there may be work, and it is this poll's turn to ask
	pollOver               // time is up, or a newer poll has come
	pollClosed             // the server shuts down
	pollGone               // the caller has gone away
)

func newWaiters(turns int) *waiters {
	return &waiters{byHost: make(map[wire.Hostname]*waiter), turns: turns}
}

// enter puts a poll on the list.
func (l *waiters) enter(h wire.Hostname) *waiter {
	w := &waiter{hostname: h, turn: make(chan struct{}, 1), replaced: make(chan struct{})}
	l.mu.Lock()
	defer l.mu.Unlock()
	if older := l.byHost[h]; older != nil {
		close(older.replaced)
	}
	l.byHost[h] = w
	return w
}

// leave takes a poll off the list, if no newer one has.
func (l *waiters) leave(w *waiter) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.byHost[w.hostname] == w {
		delete(l.byHost, w.hostname)
	}
}

// count returns how many polls wait for news.
func (l *waiters) count() int { return int(l.parked.Load()) }

// wait waits for news. Only pollTurn can come more than once; after it the
// caller asks and then calls turnOver.
func (l *waiters) wait(w *waiter, timeUp <-chan time.Time, closing, gone <-chan struct{}) (n news) {
	l.park(w)
	defer func() { l.unpark(w, n) }()
	select {
	case <-closing: // before everything else: nobody is admitted any more
		return pollClosed
	default:
	}
	select { // a poll whose time is up asks no more, though it may have a turn
	case <-timeUp:
		return pollOver
	case <-w.replaced:
		return pollOver
	default:
	}
	select {
	case <-w.turn:
		return pollTurn
	case <-timeUp:
		return pollOver
	case <-w.replaced:
		return pollOver
	case <-closing:
		return pollClosed
	case <-gone:
		return pollGone
	}
}

func (l *waiters) park(w *waiter) {
	l.parked.Add(1)
	l.mu.Lock()
	defer l.mu.Unlock()
	w.waits = true
	if w.woken {
		l.queue(w)
	}
}

// unpark ends the waiting of a poll. One that goes without the turn that it was
// given, or stands in line for, leaves both to the others.
func (l *waiters) unpark(w *waiter, n news) {
	l.parked.Add(-1)
	l.mu.Lock()
	defer l.mu.Unlock()
	w.waits, w.woken = false, false
	if n == pollTurn {
		return
	}
	w.left = true
	select {
	case <-w.turn:
		l.next()
	default:
	}
}

// queue puts a poll in line. The guard must be held.
func (l *waiters) queue(w *waiter) {
	l.line = append(l.line, w)
	l.give()
}

// give gives the turns that there are to those who are first in line. The guard
// must be held.
func (l *waiters) give() {
	for l.turns > 0 && len(l.line) > 0 {
		first := l.line[0]
		l.line[0], l.line = nil, l.line[1:]
		if !first.left {
			first.turn <- struct{}{}
			l.turns--
		}
	}
}

// next passes a turn on. The guard must be held.
func (l *waiters) next() {
	l.turns++
	l.give()
}

// turnOver gives a turn back.
func (l *waiters) turnOver() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.next()
}

// wake tells hosts that there may be work for them.
func (l *waiters) wake(hosts []wire.Hostname) {
	if len(hosts) == 0 {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, h := range hosts {
		l.wakeOne(l.byHost[h])
	}
}

// wakeAll tells every host that waits, in the order of their names.
func (l *waiters) wakeAll() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, h := range slices.Sorted(maps.Keys(l.byHost)) {
		l.wakeOne(l.byHost[h])
	}
}

// wakeOne wakes a poll, if there is one and it is not woken already. The guard
// must be held.
func (l *waiters) wakeOne(w *waiter) {
	if w == nil || w.woken {
		return
	}
	w.woken = true
	if w.waits {
		l.queue(w)
	}
}
