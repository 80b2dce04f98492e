package httpserver

import (
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
type waiters struct {
	mu     sync.Mutex
	byHost map[wire.Hostname]*waiter
	// turns bounds how many woken polls ask at a time. Opening a rollout wakes
	// a whole fleet; without the bound the herd would fill the inbox and send
	// most of itself away with 503.
	turns  chan struct{}
	parked atomic.Int64 // how many wait for news
}

// waiter is one poll on the list.
type waiter struct {
	hostname wire.Hostname
	wake     chan struct{} // has room for one: many wakes are one
	replaced chan struct{} // closed when a newer poll has taken the place
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
	return &waiters{byHost: make(map[wire.Hostname]*waiter), turns: make(chan struct{}, turns)}
}

// enter puts a poll on the list.
func (l *waiters) enter(h wire.Hostname) *waiter {
	w := &waiter{hostname: h, wake: make(chan struct{}, 1), replaced: make(chan struct{})}
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
func (l *waiters) wait(w *waiter, timeUp <-chan time.Time, closing, gone <-chan struct{}) news {
	l.parked.Add(1)
	defer l.parked.Add(-1)
	wake, turns := w.wake, chan<- struct{}(nil)
	for {
		select {
		case <-wake:
			wake, turns = nil, l.turns // and now for a turn
		case turns <- struct{}{}:
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
}

// turnOver gives a turn back.
func (l *waiters) turnOver() { <-l.turns }

// wake tells hosts that there may be work for them.
func (l *waiters) wake(hosts []wire.Hostname) {
	if len(hosts) == 0 {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, h := range hosts {
		l.byHost[h].ring()
	}
}

// wakeAll tells every host that waits.
func (l *waiters) wakeAll() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, w := range l.byHost {
		w.ring()
	}
}

// ring wakes a poll, if there is one.
func (w *waiter) ring() {
	if w == nil {
		return
	}
	select {
	case w.wake <- struct{}{}:
	default:
	}
}
