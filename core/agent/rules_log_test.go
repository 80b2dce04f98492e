package agent_test

import (
	"strings"
	"testing"

	"github.com/refrain-fleet/refrain/core/agent"
	"github.com/refrain-fleet/refrain/core/wire"
)

func TestAnEventIsAppendedBeforeItIsSent(t *testing.T) { // PROTOCOL A1
	r := on(t, "c0")
	r.offer(r.dispatch(r1, "c1", 0))
	for _, q := range r.open(agent.RequestEvent) {
		logged := false
		for _, e := range r.log {
			logged = logged || e.Kind == agent.EntryEvent && e.Event.Seq == q.Event.Event.Seq
		}
		equal(t, "logged", logged, true)
	}
	equal(t, "must sync", r.out.MustSync(), true)
}

func TestAnEventStaysInTheLogAfterItIsAcknowledged(t *testing.T) { // PROTOCOL A1
	r := on(t, "c0")
	r.converged(r1, "c1")
	equal(t, "history", r.history(r1), "DispatchAck#1 ActivationStarted#2 ActivationCompleted#3 ProbeTopologyDeclared#4 Converged#5")
	equal(t, "outstanding", r.a.Outstanding(), false)
}

func TestALogIsDroppedWhenItsRolloutIsSuperseded(t *testing.T) { // PROTOCOL A1
	r := on(t, "c0")
	r.converged(r1, "c1")
	r.offer(r.dispatch(r2, "c2", 0))
	equal(t, "history", r.history(r1), "")
	equal(t, "superseded", r.noticed(agent.NoticeSuperseded), 1)
	equal(t, "forgotten", r.noticed(agent.NoticeForgotten), 1)
}

func TestWhatIsUnacknowledgedOfASupersededRolloutIsStillSent(t *testing.T) { // PROTOCOL A1, R1
	r := on(t, "c0")
	r.offer(r.dispatch(r1, "c1", 0))
	r.accept()
	r.activated() // its events stay open
	r.offer(r.dispatch(r2, "c2", 0))
	equal(t, "superseded", r.view(r1).Superseded, true)
	var sent []string
	for len(r.open(agent.RequestEvent)) > 0 {
		q := r.event(accepted)
		sent = append(sent, string(q.Event.RolloutID)+" "+told(q))
	}
	equal(t, "sent", strings.Join(sent, ", "), "stable@r1 ActivationCompleted#3, stable@r2 DispatchAck#1, "+
		"stable@r1 ProbeTopologyDeclared#4, stable@r2 ActivationStarted#2, stable@r1 Converged#5")
	equal(t, "state", r.state(r1), 0)
}

func TestASupersededRolloutThatThePlaneDoesNotKnowIsDropped(t *testing.T) { // PROTOCOL A1, E8
	r := on(t, "c0")
	r.offer(r.dispatch(r1, "c1", 0))
	r.accept()
	r.activated()
	r.offer(r.dispatch(r2, "c2", 0))
	q := r.event(agent.Answer{Status: 404})
	equal(t, "rollout", q.Event.RolloutID, r1)
	equal(t, "state", r.state(r1), 0)
}

func TestOnlySoManyFinishedRolloutsAreKept(t *testing.T) { // PROTOCOL A1
	r := newRig(t)
	r.cfg.KeepFinished = 2
	r.make()
	r.start("c0", agent.ProcessStart)
	for _, id := range []wire.RolloutID{"a@1", "b@1", "c@1"} {
		r.converged(id, wire.Closure("c-"+id[:1]))
	}
	equal(t, "a", r.state("a@1"), 0)
	equal(t, "b", r.state("b@1"), wire.Converged)
	equal(t, "c", r.state("c@1"), wire.Converged)
}

func TestEventsOfARolloutGoOneAtATimeInOrder(t *testing.T) { // PROTOCOL A2
	r := on(t, "c0")
	r.offer(r.dispatch(r1, "c1", 0))
	r.activated()
	for seq := wire.Seq(1); seq <= 5; seq++ {
		open := r.open(agent.RequestEvent)
		equal(t, "open events", len(open), 1)
		equal(t, "number", open[0].Event.Event.Seq, seq)
		r.event(accepted)
	}
	equal(t, "open events", len(r.open(agent.RequestEvent)), 0)
}

func TestAtMostTwoEventsOfAHostAreOpen(t *testing.T) { // PROTOCOL G6
	r := on(t, "c0")
	for _, id := range []wire.RolloutID{"a@1", "b@1", "c@1"} {
		r.offer(r.dispatch(id, "c1", 0)) // each after the one before has been activated
		if id == "a@1" {
			r.activated()
		}
	}
	equal(t, "taken", r.noticed(agent.NoticeTaken), 3)
	equal(t, "open events", len(r.open(agent.RequestEvent)), 2)
	r.event(accepted)
	equal(t, "open events", len(r.open(agent.RequestEvent)), 2)
}

func TestAFlappingProbeDoesNotGrowALogForEver(t *testing.T) { // PROTOCOL A1, E4
	r := on(t, "c0", enforce("p"), wire.ProbeDeclaration{ProbeName: "q", ProbeKind: "exec", Mode: wire.Observe})
	r.offer(r.dispatch(r1, "c1", 1000*minute))
	r.activated()
	for i := range 500 {
		e := r.effect(agent.EffectProbe)
		r.step(&agent.Probed{ID: e.ID, Probe: "p", Status: wire.Pass})
		r.step(&agent.Probed{ID: e.ID, Probe: "q", Status: wire.ProbeStatus(1 + i%2)})
		r.probing(11e9, wire.Pass) // the next round begins and ends
		for len(r.effects) == 0 {
			r.advance(r.a.NextTimer() - r.now)
		}
	}
	history := r.a.History(r1, nil)
	if len(history) > 300 {
		t.Fatalf("%d events are kept", len(history))
	}
	equal(t, "first", history[0].Body.Kind(), wire.KindDispatchAck)
	if last := history[len(history)-1].Seq; last < 500 {
		t.Fatalf("the last number is %d; the probe flapped 500 times", last)
	}
	r.restart("c1", agent.ProcessStart)
	equal(t, "state", r.state(r1), wire.Soaking)
}
