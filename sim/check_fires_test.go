package sim

import (
	"fmt"
	"testing"
	"time"

	"github.com/refrain-fleet/refrain/core/gate"
	"github.com/refrain-fleet/refrain/core/plane"
	"github.com/refrain-fleet/refrain/core/wire"
)

// sabotage is a world that breaks a rule, and how.
type sabotage struct {
	checker, name string
	story         func() Scenario
	by            func() *saboteur
}

// onReply changes replies of the reducer.
func onReply(change func(w *World, in plane.Input, r *plane.Reply)) func() *saboteur {
	return func() *saboteur {
		return &saboteur{onStepDone: func(w *World, _ *message, in plane.Input, r *plane.Reply) {
			if r != nil {
				change(w, in, r)
			}
		}}
	}
}

// onAnswer changes answers on their way out.
func onAnswer(change func(*World, *message)) func() *saboteur {
	return func() *saboteur { return &saboteur{onAnswered: change} }
}

// withoutTimer lets no deadline of the gate come.
func withoutTimer(w *World, _ *message) { w.plane.deadlineArmed = true }

func isEvent(in plane.Input) bool     { _, is := in.(*plane.Event); return is }
func isHeartbeat(in plane.Input) bool { _, is := in.(*plane.Heartbeat); return is }
func isPoll(in plane.Input) bool      { _, is := in.(*plane.Poll); return is }

// anotherGate gives the plane another gate than it should have.
func anotherGate(change func(*gate.Config)) func() *saboteur {
	return func() *saboteur {
		return &saboteur{onPlaneStarted: func(w *World) {
			cfg := w.plane.gate.Config()
			change(&cfg)
			w.plane.gate, _ = gate.New[*message](cfg)
			w.plane.gate.Start(w.now)
		}}
	}
}

// afterStep edits the record of a host once, after a step of some kind.
func afterStep(of func(plane.Input) bool, host, pattern, by string) func() *saboteur {
	return func() *saboteur {
		done := false
		return &saboteur{onStepDone: func(w *World, _ *message, in plane.Input, _ *plane.Reply) {
			if !done && of(in) && aboutHost(in) == wire.Hostname(host) {
				done = editRecord(w, host, pattern, by)
			}
		}}
	}
}

// beside edits the record of a host once, after a step that is another's.
func beside(host, pattern, by string) func() *saboteur {
	return func() *saboteur {
		done := false
		return &saboteur{onStepDone: func(w *World, _ *message, in plane.Input, _ *plane.Reply) {
			if !done && isHeartbeat(in) && aboutHost(in) != wire.Hostname(host) {
				done = editRecord(w, host, pattern, by)
			}
		}}
	}
}

// dispatchEarly dispatches h3, which is in the second wave, while the first is
// under way.
func dispatchEarly(w *World) bool {
	return editRecord(w, "h3", `"state":"Pending",(.*),"lastEventSeq":0`,
		`"state":"Pending",$1,"dispatchedAt":"2026-01-01T00:01:00Z","soakDueAt":"2026-01-01T00:02:00Z","lastEventSeq":0`)
}

var sabotages = []sabotage{
	{"S1", "an event is acknowledged before it is on the disk", quietStory, onReply(func(_ *World, in plane.Input, r *plane.Reply) {
		if isEvent(in) {
			r.Needs = 0
		}
	})},
	{"S1", "a rollout is called open before it is on the disk", quietStory, onReply(func(_ *World, in plane.Input, r *plane.Reply) {
		if r.Outcome.Code == wire.Created {
			r.Needs = 0
		}
	})},
	{"S1", "a confirmation is told before it is on the disk", wipedStory, onReply(func(_ *World, in plane.Input, r *plane.Reply) {
		if isHeartbeat(in) {
			r.Needs = 0
		}
	})},
	{"S1", "a dispatch is offered before it is on the disk", quietStory, onReply(func(_ *World, in plane.Input, r *plane.Reply) {
		if isPoll(in) {
			r.Outcome.Code, r.Outcome.Document = wire.OK, &wire.Dispatch{RolloutID: "stable@r9"}
			r.Needs = 0
		}
	})},
	{"S1", "a replay is asked for from a number that is not on the disk", wipedStory, onReply(func(_ *World, in plane.Input, r *plane.Reply) {
		if r.Outcome.Replay {
			r.Outcome.ReplayFrom += 7
		}
	})},
	{"S1", "a snapshot is told of a rollout that is not on the disk", quietStory, onReply(func(_ *World, in plane.Input, r *plane.Reply) {
		if isHeartbeat(in) {
			r.Outcome.Heartbeat.Bootstrap = []wire.Snapshot{{RolloutID: "stable@r9", Hostname: "h1"}}
		}
	})},
	{"S1", "the first entry of the log is lost", crashedStory, func() *saboteur {
		return &saboteur{onPlaneDown: func(w *World) { w.plane.log = w.plane.log[1:] }}
	}},
	{"S1", "the last entries of the log are lost", crashedStory, func() *saboteur {
		return &saboteur{onPlaneDown: func(w *World) {
			log := w.plane.log
			if w.now < 4*time.Minute {
				return
			}
			w.plane.newWalk()
			w.plane.log = nil
			for _, e := range log[:len(log)/2] {
				if err := w.plane.walked.Apply(e); err != nil {
					panic(err)
				}
				w.plane.log = append(w.plane.log, e)
			}
		}}
	}},
	{"S1", "the plane loads something else than the log gives", crashedStory, func() *saboteur {
		return &saboteur{onPlaneStarted: func(w *World) { editRecord(w, "h1", `"endedAt":"[^"]*"`, `"endedAt":"2027-01-01T00:00:00Z"`) }}
	}},
	{"S1", "the plane is not what its log gives", quietStory, afterStep(isEvent, "h1", `"soakDueAt":"[^"]*"`, `"soakDueAt":"2026-01-01T00:01:31Z"`)},

	{"S2", "a number falls at an event", quietStory, afterStep(isEvent, "h1", `"lastEventSeq":[3-9]`, `"lastEventSeq":1`)},
	{"S2", "a number falls at a start to less than was acknowledged", crashedStory, func() *saboteur {
		return &saboteur{onPlaneStarted: func(w *World) { editRecord(w, "h1", `"lastEventSeq":[2-9]`, `"lastEventSeq":1`) }}
	}},
	{"S2", "the plane loses a record", quietStory, func() *saboteur {
		return &saboteur{onStepDone: func(w *World, _ *message, in plane.Input, _ *plane.Reply) {
			if isHeartbeat(in) && w.now > 5*time.Minute {
				w.plane.plane, _ = plane.New(w.plane.cfg)
			}
		}}
	}},

	{"S3", "a legal event is rejected", quietStory, onReply(func(_ *World, in plane.Input, r *plane.Reply) {
		if isEvent(in) && r.Outcome.Code == wire.NoContent {
			r.Outcome.Code = wire.Rejected
		}
	})},
	{"S3", "an event of an unknown rollout is taken", hostileStory, onReply(func(_ *World, in plane.Input, r *plane.Reply) {
		if isEvent(in) && r.Outcome.Code == wire.UnknownRollout {
			r.Outcome.Code = wire.NoContent
		}
	})},
	{"S3", "an event leads elsewhere", quietStory, afterStep(isEvent, "h1", `"state":"Activating"`, `"state":"Deferred"`)},
	{"S3", "an event advances the number too far", quietStory, afterStep(isEvent, "h1", `"lastEventSeq":2`, `"lastEventSeq":3`)},
	{"S3", "a poll moves a record", quietStory, afterStep(isPoll, "h1", `"state":"Activating"`, `"state":"Deferred"`)},
	{"S3", "a heartbeat that names its rollout moves a record", slowStory, afterStep(isHeartbeat, "h1", `"state":"Activating"`, `"state":"Deferred"`)},
	{"S3", "a heartbeat uses an event's number", slowStory, afterStep(isHeartbeat, "h1", `"lastEventSeq":2`, `"lastEventSeq":3`)},
	{"S3", "a confirmation is not marked", wipedStory, afterStep(isHeartbeat, "h1", `,"synthesised":\[[^]]*\]`, ``)},
	{"S3", "a host converges on another closure than it was to", quietStory, afterStep(isEvent, "h1", `"state":"Converged","targetClosure":"c1"(.*)"currentClosure":"c1"`, `"state":"Converged","targetClosure":"c9"$1"currentClosure":"c9"`)},
	{"S3", "a host is taken to have gone back elsewhere", failingStory, afterStep(isEvent, "h1", `"state":"Reverted"(.*)"currentClosure":"c0"`, `"state":"Reverted"$1"currentClosure":"c9"`)},

	{"S4", "the plane takes what the host never wrote", quietStory, func() *saboteur {
		return &saboteur{onArrived: func(_ *World, m *message) {
			if body, is := m.event.Envelope.Event.Body.(wire.ActivationStarted); is {
				body.StartedAt = Epoch
				m.event.Envelope.Event.Body = body
			}
		}}
	}},
	{"S4", "the plane takes an event under another number", quietStory, func() *saboteur {
		return &saboteur{onArrived: func(_ *World, m *message) {
			if m.kind == MsgEvent && m.event.Envelope.Event.Seq == 4 {
				m.event.Envelope.Event.Seq = 5
			}
		}}
	}},
	{"S4", "the plane has more than the event that it took", quietStory, afterStep(isEvent, "h1", `"lastEventSeq":4`, `"lastEventSeq":5`)},
	{"S4", "the soak time changes", quietStory, afterStep(isEvent, "h1", `"soakSeconds":60`, `"soakSeconds":61`)},
	{"S4", "a value is not the one that the event told", quietStory, afterStep(isEvent, "h1", `"activationStartedAt":"[^"]*"`, `"activationStartedAt":"2026-01-01T00:00:00Z"`)},
	{"S4", "a value appears that nobody told", quietStory, afterStep(isPoll, "h1", `"dispatchAckedAt":"[^"]*"`, `"dispatchAckedAt":"2026-01-01T00:00:00Z"`)},
	{"S4", "a probe's result is not the one that the event told", quietStory, afterStep(isEvent, "h1", `"status":"pass"`, `"status":"fail"`)},
	{"S4", "a confirmation infers another instant than the heartbeat's", wipedStory, afterStep(isHeartbeat, "h1", `"activationCompletedAt":"[^"]*"(.*)"synthesised"`, `"activationCompletedAt":"2026-01-01T00:00:00Z"$1"synthesised"`)},
	{"S4", "at rest the plane has another instant than the agent", quietStory, func() *saboteur {
		return &saboteur{onStepped: func(w *World) {
			if w.settled {
				editRecord(w, "h2", `"endedAt":"[^"]*"`, `"endedAt":"2026-01-01T00:00:00Z"`)
			}
		}}
	}},
	{"S4", "at rest the plane knows nothing of a host", quietStory, func() *saboteur {
		return &saboteur{onStepped: func(w *World) {
			if w.settled {
				w.plane.plane, _ = plane.New(w.plane.cfg)
			}
		}}
	}},

	{"S5", "a request is not answered by its deadline", wedgedStory, func() *saboteur { return &saboteur{onAdmitted: withoutTimer} }},
	{"S5", "a request is answered twice", quietStory, func() *saboteur {
		return &saboteur{onAnswered: func(w *World, m *message) { w.panel.answered(w, m) }}
	}},
	{"S5", "a request comes twice", quietStory, func() *saboteur {
		return &saboteur{onArrived: func(w *World, m *message) { w.panel.arrived(w, m) }}
	}},
	{"S5", "a request is admitted twice", quietStory, func() *saboteur {
		return &saboteur{onAdmitted: func(w *World, m *message) { w.panel.admitted(w, m) }}
	}},
	{"S5", "a poll is answered before the end of its wait", quietStory, func() *saboteur {
		return &saboteur{onStepped: func(w *World) {
			if polls := w.plane.polls[0]; w.now > 2*time.Minute && len(polls) > 0 {
				m := polls[0]
				w.plane.forgetPoll(m)
				m.outcome = wire.Outcome{Code: wire.NoContent}
				w.plane.answer(w, m)
			}
		}}
	}},
	{"S5", "a poll is answered long after the end of its wait", quietStory, func() *saboteur {
		return &saboteur{onAdmitted: func(_ *World, m *message) { m.wait = time.Second }}
	}},
	{"S5", "an input is worked off and nobody is answered", quietStory, func() *saboteur {
		return &saboteur{onStepDone: func(w *World, m *message, in plane.Input, _ *plane.Reply) {
			if isEvent(in) { // its reply waits for the commit
				w.panel.finished(w, m)
			}
		}}
	}},
	{"S5", "an answer comes after the deadline", wedgedStory, func() *saboteur {
		return &saboteur{onAnswered: func(w *World, m *message) {
			if m.outcome.Code == wire.Timeout {
				w.now++
			}
		}}
	}},

	{"S6", "a request is refused for another reason", crowdedStory, func() *saboteur {
		return &saboteur{onRefused: func(_ *World, m *message) { m.outcome.Code = wire.Closed }}
	}},
	{"S6", "a refusal is answered as another one", crowdedStory, onAnswer(func(_ *World, m *message) {
		if m.outcome.Code == wire.Saturated {
			m.outcome.Code = wire.NotStarted
		}
	})},
	{"S6", "more is admitted than there is room for", crowdedStory, func() *saboteur {
		return &saboteur{onArrived: func(w *World, _ *message) { w.plane.capacity = 3 }}
	}},
	{"S6", "a request is refused although there is room", crowdedStory, func() *saboteur {
		return &saboteur{onArrived: func(w *World, _ *message) { w.plane.capacity = 50 }}
	}},
	{"S6", "a reply is taken for a timeout", quietStory, onAnswer(func(_ *World, m *message) {
		if m.kind == MsgEvent {
			m.outcome = wire.Unavailable(wire.Timeout, time.Second)
		}
	})},
	{"S6", "a timeout is called closed though nothing closes", wedgedStory, onAnswer(func(_ *World, m *message) {
		if m.outcome.Code == wire.Timeout {
			m.outcome.Code = wire.Closed
		}
	})},
	{"S6", "a dropped reply is called a timeout", droppedStory, onAnswer(func(_ *World, m *message) {
		if m.outcome.Code == wire.DroppedReply {
			m.outcome.Code = wire.Timeout
		}
	})},
	{"S6", "the door answers 503", hostileStory, onAnswer(func(_ *World, m *message) {
		if m.outcome.Code == wire.WrongIdentity {
			m.outcome = wire.Unavailable(wire.Saturated, time.Second)
		}
	})},
	{"S6", "a poll that waited is answered 503", quietStory, onAnswer(func(w *World, m *message) {
		if m.kind == MsgPoll && w.now >= m.arrivedAt+m.wait {
			m.outcome = wire.Unavailable(wire.Saturated, time.Second)
		}
	})},
	{"S6", "a reply is dropped for no reason", quietStory, func() *saboteur {
		return &saboteur{onStepping: func(w *World, m *message, in plane.Input) {
			if isEvent(in) {
				w.panel.dropped(w, m)
			}
		}}
	}},
	{"S6", "a request inside is answered closed before the end of the drain", wedgedStory, onAnswer(func(w *World, m *message) {
		if m.outcome.Code == wire.Timeout {
			w.panel.planeClosing(w)
			m.outcome.Code = wire.Closed
		}
	})},
	{"S6", "a slot lies beyond the interval", crowdedStory, func() *saboteur {
		return &saboteur{onRefused: func(_ *World, m *message) { m.outcome.RetryAfter = 61 * time.Second }}
	}},
	{"S6", "a slot is not in whole seconds", crowdedStory, func() *saboteur {
		return &saboteur{onRefused: func(_ *World, m *message) { m.outcome.RetryAfter = 1500 * time.Millisecond }}
	}},
	{"S6", "a host that asks again loses its slot", floodedStory, func() *saboteur {
		n := time.Duration(0)
		return &saboteur{onRefused: func(_ *World, m *message) {
			n++
			m.outcome.RetryAfter = n%60*time.Second + time.Second
		}}
	}},

	{"S7", "more is inside than the capacity", crowdedStory, anotherGate(func(cfg *gate.Config) { cfg.Capacity, cfg.HeartbeatReserve = 50, 47 })},
	{"S7", "the reserve is used by events", crowdedStory, anotherGate(func(cfg *gate.Config) { cfg.HeartbeatReserve = -1 })},
	{"S7", "five of one host are inside", floodedStory, anotherGate(func(cfg *gate.Config) { cfg.PerHost = 50 })},
	{"S7", "the inbox loses count", quietStory, func() *saboteur {
		return &saboteur{onStepping: func(w *World, m *message, in plane.Input) {
			if isEvent(in) {
				w.panel.finished(w, m)
			}
		}}
	}},

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
		r.Outcome.Heartbeat.ReceivedAt = Epoch
	})},

	{"S10", "a heartbeat changes another host's record", slowStory, beside("h1", `"state":"Activating"`, `"state":"Deferred"`)},
	{"S10", "a heartbeat takes another host's dispatch back", slowStory, beside("h1", `"state":"Activating"(.*)"dispatchedAt":"[^"]*"`, `"state":"Activating"$1"dispatchedAt":"2026-01-01T00:00:01Z"`)},
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
		if m.kind == MsgHeartbeat && m.node == 0 {
			m.outcome.Code = wire.CertificateRevoked
		}
	})},
	{"S10", "a request in another host's name comes in", hostileStory, func() *saboteur {
		var own *wire.Identity
		return &saboteur{
			onArrived: func(w *World, m *message) {
				if own = nil; m.kind == MsgHeartbeat && m.node == 0 {
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
					w.panel.admitted(w, m)
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
			w.plane.revoked = map[wire.CommonName]wire.Time{"agent-h2.sim": Epoch.Add(time.Hour)}
		}}
	}},
	{"S10", "a revoked certificate is accepted", func() Scenario {
		s := quietStory()
		s.Acts = []Act{{At: 2 * time.Minute, Kind: ActRevoke, Hosts: Hosts{1, 1}, For: time.Minute}}
		return s
	}, func() *saboteur {
		return &saboteur{onStepped: func(w *World) { w.plane.revoked = nil }}
	}},

	{"S11", "an input is stepped twice", quietStory, func() *saboteur {
		return &saboteur{onStepping: func(w *World, m *message, in plane.Input) {
			if m != nil {
				w.panel.stepping(w, m, in)
			}
		}}
	}},
	{"S11", "what was refused is stepped", crowdedStory, func() *saboteur {
		return &saboteur{onRefused: func(w *World, m *message) { w.panel.stepping(w, m, m.input()) }}
	}},
	{"S11", "what nobody sent is stepped", quietStory, func() *saboteur {
		return &saboteur{onStepping: func(w *World, m *message, in plane.Input) {
			w.panel.stepping(w, &message{id: 1 << 40}, in)
		}}
	}},
	{"S11", "a reply is delivered before the input was worked off", quietStory, func() *saboteur {
		return &saboteur{onAdmitted: func(w *World, m *message) {
			w.panel.admitted(w, m)
			w.panel.answered(w, m)
		}}
	}},
	{"S11", "a late reply is delivered", wedgedStory, func() *saboteur {
		return &saboteur{onAdmitted: withoutTimer, onAnswered: func(_ *World, m *message) {
			if m.outcome.Code == wire.Timeout {
				m.outcome = wire.Outcome{Code: wire.NoContent}
			}
		}}
	}},
	{"S11", "a dropped reply is delivered", droppedStory, onAnswer(func(_ *World, m *message) {
		if m.outcome.Code == wire.DroppedReply {
			m.outcome = wire.Outcome{Code: wire.NoContent}
		}
	})},
	{"S11", "an input is finished that was never stepped", quietStory, func() *saboteur {
		return &saboteur{onAdmitted: func(w *World, m *message) {
			w.panel.admitted(w, m)
			w.panel.finished(w, m)
		}}
	}},

	{"S12", "time is credited in which everybody was heard", silentStory, func() *saboteur {
		return &saboteur{onStepping: func(_ *World, _ *message, in plane.Input) {
			if tick, is := in.(*plane.Tick); is {
				tick.Impaired = true
			}
		}}
	}},
	{"S12", "a stall is not credited", silentStory, func() *saboteur {
		last := time.Duration(0)
		return &saboteur{onStepping: func(w *World, _ *message, _ plane.Input) {
			for ; w.now-last > 5*time.Second; last += 5 * time.Second {
				w.plane.plane.Step(wire.Instant{Mono: last, Wall: Epoch}, &plane.QueryRevocations{}, &plane.Output{})
			}
			last = w.now
		}}
	}},
	{"S12", "the plane keeps to itself that a host is unreachable", silentStory, func() *saboteur {
		return &saboteur{onStepDone: func(w *World, _ *message, in plane.Input, _ *plane.Reply) {
			if _, is := in.(*plane.Tick); is {
				w.plane.out.Notices = nil
			}
		}}
	}},
	{"S12", "a host is called unreachable too early", silentStory, func() *saboteur {
		return &saboteur{onStepDone: func(w *World, _ *message, in plane.Input, _ *plane.Reply) {
			if _, is := in.(*plane.Tick); is && w.now > 4*time.Minute {
				w.plane.out.Notices = append(w.plane.out.Notices, plane.Notice{Kind: plane.NoticeUnreachable, Hostname: "h2"})
			}
		}}
	}},
	{"S12", "an operator is shown another instant than the heartbeat's", silentStory, func() *saboteur {
		return &saboteur{onStepDone: func(w *World, _ *message, in plane.Input, _ *plane.Reply) {
			if w.now > time.Minute {
				editPlane(w, replaceIn(`"last_heartbeat_at":"[^"]*"`, `"last_heartbeat_at":"2026-01-01T00:00:00Z"`))
			}
		}}
	}},
	{"S12", "the plane forgets a host that it heard", hostileStory, func() *saboteur {
		return &saboteur{onStepDone: func(w *World, _ *message, _ plane.Input, _ *plane.Reply) {
			editPlane(w, replaceIn(`host \{"hostname":"h[45]"[^\n]*\n`, ``))
		}}
	}},
	{"S12", "the plane forgets everything", silentStory, func() *saboteur {
		return &saboteur{onStepDone: func(w *World, _ *message, in plane.Input, _ *plane.Reply) {
			if w.now > time.Minute {
				w.plane.plane, _ = plane.New(w.plane.cfg)
			}
		}}
	}},

	{"S13", "a host is offered what is not dispatched", quietStory, onReply(func(w *World, in plane.Input, r *plane.Reply) {
		if poll, is := in.(*plane.Poll); is && poll.Hostname == "h3" && w.now > 40*time.Second {
			r.Outcome = wire.Outcome{Code: wire.OK, Document: &wire.Dispatch{Hostname: "h3", RolloutID: "stable@r1"}}
		}
	})},
	{"S13", "a host is offered a rollout that it is not in", quietStory, onReply(func(_ *World, in plane.Input, r *plane.Reply) {
		if isPoll(in) {
			r.Outcome = wire.Outcome{Code: wire.OK, Document: &wire.Dispatch{Hostname: "h3", RolloutID: "stable@r9"}}
		}
	})},
	{"S13", "a host is offered nothing although work is queued", quietStory, onReply(func(_ *World, in plane.Input, r *plane.Reply) {
		if isPoll(in) {
			r.Outcome = wire.Outcome{Code: wire.NoContent}
		}
	})},
	{"S13", "a dispatch tells another soak time", quietStory, onReply(func(_ *World, in plane.Input, r *plane.Reply) {
		if d, is := r.Outcome.Document.(*wire.Dispatch); is {
			d.SoakSeconds++
		}
	})},
	{"S13", "a halted rollout is offered", failingStory, offerAnyway("h2", "stable@r1", 4*time.Minute)},
	{"S13", "a quarantined closure is offered", failingStory, offerAnyway("h2", "stable@r1", 6*time.Minute+time.Second)},
	{"S13", "a superseded rollout is offered", failingStory, offerAnyway("h2", "stable@r1", 8*time.Minute+time.Second)},

	{"S14", "a host is dispatched before its wave's turn", quietStory, func() *saboteur {
		done := false
		return &saboteur{onStepDone: func(w *World, _ *message, in plane.Input, _ *plane.Reply) {
			if !done && isEvent(in) {
				editPlane(w, replaceIn(`"waves_dispatched":1`, `"waves_dispatched":2`))
				done = dispatchEarly(w)
			}
		}}
	}},
	{"S14", "a host is woken before its wave's turn", quietStory, func() *saboteur {
		done := false
		return &saboteur{onStepDone: func(w *World, _ *message, in plane.Input, _ *plane.Reply) {
			if !done && isEvent(in) {
				editPlane(w, replaceIn(`"waves_dispatched":1`, `"waves_dispatched":2`))
				done = dispatchEarly(w)
				w.plane.out.Wakes = append(w.plane.out.Wakes, "h3")
			}
		}}
	}},
	{"S14", "after a start a host is dispatched before its wave's turn", crashedStory, func() *saboteur {
		return &saboteur{onPlaneStarted: func(w *World) {
			editPlane(w, replaceIn(`"waves_dispatched":1`, `"waves_dispatched":2`))
			dispatchEarly(w)
		}}
	}},
	{"S14", "a host of a superseded rollout is dispatched", failingStory, wakeAnyway("h2", "stable@r1", 8*time.Minute+time.Second)},
	{"S14", "a host of a quarantined target is dispatched", failingStory, wakeAnyway("h2", "stable@r1", 6*time.Minute+time.Second)},
	{"S14", "a host that is under way is dispatched", quietStory, wakeAnyway("h1", "stable@r1", 45*time.Second)},
	{"S14", "a host of a halted rollout is dispatched", failingStory, func() *saboteur {
		done := false
		return &saboteur{onStepDone: func(w *World, _ *message, in plane.Input, _ *plane.Reply) {
			if rec, _ := w.plane.plane.Record("stable@r1", "h1"); !done && isEvent(in) && rec.State == wire.Reverted {
				editPlane(w, replaceIn(`"waves_dispatched":1`, `"waves_dispatched":2`))
				done = dispatchEarly(w)
				w.plane.out.Wakes = append(w.plane.out.Wakes, "h3")
			}
		}}
	}},
}

// wakeAnyway names a host as one that is dispatched just now, from an instant
// on.
func wakeAnyway(host wire.Hostname, id wire.RolloutID, from time.Duration) func() *saboteur {
	return onReply(func(w *World, _ plane.Input, _ *plane.Reply) {
		if w.now < from {
			return
		}
		for _, r := range w.panel.sharedLedger.hosts[w.panel.sharedLedger.number(host)] {
			if r.of.id == id {
				r.dispatchJudged = false
			}
		}
		w.plane.out.Wakes = append(w.plane.out.Wakes, host)
	})
}

// offerAnyway offers a host a rollout from an instant on.
func offerAnyway(host wire.Hostname, id wire.RolloutID, from time.Duration) func() *saboteur {
	return onReply(func(w *World, in plane.Input, r *plane.Reply) {
		poll, is := in.(*plane.Poll)
		if !is || poll.Hostname != host || w.now < from {
			return
		}
		rec, _ := w.plane.plane.Record(id, host)
		r.Outcome = wire.Outcome{Code: wire.OK, Document: &wire.Dispatch{
			Hostname: host, RolloutID: id, TargetClosure: rec.TargetClosure, SoakDueAt: rec.SoakDueAt,
			SoakSeconds: rec.SoakSeconds, EnqueuedAt: rec.DispatchedAt, OnHealthFailure: wire.RollbackAndHalt,
		}}
	})
}

func TestEveryCheckerFiresInAWorldThatBreaksItsRule(t *testing.T) {
	for _, s := range sabotages {
		t.Run(s.checker+" "+s.name, func(t *testing.T) {
			only := checkerNumbered(t, s.checker)
			if v := runWith(t, s.story(), only, nil); v != nil {
				t.Fatalf("it fires in a world that is whole: %v", v)
			}
			v := runWith(t, s.story(), only, s.by())
			if v == nil || v.Checker != s.checker {
				t.Fatalf("the violation is %v, want one of %s", v, s.checker)
			}
			t.Log(v)
		})
	}
}

func TestThereIsAWorldInWhichEachCheckerFires(t *testing.T) {
	fires := map[string]bool{"INV": true} // see TestTheInvariantsOfTheReducersAreChecked
	for _, s := range sabotages {
		fires[s.checker] = true
	}
	for _, c := range Checkers() {
		if !fires[c.Number] {
			t.Errorf("nothing breaks %s", c.Number)
		}
	}
}
