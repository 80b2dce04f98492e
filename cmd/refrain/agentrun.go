package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"

	"github.com/refrain-fleet/refrain/core/agent"
	"github.com/refrain-fleet/refrain/core/wire"
	"github.com/refrain-fleet/refrain/httpagent"
	"github.com/refrain-fleet/refrain/httpagent/machine"
	"github.com/refrain-fleet/refrain/internal/logging"
)

// agentRunCommand runs the agent on this host.
type agentRunCommand struct {
	logFlags
}

// lookAtHostEvery is the time between two looks at what nothing notifies of.
const lookAtHostEvery = 2 * time.Second

// Run implements the command.
func (c *agentRunCommand) Run(ctx context.Context, io stdio, parent *agentCommand) error {
	f := &parent.agentFlags
	if err := f.checkPlane(); err != nil {
		return agentUsage(err)
	}
	reducer, err := f.reducer()
	if err != nil {
		return agentUsage(err)
	}
	config, err := f.machine()
	if err != nil {
		return agentUsage(err)
	}
	if info, err := os.Stat(f.StateDir); err != nil || !info.IsDir() {
		return agentUsage(fmt.Errorf("--state-dir: %s is no directory; want one that exists", f.StateDir))
	}
	outliveReaders()
	opened := c.openLog(io.Err)
	defer opened.Close(logging.CloseTimeout)
	r := &agentRunner{flags: f, log: opened.Logger}
	if err := r.prepare(reducer, config); err != nil {
		return agentUsage(err)
	}
	if _, err := daemon.SdNotify(false, daemon.SdNotifyReady); err != nil {
		r.log.Warn("systemd could not be notified", "error", err)
	}
	watching, stop := context.WithCancel(ctx)
	var running sync.WaitGroup
	running.Go(func() { r.watch(watching) })
	err = r.driver.Run(ctx)
	stop()
	running.Wait()
	return err
}

// agentRunner is the agent's process: the driver, the host, and what of the one the
// other has to know.
type agentRunner struct {
	flags  *agentFlags
	log    *slog.Logger
	host   *machine.Host
	driver *httpagent.Driver
	bootID string

	mu     sync.Mutex
	states map[wire.RolloutID]wire.State
	busy   map[wire.RolloutID]bool
	status agentStatus
	begun  bool // of this session the first change is over
	booted bool // the boot ID is written
}

// agentStatus is what a running agent leaves for status and why.
type agentStatus struct {
	PID       int       `json:"pid"`
	Started   time.Time `json:"started"`
	Written   time.Time `json:"written"`
	Answered  time.Time `json:"answered"`
	Failed    time.Time `json:"failed"`
	LastError string    `json:"last_error"`
	Doing     string    `json:"doing"`
}

// prepare opens the log and the host. The log comes first: it keeps a second agent out.
func (r *agentRunner) prepare(reducer agent.Config, config machine.Config) error {
	f := r.flags
	r.states, r.busy = map[wire.RolloutID]wire.State{}, map[wire.RolloutID]bool{}
	r.status = agentStatus{PID: os.Getpid(), Started: time.Now().UTC()}
	log, err := httpagent.OpenFileLog(f.logFile(), r.log)
	if err != nil {
		return err
	}
	if r.host, err = machine.New(config, r.log); err != nil {
		return errors.Join(err, log.Close())
	}
	if f.Probes != "" {
		probes, err := machine.ReadProbes(f.Probes)
		if err != nil {
			return errors.Join(fmt.Errorf("--probes: %w", err), log.Close())
		}
		r.host.SetProbes(probes)
	}
	boot := agent.ProcessStart
	r.bootID = config.BootID()
	before, err := os.ReadFile(f.bootFile())
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return errors.Join(err, log.Close())
	}
	if r.host.BootTrialEnded() || len(before) > 0 && strings.TrimSpace(string(before)) != r.bootID {
		boot = agent.Reboot
	}
	r.driver, err = httpagent.New(httpagent.Config{
		Agent: reducer, Boot: boot, URL: f.URL, CertFile: f.Cert, KeyFile: f.Key, CAFile: f.CA,
		Log: log, Machine: r.host, ProbeTimeout: machine.MaxProbeTimeout + time.Second, Logger: r.log, Observer: r,
	})
	if err != nil {
		return errors.Join(err, log.Close())
	}
	return nil
}

// watch looks at the host until ctx ends, and writes the status.
func (r *agentRunner) watch(ctx context.Context) {
	var running sync.WaitGroup
	defer running.Wait()
	running.Go(func() {
		w := machine.Watcher{
			Refresh: r.driver.Refresh,
			Restart: func(booted bool) {
				boot := agent.ProcessStart
				if booted {
					boot = agent.Reboot
				}
				r.driver.Restart(boot, 0)
			},
			Deferred: func(id wire.RolloutID) bool {
				r.mu.Lock()
				defer r.mu.Unlock()
				return r.states[id] == wire.Deferred
			},
		}
		if r.flags.Probes != "" {
			w.ReadProbes = func() ([]machine.Probe, error) { return machine.ReadProbes(r.flags.Probes) }
		}
		r.host.Watch(ctx, lookAtHostEvery, w)
	})
	ticker := time.NewTicker(lookAtHostEvery)
	defer ticker.Stop()
	for {
		r.writeStatus()
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
	}
}

func (r *agentRunner) writeStatus() {
	r.mu.Lock()
	s := r.status
	r.mu.Unlock()
	s.Written, s.Doing = time.Now().UTC(), r.host.Doing()
	text, err := json.Marshal(s)
	if err == nil {
		err = replaceFile(r.flags.statusFile(), append(text, '\n'), 0o600)
	}
	if err != nil {
		r.log.Debug("the status could not be written", "error", err)
	}
}

// Exchanged implements [httpagent.Observer].
func (r *agentRunner) Exchanged(x httpagent.Exchange) {
	r.noteBoot()
	r.mu.Lock()
	defer r.mu.Unlock()
	if x.Status >= 200 && x.Status < 500 && x.Err == nil {
		r.status.Answered = time.Now().UTC()
		return
	}
	r.status.Failed = time.Now().UTC()
	r.status.LastError = fmt.Sprintf("%v: status %d %s", x.Kind, x.Status, x.Reason)
	if x.Err != nil {
		r.status.LastError = fmt.Sprintf("%v: %v", x.Kind, x.Err)
	}
}

// Noticed implements [httpagent.Observer].
func (r *agentRunner) Noticed(agent.Notice) {}

// Changed implements [httpagent.Observer]. The first call of the process comes before
// the first step, later ones after what they show is durable.
func (r *agentRunner) Changed(a *agent.Agent) {
	if r.begun {
		r.noteBoot()
	}
	r.begun = true
	r.mu.Lock()
	clear(r.states)
	clear(r.busy)
	for _, v := range a.Views(nil) {
		id := v.Record.RolloutID
		if v.Superseded {
			continue
		}
		r.states[id], r.busy[id] = v.Record.State, v.Busy
		r.host.Learn(v.Record.TargetClosure, v.Record.CurrentClosureAtDispatch)
	}
	r.mu.Unlock()
	r.host.Settle(func(id wire.RolloutID) bool {
		r.mu.Lock()
		defer r.mu.Unlock()
		state := r.states[id]
		return state == wire.Activating || state == wire.Deferred || state == wire.Failed && r.busy[id]
	})
}

// noteBoot writes the boot ID down once what follows from the boot is durable.
func (r *agentRunner) noteBoot() {
	if r.booted || r.bootID == "" {
		return
	}
	if err := replaceFile(r.flags.bootFile(), []byte(r.bootID+"\n"), 0o600); err != nil {
		r.log.Warn("the boot could not be noted; the next start counts as the first after it", "error", err)
		return
	}
	r.booted = true
}

// agentSwitchCommand carries out a switch.
type agentSwitchCommand struct {
	logFlags
}

// Run implements the command. A signal does not end it: what it has begun has to come
// to its end.
func (c *agentSwitchCommand) Run(ctx context.Context, io stdio, parent *agentCommand) error {
	outliveReaders()
	opened := c.openLog(io.Err)
	defer opened.Close(logging.CloseTimeout)
	return machine.Run(ctx, parent.StateDir, opened.Logger)
}
