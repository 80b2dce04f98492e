package sabotage

import (
	"fmt"
	"slices"
	"time"

	"github.com/refrain-fleet/refrain/core/plane"
	"github.com/refrain-fleet/refrain/core/wire"
	"github.com/refrain-fleet/refrain/sim/scenario"
	"github.com/refrain-fleet/refrain/sim/world"
)

// Worlds with wrong answers, or answers to the wrong host: S8, S9, S10 and S23.
var answersBroken = []Bug{
	{"S8", "a replay is asked for without drift", QuietStory, onReply(func(_ *world.World, in plane.Input, r *plane.Reply) {
		if isHeartbeat(in) {
			r.Outcome.Replay = true
		}
	})},
	{"S8", "a gap is refused without a replay", GapStory, onReply(func(_ *world.World, in plane.Input, r *plane.Reply) {
		if isEvent(in) {
			r.Outcome.Replay, r.Outcome.ReplayFrom = false, 0
		}
	})},
	{"S23", "a replay is not asked for in spite of drift", WipedStory, onReply(func(_ *world.World, in plane.Input, r *plane.Reply) {
		if isHeartbeat(in) {
			r.Outcome.Replay, r.Outcome.ReplayFrom = false, 0
		}
	})},
	{"S8", "a replay is asked for from the number after the last", WipedStory, onReply(func(_ *world.World, in plane.Input, r *plane.Reply) {
		if r.Outcome.Replay {
			r.Outcome.ReplayFrom++
		}
	})},
	{"S8", "a gap is seen where there is none", QuietStory, onReply(func(_ *world.World, in plane.Input, r *plane.Reply) {
		if isEvent(in) {
			r.Outcome.Code, r.Outcome.Replay = wire.Gap, true
		}
	})},
	{"S8", "an event is answered 204 with a replay", QuietStory, onReply(func(_ *world.World, in plane.Input, r *plane.Reply) {
		if isEvent(in) {
			r.Outcome.Replay = true
		}
	})},
	{"S8", "a 503 asks for a replay", WedgedStory, onAnswer(func(_ *world.World, m *world.Message) { m.Outcome().Replay = true })},

	{"S23", "a snapshot that calls for a replay is left out", WipedStory, onReply(func(_ *world.World, in plane.Input, r *plane.Reply) {
		list := r.Outcome.Heartbeat.Bootstrap
		r.Outcome.Heartbeat.Bootstrap = slices.DeleteFunc(list, func(s wire.Snapshot) bool { return s.State != wire.Pending })
	})},
	{"S23", "a replay is asked for while as many as may be are under way", PutOffStory, onReply(func(_ *world.World, in plane.Input, r *plane.Reply) {
		if h, is := in.(*plane.Heartbeat); is && h.Request.RolloutID != "" && h.Request.CurrentClosure == "c1" {
			r.Outcome.Replay = true
		}
	})},
	{"S9", "a snapshot is left out", QuietStory, onReply(func(_ *world.World, in plane.Input, r *plane.Reply) { r.Outcome.Heartbeat.Bootstrap = nil })},
	{"S9", "a snapshot tells an older number", ForgetfulStory, onReply(func(_ *world.World, in plane.Input, r *plane.Reply) {
		if list := r.Outcome.Heartbeat.Bootstrap; len(list) > 0 && list[0].LastEventSeq > 0 {
			list[0].LastEventSeq--
		}
	})},
	{"S9", "a snapshot is of the time before the confirmation", WipedStory, onReply(func(_ *world.World, in plane.Input, r *plane.Reply) {
		if list := r.Outcome.Heartbeat.Bootstrap; len(list) > 0 && list[0].State == wire.Soaking {
			list[0].State = wire.Pending
		}
	})},
	{"S9", "a heartbeat that names a rollout is given snapshots", QuietStory, onReply(func(_ *world.World, in plane.Input, r *plane.Reply) {
		if h, is := in.(*plane.Heartbeat); is && h.Request.RolloutID != "" {
			r.Outcome.Heartbeat.Bootstrap = []wire.Snapshot{{RolloutID: h.Request.RolloutID}}
		}
	})},
	{"S9", "a snapshot is told twice", QuietStory, onReply(func(_ *world.World, in plane.Input, r *plane.Reply) {
		if list := r.Outcome.Heartbeat.Bootstrap; len(list) > 0 {
			r.Outcome.Heartbeat.Bootstrap = append(list, list[0])
		}
	})},
	{"S9", "the receipt is not the request's instant", QuietStory, onReply(func(_ *world.World, in plane.Input, r *plane.Reply) {
		r.Outcome.Heartbeat.ReceivedAt = scenario.Epoch
	})},

	{"S10", "a heartbeat changes another host's record", SlowStory, beside("h1", "activationStartedAt")},
	{"S10", "a heartbeat takes another host's dispatch back", SlowStory, beside("h1", "dispatchedAt")},
	{"S10", "a heartbeat changes what another host runs", QuietStory, func() *Saboteur {
		return &Saboteur{OnStepDone: func(w *world.World, _ *world.Message, in plane.Input, _ *plane.Reply) {
			for _, line := range []string{"h1", "h2", "h3"} {
				if world.AboutHost(in) != "" && world.AboutHost(in) != wire.Hostname(line) && w.Now() > time.Minute {
					editPlane(w, replaceIn(`(host \{"hostname":"`+line+`","last_heartbeat_at":")[^"]*`, fmt.Sprintf("${1}2026-01-01T00:00:%02dZ", int(w.Step()%60))))
				}
			}
		}}
	}},
	{"S10", "an event is refused and moves its record", QuietStory, onReply(func(_ *world.World, in plane.Input, r *plane.Reply) {
		if isEvent(in) {
			r.Outcome.Code = wire.Rejected
		}
	})},
	{"S10", "a heartbeat in another host's name is answered", HostileStory, onAnswer(func(_ *world.World, m *world.Message) {
		if m.Outcome().Code == wire.WrongIdentity {
			*m.Outcome() = wire.Outcome{Code: wire.OK}
		}
	})},
	{"S10", "a host's own heartbeat is refused", QuietStory, onAnswer(func(_ *world.World, m *world.Message) {
		if m.Kind() == scenario.RouteHeartbeat && m.Host() == 1 {
			m.Outcome().Code = wire.CertificateRevoked
		}
	})},
	{"S10", "a request in another host's name comes in", HostileStory, func() *Saboteur {
		var own *wire.Identity
		return &Saboteur{
			OnArrived: func(w *world.World, m *world.Message) {
				if own = nil; m.Kind() == scenario.RouteHeartbeat && m.Host() == 1 {
					own = m.Identity()
					w.Tamper().SetIdentity(m, w.Identity(2))
				}
			},
			OnStepping: func(w *world.World, m *world.Message, in plane.Input) {
				if m != nil && m.Host() == 1 && isHeartbeat(in) {
					w.Tamper().SetIdentity(m, w.Identity(2))
				}
			},
			OnAnswered: func(w *world.World, m *world.Message) {
				if own != nil {
					emit(w, world.EventAdmitted, m)
				}
			},
		}
	}},
	{"S10", "a request that came in another host's name is stepped", QuietStory, func() *Saboteur {
		return &Saboteur{OnStepping: func(w *world.World, m *world.Message, _ plane.Input) {
			if m != nil && m.Host() == 1 {
				w.Tamper().SetIdentity(m, w.Identity(2))
			}
		}}
	}},
	{"S10", "a certificate is refused that nobody revoked", QuietStory, func() *Saboteur {
		return &Saboteur{OnStepped: func(w *world.World) {
			w.Tamper().SetRevoked(map[wire.CommonName]wire.Time{"agent-h2.sim": scenario.Epoch.Add(time.Hour)})
		}}
	}},
	{"S10", "a revoked certificate is accepted", func() scenario.Scenario {
		s := QuietStory()
		s.Acts = []scenario.Act{{At: 2 * time.Minute, Kind: scenario.ActRevoke, Hosts: scenario.Hosts{First: 1, Last: 1}, For: time.Minute}}
		return s
	}, func() *Saboteur {
		return &Saboteur{OnStepped: func(w *world.World) { w.Tamper().SetRevoked(nil) }}
	}},
}
