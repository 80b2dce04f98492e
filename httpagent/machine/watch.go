package machine

import (
	"context"
	"time"

	"github.com/refrain-fleet/refrain/core/wire"
)

// Watcher is what [Host.Watch] reports to.
type Watcher struct {
	// Refresh is called when probes or what runs have changed.
	Refresh func()
	// Restart is called when the trial after a boot has ended, with true, and when
	// the machine was suspended, with false.
	Restart func(booted bool)
	// Deferred says whether the agent's log has the rollout as deferred.
	Deferred func(wire.RolloutID) bool
	// ReadProbes reads the probes of the configuration again; nil for none.
	ReadProbes func() ([]Probe, error)
}

// BootTrialEnded reports whether the trial of what a boot brought has ended and the
// agent's log does not have it yet: its next session is the first after a boot.
func (h *Host) BootTrialEnded() bool {
	t, err := LoadTransition(h.cfg.StateDir)
	return err == nil && t != nil && t.Kind == Booted && t.Phase == Ended
}

// suspendedAbove is the time in suspend from which the agent is restarted: its
// connections are gone then.
const suspendedAbove = 2 * time.Second

// Watch looks at the machine every so often until ctx ends: at what nothing notifies
// of.
func (h *Host) Watch(ctx context.Context, every time.Duration, w Watcher) {
	current, next := h.CurrentClosure(), h.NextBoot()
	suspended := Suspended()
	ended, refused := h.BootTrialEnded(), ""
	for wait(ctx, every) {
		if s := Suspended(); s-suspended >= suspendedAbove {
			h.log.Warn("the machine was suspended; the agent begins a new session", "for", (s - suspended).Round(time.Second))
			suspended = s
			w.Restart(false)
		}
		if t := h.open(); t != nil {
			if err := h.supply(ctx, t); err != nil {
				h.log.Error("a switch is not carried out", "error", err)
			}
		}
		if now := h.BootTrialEnded(); now != ended {
			if ended = now; now {
				w.Restart(true)
			}
		}
		refresh := false
		if w.ReadProbes != nil {
			probes, err := w.ReadProbes()
			switch {
			case err == nil:
				refused = ""
				refresh = h.SetProbes(probes)
			case err.Error() != refused:
				refused = err.Error()
				h.log.Warn("the probes cannot be used; the previous ones stay in use", "error", err)
			}
		}
		if c, n := h.CurrentClosure(), h.NextBoot(); c != current || n != next {
			current, next, refresh = c, n, true
		}
		if refresh {
			w.Refresh()
		}
		h.rebootIfDue(ctx, w.Deferred)
	}
}

// WaitsForBoot returns what a boot would bring; nil if nothing waits for one.
func (h *Host) WaitsForBoot() *Staged {
	staged, err := LoadStaged(h.cfg.StateDir)
	if err != nil || staged == nil || staged.BootID != h.cfg.bootID() || h.cfg.Next() != staged.Target || h.cfg.Current() == staged.Target {
		return nil
	}
	return staged
}

// rebootIfDue reboots the host for what was staged, if the policy allows it, the plane
// can learn of it, and a plane is reached: without one the trial after the boot could
// not end well.
func (h *Host) rebootIfDue(ctx context.Context, deferred func(wire.RolloutID) bool) {
	policy, err := ParseRebootPolicy(h.cfg.RebootPolicy)
	staged := h.WaitsForBoot()
	if err != nil || staged == nil || h.open() != nil || !policy.Allows(time.Now()) || !deferred(staged.Rollout) {
		return
	}
	if _, _, err := h.cfg.Contact(ctx); err != nil {
		h.log.Warn("no plane is reached, so the host is not rebooted", "error", err)
		return
	}
	h.log.Warn("rebooting", "closure", staged.Target, "policy", h.cfg.RebootPolicy)
	if o := execute(ctx, h.cfg.Reboot); o.err != nil {
		h.log.Error("the host could not be rebooted", "error", o.err, "detail", o.tail)
	}
}
