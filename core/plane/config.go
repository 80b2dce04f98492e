package plane

import (
	"fmt"
	"time"
)

// Config are the few numbers that the plane's judgement depends on. They are
// fixed for the life of a plane; zero values mean the defaults.
type Config struct {
	// HeartbeatInterval is the time between two heartbeats of an agent, and
	// the unit of liveness (PROTOCOL L1). Default 60 s, at least 1 s.
	HeartbeatInterval time.Duration
	// StallAfter is how long a gap between two steps may be before the plane
	// takes it for a stall of its own and credits it to every host (L2). It
	// must be longer than the time between two ticks of the driver. Default a
	// sixth of the interval.
	StallAfter time.Duration
	// Slice is how many hosts of a manifest are prepared at a time, if it has more
	// of them, so that other inputs need not wait for all (PROTOCOL R1). Default
	// [DefaultSlice], at least 1.
	Slice int
	// EventBudget is what each record's events may add to the log (G10).
	EventBudget EventBudget
	// MaxReplays is how many replays may be under way at a time (PROTOCOL H9):
	// the plane puts off asking for more. Default 256, 1 to 65,536.
	MaxReplays int
	// SignedOnly refuses new rollouts that are of no signed release, and offers no
	// dispatch that the release that is held does not back (V6, V7).
	SignedOnly bool
}

// DefaultSlice takes a few milliseconds.
const DefaultSlice = 2048

// DefaultHeartbeatInterval is the interval of PROTOCOL A5.
const DefaultHeartbeatInterval = 60 * time.Second

// DefaultMaxReplays and LargestMaxReplays are the default of [Config.MaxReplays]
// and its largest value.
const (
	DefaultMaxReplays = 256
	LargestMaxReplays = 65_536
)

func (c Config) withDefaults() Config {
	if c.HeartbeatInterval == 0 {
		c.HeartbeatInterval = DefaultHeartbeatInterval
	}
	if c.StallAfter == 0 {
		c.StallAfter = c.HeartbeatInterval / 6
	}
	if c.Slice == 0 {
		c.Slice = DefaultSlice
	}
	c.EventBudget = c.EventBudget.withDefaults()
	if c.MaxReplays == 0 {
		c.MaxReplays = DefaultMaxReplays
	}
	return c
}

func (c Config) validate() error {
	if c.HeartbeatInterval < time.Second {
		return fmt.Errorf("heartbeat interval is %v; want at least 1s", c.HeartbeatInterval)
	}
	if c.StallAfter <= 0 || c.StallAfter >= c.HeartbeatInterval {
		return fmt.Errorf("stall after is %v; want more than 0 and less than the heartbeat interval, %v", c.StallAfter, c.HeartbeatInterval)
	}
	if c.MaxReplays < 1 || c.MaxReplays > LargestMaxReplays {
		return fmt.Errorf("max replays is %d; want 1 to %d", c.MaxReplays, LargestMaxReplays)
	}
	if c.Slice < 1 {
		return fmt.Errorf("slice is %d hosts; want at least 1", c.Slice)
	}
	return c.EventBudget.validate()
}

// TickEvery is how often a driver must step a [Tick]: half of StallAfter, so
// that one late tick is not yet a stall.
func (c Config) TickEvery() time.Duration { return c.withDefaults().StallAfter / 2 }

// silence is how long a host may be silent before it is unreachable (L1).
func (c Config) silence() time.Duration { return 3 * c.HeartbeatInterval }
