package gameday

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/refrain-fleet/refrain/core/agent"
	"github.com/refrain-fleet/refrain/core/wire"
	"github.com/refrain-fleet/refrain/httpagent"
	"github.com/refrain-fleet/refrain/httpserver/pki"
	"github.com/refrain-fleet/refrain/sim/scenario"
)

// host is one host: a virtual machine, an agent's driver, and a link.
type host struct {
	game    *Game
	number  int // from 1
	name    wire.Hostname
	link    *link
	machine *httpagent.VirtualMachine

	mu     sync.Mutex // guards what follows
	driver *httpagent.Driver
	stop   context.CancelFunc // ends the driver
	ended  chan struct{}      // closed when it has ended
	// failing counts the probe faults in force, results are the activation
	// faults in force, the newest last.
	failing int
	results []agent.ActivationResult
	// views are the agent's views of its rollouts.
	views    map[wire.RolloutID]agentView
	rejected bool // an event was refused, so acknowledged numbers may not be applied ones
}

// agentView is an agent's view of one rollout.
type agentView struct {
	state        wire.State
	busy, unsent bool
	acknowledged wire.Seq
}

// probes are those of every host of a fleet.
func probes(f *scenario.Fleet) (list []wire.ProbeDeclaration) {
	for i, p := range f.DeclaredProbes() {
		list = append(list, wire.ProbeDeclaration{ProbeName: wire.Name(fmt.Sprintf("probe-%d", i+1)), ProbeKind: "virtual", Mode: p.Mode})
	}
	return list
}

func newHost(g *Game, n int) (*host, error) {
	s := &g.plan.scenario
	h := &host{game: g, number: n, name: scenario.HostName(n), views: map[wire.RolloutID]agentView{}}
	var err error
	if err := h.issue(); err != nil {
		return nil, err
	}
	if h.link, err = newLink(g.process.address, uint64(n)); err != nil {
		return nil, err
	}
	h.machine, err = httpagent.NewVirtualMachine(httpagent.VirtualMachineConfig{
		Closure: "c0", Probes: probes(&s.Fleet), Seed: s.Seed + uint64(n), Clock: g.clock,
		SwitchTime: max(s.Fleet.Activation.Max, time.Second),
		Rebooted:   func(down time.Duration) { h.restart(agent.Reboot, down) },
	})
	return h, err
}

// start begins a driver with an empty log.
func (h *host) start(ctx context.Context) error {
	s, p := &h.game.plan.scenario, h.game.plan
	h.mu.Lock()
	defer h.mu.Unlock()
	driver, err := httpagent.New(httpagent.Config{
		Agent: agent.Config{
			Hostname: h.name, Seed: s.Seed*1_000_003 + uint64(h.number), HeartbeatInterval: s.Fleet.Interval,
			RequestTimeout: p.real(agent.DefaultRequestTimeout), PollWait: max(p.real(agent.DefaultPollWait).Truncate(time.Second), time.Second),
			ProbeInterval: s.Fleet.ProbeInterval, SustainedFailure: s.Fleet.Sustained,
			Legacy: h.number > p.played()-s.Fleet.Legacy,
		},
		URL: "https://" + h.link.address(), CertFile: h.pair() + ".crt", KeyFile: h.pair() + ".key", RootCAs: h.game.ca.Pool(),
		Log: new(httpagent.MemoryLog), Machine: h.machine, Clock: h.game.clock,
		Logger: slog.New(slog.DiscardHandler), Observer: h,
	})
	if err != nil {
		return err
	}
	ctx, h.stop = context.WithCancel(ctx)
	h.driver, h.ended = driver, make(chan struct{})
	h.views, h.rejected = map[wire.RolloutID]agentView{}, false
	ended := h.ended
	go func() {
		defer close(ended)
		if err := driver.Run(ctx); err != nil {
			h.game.addViolation("agent", fmt.Sprintf("%s: %v", h.name, err))
		}
	}()
	return nil
}

// end ends the driver and waits for it.
func (h *host) end() {
	h.mu.Lock()
	stop, ended := h.stop, h.ended
	h.mu.Unlock()
	if stop != nil {
		stop()
		<-ended
	}
}

// restart ends the agent's process, or reboots the host, for a time of the
// scenario.
func (h *host) restart(boot agent.Boot, down time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.driver != nil {
		h.driver.Restart(boot, down)
	}
}

// forget ends the agent and deletes its log; it starts again after down.
func (h *host) forget(ctx context.Context, down time.Duration) error {
	h.end()
	sleep(ctx, h.game.plan.real(down))
	if ctx.Err() != nil {
		return nil
	}
	return h.start(ctx)
}

// pair is the path of the host's certificate and key, without their extensions.
func (h *host) pair() string { return filepath.Join(h.game.process.dir, string(h.name)) }

// issue gives the host a new certificate. Its driver reads the files for every
// connection.
func (h *host) issue() error {
	pair, err := h.game.ca.IssueAgent(string(h.name), pki.Validity{})
	if err != nil {
		return err
	}
	certificate, key, err := pki.EncodePair(pair)
	if err != nil {
		return err
	}
	return errors.Join(os.WriteFile(h.pair()+".crt", certificate, 0o600), os.WriteFile(h.pair()+".key", key, 0o600))
}

// script changes the faults in force and sets the machine's scripts by them.
func (h *host) script(change func(*host)) {
	h.mu.Lock()
	defer h.mu.Unlock()
	change(h)
	script := httpagent.Script{}
	if h.failing > 0 {
		script.Failing = -1
	}
	if n := len(h.results); n > 0 {
		script.Result = h.results[n-1]
	}
	for i := range h.game.plan.scenario.Rollouts {
		h.machine.Play(h.game.plan.scenario.Rollouts[i].TargetOf(h.number), script)
	}
}

// Exchanged implements [httpagent.Observer].
func (h *host) Exchanged(x httpagent.Exchange) { h.game.exchanged(h, x) }

// Noticed implements [httpagent.Observer].
func (h *host) Noticed(n agent.Notice) {
	switch n.Kind {
	case agent.NoticeTransition:
		h.game.progress("%-6s %s is %v", h.name, n.RolloutID, n.To)
	case agent.NoticeDefect:
		h.game.addViolation("agent", fmt.Sprintf("%s: a defect: %s", h.name, n.Detail))
	case agent.NoticeRejected:
		h.mu.Lock()
		h.rejected = true
		h.mu.Unlock()
	}
}

// Changed implements [httpagent.Observer].
func (h *host) Changed(a *agent.Agent) {
	h.mu.Lock()
	defer h.mu.Unlock()
	clear(h.views)
	for _, v := range a.Views(nil) {
		h.views[v.Record.RolloutID] = agentView{state: v.Record.State, busy: v.Busy, unsent: v.Unsent, acknowledged: v.Acknowledged}
	}
}

// view returns the agent's view of a rollout.
func (h *host) view(id wire.RolloutID) (v agentView, known bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	v, known = h.views[id]
	return v, known
}

// acknowledged returns the number up to which the plane has applied the host's
// events of a rollout, as far as it can be seen from outside.
func (h *host) acknowledged(id wire.RolloutID) wire.Seq {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.rejected {
		return 0
	}
	return h.views[id].acknowledged
}
