package machine

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/refrain-fleet/refrain/core/agent"
)

const (
	// contactEvery is the pause between two attempts to reach a plane in a trial.
	contactEvery = time.Second
	// revertAttempts is how often the host tries to go back.
	revertAttempts = 5
	// saveEvery is the pause between two attempts to write an end.
	saveEvery = time.Second
)

// runner carries out a transition.
type runner struct {
	t   *Transition
	cfg *Config
	log *slog.Logger
	// contact reaches a plane. now is Awake.
	contact func(context.Context) error
	now     func() time.Duration
	pause   func(context.Context, time.Duration) bool
	// step is called before each thing that leaves a trace, with what it is. Tests end
	// the runner there; otherwise it returns nil.
	step func(string) error
}

// Run carries out the transition of a state directory to its end, from wherever an
// earlier process left it. It does nothing if there is none, or if another process has
// it. It is the body of the process that the launcher starts.
func Run(ctx context.Context, stateDir string, log *slog.Logger) error {
	lock, err := lockFile(filepath.Join(stateDir, runnerLock))
	if errors.Is(err, errLocked) {
		log.Info("another process carries out the switch", "state_dir", stateDir)
		return nil
	}
	if err != nil {
		return err
	}
	defer lock.Close()
	t, err := LoadTransition(stateDir)
	if err != nil || t == nil {
		return err
	}
	if t.Config.Path != "" {
		if err := os.Setenv("PATH", t.Config.Path); err != nil {
			return err
		}
	}
	r := &runner{
		t: t, cfg: &t.Config, log: log.With("target", t.Target, "kind", string(t.Kind)), now: Awake, pause: wait,
		step: func(string) error { return nil },
	}
	r.contact = func(ctx context.Context) error { _, _, err := r.cfg.Contact(ctx); return err }
	return r.run(ctx)
}

// run goes through the phases.
func (r *runner) run(ctx context.Context) error {
	if r.t.Phase == Ended {
		return nil
	}
	if err := r.resume(ctx); err != nil {
		return err
	}
	for r.t.Phase != Ended {
		if err := ctx.Err(); err != nil {
			return err
		}
		r.log.Info("switch", "phase", string(r.t.Phase), "why", r.t.Why)
		if err := r.next(ctx); err != nil {
			return err
		}
	}
	r.log.Info("switch ended", "result", r.t.Result, "exit_code", r.t.ExitCode, "detail", r.t.Tail)
	return nil
}

// resume brings a transition that an earlier process began into a phase that can be
// begun again.
func (r *runner) resume(ctx context.Context) error {
	t := r.t
	if err := r.survivors(ctx); err != nil {
		return err
	}
	boot := r.cfg.bootID()
	if t.Kind == RollBack && (t.Phase == Switching || t.BootID != boot && r.cfg.Current() != t.Target) {
		// There is nothing else to go back to; doing it twice does no harm.
		t.BootID = boot
		return r.enter(Prepared)
	}
	if t.BootID != boot {
		t.BootID = boot
		arrived := r.cfg.Current() == t.Target
		switch {
		case t.Phase == Prepared, t.Phase == Committing && arrived, t.Kind == Stage:
		case t.Phase == Rebooting:
			return r.end(agent.ActivationFailed, -1, t.Why)
		default:
			return r.goBack("the host was booted before the switch was confirmed")
		}
		return r.enter(t.Phase)
	}
	if t.Phase == Switching {
		return r.goBack("the process that ran the switch was killed, and how the switch ended is not known")
	}
	return nil
}

// survivors waits for a switch that an earlier runner left behind.
func (r *runner) survivors(ctx context.Context) error {
	for end := r.now() + r.cfg.SwitchTimeout; ; {
		lock, err := lockFile(filepath.Join(r.cfg.StateDir, childLock))
		if err == nil {
			return lock.Close()
		}
		if !errors.Is(err, errLocked) {
			return err
		}
		if r.now() >= end {
			r.log.Error("a switch of an earlier process does not end; going on beside it")
			return nil
		}
		if !r.pause(ctx, 100*time.Millisecond) {
			return ctx.Err()
		}
	}
}

// enter makes a phase durable.
func (r *runner) enter(p Phase) error {
	if err := r.step("save " + string(p)); err != nil {
		return err
	}
	r.t.Phase = p
	if err := save(filepath.Join(r.cfg.StateDir, transitionFile), r.t); err != nil {
		return fmt.Errorf("the switch cannot be written down: %w", err)
	}
	return r.step("saved " + string(p))
}

// goBack begins to go back, also if the disk is full: what is durable leads to the
// same end. A rollback has nothing to go back to, and is asked for again.
func (r *runner) goBack(why string) error {
	r.t.Why = why
	if r.t.Kind == RollBack {
		return r.end(agent.ActivationFailed, r.t.ExitCode, why)
	}
	err := r.enter(Reverting)
	if err != nil && !errors.Is(err, errStopped) {
		r.log.Error("going back, though it could not be written down", "error", err)
		return nil
	}
	return err
}

// errStopped is what a test ends a runner with.
var errStopped = errors.New("stopped")

// end writes how the transition ended. Nothing else is left to be done, so it waits
// for a disk that is full.
func (r *runner) end(result agent.ActivationResult, exit int, tail string) error {
	r.t.Result, r.t.ExitCode, r.t.Tail = result, exit, tail
	for {
		err := r.enter(Ended)
		if err == nil || errors.Is(err, errStopped) {
			return err
		}
		r.log.Error("the end of the switch cannot be written down; trying again", "error", err)
		r.pause(context.Background(), saveEvery)
	}
}

// next does what the phase says.
func (r *runner) next(ctx context.Context) error {
	t := r.t
	switch t.Phase {
	case Prepared:
		if t.Kind == Stage {
			return r.enter(Committing)
		}
		if err := r.enter(Switching); err != nil {
			return err
		}
		return r.try(ctx)
	case Switching:
		return r.try(ctx)
	case Trial:
		return r.confirm(ctx)
	case Committing:
		return r.commit(ctx)
	case Reverting:
		return r.revert(ctx)
	case Rebooting:
		return r.reboot(ctx)
	default:
		return fmt.Errorf("the switch is %q; want a phase that this build knows", t.Phase)
	}
}

// activate runs switch-to-configuration of a system.
func (r *runner) activate(ctx context.Context, name, action string) outcome {
	if err := r.step(action + " " + name); err != nil {
		return outcome{exit: -1, err: err}
	}
	// Its file is held open by the switch and all that it starts, so that the next
	// runner knows whether something of it is left.
	lock, err := lockFile(filepath.Join(r.cfg.StateDir, childLock))
	var inherited []*os.File
	if err == nil {
		defer lock.Close()
		inherited = append(inherited, lock)
	}
	ctx, cancel := timeout(context.WithoutCancel(ctx), r.cfg.SwitchTimeout)
	defer cancel()
	o := execute(ctx, []string{r.cfg.file(name, "bin", "switch-to-configuration"), action}, inherited...)
	if err := r.step("ran " + action + " " + name); err != nil {
		return outcome{exit: -1, err: err}
	}
	return o
}

// try switches to the target, and looks at what runs then.
func (r *runner) try(ctx context.Context) error {
	t := r.t
	o := r.activate(ctx, t.Target, "test")
	if errors.Is(o.err, errStopped) {
		return o.err
	}
	t.ExitCode, t.Tail = o.exit, o.tail
	switch runs := r.cfg.Current(); {
	case o.exit < 0:
		return r.goBack(fmt.Sprintf("the switch failed: %v: %s", o.err, o.tail))
	case runs != t.Target && o.exit != 0:
		return r.goBack(fmt.Sprintf("the switch failed with exit %d: %s", o.exit, o.tail))
	case runs != t.Target:
		return r.goBack(fmt.Sprintf("the switch ended well, but the host runs %s; want %s", runs, t.Target))
	case t.Kind == RollBack:
		return r.enter(Committing)
	}
	t.Deadline = r.now() + r.cfg.ConfirmTimeout
	if err := r.enter(Trial); err != nil {
		if errors.Is(err, errStopped) {
			return err
		}
		return r.goBack(err.Error())
	}
	return nil
}

// confirm waits for a plane.
func (r *runner) confirm(ctx context.Context) error {
	for {
		err := r.contact(ctx)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err == nil {
			break
		}
		if r.now() >= r.t.Deadline {
			return r.goBack(fmt.Sprintf("no plane was reached within %v after the switch: %v", r.cfg.ConfirmTimeout, err))
		}
		if !r.pause(ctx, contactEvery) {
			return ctx.Err()
		}
	}
	if runs := r.cfg.Current(); runs != r.t.Target {
		return r.end(agent.ActivationFailed, r.t.ExitCode, fmt.Sprintf("the host was switched to %s by another hand; want %s", runs, r.t.Target))
	}
	if err := r.enter(Committing); err != nil {
		if errors.Is(err, errStopped) {
			return err
		}
		return r.goBack(err.Error())
	}
	return nil
}

// setProfile makes a system what the next boot brings.
func (r *runner) setProfile(ctx context.Context, name string) error {
	if r.cfg.Next() != name {
		if err := r.step("profile " + name); err != nil {
			return err
		}
		o := execute(context.WithoutCancel(ctx), with(r.cfg.NixEnv, "--profile", r.cfg.Profile, "--set", r.cfg.path(name)))
		if o.err != nil {
			return fmt.Errorf("profile %s could not be set: %w: %s", r.cfg.Profile, o.err, o.tail)
		}
		if err := r.step("set profile " + name); err != nil {
			return err
		}
	}
	if o := r.activate(ctx, name, "boot"); o.err != nil {
		return fmt.Errorf("the boot loader could not be set to %s: %w: %s", name, o.err, o.tail)
	}
	return nil
}

// commit makes the target what the next boot brings, and ends the transition.
func (r *runner) commit(ctx context.Context) error {
	t := r.t
	if t.Kind == Stage {
		// Before the profile, so that a boot in between knows what it is on trial for.
		staged := Staged{Target: t.Target, Previous: t.Previous, BootID: t.BootID, Rollout: t.Rollout}
		if err := r.step("save staged"); err != nil {
			return err
		}
		if err := save(filepath.Join(r.cfg.StateDir, stagedFile), staged); err != nil {
			return r.goBack(err.Error())
		}
	}
	if t.Kind != Booted {
		if err := r.setProfile(ctx, t.Target); err != nil {
			if errors.Is(err, errStopped) {
				return err
			}
			return r.goBack(err.Error())
		}
	}
	if t.Kind == Stage {
		return r.end(agent.ActivationDeferred, 0, "")
	}
	return r.end(agent.ActivationCompleted, t.ExitCode, t.Tail)
}

// revert brings the previous system back, now and for the next boot.
func (r *runner) revert(ctx context.Context) error {
	t := r.t
	var err error
	for attempt := range revertAttempts {
		if attempt > 0 && !r.pause(ctx, time.Duration(attempt)*time.Second) {
			return ctx.Err()
		}
		if err = r.revertOnce(ctx); err == nil || errors.Is(err, errStopped) {
			break
		}
		r.log.Error("the host could not go back", "error", err)
	}
	switch policy, _ := ParseRebootPolicy(r.cfg.RebootPolicy); {
	case errors.Is(err, errStopped):
		return err
	case err != nil:
		return r.end(agent.ActivationFailed, t.ExitCode, fmt.Sprintf("%s; the host could not go back to %s: %v", t.Why, t.Previous, err))
	case t.Kind == Booted && !policy.Never:
		return r.enter(Rebooting)
	}
	return r.end(agent.ActivationFailed, t.ExitCode, fmt.Sprintf("%s; the host went back to %s", t.Why, t.Previous))
}

func (r *runner) revertOnce(ctx context.Context) error {
	t := r.t
	before := t.Before
	if before == "" {
		before = t.Previous
	}
	if r.cfg.Next() != before || t.Kind == Booted || t.Kind == Stage {
		if err := r.setProfile(ctx, before); err != nil {
			return err
		}
	}
	if policy, _ := ParseRebootPolicy(r.cfg.RebootPolicy); t.Kind == Booted && !policy.Never || t.Kind == Stage {
		return nil
	}
	o := r.activate(ctx, t.Previous, "test")
	if errors.Is(o.err, errStopped) {
		return o.err
	}
	if runs := r.cfg.Current(); runs != t.Previous {
		return fmt.Errorf("exit %d, the host runs %s: %s", o.exit, runs, o.tail)
	}
	return nil
}

// reboot has the host booted. It waits to be ended by that.
func (r *runner) reboot(ctx context.Context) error {
	if o := execute(ctx, r.cfg.Reboot); o.err != nil {
		r.log.Error("the host could not be rebooted; trying again", "error", o.err, "detail", o.tail)
	}
	if !r.pause(ctx, time.Minute) {
		return ctx.Err()
	}
	return nil
}
