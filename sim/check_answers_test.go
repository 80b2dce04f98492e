package sim

import (
	"fmt"
	"time"

	"github.com/refrain-fleet/refrain/core/plane"
	"github.com/refrain-fleet/refrain/core/wire"
	"github.com/refrain-fleet/refrain/sim/scenario"
)

// Worlds with wrong answers, or answers to the wrong host: S8, S9 and S10.
var answersBroken = []sabotage{
	{"S8", "a replay is asked for without drift", quietStory, onReply(func(_ *World, in plane.Input, r *plane.Reply) {
		if isHeartbeat(in) {
			r.Outcome.Replay = true
		}
	})},
	{"S8", "a replay is not asked for in spite of drift", wipedStory, onReply(func(_ *World, in plane.Input, r *plane.Reply) {
		if isHeartbeat(in) {
			r.Outcome.Replay, r.Outcome.ReplayFrom = false, 0
		}
	})},
	{"S8", "a replay is asked for from the number after the last", wipedStory, onReply(func(_ *World, in plane.Input, r *plane.Reply) {
		if r.Outcome.Replay {
			r.Outcome.ReplayFrom++
		}
	})},
	{"S8", "a gap is seen where there is none", quietStory, onReply(func(_ *World, in plane.Input, r *plane.Reply) {
		if isEvent(in) {
			r.Outcome.Code, r.Outcome.Replay = wire.Gap, true
		}
	})},
	{"S8", "an event is answered 204 with a replay", quietStory, onReply(func(_ *World, in plane.Input, r *plane.Reply) {
		if isEvent(in) {
			r.Outcome.Replay = true
		}
	})},
	{"S8", "a 503 asks for a replay", wedgedStory, onAnswer(func(_ *World, m *message) { m.outcome.Replay = true })},

	{"S9", "a snapshot is left out", quietStory, onReply(func(_ *World, in plane.Input, r *plane.Reply) { r.Outcome.Heartbeat.Bootstrap = nil })},
	{"S9", "a snapshot tells an older number", forgetfulStory, onReply(func(_ *World, in plane.Input, r *plane.Reply) {
		if list := r.Outcome.Heartbeat.Bootstrap; len(list) > 0 && list[0].LastEventSeq > 0 {
			list[0].LastEventSeq--
		}
	})},
	{"S9", "a snapshot is of the time before the confirmation", wipedStory, onReply(func(_ *World, in plane.Input, r *plane.Reply) {
		if list := r.Outcome.Heartbeat.Bootstrap; len(list) > 0 && list[0].State == wire.Soaking {
			list[0].State = wire.Pending
		}
	})},
	{"S9", "a heartbeat that names a rollout is given snapshots", quietStory, onReply(func(_ *World, in plane.Input, r *plane.Reply) {
		if h, is := in.(*plane.Heartbeat); is && h.Request.RolloutID != "" {
			r.Outcome.Heartbeat.Bootstrap = []wire.Snapshot{{RolloutID: h.Request.RolloutID}}
		}
	})},
	{"S9", "a snapshot is told twice", quietStory, onReply(func(_ *World, in plane.Input, r *plane.Reply) {
		if list := r.Outcome.Heartbeat.Bootstrap; len(list) > 0 {
			r.Outcome.Heartbeat.Bootstrap = append(list, list[0])
		}
	})},
	{"S9", "the receipt is not the request's instant", quietStory, onReply(func(_ *World, in plane.Input, r *plane.Reply) {
		r.Outcome.Heartbeat.ReceivedAt = scenario.Epoch
	})},

	{"S10", "a heartbeat changes another host's record", slowStory, beside("h1", "activationStartedAt")},
	{"S10", "a heartbeat takes another host's dispatch back", slowStory, beside("h1", "dispatchedAt")},
	{"S10", "a heartbeat changes what another host runs", quietStory, func() *saboteur {
		return &saboteur{onStepDone: func(w *World, _ *message, in plane.Input, _ *plane.Reply) {
			for _, line := range []string{"h1", "h2", "h3"} {
				if aboutHost(in) != "" && aboutHost(in) != wire.Hostname(line) && w.now > time.Minute {
					editPlane(w, replaceIn(`(host \{"hostname":"`+line+`","last_heartbeat_at":")[^"]*`, fmt.Sprintf("${1}2026-01-01T00:00:%02dZ", int(w.step%60))))
				}
			}
		}}
	}},
	{"S10", "an event is refused and moves its record", quietStory, onReply(func(_ *World, in plane.Input, r *plane.Reply) {
		if isEvent(in) {
			r.Outcome.Code = wire.Rejected
		}
	})},
	{"S10", "a heartbeat in another host's name is answered", hostileStory, onAnswer(func(_ *World, m *message) {
		if m.outcome.Code == wire.WrongIdentity {
			m.outcome = wire.Outcome{Code: wire.OK}
		}
	})},
	{"S10", "a host's own heartbeat is refused", quietStory, onAnswer(func(_ *World, m *message) {
		if m.kind == scenario.RouteHeartbeat && m.node == 0 {
			m.outcome.Code = wire.CertificateRevoked
		}
	})},
	{"S10", "a request in another host's name comes in", hostileStory, func() *saboteur {
		var own *wire.Identity
		return &saboteur{
			onArrived: func(w *World, m *message) {
				if own = nil; m.kind == scenario.RouteHeartbeat && m.node == 0 {
					own = m.identity
					m.identity = &w.hosts[1].identity
				}
			},
			onStepping: func(w *World, m *message, in plane.Input) {
				if m != nil && m.node == 0 && isHeartbeat(in) {
					m.identity = &w.hosts[1].identity
				}
			},
			onAnswered: func(w *World, m *message) {
				if own != nil {
					w.emitMessage(EventAdmitted, m)
				}
			},
		}
	}},
	{"S10", "a request that came in another host's name is stepped", quietStory, func() *saboteur {
		return &saboteur{onStepping: func(w *World, m *message, _ plane.Input) {
			if m != nil && m.node == 0 {
				m.identity = &w.hosts[1].identity
			}
		}}
	}},
	{"S10", "a certificate is refused that nobody revoked", quietStory, func() *saboteur {
		return &saboteur{onStepped: func(w *World) {
			w.plane.revoked = map[wire.CommonName]wire.Time{"agent-h2.sim": scenario.Epoch.Add(time.Hour)}
		}}
	}},
	{"S10", "a revoked certificate is accepted", func() scenario.Scenario {
		s := quietStory()
		s.Acts = []scenario.Act{{At: 2 * time.Minute, Kind: scenario.ActRevoke, Hosts: scenario.Hosts{First: 1, Last: 1}, For: time.Minute}}
		return s
	}, func() *saboteur {
		return &saboteur{onStepped: func(w *World) { w.plane.revoked = nil }}
	}},
}
