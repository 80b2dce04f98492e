package world

import (
	"time"

	"github.com/refrain-fleet/refrain/sim/scenario"
)

// A host that is suspended: its monotonic clock stands, its wall clock goes on, and so
// does everybody else. What reaches it waits in the kernel. When it is resumed, every
// timer of its own, the timeouts of its requests included, goes off later by as long as
// it slept.

// mono is what the host's monotonic clock shows.
func (h *hostNode) mono(w *World) time.Duration {
	if h.suspended {
		return h.suspendedAt - h.slept
	}
	return w.now - h.slept
}

// suspend begins a suspension.
func (h *hostNode) suspend(w *World) {
	if !h.suspended {
		h.suspended, h.suspendedAt = true, w.now
		w.effect(scenario.EffectHostSuspended)
	}
}

// resume ends it.
func (h *hostNode) resume(w *World) {
	slept := w.now - h.suspendedAt
	h.suspended = false
	h.slept += slept
	if h.timerAt >= 0 {
		h.timerAt += slept
	}
	w.queue.move(func(t Timer) time.Duration {
		if t.node == int32(h.index) && t.kind.ownClock() {
			return t.at + slept
		}
		return t.at
	})
	late := h.postponed
	h.postponed = nil
	for _, t := range late {
		if t.kind.ownClock() {
			t.at += slept
		} else {
			t.at = w.now
		}
		w.queue.push(t)
	}
}

// ownClock reports whether a timer of a host is set by its monotonic clock.
func (k timerKind) ownClock() bool {
	switch k {
	case dueGiveUp, dueAgentTimer, dueActivationEnd, dueProbeEnd, dueHostUp, dueReboot, dueHostile, dueFieldRestart:
		return true
	}
	return false
}

// pushOwn sets a timer of a host, by its monotonic clock. t.at is when it is due if
// the host is not suspended from now on.
func (h *hostNode) pushOwn(w *World, t Timer) {
	if !h.suspended {
		w.queue.push(t)
		return
	}
	t.at += h.suspendedAt - w.now
	h.postponed = append(h.postponed, t)
}

// asleep puts off a timer that has gone off while the host is suspended. A new
// certificate does not need the host.
func (h *hostNode) asleep(w *World, t *Timer) bool {
	if !h.suspended || t.kind == dueReissue {
		return false
	}
	if t.kind.aboutMessage() {
		w.pool.hold(w.message(t))
	}
	h.postponed = append(h.postponed, *t)
	return true
}

// suspensions are the hooks of suspended hosts.
var suspensions = []faultHooks{{kind: scenario.HostSuspend,
	begin: onHosts(func(h *hostNode, w *World, _ *scenario.Fault, i int) {
		if !h.suspended {
			w.reached(i)
		}
		h.suspend(w)
	}),
	end: func(w *World) {
		for i := range w.hosts {
			h := &w.hosts[i]
			still := false
			for _, f := range w.faults.active[scenario.HostSuspend] {
				still = still || f.hits(i+1, 0)
			}
			if h.suspended && !still {
				h.resume(w)
			}
		}
	},
}}
