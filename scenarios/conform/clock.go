package conform

import (
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
	late  []*deferred   // the others
	// ticks says that the next function is the loop's tick.
	ticks bool
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
		if c.ticks {
			c.tick, c.ticks = &deferred{t, f}, false
		} else {
			c.late = append(c.late, &deferred{t, f})
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

// moveTo moves the clock and lets the loop know that a tick is due.
func (c *drivenClock) moveTo(at time.Duration) {
	if at > c.now {
		c.now = at
	}
	c.Mock.Set(c.began.Add(c.now))
	if c.tick != nil && c.tick.due() {
		c.tick.run()
	}
}

// expire runs the gate's deadline if it has come.
func (c *drivenClock) expire() {
	for _, d := range c.late {
		if d.due() {
			d.run()
		}
	}
}
