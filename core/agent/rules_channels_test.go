package agent_test

import (
	"slices"
	"testing"
	"time"

	"github.com/refrain-fleet/refrain/core/agent"
	"github.com/refrain-fleet/refrain/core/wire"
)

// PROTOCOL A10, decision 040: what another channel's switch means for a rollout.

func TestASoakEndsWhenAnotherChannelTakesTheHost(t *testing.T) {
	r := soaking(t)
	r.offer(r.dispatch(e1, "c2", 60*minute))
	r.activated()
	equal(t, "stable", r.state(r1), wire.Failed)
	equal(t, "edge", r.state(e1), wire.Soaking)
	equal(t, "strays", r.noticed(agent.NoticeStray), 1)
	r.accept()
	equal(t, "named", r.heartbeat(ok).Heartbeat.RolloutID, e1)
}

func TestASoakThatWasNotOverEndsWhenAnotherChannelHasTakenTheHost(t *testing.T) { // E7
	r := on(t, "c0")
	r.offer(r.dispatch(r1, "c1", 0))
	r.activated()
	r.step(&agent.ProbesDeclared{})
	equal(t, "stable", r.state(r1), wire.Converged)
	r.offer(r.dispatch(e1, "c2", 60*minute))
	r.activated()
	equal(t, "stable at the switch", r.state(r1), wire.Converged)
	for len(r.open(agent.RequestEvent)) > 0 {
		if q := r.take(agent.RequestEvent); q.Event.Event.Body.Kind() == wire.KindConverged {
			r.answer(q, rejected)
		} else {
			r.answer(q, accepted)
		}
	}
	equal(t, "stable", r.state(r1), wire.Failed)
	equal(t, "edge", r.state(e1), wire.Soaking)
}

func TestASoakGoesOnWhenAnotherChannelWantsTheSameClosure(t *testing.T) {
	r := soaking(t)
	r.offer(r.dispatch(e1, "c1", 60*minute))
	equal(t, "stable", r.state(r1), wire.Soaking)
	equal(t, "edge", r.state(e1), wire.Soaking)
}

func TestADeferredRolloutFollowsTheSwitchOfAnotherChannel(t *testing.T) {
	for target, want := range map[wire.Closure]wire.State{"c1": wire.Soaking, "c2": wire.Failed} {
		r := on(t, "c0")
		r.offer(r.dispatch(r1, "c1", 60*minute))
		r.step(&agent.ActivationEnded{ID: r.effect(agent.EffectActivate).ID, Result: agent.ActivationDeferred, CurrentClosure: "c0", Component: "kernel"})
		r.accept()
		r.offer(r.dispatch(e1, target, 60*minute))
		r.activated()
		equal(t, "edge", r.state(e1), wire.Soaking)
		equal(t, "stable after a switch to "+string(target), r.state(r1), want)
	}
}

func TestARollbackOnOneChannelEndsTheSoakOfAnother(t *testing.T) {
	r := on(t, "c0", enforce("p"))
	d := r.dispatch(r1, "c1", 60*minute)
	d.OnHealthFailure = wire.RollbackAndHalt
	r.offer(d)
	r.activated()
	r.accept()
	r.probing(90*time.Second, wire.Fail)
	r.offer(r.dispatch(e1, "c1", 60*minute))
	r.probing(minute, wire.Fail)
	r.step(&agent.RollbackEnded{ID: r.effect(agent.EffectRollback).ID, CurrentClosure: "c0"})
	equal(t, "stable", r.state(r1), wire.Reverted)
	equal(t, "edge", r.state(e1), wire.Failed)
}

// The plane that refuses it has lost what it had acknowledged. The host does not go
// back for the rollout, so nothing else would end it.
func TestARefusedConvergedOfAHostThatAnotherChannelTookEndsTheRollout(t *testing.T) { // PROTOCOL A10, E7
	for target, want := range map[wire.Closure]wire.State{"c1": wire.Soaking, "c2": wire.Failed} {
		r := on(t, "c0")
		r.converged(r1, "c1")
		r.offer(r.dispatch(e1, target, 0))
		if target == "c2" {
			r.activated()
		}
		r.accept()
		equal(t, "stable before", r.state(r1), wire.Converged)
		r.heartbeat(ok, snapshotOf(wire.Pending, 0))
		for range 4 {
			r.event(accepted)
		}
		equal(t, "refused", told(r.event(rejected)), "Converged#5")
		equal(t, "stable after a switch to "+string(target), r.state(r1), want)
	}
}

// What the other channel has come to since does not matter, if the host is where it was
// brought to.
func TestARefusedConvergedEndsTheRolloutWhateverBecameOfTheOtherChannel(t *testing.T) { // PROTOCOL A10, E7
	wiped := func(t *testing.T, r *rig) { // and refuses what it had acknowledged
		t.Helper()
		for range 20 {
			switch q := r.any(); {
			case q.Kind == agent.RequestHeartbeat && q.Heartbeat.RolloutID == "":
				r.step(&agent.HeartbeatAnswered{ID: q.ID, Answer: ok, Response: wire.HeartbeatResponse{
					ReceivedAt: q.Heartbeat.At, Bootstrap: []wire.Snapshot{snapshotOf(wire.Pending, 0)},
				}})
			case q.Kind == agent.RequestHeartbeat:
				r.answer(q, ok)
			case q.Kind == agent.RequestEvent && q.Event.Event.Body.Kind() == wire.KindConverged:
				r.answer(q, rejected)
				return
			case q.Kind == agent.RequestEvent:
				r.answer(q, accepted)
			}
		}
		t.Fatal("Converged was not sent again")
	}
	for name, after := range map[string]func(r *rig){
		"it failed": func(r *rig) { r.probing(3*minute, wire.Fail) },
		"a newer one could not be switched to": func(r *rig) {
			r.offer(r.dispatch("edge@b1", "c3", 60*minute))
			r.step(&agent.ActivationEnded{ID: r.effect(agent.EffectActivate).ID, Result: agent.ActivationFailed, CurrentClosure: "c2"})
			equal(t, "the newer one", r.state("edge@b1"), wire.Failed)
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := on(t, "c0", enforce("p"))
			r.offer(r.dispatch(r1, "c1", 0))
			r.activated()
			r.probe(wire.Pass)
			equal(t, "stable before", r.state(r1), wire.Converged)
			r.accept()
			d := r.dispatch(e1, "c2", 60*minute)
			d.OnHealthFailure = wire.Halt
			r.offer(d)
			r.activated()
			r.accept()
			after(r)
			r.accept()
			wiped(t, r)
			equal(t, "stable", r.state(r1), wire.Failed)
		})
	}
}

// A crash that comes between the refusal and the event that follows from it leaves the
// latter to be told after the start.
func TestARefusedConvergedEndsTheRolloutAfterACrashToo(t *testing.T) { // PROTOCOL A10
	r := on(t, "c0")
	r.converged(r1, "c1")
	r.offer(r.dispatch(e1, "c2", 0))
	r.activated()
	r.accept()
	r.heartbeat(ok, snapshotOf(wire.Pending, 0))
	for range 4 {
		r.event(accepted)
	}
	q := r.take(agent.RequestEvent)
	equal(t, "refused", told(q), "Converged#5")
	r.answer(q, rejected)
	refused := slices.IndexFunc(r.log, func(e agent.Entry) bool { return e.Kind == agent.EntryRefused })
	r.log = r.log[:refused+1]
	r.restart("c2", agent.ProcessStart)
	equal(t, "stable", r.state(r1), wire.Failed)
	equal(t, "edge", r.state(e1), wire.Converged)
}
