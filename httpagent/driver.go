package httpagent

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/refrain-fleet/refrain/core/agent"
)

// Driver runs one agent's reducer against a plane.
type Driver struct {
	cfg    Config
	client *client
	// releases is used if the agent acts only on signed intent.
	releases releaseFetcher
	// lines is the buffer for what is appended.
	lines []byte
	// size is that of the log in bytes, compacted what the last compaction left
	// of it, or tried to.
	size, compacted int

	restarts  chan restart
	refreshes chan struct{}
	// waiting is called before the driver waits for an input, with how many
	// requests, probes and switches are in flight and when the timer is due;
	// for tests. It may be nil.
	waiting func(a *agent.Agent, open int, next time.Duration)
}

// restart is how a session shall end.
type restart struct {
	boot agent.Boot
	down time.Duration // in the agent's time
}

// New makes a driver that does nothing yet. The error names the field of cfg
// that is wrong; the caller still owns the log then.
func New(cfg Config) (*Driver, error) {
	cfg.Agent.SignedOnly = cfg.Agent.SignedOnly || cfg.TrustFile != ""
	a, err := agent.New(cfg.Agent)
	if err != nil {
		return nil, fmt.Errorf("httpagent: %w", err)
	}
	cfg = cfg.withDefaults()
	cfg.Agent = a.Config()
	cfg.Logger = cfg.Logger.With("host", string(cfg.Agent.Hostname))
	if err := cfg.validate(); err != nil {
		return nil, fmt.Errorf("httpagent: %w", err)
	}
	client, err := newClient(&cfg)
	if err != nil {
		return nil, fmt.Errorf("httpagent: %w", err)
	}
	return &Driver{
		cfg: cfg, client: client,
		releases: releaseFetcher{client: client, trustFile: cfg.TrustFile, host: cfg.Agent.Hostname, timeout: cfg.Agent.RequestTimeout},
		restarts: make(chan restart, 1), refreshes: make(chan struct{}, 1),
	}, nil
}

// Restart ends the driver's session as a crash of the process would, or with
// [agent.Reboot] one of the host, and begins the next one after down of the
// agent's time. It returns at once; of several calls before the next session
// begins the last one counts, but a reboot among them stays a reboot.
func (d *Driver) Restart(boot agent.Boot, down time.Duration) {
	for {
		select {
		case d.restarts <- restart{boot, down}:
			return
		default:
		}
		select {
		case earlier := <-d.restarts:
			boot = max(boot, earlier.boot)
		default:
		}
	}
}

// Refresh has the driver ask its machine for the probes and for what it runs.
// It returns at once.
func (d *Driver) Refresh() {
	select {
	case d.refreshes <- struct{}{}:
	default: // a refresh is pending already
	}
}

// Run drives the agent until ctx ends, which is no error. It returns when all
// its goroutines have ended and the log is closed. An error says that the log
// cannot be read, or with CheckInvariants that the reducer has a defect.
func (d *Driver) Run(ctx context.Context) error {
	defer d.client.credentials.closeIdle()
	err := d.run(ctx)
	return errors.Join(err, d.cfg.Log.Close())
}

// run runs session after session.
func (d *Driver) run(ctx context.Context) error {
	boot := d.cfg.Boot
	failures := 0
	for first := true; ; first = false {
		s, err := d.begin(ctx, boot)
		if err != nil && (first || !errors.Is(err, errLog)) {
			return err
		}
		if err == nil {
			began := d.cfg.Clock.Now().Mono
			err = s.run()
			s.end()
			if s.started { // otherwise the next session is still the first after a boot
				boot = agent.ProcessStart
			}
			if d.cfg.Clock.Now().Mono-began >= d.cfg.Agent.HeartbeatInterval {
				failures = 0
			}
		}
		if ctx.Err() != nil {
			return nil
		}
		var down *downtime
		switch {
		case errors.As(err, &down):
			boot = max(boot, down.boot)
			if !d.pause(ctx, down.down) {
				return nil
			}
		case errors.Is(err, errLog):
			pause := min(d.cfg.Agent.BackoffBase<<min(failures, 20), d.cfg.Agent.HeartbeatInterval)
			failures++
			d.cfg.Logger.Error("the agent is discarded and restored from its durable log", "error", err, "pause", pause)
			if !d.pause(ctx, pause) {
				return nil
			}
		default:
			return err
		}
	}
}

// pause waits between two sessions. It returns false if ctx ended first.
func (d *Driver) pause(ctx context.Context, pause time.Duration) bool {
	end := d.cfg.Clock.Now().Mono + pause
	timer := d.cfg.Clock.at(end)
	defer timer.Stop()
	if d.waiting != nil {
		d.waiting(nil, 0, end)
	}
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// errLog says that the log could not be loaded or appended to, which a later
// attempt may do.
var errLog = errors.New("the agent's log")

// downtime is the end of a session that [Driver.Restart] asked for.
type downtime struct{ restart }

// Error implements error.
func (*downtime) Error() string { return "the process or the host went down" }
