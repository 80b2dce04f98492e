package sabotage

import (
	"slices"
	"time"

	"github.com/refrain-fleet/refrain/core/plane"
	"github.com/refrain-fleet/refrain/core/wire"
	"github.com/refrain-fleet/refrain/sim/scenario"
	"github.com/refrain-fleet/refrain/sim/world"
)

// Worlds in which the plane forgets, or tells what it could forget: S1 and S2.
var durabilityBroken = []Bug{
	{"S1", "an event is acknowledged before it is on the disk", QuietStory, onReply(func(_ *world.World, in plane.Input, r *plane.Reply) {
		if isEvent(in) {
			r.AfterEntries = 0
		}
	})},
	{"S1", "a rollout is called open before it is on the disk", QuietStory, onReply(func(_ *world.World, in plane.Input, r *plane.Reply) {
		if r.Outcome.Code == wire.Created {
			r.AfterEntries = 0
		}
	})},
	{"S1", "a confirmation is told before it is on the disk", WipedStory, onReply(func(_ *world.World, in plane.Input, r *plane.Reply) {
		if isHeartbeat(in) {
			r.AfterEntries = 0
		}
	})},
	{"S1", "a dispatch is offered before it is on the disk", QuietStory, onReply(func(_ *world.World, in plane.Input, r *plane.Reply) {
		if isPoll(in) {
			r.Outcome.Code, r.Outcome.Document = wire.OK, &wire.Dispatch{RolloutID: "stable@r9"}
			r.AfterEntries = 0
		}
	})},
	{"S1", "a dispatch is offered that the log does not give", QuietStory, onReply(func(_ *world.World, _ plane.Input, r *plane.Reply) {
		if d, is := r.Outcome.Document.(*wire.Dispatch); is {
			d.EnqueuedAt = scenario.Epoch
		}
	})},
	{"S1", "a replay is asked for from a number that is not on the disk", WipedStory, onReply(func(_ *world.World, in plane.Input, r *plane.Reply) {
		if r.Outcome.Replay {
			r.Outcome.ReplayFrom += 7
		}
	})},
	{"S1", "a snapshot is told of a rollout that is not on the disk", QuietStory, onReply(func(_ *world.World, in plane.Input, r *plane.Reply) {
		if isHeartbeat(in) {
			r.Outcome.Heartbeat.Bootstrap = []wire.Snapshot{{RolloutID: "stable@r9", Hostname: "h1"}}
		}
	})},
	{"S1", "the first entry of the log is lost", CrashedStory, func() *Saboteur {
		return &Saboteur{OnPlaneDown: func(w *world.World) { w.Tamper().SetLog(w.Log()[1:], nil) }}
	}},
	{"S1", "the last entries of the log are lost", CrashedStory, func() *Saboteur {
		return &Saboteur{OnPlaneDown: func(w *world.World) {
			if w.Now() < 4*time.Minute {
				return
			}
			kept, walked := w.Log()[:len(w.Log())/2], w.NewWalk()
			for _, e := range kept {
				if err := walked.Apply(e); err != nil {
					panic(err)
				}
			}
			w.Tamper().SetLog(slices.Clone(kept), walked)
		}}
	}},
	{"S1", "the plane loads something else than the log gives", CrashedStory, func() *Saboteur {
		return &Saboteur{OnPlaneStarted: func(w *world.World) { editRecord(w, "h1", `"endedAt":"[^"]*"`, `"endedAt":"2027-01-01T00:00:00Z"`) }}
	}},
	{"S1", "the plane is not what its log gives", QuietStory, afterStep(isEvent, "h1", `"soakDueAt":"[^"]*"`, `"soakDueAt":"2026-01-01T00:01:31Z"`)},

	{"S2", "a number falls at an event", QuietStory, afterStep(isEvent, "h1", `"lastEventSeq":[3-9]`, `"lastEventSeq":1`)},
	{"S2", "a number falls at a start to less than was acknowledged", CrashedStory, func() *Saboteur {
		return &Saboteur{OnPlaneStarted: func(w *world.World) { editRecord(w, "h1", `"lastEventSeq":[2-9]`, `"lastEventSeq":1`) }}
	}},
	{"S2", "the plane loses a record", QuietStory, func() *Saboteur {
		return &Saboteur{OnStepDone: func(w *world.World, _ *world.Message, in plane.Input, _ *plane.Reply) {
			if isHeartbeat(in) && w.Now() > 5*time.Minute {
				emptyPlane(w)
			}
		}}
	}},
}
