package sabotage

import (
	"time"

	"github.com/refrain-fleet/refrain/core/plane"
	"github.com/refrain-fleet/refrain/core/wire"
	"github.com/refrain-fleet/refrain/sim/scenario"
	"github.com/refrain-fleet/refrain/sim/world"
)

// Worlds that lose sight of hosts, or do not keep waves: S12, S13 and S14.
var rolloutsBroken = []Bug{
	{"S12", "time is credited in which everybody was heard", SilentStory, func() *Saboteur {
		return &Saboteur{OnStepping: func(_ *world.World, _ *world.Message, in plane.Input) {
			if tick, is := in.(*plane.Tick); is {
				tick.Impaired = true
			}
		}}
	}},
	{"S12", "a stall is not credited", SilentStory, func() *Saboteur {
		last := time.Duration(0)
		return &Saboteur{OnStepping: func(w *world.World, _ *world.Message, _ plane.Input) {
			for ; w.Now()-last > 5*time.Second; last += 5 * time.Second {
				w.Plane().Step(wire.Instant{Mono: last, Wall: scenario.Epoch}, &plane.QueryRevocations{}, &plane.Output{})
			}
			last = w.Now()
		}}
	}},
	{"S12", "the plane keeps to itself that a host is unreachable", SilentStory, func() *Saboteur {
		return &Saboteur{onNoticed: func(_ *world.World, n *plane.Notice) {
			if n.Kind == plane.NoticeUnreachable {
				n.Kind = plane.NoticeConfirmed
			}
		}}
	}},
	{"S12", "a host is called unreachable too early", SilentStory, func() *Saboteur {
		return &Saboteur{OnStepDone: func(w *world.World, _ *world.Message, in plane.Input, _ *plane.Reply) {
			if _, is := in.(*plane.Tick); is && w.Now() > 4*time.Minute {
				w.Tamper().Emit(world.Event{Kind: world.EventNoticed, Notice: &plane.Notice{Kind: plane.NoticeUnreachable, Hostname: "h2"}})
			}
		}}
	}},
	{"S12", "an operator is shown another instant than the heartbeat's", SilentStory, func() *Saboteur {
		return &Saboteur{OnStepDone: func(w *world.World, _ *world.Message, in plane.Input, _ *plane.Reply) {
			if w.Now() > time.Minute {
				editPlane(w, replaceIn(`"last_heartbeat_at":"[^"]*"`, `"last_heartbeat_at":"2026-01-01T00:00:00Z"`))
			}
		}}
	}},
	{"S12", "the plane forgets a host that it heard", HostileStory, func() *Saboteur {
		return &Saboteur{OnStepDone: func(w *world.World, _ *world.Message, _ plane.Input, _ *plane.Reply) {
			editPlane(w, replaceIn(`host \{"hostname":"h[45]"[^\n]*\n`, ``))
		}}
	}},
	{"S12", "the plane forgets everything", SilentStory, func() *Saboteur {
		return &Saboteur{OnStepDone: func(w *world.World, _ *world.Message, in plane.Input, _ *plane.Reply) {
			if w.Now() > time.Minute {
				emptyPlane(w)
			}
		}}
	}},

	{"S13", "a host is offered what is not dispatched", QuietStory, onReply(func(w *world.World, in plane.Input, r *plane.Reply) {
		if poll, is := in.(*plane.Poll); is && poll.Hostname == "h3" && w.Now() > 40*time.Second {
			r.Outcome = wire.Outcome{Code: wire.OK, Document: &wire.Dispatch{Hostname: "h3", RolloutID: "stable@r1"}}
		}
	})},
	{"S13", "a host is offered a rollout that it is not in", QuietStory, onReply(func(_ *world.World, in plane.Input, r *plane.Reply) {
		if isPoll(in) {
			r.Outcome = wire.Outcome{Code: wire.OK, Document: &wire.Dispatch{Hostname: "h3", RolloutID: "stable@r9"}}
		}
	})},
	{"S13", "a host is offered nothing although work is queued", QuietStory, onReply(func(_ *world.World, in plane.Input, r *plane.Reply) {
		if isPoll(in) {
			r.Outcome = wire.Outcome{Code: wire.NoContent}
		}
	})},
	{"S13", "a dispatch tells another soak time", QuietStory, onReply(func(_ *world.World, in plane.Input, r *plane.Reply) {
		if d, is := r.Outcome.Document.(*wire.Dispatch); is {
			d.SoakSeconds++
		}
	})},
	{"S13", "a halted rollout is offered", FailingStory, offerAnyway("h2", "stable@r1", 4*time.Minute)},
	{"S13", "a quarantined closure is offered", FailingStory, offerAnyway("h2", "stable@r1", 6*time.Minute+time.Second)},
	{"S13", "a superseded rollout is offered", FailingStory, offerAnyway("h2", "stable@r1", 8*time.Minute+time.Second)},
	{"S13", "the plane forgets a quarantine", FailingStory, onReply(func(w *world.World, _ plane.Input, _ *plane.Reply) {
		editPlane(w, replaceIn(`quarantine [^\n]*\n`, ``))
	})},
	{"S13", "nobody is woken for a dispatch", QuietStory, onReply(func(w *world.World, _ plane.Input, _ *plane.Reply) {
		w.Tamper().Output().Wakes = w.Tamper().Output().Wakes[:0]
	})},
	{"S13", "nobody is woken when a rollout is resumed", FailingStory, onReply(func(w *world.World, in plane.Input, _ *plane.Reply) {
		if _, is := in.(*plane.ClearQuarantine); is {
			w.Tamper().Output().Wakes = w.Tamper().Output().Wakes[:0]
		}
	})},

	{"S26", "the plane wants another host's closure", QuietStory, func() *Saboteur {
		return &Saboteur{OnStepping: func(w *world.World, _ *world.Message, in plane.Input) {
			if world.AboutHost(in) == "h2" && w.Now() > 40*time.Second {
				editRecord(w, "h2", `"targetClosure":"c1"`, `"targetClosure":"c9"`)
			}
		}}
	}},
	{"S26", "a host that has converged runs something else", QuietStory, func() *Saboteur {
		return &Saboteur{OnStepped: func(w *world.World) {
			if w.HealedAt() > 0 {
				w.Tamper().Host(2).Run("c9")
			}
		}}
	}},

	{"S14", "a wave is called dispatched before its turn", QuietStory, onReply(func(w *world.World, _ plane.Input, _ *plane.Reply) {
		editPlane(w, replaceIn(`"waves_dispatched":1`, `"waves_dispatched":2`))
	})},
	{"S14", "a host counts in another state", QuietStory, func() *Saboteur {
		return &Saboteur{OnStepDone: func(w *world.World, _ *world.Message, in plane.Input, _ *plane.Reply) {
			if ev, is := in.(*plane.Event); is && ev.Envelope.Event.Body.Kind() == wire.KindActivationCompleted {
				editRecord(w, "h2", `"state":"Activating"`, `"state":"Deferred"`)
			}
		}}
	}},
	{"S14", "the plane does not know a rollout", QuietStory, func() *Saboteur {
		return &Saboteur{OnStepDone: func(w *world.World, _ *world.Message, in plane.Input, _ *plane.Reply) {
			if isEvent(in) && w.Now() > time.Minute {
				emptyPlane(w)
			}
		}}
	}},
	{"S14", "a host is dispatched before its wave's turn", QuietStory, func() *Saboteur {
		return &Saboteur{OnStepping: func(w *world.World, _ *world.Message, in plane.Input) {
			if world.AboutHost(in) == "h3" && w.Now() > 40*time.Second {
				editPlane(w, replaceIn(`"waves_dispatched":1`, `"waves_dispatched":2`))
				dispatchEarly(w)
			}
		}}
	}},
	{"S14", "a host is woken before its wave's turn", QuietStory, func() *Saboteur {
		done := false
		return &Saboteur{OnStepDone: func(w *world.World, _ *world.Message, in plane.Input, _ *plane.Reply) {
			if !done && isEvent(in) {
				editPlane(w, replaceIn(`"waves_dispatched":1`, `"waves_dispatched":2`))
				done = dispatchEarly(w)
				w.Tamper().Output().Wakes = append(w.Tamper().Output().Wakes, "h3")
			}
		}}
	}},
	{"S14", "after a start a host is dispatched before its wave's turn", CrashedStory, func() *Saboteur {
		return &Saboteur{OnPlaneStarted: func(w *world.World) {
			editPlane(w, replaceIn(`"waves_dispatched":1`, `"waves_dispatched":2`))
			dispatchEarly(w)
		}}
	}},
	{"S14", "a host of a halted rollout is dispatched", FailingStory, func() *Saboteur {
		done := false
		return &Saboteur{OnStepDone: func(w *world.World, _ *world.Message, in plane.Input, _ *plane.Reply) {
			if rec, _ := w.Plane().Record("stable@r1", "h1"); !done && isEvent(in) && rec.State == wire.Reverted {
				editPlane(w, replaceIn(`"waves_dispatched":1`, `"waves_dispatched":2`))
				done = dispatchEarly(w)
				w.Tamper().Output().Wakes = append(w.Tamper().Output().Wakes, "h3")
			}
		}}
	}},
}
