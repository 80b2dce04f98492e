package gate

import (
	"fmt"
	"time"
)

// Config sets the sizes and times of a gate. The zero value is the default
// configuration.
type Config struct {
	// Capacity is the number of slots of the inbox, 1 to 1,048,576.
	// Default 1,024.
	Capacity int

	// HeartbeatReserve is the number of slots that only heartbeats may use
	// (PROTOCOL G5), at most Capacity-1. Negative means none. Default a quarter
	// of Capacity, rounded up, and at most Capacity-1.
	HeartbeatReserve int

	// PerHost is the number of inputs that one caller may have inside at a time
	// (PROTOCOL G6), at least 1. Default 4.
	PerHost int

	// ReplyTimeout is the time from offer to deadline (PROTOCOL G2), more than
	// 0 and at most one hour. Default 5 s.
	ReplyTimeout time.Duration

	// MaxRetryAfter is the longest Retry-After that is ever given (PROTOCOL
	// G4), in whole seconds, 1 s to 24 h. Where the calendar would reach beyond
	// it, it starts again one second from now. Default 60 s.
	MaxRetryAfter time.Duration
}

const (
	defaultCapacity      = 1024
	defaultPerHost       = 4
	defaultReplyTimeout  = 5 * time.Second
	defaultMaxRetryAfter = 60 * time.Second

	maxCapacity      = 1 << 20
	maxReplyTimeout  = time.Hour
	maxMaxRetryAfter = 24 * time.Hour
)

// withDefaults fills in what is zero. Filling in twice is the same as once: the
// default reserve is 0 only for a capacity of 1, and then always.
func (c Config) withDefaults() Config {
	if c.Capacity == 0 {
		c.Capacity = defaultCapacity
	}
	if c.HeartbeatReserve == 0 {
		c.HeartbeatReserve = min((c.Capacity+3)/4, c.Capacity-1)
	}
	if c.PerHost == 0 {
		c.PerHost = defaultPerHost
	}
	if c.ReplyTimeout == 0 {
		c.ReplyTimeout = defaultReplyTimeout
	}
	if c.MaxRetryAfter == 0 {
		c.MaxRetryAfter = defaultMaxRetryAfter
	}
	return c
}

// validate judges a configuration whose defaults are filled in.
func (c Config) validate() error {
	switch {
	case c.Capacity < 1 || c.Capacity > maxCapacity:
		return fmt.Errorf("gate: capacity is %d, want 1 to %d", c.Capacity, maxCapacity)
	case c.HeartbeatReserve >= c.Capacity:
		return fmt.Errorf("gate: heartbeat reserve is %d, want less than the capacity, which is %d, or negative for none", c.HeartbeatReserve, c.Capacity)
	case c.PerHost < 1:
		return fmt.Errorf("gate: per host is %d, want at least 1", c.PerHost)
	case c.ReplyTimeout <= 0 || c.ReplyTimeout > maxReplyTimeout:
		return fmt.Errorf("gate: reply timeout is %s, want more than 0s and at most %s", c.ReplyTimeout, maxReplyTimeout)
	case c.MaxRetryAfter < time.Second || c.MaxRetryAfter > maxMaxRetryAfter || c.MaxRetryAfter%time.Second != 0:
		return fmt.Errorf("gate: max retry after is %s, want whole seconds from 1s to %s", c.MaxRetryAfter, maxMaxRetryAfter)
	}
	return nil
}

// bulkShare is the number of slots that bulk inputs may use.
func (c Config) bulkShare() int { return c.Capacity - max(c.HeartbeatReserve, 0) }
