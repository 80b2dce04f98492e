package agent_test

import (
	"strings"
	"testing"

	"github.com/refrain-fleet/refrain/core/agent"
	"github.com/refrain-fleet/refrain/core/wire"
)

// soaking returns a rig in the middle of a long soak, all acknowledged: events
// 1 to 4.
func soaking(t testing.TB) *rig {
	t.Helper()
	r := on(t, "c0")
	r.offer(r.dispatch(r1, "c1", 60*minute))
	r.activated()
	r.accept()
	equal(t, "state", r.state(r1), wire.Soaking)
	return r
}

func TestAReplaySendsEveryEventFromItsNumberOn(t *testing.T) { // PROTOCOL A3
	r := soaking(t)
	r.heartbeat(replayFrom(200, 2))
	equal(t, "replaying", r.view(r1).Replaying, true)
	equal(t, "sent", strings.Join(r.accept(), " "), "ActivationStarted#2 ActivationCompleted#3 ProbeTopologyDeclared#4")
	equal(t, "replaying", r.view(r1).Replaying, false)
	equal(t, "outstanding", len(r.open(agent.RequestEvent)), 0)
}

func TestAReplayFromZeroSendsEverything(t *testing.T) { // PROTOCOL A3
	r := soaking(t)
	r.heartbeat(replayFrom(200, 0))
	equal(t, "events", len(r.accept()), 4)
}

func TestTheSameEventsGoOutAgainInAReplay(t *testing.T) { // PROTOCOL A1, A3
	r := on(t, "c0")
	r.offer(r.dispatch(r1, "c1", 60*minute))
	r.activated()
	var first, second []byte
	for len(r.open(agent.RequestEvent)) > 0 {
		q := r.event(accepted)
		first = wire.EventEnvelopeSchema.Append(first, &q.Event)
	}
	r.heartbeat(replayFrom(200, 0))
	for len(r.open(agent.RequestEvent)) > 0 {
		q := r.event(accepted)
		second = wire.EventEnvelopeSchema.Append(second, &q.Event)
	}
	equal(t, "replay", string(second), string(first))
}

func TestASecondReplayFromIsIgnoredWhileOneIsOnItsWay(t *testing.T) { // PROTOCOL A3
	r := soaking(t)
	r.heartbeat(replayFrom(200, 1))
	r.event(accepted)
	r.event(accepted)
	r.heartbeat(replayFrom(200, 1)) // asked before the events arrived
	r.heartbeat(replayFrom(200, 2))
	equal(t, "sent", strings.Join(r.accept(), " "), "ActivationCompleted#3 ProbeTopologyDeclared#4")
	equal(t, "replays", r.noticed(agent.NoticeReplay), 1)
}

func TestAnEarlierReplayFromIsFollowedWhileOneIsOnItsWay(t *testing.T) { // PROTOCOL A3
	r := soaking(t)
	r.heartbeat(replayFrom(200, 2))
	r.heartbeat(replayFrom(200, 1)) // event 2 is open
	r.event(accepted)
	equal(t, "sent", strings.Join(r.accept(), " "),
		"DispatchAck#1 ActivationStarted#2 ActivationCompleted#3 ProbeTopologyDeclared#4")
}

func TestAReplayWhoseLastEventIsRefusedEnds(t *testing.T) { // PROTOCOL A3, E7
	r := soaking(t)
	r.step(&agent.ProbesDeclared{Probes: []wire.ProbeDeclaration{enforce("p")}}) // event 5 is open
	r.heartbeat(replayFrom(200, 2))
	r.event(rejected)
	equal(t, "replaying", r.view(r1).Replaying, true)
	equal(t, "sent", strings.Join(r.accept(), " "), "ActivationStarted#2 ActivationCompleted#3 ProbeTopologyDeclared#4")
	equal(t, "replaying", r.view(r1).Replaying, false)
	r.heartbeat(replayFrom(200, 2))
	equal(t, "sent again", strings.Join(r.accept(), " "), "ActivationStarted#2 ActivationCompleted#3 ProbeTopologyDeclared#4")
}

func TestACrashDoesNotCutAReplayShort(t *testing.T) { // PROTOCOL A1, A3
	r := soaking(t)
	r.heartbeat(replayFrom(200, 0))
	r.event(accepted)
	r.restart("c1", agent.ProcessStart)
	equal(t, "sent", strings.Join(r.accept(), " "), "ActivationStarted#2 ActivationCompleted#3 ProbeTopologyDeclared#4")
}

func TestAReplayFromForWhatIsNotSentYetChangesNothing(t *testing.T) { // PROTOCOL A3
	r := on(t, "c0")
	r.offer(r.dispatch(r1, "c1", 60*minute))
	r.activated()
	r.event(accepted) // event 2 is open
	r.heartbeat(replayFrom(200, 2))
	equal(t, "sent", strings.Join(r.accept(), " "), "ActivationStarted#2 ActivationCompleted#3 ProbeTopologyDeclared#4")
	equal(t, "replays", r.noticed(agent.NoticeReplay), 0)
}

func TestAGapIsFilled(t *testing.T) { // PROTOCOL E6, A3
	r := on(t, "c0")
	r.offer(r.dispatch(r1, "c1", 60*minute))
	r.activated()
	r.event(accepted)
	r.event(accepted)
	r.event(replayFrom(409, 0)) // the plane was wiped before event 3
	equal(t, "sent", strings.Join(r.accept(), " "),
		"DispatchAck#1 ActivationStarted#2 ActivationCompleted#3 ProbeTopologyDeclared#4")
}

func TestAGapThatNothingFillsIsARejection(t *testing.T) { // PROTOCOL E6, E7
	r := soaking(t)
	r.step(&agent.ProbesDeclared{Probes: []wire.ProbeDeclaration{enforce("p")}})
	r.probe(wire.Pass)
	r.event(rejected) // 5, the declaration
	equal(t, "sent", told(r.event(replayFrom(409, 4))), "ProbeObservedFirst#6")
	equal(t, "next", told(r.take(agent.RequestEvent)), "ProbeResult#7")
	equal(t, "replays", r.noticed(agent.NoticeReplay), 0)
	equal(t, "rejections", r.noticed(agent.NoticeRejected), 2)
}

func TestARejectedEventIsNotSentAgainUnchanged(t *testing.T) { // PROTOCOL E7
	r := soaking(t)
	r.step(&agent.ProbesDeclared{Probes: []wire.ProbeDeclaration{enforce("p")}})
	r.event(rejected)
	r.probe(wire.Pass)
	r.accept()
	r.restart("c1", agent.ProcessStart, enforce("p"))
	r.heartbeat(replayFrom(200, 0))
	for _, sent := range r.accept() {
		if strings.HasSuffix(sent, "#5") {
			t.Fatalf("%s is sent again", sent)
		}
	}
}

func TestADocumentThatThePlaneCannotReadIsSkippedWithANotice(t *testing.T) { // PROTOCOL T7
	for _, status := range []int{400, 413, 422} {
		r := on(t, "c0")
		r.offer(r.dispatch(r1, "c1", 0))
		r.event(agent.Answer{Status: status})
		equal(t, "next", told(r.take(agent.RequestEvent)), "ActivationStarted#2")
		equal(t, "defects", r.noticed(agent.NoticeDefect), 1)
	}
}

func TestAnUnknownRolloutWaitsUntilAHeartbeatAsksForIt(t *testing.T) { // PROTOCOL E8
	r := on(t, "c0")
	r.offer(r.dispatch(r1, "c1", 60*minute))
	r.event(agent.Answer{Status: 404})
	r.activated()
	r.advance(10 * minute)
	equal(t, "open events", len(r.open(agent.RequestEvent)), 0)
	equal(t, "unknown", r.view(r1).Unknown, true)
	for range 4 { // each in its turn
		if q := r.take(agent.RequestHeartbeat); q.Heartbeat.RolloutID == r1 {
			r.answer(q, replayFrom(200, 0))
		} else {
			r.answer(q, ok)
		}
	}
	equal(t, "sent", len(r.accept()), 4)
}

func TestAnUnknownRolloutWaitsUntilASnapshotNamesIt(t *testing.T) { // PROTOCOL E8, H3
	r := on(t, "c0")
	r.offer(r.dispatch(r1, "c1", 60*minute))
	r.event(agent.Answer{Status: 404})
	r.activated()
	snapshot := wire.Snapshot{RolloutID: r1, Hostname: "h1", Channel: "stable", State: wire.Pending, TargetClosure: "c1"}
	for range 4 { // each in its turn
		if q := r.take(agent.RequestHeartbeat); q.Heartbeat.RolloutID == "" {
			r.step(&agent.HeartbeatAnswered{ID: q.ID, Answer: ok, Response: wire.HeartbeatResponse{ReceivedAt: q.Heartbeat.At, Bootstrap: []wire.Snapshot{snapshot}}})
		} else {
			r.answer(q, ok)
		}
	}
	equal(t, "sent", len(r.accept()), 4)
}

func TestAnUnknownRolloutIsSentAgainWhenItsDispatchIsOffered(t *testing.T) { // PROTOCOL E8, D2
	r := on(t, "c0")
	d := r.dispatch(r1, "c1", 60*minute)
	r.offer(d)
	r.event(agent.Answer{Status: 404})
	r.offer(d)
	equal(t, "next", told(r.take(agent.RequestEvent)), "DispatchAck#1")
	equal(t, "activations", len(r.effects), 1)
}

func TestADispatchOfWhatWasAcknowledgedWaitsForAHeartbeat(t *testing.T) { // PROTOCOL A9, D2, H9
	r := on(t, "c0")
	d := r.dispatch(r1, "c1", 0)
	r.offer(d)
	r.activated()
	r.accept()
	equal(t, "state", r.state(r1), wire.Converged)
	r.offer(d) // the plane was wiped, and holds it Pending
	equal(t, "sent", len(r.accept()), 0)
	q := r.take(agent.RequestHeartbeat)
	snapshot := wire.Snapshot{RolloutID: r1, Hostname: "h1", Channel: "stable", State: wire.Pending, TargetClosure: "c1"}
	r.step(&agent.HeartbeatAnswered{ID: q.ID, Answer: ok, Response: wire.HeartbeatResponse{ReceivedAt: q.Heartbeat.At, Bootstrap: []wire.Snapshot{snapshot}}})
	equal(t, "sent after the heartbeat", len(r.accept()), 5)
	equal(t, "activations", len(r.effects), 0)
}
