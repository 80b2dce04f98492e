package agent_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/refrain-fleet/refrain/core/agent"
	"github.com/refrain-fleet/refrain/core/wire"
)

func TestEverythingIsDescribedInOneStableLine(t *testing.T) { // docs/architecture.md, shape of the heart
	ack := wire.Event{Seq: 1, Body: wire.DispatchAck{CurrentClosureAtDispatch: "c0", ReceivedAt: epoch}}
	for _, row := range []struct {
		it   fmt.Stringer
		want string
	}{
		{&agent.Started{}, "started closure=- boot=start"},
		{&agent.Started{CurrentClosure: "c1", Boot: agent.Reboot}, "started closure=c1 boot=reboot"},
		{&agent.Started{CurrentClosure: "c1", NextBoot: "c2"}, "started closure=c1 boot=start next-boot=c2"},
		{&agent.Timer{}, "timer"},
		{&agent.HeartbeatAnswered{ID: 3}, "heartbeat-answered 3: no answer"},
		{&agent.HeartbeatAnswered{ID: 3, Answer: replayFrom(200, 7), Response: wire.HeartbeatResponse{Bootstrap: []wire.Snapshot{snapshotOf(wire.Soaking, 4)}}},
			"heartbeat-answered 3: 200 replay-from=7 bootstrap=stable@r1,Soaking,4"},
		{&agent.EventAnswered{ID: 4, Answer: agent.Answer{Status: 503, RetryAfter: 3 * time.Second}}, "event-answered 4: 503 retry-after=3s"},
		{&agent.PollAnswered{ID: 5, Answer: accepted}, "poll-answered 5: 204"},
		{&agent.PollAnswered{ID: 5, Answer: ok, Dispatch: wire.Dispatch{RolloutID: r1, TargetClosure: "c1"}}, "poll-answered 5: 200 dispatch=stable@r1 closure=c1"},
		{&agent.ActivationEnded{ID: 6, Result: agent.ActivationCompleted, CurrentClosure: "c1"}, "activation-ended 6: completed closure=c1 exit=0"},
		{&agent.ActivationEnded{ID: 6, Result: agent.ActivationDeferred, Component: "kernel"}, "activation-ended 6: deferred closure=- exit=0 component=kernel"},
		{&agent.ActivationEnded{ID: 6, Result: 9, ExitCode: 2}, "activation-ended 6: ? closure=- exit=2"},
		{&agent.RollbackEnded{ID: 7, CurrentClosure: "c0"}, "rollback-ended 7: closure=c0 exit=0"},
		{&agent.Probed{ID: 8, Probe: "p", Status: wire.Pass}, "probed 8: p=pass"},
		{&agent.Probed{ID: 8, Probe: "p", Status: wire.Fail, Reason: "refused"}, "probed 8: p=fail (refused)"},
		{&agent.ProbesDeclared{Probes: []wire.ProbeDeclaration{enforce("p")}}, "probes-declared p=enforce"},
		{&agent.ClosureObserved{}, "closure-observed -"},
		{&agent.ClosureObserved{CurrentClosure: "c1", NextBoot: "c2"}, "closure-observed c1 next-boot=c2"},
		{agent.Entry{Kind: agent.EntryTaken, RolloutID: r1, Taken: &agent.Taken{}}, "taken stable@r1 target= policy=-"},
		{agent.Entry{Kind: agent.EntryEvent, RolloutID: r1, Event: ack}, "event stable@r1 DispatchAck#1"},
		{agent.Entry{Kind: agent.EntryReplay, RolloutID: r1, Seq: 3}, "replay stable@r1 #3"},
		{agent.Entry{Kind: agent.EntryForgotten, RolloutID: r1}, "forgotten stable@r1"},
		{agent.Request{ID: 1, Kind: agent.RequestHeartbeat}, "heartbeat 1 rollout=- closure=-"},
		{agent.Request{ID: 2, Kind: agent.RequestEvent, Event: wire.EventEnvelope{RolloutID: r1, Event: ack}}, "event 2 stable@r1 DispatchAck#1"},
		{agent.Request{ID: 3, Kind: agent.RequestPoll, Wait: minute}, "poll 3 wait=1m0s"},
		{agent.Request{Kind: 9}, "? 0"},
		{agent.Effect{ID: 4, Kind: agent.EffectActivate, RolloutID: r1, Closure: "c1"}, "activate 4 stable@r1 closure=c1"},
		{agent.Effect{ID: 5, Kind: agent.EffectProbe, Probes: []wire.ProbeDeclaration{enforce("p"), enforce("q")}}, "probe 5 p q"},
		{agent.Notice{Kind: agent.NoticeTransition, RolloutID: r1, From: wire.Pending, To: wire.Activating, Seq: 1}, "transition stable@r1 Pending→Activating #1"},
		{agent.Notice{Kind: agent.NoticeDefect, Status: 422, Detail: "heartbeat"}, "defect status=422 heartbeat"},
	} {
		equal(t, "description", row.it.String(), row.want)
	}
	for k := agent.NoticeKind(1); int(k) < agent.NoticeKindCount; k++ {
		if k.String() == "?" {
			t.Errorf("notice kind %d has no word", k)
		}
	}
	equal(t, "unknown", agent.NoticeKind(agent.NoticeKindCount).String(), "?")
}

func TestAnAgentDescribesItself(t *testing.T) { // docs/architecture.md, shape of the heart
	r := on(t, "c0")
	r.offer(r.dispatch(r1, "c1", 0))
	r.event(agent.Answer{Status: 404})
	equal(t, "description", r.a.String(), "h1 closure=c0 activate=c1 stable@r1=Activating,0/2,unknown")
	r.activated()
	r.offer(r.dispatch(r2, "c2", 0))
	equal(t, "description", r.a.String(), "h1 closure=c1 activate=c2 stable@r2=Activating,0/2")
}
