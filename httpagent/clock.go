package httpagent

import (
	"context"
	"time"

	"github.com/benbjohnson/clock"

	"github.com/refrain-fleet/refrain/core/agent"
	"github.com/refrain-fleet/refrain/core/wire"
)

// MaxSpeed is the fastest that a [Clock] runs.
const MaxSpeed = 1000

// Clock is the time of agents and their machines: that of a base clock, run
// faster by a whole factor from when the Clock is made. The base is the time of
// the plane and of the network. A Clock may be used by several goroutines at
// once.
type Clock struct {
	base   clock.Clock
	origin time.Time
	speed  time.Duration
	// realWall means that only the monotonic clock is fast.
	realWall bool
}

// NewClock makes a clock on base that runs speed times as fast; a speed below 1
// is taken as 1 and one above [MaxSpeed] as that.
func NewClock(base clock.Clock, speed int) *Clock {
	return &Clock{base: base, origin: base.Now(), speed: time.Duration(max(1, min(speed, MaxSpeed)))}
}

// NewMonotonicClock makes a clock like [NewClock] whose wall clock is the base's
// own, so that what agents date does not lie in the plane's future: heartbeats at
// all, and events by no more than a soak, at whose end Converged is dated.
// Intervals, soak and timers run fast. A soak that is recovered after a restart
// takes longer, since what has passed of it is only known by the wall clock.
func NewMonotonicClock(base clock.Clock, speed int) *Clock {
	c := NewClock(base, speed)
	c.realWall = true
	return c
}

// Speed returns how many times as fast as its base the clock runs.
func (c *Clock) Speed() int { return int(c.speed) }

// Now returns the agent's time. Both of its clocks run faster, or only the
// monotonic one. With speed 1 the wall clock is the base's own, which may be set.
func (c *Clock) Now() wire.Instant {
	now := c.base.Now()
	passed := now.Sub(c.origin)
	if c.realWall {
		return wire.Instant{Mono: passed * c.speed, Wall: wire.TimeOf(now)}
	}
	return wire.Instant{Mono: passed * c.speed, Wall: wire.TimeOf(now.Add(passed * (c.speed - 1)))}
}

// slowed converts the agent's time to the base's, rounded up: a timer must not
// go off before its instant has come.
func (c *Clock) slowed(d time.Duration) time.Duration {
	if d <= 0 {
		return 0
	}
	return (d-1)/c.speed + 1
}

// sped converts the base's time to the agent's.
func (c *Clock) sped(d time.Duration) time.Duration { return d * c.speed }

// at makes a timer for an instant of the agent's monotonic clock; nil if it
// never comes.
func (c *Clock) at(mono time.Duration) *clock.Timer {
	if mono == agent.NoTimer {
		return nil
	}
	return c.base.Timer(c.slowed(mono - c.Now().Mono))
}

// wait waits for d of the agent's time. It returns false if ctx ended first.
func (c *Clock) wait(ctx context.Context, d time.Duration) bool {
	timer := c.base.Timer(c.slowed(d))
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
