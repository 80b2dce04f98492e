package httpagent

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/benbjohnson/clock"

	"github.com/refrain-fleet/refrain/core/agent"
	"github.com/refrain-fleet/refrain/core/wire"
)

// VirtualMachine is a host that exists in memory only: its switches take their
// time and do nothing, its probes pass by script. Everything it draws follows
// from its seed.
type VirtualMachine struct {
	cfg VirtualMachineConfig

	mu      sync.Mutex
	draws   *rand.Rand
	current wire.Closure
	since   time.Duration // when it was switched to current, on the agent's monotonic clock
	staged  wire.Closure  // what the next boot brings; empty for the same
	scripts map[wire.Closure]Script
	boot    *clock.Timer // the reboot that a deferred activation waits for
	closed  bool
}

// VirtualMachineConfig configures a virtual machine. Zero values mean the
// defaults; Closure has none. All times are the agent's.
type VirtualMachineConfig struct {
	// Closure is what the host runs at first.
	Closure wire.Closure
	// Probes are those of its configuration. Default none.
	Probes []wire.ProbeDeclaration
	// Seed starts the generator of everything that is drawn. Any value.
	Seed uint64
	// Clock is the agent's time. Default the real one.
	Clock *Clock
	// SwitchTime bounds how long a switch takes: half of it to all of it.
	// Default 20 s, more than 0.
	SwitchTime time.Duration
	// ProbeTime bounds how long a probe takes: nothing to all of it. Default
	// 500 ms, more than 0.
	ProbeTime time.Duration
	// RebootAfter bounds how long after a deferred activation the host boots:
	// half of it to all of it. Default 2 min, more than 0.
	RebootAfter time.Duration
	// Rebooted is called when the host boots, on a goroutine of its own, with
	// how long it is down: a quarter of RebootAfter at most. What was deferred
	// is what it runs then. It is where [Driver.Restart] belongs. Default: the
	// host never boots.
	Rebooted func(down time.Duration)
	// Script is the script of a closure for which [VirtualMachine.Play] was not
	// called. Default: every switch and probe succeeds.
	Script Script
}

// Script says what happens when a virtual machine is switched to a closure.
type Script struct {
	// Result is how its activation ends. Default [agent.ActivationCompleted].
	Result agent.ActivationResult
	// Failing is for how long its enforce-mode probes fail after the switch;
	// negative means for ever. Default 0: they pass.
	Failing time.Duration
	// RollbackFails makes the rollback to it fail. Default false.
	RollbackFails bool
}

// Defaults of [VirtualMachineConfig].
const (
	DefaultSwitchTime  = 20 * time.Second
	DefaultProbeTime   = 500 * time.Millisecond
	DefaultRebootAfter = 2 * time.Minute
)

func (c *VirtualMachineConfig) validate() error {
	setDefault(&c.SwitchTime, DefaultSwitchTime)
	setDefault(&c.ProbeTime, DefaultProbeTime)
	setDefault(&c.RebootAfter, DefaultRebootAfter)
	setDefault(&c.Script.Result, agent.ActivationCompleted)
	if c.Clock == nil {
		c.Clock = NewClock(clock.New(), 1)
	}
	if _, err := wire.ParseClosure(string(c.Closure)); err != nil {
		return fmt.Errorf("closure is %q; %w", c.Closure, err)
	}
	switch {
	case c.SwitchTime < 0:
		return fmt.Errorf("switch time is %v; want more than 0s", c.SwitchTime)
	case c.ProbeTime < 0:
		return fmt.Errorf("probe time is %v; want more than 0s", c.ProbeTime)
	case c.RebootAfter < 0:
		return fmt.Errorf("reboot after is %v; want more than 0s", c.RebootAfter)
	case c.Script.Result > agent.ActivationFailed:
		return errors.New("script: result is unknown; want completed, deferred or failed")
	}
	return nil
}

// NewVirtualMachine makes a host that runs cfg.Closure. The error names the
// field of cfg that is wrong.
func NewVirtualMachine(cfg VirtualMachineConfig) (*VirtualMachine, error) {
	if err := cfg.validate(); err != nil {
		return nil, fmt.Errorf("httpagent: virtual machine: %w", err)
	}
	cfg.Probes = slices.Clone(cfg.Probes)
	return &VirtualMachine{
		cfg: cfg, current: cfg.Closure, scripts: map[wire.Closure]Script{},
		draws: rand.New(rand.NewPCG(cfg.Seed, 0x6d616368696e65)),
	}, nil
}

// Play sets the script of a closure from now on.
func (m *VirtualMachine) Play(closure wire.Closure, s Script) {
	setDefault(&s.Result, agent.ActivationCompleted)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.scripts[closure] = s
}

// SwitchByHand makes the host run a closure that no agent asked for. Call
// [Driver.Refresh] after it.
func (m *VirtualMachine) SwitchByHand(closure wire.Closure) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.switchTo(closure)
}

// Close cancels a pending reboot.
func (m *VirtualMachine) Close() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.closed = true
	m.cancelBoot()
}

// CurrentClosure implements [Machine].
func (m *VirtualMachine) CurrentClosure() wire.Closure {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.current
}

// NextBoot implements [Machine].
func (m *VirtualMachine) NextBoot() wire.Closure {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.staged
}

// Probes implements [Machine].
func (m *VirtualMachine) Probes() []wire.ProbeDeclaration { return m.cfg.Probes }

// script returns the script of a closure; mu must be held.
func (m *VirtualMachine) script(closure wire.Closure) Script {
	if s, given := m.scripts[closure]; given {
		return s
	}
	return m.cfg.Script
}

// switchTo makes the host run a closure, now and after a boot; mu must be held.
func (m *VirtualMachine) switchTo(closure wire.Closure) {
	if m.current != closure {
		m.current, m.since = closure, m.cfg.Clock.Now().Mono
	}
	m.cancelBoot()
}

func (m *VirtualMachine) cancelBoot() {
	m.staged = ""
	if m.boot != nil {
		m.boot.Stop()
		m.boot = nil
	}
}

// between draws a time from low to high.
func (m *VirtualMachine) between(low, high time.Duration) time.Duration {
	m.mu.Lock()
	defer m.mu.Unlock()
	return low + time.Duration(m.draws.Int64N(int64(high-low)+1))
}

// Activate implements [Machine]. A switch that the end of ctx interrupts has
// taken effect or not, at random.
func (m *VirtualMachine) Activate(ctx context.Context, closure wire.Closure) agent.ActivationEnded {
	whole := m.cfg.Clock.wait(ctx, m.between(m.cfg.SwitchTime/2, m.cfg.SwitchTime))
	m.mu.Lock()
	defer m.mu.Unlock()
	s := m.script(closure)
	in := agent.ActivationEnded{Result: s.Result}
	switch {
	case !whole && m.draws.IntN(2) == 0:
	case s.Result == agent.ActivationDeferred:
		m.stage(closure)
		in.Component = "kernel"
	case s.Result == agent.ActivationFailed:
		in.ExitCode, in.StderrTail = 1, "a unit failed to start"
	default:
		m.switchTo(closure)
	}
	in.CurrentClosure = m.current
	return in
}

// stage has the next boot bring a closure; mu must be held.
func (m *VirtualMachine) stage(closure wire.Closure) {
	m.cancelBoot()
	m.staged = closure
	if m.cfg.Rebooted == nil || m.closed {
		return
	}
	after := m.cfg.RebootAfter
	wait := after/2 + time.Duration(m.draws.Int64N(int64(after-after/2)+1))
	down := time.Duration(m.draws.Int64N(int64(after/4) + 1))
	m.boot = m.cfg.Clock.base.AfterFunc(m.cfg.Clock.slowed(wait), func() { m.reboot(down) })
}

func (m *VirtualMachine) reboot(down time.Duration) {
	m.mu.Lock()
	if m.closed || m.staged == "" {
		m.mu.Unlock()
		return
	}
	m.switchTo(m.staged)
	m.mu.Unlock()
	m.cfg.Rebooted(down)
}

// RollBack implements [Machine].
func (m *VirtualMachine) RollBack(ctx context.Context, closure wire.Closure) agent.RollbackEnded {
	whole := m.cfg.Clock.wait(ctx, m.between(m.cfg.SwitchTime/2, m.cfg.SwitchTime))
	m.mu.Lock()
	defer m.mu.Unlock()
	in := agent.RollbackEnded{}
	switch {
	case m.script(closure).RollbackFails:
		in.ExitCode = 1
	case whole || m.draws.IntN(2) == 1:
		m.switchTo(closure)
	}
	in.CurrentClosure = m.current
	return in
}

// Probe implements [Machine].
func (m *VirtualMachine) Probe(ctx context.Context, probe wire.ProbeDeclaration) agent.Probed {
	m.cfg.Clock.wait(ctx, m.between(0, m.cfg.ProbeTime))
	m.mu.Lock()
	defer m.mu.Unlock()
	failing := m.script(m.current).Failing
	age := m.cfg.Clock.Now().Mono - m.since
	if probe.Mode == wire.Enforce && (failing < 0 || age < failing) {
		return agent.Probed{Status: wire.Fail, Reason: "the service does not answer"}
	}
	return agent.Probed{Status: wire.Pass}
}
