package agent

import (
	"fmt"
	"time"

	"github.com/refrain-fleet/refrain/core/artifact"
	"github.com/refrain-fleet/refrain/core/wire"
)

// Config configures an agent. It is fixed once the agent is made; a zero value
// means the default where one is given.
type Config struct {
	// Hostname is the machine ID of the host. Required.
	Hostname wire.Hostname
	// Seed starts the generator of all jitter. Hosts must have different seeds,
	// or their jitter is the same and does not spread their requests. Any
	// value.
	Seed uint64
	// HeartbeatInterval is the time between two heartbeats (PROTOCOL A5), and
	// the cap of every backoff. Default 60 s, at least 1 s.
	HeartbeatInterval time.Duration
	// RequestTimeout is the client timeout of a heartbeat and of an event
	// (A6). Default 10 s, more than 0.
	RequestTimeout time.Duration
	// PollWait is how long a dispatch poll may wait at the plane (D1), in
	// whole seconds. Its client timeout is PollWait plus RequestTimeout (A6).
	// Default 60 s, 1 s to 60 s.
	PollWait time.Duration
	// BackoffBase is the bound of the first backoff after a failure; each
	// further failure doubles the bound up to HeartbeatInterval (A5). Default
	// 1 s, more than 0 and at most HeartbeatInterval.
	BackoffBase time.Duration
	// ProbeInterval is the time from the end of one round of probes to the
	// start of the next while a rollout is soaking. Default 10 s, at least
	// 100 ms.
	ProbeInterval time.Duration
	// SustainedFailure is for how long an enforce-mode probe has to fail
	// without a pass before the host counts as failed (A7). Default 120 s,
	// more than 0.
	SustainedFailure time.Duration
	// SwitchMethod is this host's word for how it switches, in
	// ActivationStarted. Default "switch".
	SwitchMethod wire.Name
	// KeepFinished bounds the finished rollouts whose events are kept for
	// replays: the newest one of each channel, of at most so many channels.
	// Default 16, at least 1.
	KeepFinished int
	// SignedOnly has the agent act only on what a signed release says (PROTOCOL A11): its
	// driver then fetches and verifies artifacts for it ([EffectFetch]). Default false.
	SignedOnly bool
	// SignedWindow is how old a signature may be, beside [artifact.Skew]. Default
	// [artifact.AgentWindow], more than 0.
	SignedWindow time.Duration
	// Legacy makes the agent behave like those deployed before this protocol
	// was written down; see legacy.go. Default false.
	Legacy bool
}

// The defaults of [Config].
const (
	DefaultHeartbeatInterval = 60 * time.Second
	DefaultRequestTimeout    = 10 * time.Second
	DefaultPollWait          = 60 * time.Second
	DefaultBackoffBase       = time.Second
	DefaultProbeInterval     = 10 * time.Second
	DefaultSustainedFailure  = 120 * time.Second
	DefaultSwitchMethod      = wire.Name("switch")
	DefaultKeepFinished      = 16
)

func orDefault[T comparable](value *T, def T) {
	if *value == *new(T) {
		*value = def
	}
}

func (c Config) withDefaults() Config {
	orDefault(&c.HeartbeatInterval, DefaultHeartbeatInterval)
	orDefault(&c.RequestTimeout, DefaultRequestTimeout)
	orDefault(&c.PollWait, DefaultPollWait)
	orDefault(&c.BackoffBase, min(DefaultBackoffBase, c.HeartbeatInterval))
	orDefault(&c.ProbeInterval, DefaultProbeInterval)
	orDefault(&c.SustainedFailure, DefaultSustainedFailure)
	orDefault(&c.SwitchMethod, DefaultSwitchMethod)
	orDefault(&c.KeepFinished, DefaultKeepFinished)
	orDefault(&c.SignedWindow, artifact.AgentWindow)
	return c
}

func (c Config) validate() error {
	if _, err := wire.ParseHostname(string(c.Hostname)); err != nil {
		return fmt.Errorf("hostname is %q; %w", c.Hostname, err)
	}
	if c.HeartbeatInterval < time.Second {
		return fmt.Errorf("heartbeat interval is %v; want at least 1s", c.HeartbeatInterval)
	}
	if c.RequestTimeout <= 0 {
		return fmt.Errorf("request timeout is %v; want more than 0", c.RequestTimeout)
	}
	if c.PollWait < time.Second || c.PollWait > time.Minute || c.PollWait%time.Second != 0 {
		return fmt.Errorf("poll wait is %v; want whole seconds from 1s to 1m", c.PollWait)
	}
	if c.BackoffBase <= 0 || c.BackoffBase > c.HeartbeatInterval {
		return fmt.Errorf("backoff base is %v; want more than 0 and at most the heartbeat interval, %v", c.BackoffBase, c.HeartbeatInterval)
	}
	if c.ProbeInterval < 100*time.Millisecond {
		return fmt.Errorf("probe interval is %v; want at least 100ms", c.ProbeInterval)
	}
	if c.SustainedFailure <= 0 {
		return fmt.Errorf("sustained failure is %v; want more than 0", c.SustainedFailure)
	}
	if c.KeepFinished < 1 {
		return fmt.Errorf("keep finished is %d; want at least 1", c.KeepFinished)
	}
	if c.SignedWindow <= 0 {
		return fmt.Errorf("signed window is %v; want more than 0", c.SignedWindow)
	}
	if c.SignedOnly && c.Legacy {
		return fmt.Errorf("signed only is set for a legacy agent, which takes every dispatch; want one of the two")
	}
	return nil
}
