package main

import (
	"context"
	"fmt"
	"hash/fnv"
	"io"
	"log/slog"
	"path/filepath"
	"sync"
	"time"

	"github.com/benbjohnson/clock"

	"github.com/refrain-fleet/refrain/core/agent"
	"github.com/refrain-fleet/refrain/core/wire"
	"github.com/refrain-fleet/refrain/httpagent"
)

// fleetConfig configures a fleet of virtual hosts.
type fleetConfig struct {
	// URL is the plane's, CAFile has the CAs that signed its certificate.
	URL    string
	CAFile string
	// TrustFile is that of the releases that the hosts act on; empty if they take every
	// dispatch.
	TrustFile string
	// Dir has the hosts' certificates, in agents.
	Dir string
	// Names are the hosts.
	Names []string
	// Legacy says that they run legacy agents.
	Legacy bool
	// Interval is that of their heartbeats, in their time.
	Interval time.Duration
	// PollWait is how long their polls wait at most, in real time. Default: that of
	// the agents.
	PollWait time.Duration
	// Speed is how many times as fast their time runs; their wall clocks show
	// the real time (see [httpagent.NewMonotonicClock]).
	Speed int
	// Failing and Deferring are how many hosts fail their probes after every
	// switch, and how many defer it to a reboot.
	Failing, Deferring int
	// Seed seeds everything that is drawn.
	Seed uint64
	// Logger takes the agents' log lines.
	Logger *slog.Logger
	// Problems gets a line for each new kind of problem.
	Problems io.Writer
	// Noticed is called with the agents' notices, by many goroutines; may be
	// nil.
	Noticed func(host wire.Hostname, n agent.Notice)
}

// fleet is a number of agents on virtual hosts.
type fleet struct {
	hosts   []*fleetHost
	tally   fleetTally
	config  fleetConfig
	started time.Time
	ended   time.Time
}

// fleetHost is one of them, and the observer of its driver.
type fleetHost struct {
	fleet   *fleet
	name    wire.Hostname
	machine *httpagent.VirtualMachine
	driver  *httpagent.Driver

	// What follows belongs to the driver's goroutine.
	state wire.State // of the newest rollout; 0 for none
	asked bool
	heard bool
	views []agent.View
}

// initialClosure is what every host of a fleet runs at first.
const initialClosure wire.Closure = "initial"

// newFleet makes a fleet that does nothing yet.
func newFleet(cfg fleetConfig) (*fleet, error) {
	f := &fleet{config: cfg}
	f.tally.problems = cfg.Problems
	f.tally.states[0].Store(int64(len(cfg.Names)))
	time := httpagent.NewMonotonicClock(clock.New(), cfg.Speed)
	for i, name := range cfg.Names {
		h := &fleetHost{fleet: f, name: wire.Hostname(name)}
		seed := fleetSeed(cfg.Seed, name)
		var err error
		h.machine, err = httpagent.NewVirtualMachine(httpagent.VirtualMachineConfig{
			Closure: initialClosure, Probes: fleetProbes, Seed: seed, Clock: time, Script: cfg.script(i),
			Rebooted: h.rebooted,
		})
		if err != nil {
			return nil, err
		}
		pair := filepath.Join(cfg.Dir, "agents", name)
		h.driver, err = httpagent.New(httpagent.Config{
			Agent:    agent.Config{Hostname: h.name, Seed: seed, HeartbeatInterval: cfg.Interval, PollWait: cfg.PollWait, Legacy: cfg.Legacy},
			URL:      cfg.URL,
			CertFile: pair + ".crt", KeyFile: pair + ".key", CAFile: cfg.CAFile, TrustFile: cfg.TrustFile,
			Log: new(httpagent.MemoryLog), Machine: h.machine, Clock: time, Logger: cfg.Logger, Observer: h,
		})
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		f.hosts = append(f.hosts, h)
	}
	return f, nil
}

// fleetSeed derives a host's seed, so that hosts differ and runs do not.
func fleetSeed(seed uint64, name string) uint64 {
	h := fnv.New64a()
	fmt.Fprintf(h, "%d/%s", seed, name)
	return h.Sum64()
}

// startEvery is the time between the starts of two hosts, by the real clock.
// Fast hosts spread their first requests over too short a time for the TLS
// handshakes, which do not get faster.
const startEvery = 5 * time.Millisecond

// run drives the agents until ctx ends, which is no error, or one of them
// fails.
func (f *fleet) run(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	f.started = time.Now()
	var running sync.WaitGroup
	failed := make(chan error, len(f.hosts))
	ticker := time.NewTicker(startEvery)
	defer ticker.Stop()
	for _, h := range f.hosts {
		select {
		case <-ticker.C:
		case <-ctx.Done():
		}
		running.Go(func() {
			if err := h.driver.Run(ctx); err != nil {
				failed <- fmt.Errorf("%s: %w", h.name, err)
				cancel(nil)
			}
		})
	}
	running.Wait()
	f.ended = time.Now()
	for _, h := range f.hosts {
		h.machine.Close()
	}
	select {
	case err := <-failed:
		return err
	default:
		return nil
	}
}

func (h *fleetHost) rebooted(down time.Duration) { h.driver.Restart(agent.Reboot, down) }

// Exchanged implements [httpagent.Observer].
func (h *fleetHost) Exchanged(x httpagent.Exchange) {
	t := &h.fleet.tally
	if !h.asked {
		h.asked = true
		t.unheard.Add(1)
	}
	if x.Status >= 200 && x.Status < 300 && !h.heard {
		h.heard = true
		t.unheard.Add(-1)
	}
	t.exchanged(h.name, x)
}

// Noticed implements [httpagent.Observer].
func (h *fleetHost) Noticed(n agent.Notice) {
	t := &h.fleet.tally
	switch n.Kind {
	case agent.NoticeDefect:
		t.defects.Add(1)
		t.problem(h.name, "a defect: "+n.Detail)
	case agent.NoticeUnauthorised:
		t.unauthorised.Add(1)
	case agent.NoticeRejected:
		t.rejected.Add(1)
	case agent.NoticeRefused:
		t.unsigned.Add(1)
		t.problem(h.name, "refused "+string(n.RolloutID)+": "+n.Detail)
	}
	if told := h.fleet.config.Noticed; told != nil {
		told(h.name, n)
	}
}

// Changed implements [httpagent.Observer].
func (h *fleetHost) Changed(a *agent.Agent) {
	h.views = a.Views(h.views[:0])
	state := wire.State(0)
	if n := len(h.views); n > 0 {
		state = h.views[n-1].Record.State
	}
	if state != h.state {
		t := &h.fleet.tally
		t.states[h.state].Add(-1)
		t.states[state].Add(1)
		h.state = state
	}
}
