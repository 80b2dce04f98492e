package sabotage

import (
	"time"

	"github.com/refrain-fleet/refrain/core/plane"
	"github.com/refrain-fleet/refrain/core/wire"
	"github.com/refrain-fleet/refrain/sim/scenario"
	"github.com/refrain-fleet/refrain/sim/world"
)

// FieldStory has agents of the field only.
func FieldStory() scenario.Scenario {
	s := QuietStory()
	s.Fleet.Field = s.Fleet.Hosts
	s.Fleet.Activation = scenario.Range{Min: 80 * time.Second, Max: 80 * time.Second}
	return s
}

// fieldBroken break what the plane owes to agents of the field.
var fieldBroken = []Bug{
	{"S37", "an event of a field agent is refused", FieldStory, onReply(func(_ *world.World, in plane.Input, r *plane.Reply) {
		if isEvent(in) {
			r.Outcome = wire.Refuse(wire.Rejected, "event", "")
		}
	})},
	{"S37", "an event that could be taken is discarded, and an event of ours is", QuietStory, onReply(func(w *world.World, in plane.Input, _ *plane.Reply) {
		if entries := w.Tamper().Output().Entries; isEvent(in) && len(entries) > 0 {
			entries[len(entries)-1].Kind = "discarded"
		}
	})},
	{"S38", "a field agent is told of a Pending record", FieldStory, onReply(func(w *world.World, in plane.Input, r *plane.Reply) {
		if isHeartbeat(in) {
			r.Outcome.Heartbeat.Bootstrap = pendingOf(w, in)
		}
	})},
	{"S38", "a dispatch that was taken up is offered again at once", FieldStory, onReply(offerAgain)},
	{"S39", "a field agent is told Pending and offered the dispatch again", FieldStory, onReply(func(w *world.World, in plane.Input, r *plane.Reply) {
		if isHeartbeat(in) {
			r.Outcome.Heartbeat.Bootstrap = pendingOf(w, in)
		}
		offerAgain(w, in, r)
	})},
}

// pendingOf are snapshots of a host's records that say that each is Pending.
func pendingOf(w *world.World, in plane.Input) (list []wire.Snapshot) {
	for _, rec := range w.Plane().Look(world.AboutHost(in), nil) {
		if s := rec.FieldSnapshot(); s.State == wire.Activating {
			s.State = wire.Pending
			list = append(list, s)
		}
	}
	return list
}

// offerAgain answers a poll with a dispatch that was taken up.
func offerAgain(w *world.World, in plane.Input, r *plane.Reply) {
	if !isPoll(in) || r.Outcome.Code != wire.NoContent {
		return
	}
	for _, rec := range w.Plane().Look(world.AboutHost(in), nil) {
		if rec.State == wire.Activating {
			r.Outcome = wire.Outcome{Code: wire.OK, Document: &wire.Dispatch{
				Hostname: rec.Hostname, RolloutID: rec.RolloutID, TargetClosure: rec.TargetClosure,
				SoakDueAt: rec.SoakDueAt, SoakSeconds: rec.SoakSeconds, EnqueuedAt: rec.DispatchedAt, OnHealthFailure: wire.Halt,
			}}
		}
	}
}
