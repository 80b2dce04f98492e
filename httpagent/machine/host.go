package machine

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/refrain-fleet/refrain/core/agent"
	"github.com/refrain-fleet/refrain/core/wire"
	"github.com/refrain-fleet/refrain/httpagent"
)

// lookAgain is the pause between two looks at a transition.
const lookAgain = 50 * time.Millisecond

// launchAttempts is how often a runner is launched for a transition that stays
// Prepared before it is given up.
const launchAttempts = 5

// Host is the machine that this process runs on. It implements [httpagent.Machine].
type Host struct {
	cfg Config
	log *slog.Logger

	mu     sync.Mutex
	forms  map[string]wire.Closure // by name, how the plane writes a closure
	probes []Probe
	does   string
	// launched is when a runner was last launched, launches how often for this
	// transition.
	launched time.Duration
	launches int
}

var _ httpagent.Machine = (*Host)(nil)

// New makes a host. A transition that did not end is taken up at once: it needs
// nothing from the plane. The error names the field of cfg that is wrong, or the file
// that cannot be read.
func New(cfg Config, log *slog.Logger) (*Host, error) {
	cfg = cfg.WithDefaults()
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("machine: %w", err)
	}
	h := &Host{cfg: cfg, log: log, forms: map[string]wire.Closure{}}
	t, err := LoadTransition(cfg.StateDir)
	if err != nil {
		return nil, fmt.Errorf("machine: %w", err)
	}
	if err := h.beginBooted(t); err != nil {
		return nil, fmt.Errorf("machine: %w", err)
	}
	if t, _ := LoadTransition(cfg.StateDir); t != nil && t.Phase != Ended {
		h.launch(context.Background())
	}
	return h, nil
}

// beginBooted begins the trial of what was staged, if this boot brought it.
func (h *Host) beginBooted(t *Transition) error {
	staged, err := LoadStaged(h.cfg.StateDir)
	if err != nil || staged == nil || staged.BootID == h.cfg.bootID() || h.cfg.Current() != staged.Target {
		return err
	}
	if t == nil || t.Phase == Ended && t.Kind != Booted || t.Target != staged.Target {
		if err := save(filepath.Join(h.cfg.StateDir, transitionFile), &Transition{
			Kind: Booted, Rollout: staged.Rollout, Phase: Trial, Target: staged.Target, Previous: staged.Previous, Before: staged.Previous,
			BootID: h.cfg.bootID(), Deadline: Awake() + h.cfg.ConfirmTimeout, Config: h.cfg,
		}); err != nil {
			return err
		}
	}
	return remove(filepath.Join(h.cfg.StateDir, stagedFile))
}

// doing notes what the host does, for people; an empty text for nothing.
func (h *Host) doing(format string, args ...any) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.does = fmt.Sprintf(format, args...)
}

// Doing returns in a few words what a switch is waiting for; empty while none is
// under way.
func (h *Host) Doing() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.does
}

// nameOf returns the name in the store of a closure, which is that name or a path of
// the store.
func (c *Config) nameOf(closure wire.Closure) (string, error) {
	name := string(closure)
	if path.IsAbs(name) {
		dir, base := path.Split(name)
		if path.Clean(dir) != c.StoreDir {
			return "", fmt.Errorf("closure is %q; want a path of %s, or a name in it", name, c.StoreDir)
		}
		name = base
	}
	if name == "" || name == "." || name == ".." || path.Base(name) != name || name[0] == '-' {
		return "", fmt.Errorf("closure is %q; want a path of %s, or a name in it", closure, c.StoreDir)
	}
	return name, nil
}

// Learn notes how the plane writes closures, as a path or as a name, so that the host
// says what it runs in the same way.
func (h *Host) Learn(closures ...wire.Closure) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, closure := range closures {
		if name, err := h.cfg.nameOf(closure); err == nil {
			h.forms[name] = closure
		}
	}
}

// closure returns how the plane writes a system; as a path if that is not known.
func (h *Host) closure(name string) wire.Closure {
	if name == "" {
		return ""
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if known, is := h.forms[name]; is {
		return known
	}
	return wire.Closure(h.cfg.path(name))
}

// open returns the transition that has not ended; nil if there is none.
func (h *Host) open() *Transition {
	t, err := LoadTransition(h.cfg.StateDir)
	if err != nil {
		h.log.Error("the state of the switch cannot be read", "error", err)
		return nil
	}
	if t == nil || t.Phase == Ended {
		return nil
	}
	return t
}

// CurrentClosure implements [httpagent.Machine]. While a switch may yet be undone it
// is what ran before.
func (h *Host) CurrentClosure() wire.Closure {
	if t := h.open(); t != nil {
		return h.closure(t.Previous)
	}
	return h.closure(h.cfg.Current())
}

// NextBoot implements [httpagent.Machine].
func (h *Host) NextBoot() wire.Closure {
	if t := h.open(); t != nil {
		if t.Kind == Booted && t.Phase == Trial {
			return h.closure(t.Target)
		}
		return ""
	}
	if next := h.cfg.Next(); next != h.cfg.Current() {
		return h.closure(next)
	}
	return ""
}

// Activate implements [httpagent.Machine].
func (h *Host) Activate(ctx context.Context, closure wire.Closure) agent.ActivationEnded {
	t, err := h.change(ctx, Activate, closure)
	defer h.doing("")
	if err != nil {
		return agent.ActivationEnded{Result: agent.ActivationFailed, CurrentClosure: h.CurrentClosure(), ExitCode: -1, StderrTail: wire.Text(err.Error())}
	}
	return agent.ActivationEnded{
		Result: t.Result, CurrentClosure: h.CurrentClosure(), ExitCode: wire.Int(t.ExitCode),
		Component: wire.Name(t.Component), StderrTail: wire.Text(t.Tail),
	}
}

// RollBack implements [httpagent.Machine].
func (h *Host) RollBack(ctx context.Context, closure wire.Closure) agent.RollbackEnded {
	t, err := h.change(ctx, RollBack, closure)
	defer h.doing("")
	if err != nil {
		h.log.Error("rollback failed", "closure", closure, "error", err)
		return agent.RollbackEnded{CurrentClosure: h.CurrentClosure(), ExitCode: -1}
	}
	return agent.RollbackEnded{CurrentClosure: h.CurrentClosure(), ExitCode: wire.Int(t.ExitCode)}
}

// change brings the host to a closure. A transition of an earlier process for the same
// rollout is the same one: its end is the end of this call.
func (h *Host) change(ctx context.Context, kind Kind, closure wire.Closure) (*Transition, error) {
	name, err := h.cfg.nameOf(closure)
	if err != nil {
		return nil, err
	}
	h.Learn(closure)
	t, err := LoadTransition(h.cfg.StateDir)
	if err != nil {
		return nil, err
	}
	if t != nil && t.Phase != Ended {
		if t, err = h.await(ctx); err != nil {
			return nil, err
		}
	}
	if t != nil && t.Rollout == httpagent.RolloutOf(ctx) && t.Target == name && t.answers(kind) {
		return t, nil
	}
	if h.cfg.Current() == name && h.cfg.Next() == name {
		return &Transition{Kind: kind, Phase: Ended, Target: name, Result: agent.ActivationCompleted}, nil
	}
	next := &Transition{
		Kind: kind, Rollout: httpagent.RolloutOf(ctx), Phase: Prepared, Target: name,
		Previous: h.cfg.Current(), Before: h.cfg.Next(), BootID: h.cfg.bootID(), Config: h.cfg,
	}
	if err := h.prepare(ctx, next); err != nil {
		return nil, err
	}
	if err := save(filepath.Join(h.cfg.StateDir, transitionFile), next); err != nil {
		return nil, fmt.Errorf("the switch cannot be written down, so it is not begun: %w", err)
	}
	return h.await(ctx)
}

// answers reports whether a transition that has ended answers what is asked for now.
// A rollback that failed is asked for again to be tried again.
func (t *Transition) answers(kind Kind) bool {
	if kind == RollBack {
		return t.Kind == RollBack && t.Result == agent.ActivationCompleted
	}
	return t.Kind == Activate || t.Kind == Stage
}

// prepare does all that comes before a switch and changes nothing that runs.
func (h *Host) prepare(ctx context.Context, t *Transition) error {
	if t.Previous == "" {
		return fmt.Errorf("what the host runs is not known, so it could not go back: %s is no link into %s", h.cfg.CurrentSystem, h.cfg.StoreDir)
	}
	if len(h.cfg.Runner) == 0 {
		return errors.New("runner is missing; want the command that carries out a switch")
	}
	if err := h.realise(ctx, t.Target); err != nil {
		return err
	}
	if err := h.cfg.keep(ctx, "previous", t.Previous); err != nil {
		return err
	}
	if t.Before != "" {
		if err := h.cfg.keep(ctx, "before", t.Before); err != nil {
			return err
		}
	}
	if t.Kind == RollBack {
		return nil
	}
	if t.Component = h.cfg.needsBoot(t.Target); t.Component != "" {
		t.Kind = Stage
	}
	for pause := h.cfg.Backoff; ; pause = min(2*pause, 30*time.Second) {
		_, _, err := h.cfg.Contact(ctx)
		if err == nil {
			return nil
		}
		h.doing("waits for a plane before it switches to %s: %v", t.Target, err)
		h.log.Warn("no plane is reached, so the host is not switched", "closure", t.Target, "error", err)
		if !wait(ctx, pause) {
			return ctx.Err()
		}
	}
}

// await waits for the end of the transition, and has a runner for it.
func (h *Host) await(ctx context.Context) (*Transition, error) {
	h.mu.Lock()
	h.launches, h.launched = 0, 0
	h.mu.Unlock()
	for {
		t, err := LoadTransition(h.cfg.StateDir)
		switch {
		case err != nil:
			return nil, err
		case t == nil:
			return nil, errors.New("the state of the switch was removed")
		case t.Phase == Ended:
			return t, nil
		}
		h.doing("switch to %s: %s", t.Target, t.Phase)
		if err := h.supply(ctx, t); err != nil {
			return nil, err
		}
		if !wait(ctx, lookAgain) {
			return nil, ctx.Err()
		}
	}
}

// supply launches a runner unless there is one. One that was just launched has a
// while to begin.
func (h *Host) supply(ctx context.Context, t *Transition) error {
	h.mu.Lock()
	due := h.launched == 0 || Awake()-h.launched >= time.Second<<min(h.launches, 5)
	launches := h.launches
	h.mu.Unlock()
	if !due {
		return nil
	}
	lock, err := lockFile(filepath.Join(h.cfg.StateDir, runnerLock))
	if err != nil {
		if errors.Is(err, errLocked) {
			return nil
		}
		return err
	}
	defer lock.Close()
	if t.Phase == Prepared && launches >= launchAttempts {
		// Nothing was done, and with the lock nothing will be.
		if err := remove(filepath.Join(h.cfg.StateDir, transitionFile)); err != nil {
			return err
		}
		return fmt.Errorf("the switch was not begun: %q started %d runners, and none took it up", h.cfg.Launcher[0], launches)
	}
	lock.Close()
	h.launch(ctx)
	return nil
}

// launch starts a runner; what becomes of it is in the file.
func (h *Host) launch(ctx context.Context) {
	h.mu.Lock()
	h.launched = Awake()
	h.launches++
	h.mu.Unlock()
	command := slices.Concat(h.cfg.Launcher, h.cfg.Runner)
	ctx, cancel := timeout(context.WithoutCancel(ctx), 30*time.Second)
	defer cancel()
	if o := execute(ctx, command); o.err != nil {
		h.log.Error("the launcher failed", "command", command, "error", o.err, "detail", o.tail)
	}
}

// Settle drops the end of a transition once the agent's own log has it: open are the
// rollouts that wait for the end of a switch, or for a boot.
func (h *Host) Settle(open func(wire.RolloutID) bool) {
	t, err := LoadTransition(h.cfg.StateDir)
	if err != nil || t == nil || t.Phase != Ended || open(t.Rollout) {
		return
	}
	if err := remove(filepath.Join(h.cfg.StateDir, transitionFile)); err != nil {
		h.log.Error("the end of a switch could not be dropped", "error", err)
	}
}
