package agent_test

import (
	"testing"
	"time"

	"github.com/refrain-fleet/refrain/core/agent"
	"github.com/refrain-fleet/refrain/core/wire"
)

func TestARoundThatBeganBeforeTheActivationEndedDoesNotCount(t *testing.T) { // PROTOCOL A8
	r := activatedWith(t, 60*minute, enforce("p")) // a round runs
	r.offer(r.dispatch(e1, "c1", 0))               // it runs the target, and soaks at once
	equal(t, "edge", r.state(e1), wire.Soaking)
	r.probe(wire.Pass)
	equal(t, "edge", r.state(e1), wire.Soaking)
	if r.history(e1) != "DispatchAck#1 ActivationCompleted#2 ProbeTopologyDeclared#3" {
		t.Fatalf("history is %s", r.history(e1))
	}
	r.probe(wire.Pass) // the next one begins at once
	equal(t, "edge", r.state(e1), wire.Converged)
	equal(t, "stable", r.state(r1), wire.Soaking)
}

func TestARoundIsInTimeForAFailureToBecomeSustained(t *testing.T) { // PROTOCOL A7
	r := newRig(t)
	r.cfg.ProbeInterval = 50 * time.Second
	r.make()
	r.start("c0", agent.ProcessStart, enforce("p"))
	r.offer(r.dispatch(r1, "c1", 60*minute))
	r.activated()
	r.probe(wire.Fail)
	failed := r.now
	r.probing(120*time.Second, wire.Fail)
	equal(t, "state", r.state(r1), wire.Failed)
	equal(t, "after", r.now-failed, 120*time.Second)
}

func TestOneRoundOfProbesRunsAtATime(t *testing.T) { // PROTOCOL E
	r := activatedWith(t, 60*minute, enforce("p"), enforce("q"))
	e := r.effect(agent.EffectProbe)
	r.step(&agent.Probed{ID: e.ID, Probe: "p", Status: wire.Pass})
	r.advance(10 * minute)
	equal(t, "rounds", len(r.effects), 0)
	r.step(&agent.Probed{ID: e.ID, Probe: "q", Status: wire.Pass})
	r.advance(10 * time.Second)
	equal(t, "rounds", len(r.effects), 1)
}

func TestTheResultOfAProbeThatIsNoLongerDeclaredIsNotTold(t *testing.T) { // PROTOCOL E
	r := activatedWith(t, 60*minute, enforce("p"), enforce("q"))
	r.step(&agent.ProbesDeclared{Probes: []wire.ProbeDeclaration{enforce("q")}})
	r.probe(wire.Pass)
	for _, e := range r.a.History(r1, nil) {
		if b, is := e.Body.(wire.ProbeResult); is && b.ProbeName == "p" {
			t.Fatalf("%v is told", e)
		}
	}
}

func TestAnExactReplayFromOfACompletionThatIsNotKnownRenumbers(t *testing.T) { // PROTOCOL A4, H2
	r := soaking(t)
	r.heartbeat(replayFrom(200, 3)) // the plane's event 3 was not the completion
	equal(t, "history", r.history(r1), "DispatchAck#1 ActivationStarted#2 ActivationCompleted#5 ProbeTopologyDeclared#6")
}

func TestARoundThatBeganBeforeARefusalTellsNothingAgain(t *testing.T) { // PROTOCOL E7
	r := activatedWith(t, 15*time.Second, enforce("p"))
	r.probe(wire.Pass)
	r.accept()
	r.advance(15 * time.Second) // a second round runs when the soak is over
	equal(t, "refused", told(r.event(rejected)), "Converged#7")
	r.probe(wire.Pass)
	r.accept()
	r.probe(wire.Pass) // the next one begins at once
	r.accept()
	equal(t, "history", r.history(r1), "DispatchAck#1 ActivationStarted#2 ActivationCompleted#3 ProbeTopologyDeclared#4 "+
		"ProbeObservedFirst#5 ProbeResult#6 ActivationCompleted#8 ProbeTopologyDeclared#9 ProbeResult#10")
}
