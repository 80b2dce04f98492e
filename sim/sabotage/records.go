package sabotage

import (
	"github.com/refrain-fleet/refrain/core/plane"
	"github.com/refrain-fleet/refrain/core/wire"
	"github.com/refrain-fleet/refrain/sim/scenario"
	"github.com/refrain-fleet/refrain/sim/world"
)

// Worlds in which records go ways of their own: S3 and S4.
var recordsBroken = []Bug{
	{"S3", "a legal event is rejected", QuietStory, onReply(func(_ *world.World, in plane.Input, r *plane.Reply) {
		if isEvent(in) && r.Outcome.Code == wire.NoContent {
			r.Outcome.Code = wire.Rejected
		}
	})},
	{"S3", "an event of an unknown rollout is taken", HostileStory, onReply(func(_ *world.World, in plane.Input, r *plane.Reply) {
		if isEvent(in) && r.Outcome.Code == wire.UnknownRollout {
			r.Outcome.Code = wire.NoContent
		}
	})},
	{"S3", "an event leads elsewhere", QuietStory, afterStep(isEvent, "h1", `"state":"Activating"`, `"state":"Deferred"`)},
	{"S3", "an event advances the number too far", QuietStory, afterStep(isEvent, "h1", `"lastEventSeq":2`, `"lastEventSeq":3`)},
	{"S3", "a poll adds a line to the log", QuietStory, addLine(isPoll)},
	{"S3", "a heartbeat adds a line to the log", QuietStory, addLine(isHeartbeat)},
	{"S3", "an event is logged twice", QuietStory, addLine(isEvent)},
	{"S3", "a poll moves a record", QuietStory, afterStep(isPoll, "h1", `"state":"Activating"`, `"state":"Deferred"`)},
	{"S3", "a heartbeat that names its rollout moves a record", SlowStory, afterStep(isHeartbeat, "h1", `"state":"Activating"`, `"state":"Deferred"`)},
	{"S3", "a heartbeat uses an event's number", SlowStory, afterStep(isHeartbeat, "h1", `"lastEventSeq":2`, `"lastEventSeq":3`)},
	{"S3", "a confirmation is not marked", WipedStory, afterStep(isHeartbeat, "h1", `,"synthesised":\[[^]]*\]`, ``)},
	{"S3", "a host converges on another closure than it was to", QuietStory, afterStep(isEvent, "h1", `"state":"Converged","targetClosure":"c1"(.*)"currentClosure":"c1"`, `"state":"Converged","targetClosure":"c9"$1"currentClosure":"c9"`)},
	{"S3", "a host is taken to have gone back elsewhere", FailingStory, afterStep(isEvent, "h1", `"state":"Reverted"(.*)"currentClosure":"c0"`, `"state":"Reverted"$1"currentClosure":"c9"`)},

	{"S4", "the plane takes what the host never wrote", QuietStory, func() *Saboteur {
		return &Saboteur{OnArrived: func(_ *world.World, m *world.Message) {
			if body, is := m.Event().Envelope.Event.Body.(wire.ActivationStarted); is {
				body.StartedAt = scenario.Epoch
				m.Event().Envelope.Event.Body = body
			}
		}}
	}},
	{"S4", "the plane takes an event under another number", QuietStory, func() *Saboteur {
		return &Saboteur{OnArrived: func(_ *world.World, m *world.Message) {
			if m.Kind() == scenario.RouteEvent && m.Event().Envelope.Event.Seq == 4 {
				m.Event().Envelope.Event.Seq = 5
			}
		}}
	}},
	{"S4", "the plane has more than the event that it took", QuietStory, afterStep(isEvent, "h1", `"lastEventSeq":4`, `"lastEventSeq":5`)},
	{"S4", "the soak time changes", QuietStory, afterStep(isEvent, "h1", `"soakSeconds":60`, `"soakSeconds":61`)},
	{"S4", "a value is not the one that the event told", QuietStory, afterStep(isEvent, "h1", `"activationStartedAt":"[^"]*"`, `"activationStartedAt":"2026-01-01T00:00:00Z"`)},
	{"S4", "a value appears that nobody told", QuietStory, afterStep(isPoll, "h1", `"dispatchAckedAt":"[^"]*"`, `"dispatchAckedAt":"2026-01-01T00:00:00Z"`)},
	{"S4", "a probe's result is not the one that the event told", QuietStory, afterStep(isEvent, "h1", `"status":"pass"`, `"status":"fail"`)},
	{"S4", "a confirmation infers another instant than the heartbeat's", WipedStory, afterStep(isHeartbeat, "h1", `"activationCompletedAt":"[^"]*"(.*)"synthesised"`, `"activationCompletedAt":"2026-01-01T00:00:00Z"$1"synthesised"`)},
	{"S4", "at rest the plane has another instant than the agent", QuietStory, func() *Saboteur {
		return &Saboteur{OnStepped: func(w *world.World) {
			if w.Settled() {
				editRecord(w, "h2", `"endedAt":"[^"]*"`, `"endedAt":"2026-01-01T00:00:00Z"`)
			}
		}}
	}},
	{"S4", "at rest the plane lacks what it was told", QuietStory, func() *Saboteur {
		return &Saboteur{OnStepped: func(w *world.World) {
			if w.Settled() {
				editRecord(w, "h2", `"activationStartedAt":"[^"]*",`, ``)
			}
		}}
	}},
	{"S4", "at rest the plane has other probes than the agent", SickStory, func() *Saboteur {
		return &Saboteur{OnStepped: func(w *world.World) {
			if w.Settled() {
				editRecord(w, "h1", `"lastObservedAt":"[^"]*"`, `"lastObservedAt":"2026-01-01T00:00:00Z"`)
			}
		}}
	}},
	{"S4", "at rest the plane knows nothing of a host", QuietStory, func() *Saboteur {
		return &Saboteur{OnStepped: func(w *world.World) {
			if w.Settled() {
				emptyPlane(w)
			}
		}}
	}},
}
