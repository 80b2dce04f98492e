package conform

import (
	"sync"
	"time"

	"github.com/benbjohnson/clock"
)

// drivenClock is the clock of a server that is played to. Functions that shall
// run after a while are called by the player, in its own goroutine and after the
// clock has moved, so that nothing is under way when it moves on.
type drivenClock struct {
	*clock.Mock
	mail *mailbox

	began time.Time
	now   time.Duration // since the world began
	tick  *deferred     // the loop's
	front *deferred     // the front's, for its next deadline
	retry []*deferred   // the loop's, for loading again
	// ticks says that the next function is the loop's tick.
	ticks bool

	mu sync.Mutex
	// polls are those of the directories that the server reads now and then.
	polls []chan time.Time
}

// deferred is a function that shall run when its timer has gone off.
type deferred struct {
	timer *clock.Timer
	run   func()
}

// due reports whether the timer has gone off since it was asked last.
func (d *deferred) due() bool {
	select {
	case <-d.timer.C:
		return true
	default:
		return false
	}
}

// newDrivenClock makes a clock that shows when the world began, so that a server
// that is made with it measures time as the world does.
func newDrivenClock(mail *mailbox, began time.Time) *drivenClock {
	c := &drivenClock{Mock: clock.NewMock(), mail: mail, began: began}
	c.Mock.Set(began)
	return c
}

// AfterFunc implements [clock.Clock].
func (c *drivenClock) AfterFunc(d time.Duration, f func()) *clock.Timer {
	t := c.Mock.Timer(d)
	c.mail.post(func(p *player) {
		if p.clock != c {
			return
		}
		switch d := (&deferred{t, f}); {
		case c.ticks:
			c.tick, c.ticks = d, false
		case c.front == nil: // a load fails after a request was admitted
			c.front = d
		default:
			c.retry = append(c.retry, d)
		}
	})
	return t
}

// Timer implements [clock.Clock]. The player hears of it.
func (c *drivenClock) Timer(d time.Duration) *clock.Timer {
	t := c.Mock.Timer(d)
	c.mail.post(func(p *player) { p.timers = append(p.timers, d) })
	return t
}

// Ticker implements [clock.Clock]. The server's tickers tick when the player says so.
func (c *drivenClock) Ticker(time.Duration) *clock.Ticker {
	t, poll := c.Mock.Ticker(aroundTheWorld), make(chan time.Time, 1)
	t.C = poll
	c.mu.Lock()
	defer c.mu.Unlock()
	c.polls = append(c.polls, poll)
	return t
}

// After implements [clock.Clock]. The server lets directories settle by it before it reads
// them; the player has them read itself.
func (c *drivenClock) After(time.Duration) <-chan time.Time { return nil }

// readDirectories has the server read its directories, after what it does with them now.
func (c *drivenClock) readDirectories() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, poll := range c.polls {
		select {
		case poll <- c.Now():
		default:
		}
	}
}

// moveTo moves the clock.
func (c *drivenClock) moveTo(at time.Duration) {
	c.now = max(c.now, at)
	c.Mock.Set(c.began.Add(c.now))
}

// tickDue lets the loop know that a tick is due. It reports false if none is.
func (c *drivenClock) tickDue() bool {
	if c.tick == nil || !c.tick.due() {
		return false
	}
	c.tick.run()
	return true
}

// retryDue lets the loop know that its next attempt to load is due. It reports
// false if none is.
func (c *drivenClock) retryDue() bool {
	for _, d := range c.retry {
		if d.due() {
			d.run()
			return true
		}
	}
	return false
}

// expire runs the front's deadline if it has come.
func (c *drivenClock) expire() {
	if c.front != nil && c.front.due() {
		c.front.run()
	}
}
