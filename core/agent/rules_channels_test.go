package agent_test

import (
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

	// A crash keeps the refusal and loses what follows from it.
	for i := range r.log {
		if r.log[i].Kind == agent.EntryRefused {
			r.log = r.log[:i+1]
			break
		}
	}
	r.make()
	equal(t, "stable, as the log has it", r.state(r1), wire.Soaking)
	r.start("c2", agent.ProcessStart)
	equal(t, "stable after the start", r.state(r1), wire.Failed)
	equal(t, "edge after the start", r.state(e1), wire.Soaking)
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
