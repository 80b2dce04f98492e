package agent_test

import (
	"strings"
	"testing"
	"time"

	"github.com/refrain-fleet/refrain/core/agent"
	"github.com/refrain-fleet/refrain/core/wire"
)

// activatedWith returns a rig whose rollout has just been activated, and whose
// first round of probes runs.
func activatedWith(t testing.TB, soak time.Duration, probes ...wire.ProbeDeclaration) *rig {
	t.Helper()
	r := on(t, "c0", probes...)
	r.offer(r.dispatch(r1, "c1", soak))
	r.activated()
	r.accept()
	return r
}

func TestConvergedIsSentWhenTheSoakIsOver(t *testing.T) { // PROTOCOL A8
	r := activatedWith(t, 5*minute, enforce("p"))
	began := r.now
	r.probing(5*minute-time.Nanosecond, wire.Pass)
	equal(t, "state", r.state(r1), wire.Soaking)
	r.probing(time.Nanosecond, wire.Pass)
	equal(t, "state", r.state(r1), wire.Converged)
	equal(t, "soak", r.now-began, 5*minute)
	sent := r.accept()
	equal(t, "last", sent[len(sent)-1], "Converged#7")
}

func TestTheSoakCountsFromTheActivationNotFromTheDispatch(t *testing.T) { // PROTOCOL A8
	r := on(t, "c0")
	r.offer(r.dispatch(r1, "c1", 5*minute))
	r.advance(10 * minute) // a slow activation
	r.activated()
	r.advance(5*minute - time.Second)
	equal(t, "state", r.state(r1), wire.Soaking)
	r.advance(time.Second)
	equal(t, "state", r.state(r1), wire.Converged)
}

func TestConvergedWaitsForEveryEnforceProbe(t *testing.T) { // PROTOCOL A8, E1
	r := activatedWith(t, 0, enforce("p"), wire.ProbeDeclaration{ProbeName: "q", ProbeKind: "exec", Mode: wire.Observe})
	e := r.effect(agent.EffectProbe)
	r.step(&agent.Probed{ID: e.ID, Probe: "q", Status: wire.Fail})
	equal(t, "state", r.state(r1), wire.Soaking)
	r.step(&agent.Probed{ID: e.ID, Probe: "p", Status: wire.Pass})
	equal(t, "state", r.state(r1), wire.Converged) // q is observed only
}

func TestADisabledProbeIsDeclaredAndNotRun(t *testing.T) { // PROTOCOL E
	r := activatedWith(t, 0, enforce("p"), wire.ProbeDeclaration{ProbeName: "q", ProbeKind: "exec", Mode: wire.Disabled})
	e := r.effect(agent.EffectProbe)
	equal(t, "probes", len(e.Probes), 1)
	for _, ev := range r.a.History(r1, nil) {
		if b, is := ev.Body.(wire.ProbeTopologyDeclared); is {
			equal(t, "declared", len(b.Probes), 2)
		}
	}
}

func TestOnlyAChangedResultIsTold(t *testing.T) { // PROTOCOL E
	r := activatedWith(t, 60*minute, enforce("p"))
	r.probing(5*minute, wire.Pass)
	r.probing(30*time.Second, wire.Fail)
	r.probing(5*minute, wire.Pass)
	equal(t, "told", strings.Join(r.accept(), " "),
		"ProbeObservedFirst#5 ProbeResult#6 ProbeResult#7 ProbeFailureFirst#8 ProbeResult#9")
}

func TestAProbeThatFailsForTwoMinutesFailsTheHost(t *testing.T) { // PROTOCOL A7
	r := activatedWith(t, 60*minute, enforce("p"))
	r.probe(wire.Fail)
	failed := r.now
	r.probing(120*time.Second-time.Nanosecond, wire.Fail)
	equal(t, "state", r.state(r1), wire.Soaking)
	r.probing(time.Nanosecond, wire.Fail)
	equal(t, "state", r.state(r1), wire.Failed)
	equal(t, "after", r.now-failed, 120*time.Second)
}

func TestAPassEndsAFailure(t *testing.T) { // PROTOCOL A7
	r := activatedWith(t, 60*minute, enforce("p"))
	for range 5 {
		r.probing(100*time.Second, wire.Fail)
		r.probing(11*time.Second, wire.Pass)
	}
	equal(t, "state", r.state(r1), wire.Soaking)
}

func TestAnObservedProbeMayFailForEver(t *testing.T) { // PROTOCOL A7, E1
	r := activatedWith(t, 5*minute, wire.ProbeDeclaration{ProbeName: "q", ProbeKind: "exec", Mode: wire.Observe})
	r.probing(6*minute, wire.Fail)
	equal(t, "state", r.state(r1), wire.Converged)
}

func TestASleepingHostDoesNotFailByTheClockAlone(t *testing.T) { // PROTOCOL A7
	r := activatedWith(t, 60*minute, enforce("p"))
	r.probe(wire.Fail)
	r.now += time.Hour // suspended, with the clock running on
	r.step(&agent.Timer{})
	equal(t, "state", r.state(r1), wire.Soaking)
	r.probe(wire.Pass)
	r.probing(10*minute, wire.Pass)
	equal(t, "state", r.state(r1), wire.Converged)
}

// sickened returns a rig whose rollout has just failed by its probe.
func sickened(t testing.TB, policy wire.HealthPolicy) *rig {
	t.Helper()
	r := on(t, "c0", enforce("p"))
	d := r.dispatch(r1, "c1", 60*minute)
	d.OnHealthFailure = policy
	r.offer(d)
	r.activated()
	r.probing(121*time.Second, wire.Fail)
	equal(t, "state", r.state(r1), wire.Failed)
	return r
}

func TestUnderRollbackAndHaltTheAgentGoesBackAtOnceByItself(t *testing.T) { // PROTOCOL A7
	r := sickened(t, wire.RollbackAndHalt) // not one event was answered
	e := r.effect(agent.EffectRollback)
	equal(t, "closure", e.Closure, "c0")
	r.step(&agent.RollbackEnded{ID: e.ID, CurrentClosure: "c0"})
	equal(t, "state", r.state(r1), wire.Reverted)
	sent := r.accept()
	equal(t, "last", strings.Join(sent[len(sent)-2:], " "), "Failed#8 RollbackComplete#9")
}

func TestUnderHaltTheAgentStaysWhereItIs(t *testing.T) { // PROTOCOL A7
	for _, policy := range []wire.HealthPolicy{wire.Halt, 0} {
		r := sickened(t, policy)
		equal(t, "effects", len(r.effects), 0)
		r.advance(10 * minute)
		equal(t, "state", r.state(r1), wire.Failed)
		equal(t, "effects", len(r.effects), 0)
		r.accept()
		equal(t, "outstanding", r.a.Outstanding(), false)
	}
}

func TestThePolicySurvivesACrash(t *testing.T) { // PROTOCOL A7
	r := activatedWith(t, 60*minute, enforce("p"))
	r.restart("c1", agent.ProcessStart, enforce("p"))
	r.probing(121*time.Second, wire.Fail)
	equal(t, "closure", r.effect(agent.EffectRollback).Closure, "c0")
}

func TestARollbackThatACrashCutShortBeginsAgain(t *testing.T) { // PROTOCOL A7
	r := sickened(t, wire.RollbackAndHalt)
	r.restart("c1", agent.ProcessStart, enforce("p"))
	equal(t, "closure", r.effect(agent.EffectRollback).Closure, "c0")
	r.restart("c0", agent.ProcessStart, enforce("p")) // and this time it got through
	equal(t, "effects", len(r.effects), 0)
	equal(t, "state", r.state(r1), wire.Reverted)
}

func TestARollbackThatDoesNotArriveIsTriedAgain(t *testing.T) { // PROTOCOL A7
	r := sickened(t, wire.RollbackAndHalt)
	for range 5 {
		r.step(&agent.RollbackEnded{ID: r.effect(agent.EffectRollback).ID, CurrentClosure: "c1", ExitCode: 1})
		equal(t, "effects", len(r.effects), 0)
		r.advance(minute)
	}
	equal(t, "state", r.state(r1), wire.Failed)
	r.step(&agent.RollbackEnded{ID: r.effect(agent.EffectRollback).ID, CurrentClosure: "c0"})
	equal(t, "state", r.state(r1), wire.Reverted)
}

func TestTheNextRolloutOfTheChannelMayRepairAHostThatCannotGoBack(t *testing.T) { // PROTOCOL A10
	r := sickened(t, wire.RollbackAndHalt)
	r.accept()
	r.offer(r.dispatch(r2, "c2", 0))
	equal(t, "r2", r.state(r2), 0) // the rollback runs
	r.step(&agent.RollbackEnded{ID: r.effect(agent.EffectRollback).ID, CurrentClosure: "c1", ExitCode: 1})
	equal(t, "r2", r.state(r2), wire.Activating)
	r.advance(10 * minute)
	equal(t, "effects", len(r.effects), 1)
}

func TestAnotherChannelWaitsForARollbackThatIsTriedAgain(t *testing.T) { // PROTOCOL A7, A10
	r := sickened(t, wire.RollbackAndHalt)
	r.accept()
	r.offer(r.dispatch(e1, "c2", 0))
	r.step(&agent.RollbackEnded{ID: r.effect(agent.EffectRollback).ID, CurrentClosure: "c1", ExitCode: 1})
	equal(t, "edge", r.state(e1), 0)
	r.advance(minute)
	r.step(&agent.RollbackEnded{ID: r.effect(agent.EffectRollback).ID, CurrentClosure: "c0"})
	equal(t, "edge", r.state(e1), wire.Activating)
}

func TestWithNothingToGoBackToAHostHalts(t *testing.T) { // PROTOCOL A7
	r := on(t, "c1", enforce("p"))
	r.offer(r.dispatch(r1, "c1", 60*minute)) // it runs the target already
	r.probing(121*time.Second, wire.Fail)
	equal(t, "state", r.state(r1), wire.Failed)
	equal(t, "effects", len(r.effects), 0)
}

func TestAFailureThatBeganBeforeACrashGoesOn(t *testing.T) { // PROTOCOL A7, A4
	r := activatedWith(t, 60*minute, enforce("p"))
	r.probing(100*time.Second, wire.Fail)
	r.restart("c1", agent.ProcessStart, enforce("p"))
	r.probing(30*time.Second, wire.Fail)
	equal(t, "state", r.state(r1), wire.Failed)
}

func TestASoakThatBeganBeforeACrashGoesOn(t *testing.T) { // PROTOCOL A8
	r := activatedWith(t, 5*minute, enforce("p"))
	r.probing(4*minute, wire.Pass)
	r.restart("c1", agent.ProcessStart, enforce("p"))
	r.probing(minute, wire.Pass)
	equal(t, "state", r.state(r1), wire.Converged)
}

func TestNothingConvergesOnWhatAnEarlierProcessSaw(t *testing.T) { // PROTOCOL A8
	r := activatedWith(t, minute, enforce("p"))
	r.probing(30*time.Second, wire.Pass)
	r.make()
	r.now += time.Hour
	r.start("c1", agent.ProcessStart, enforce("p"))
	equal(t, "state", r.state(r1), wire.Soaking)
	r.probing(time.Second, wire.Fail)
	equal(t, "state", r.state(r1), wire.Soaking)
	r.probing(11*time.Second, wire.Pass)
	equal(t, "state", r.state(r1), wire.Converged)
}

func TestAClockThatIsSetBackHoldsBackNoConvergence(t *testing.T) { // PROTOCOL A8, E1
	r := activatedWith(t, 5*minute)
	r.off = -time.Hour
	r.advance(5 * minute)
	equal(t, "state", r.state(r1), wire.Converged)
	rec := r.view(r1).Record
	equal(t, "dated", rec.EndedAt, rec.ActivationCompletedAt.Add(5*minute))
}

func TestAClockThatIsSetForwardEndsNoSoak(t *testing.T) { // PROTOCOL A8
	r := activatedWith(t, 5*minute)
	r.off = 24 * time.Hour
	r.advance(4 * minute)
	equal(t, "state", r.state(r1), wire.Soaking)
}

func TestARefusedConvergedIsTriedAgainAfterTellingTheProbesAgain(t *testing.T) { // PROTOCOL E7
	r := activatedWith(t, 0, enforce("p"))
	r.probe(wire.Pass)
	equal(t, "sent", told(r.event(accepted))+" "+told(r.event(accepted)), "ProbeObservedFirst#5 ProbeResult#6")
	equal(t, "refused", told(r.event(rejected)), "Converged#7")
	equal(t, "state", r.state(r1), wire.Soaking)
	refused := r.now
	r.probe(wire.Pass)
	for range 200 {
		if r.state(r1) == wire.Converged {
			break
		}
		r.probing(time.Second, wire.Pass)
	}
	if gap := r.now - refused; gap < 54*time.Second || gap > 70*time.Second {
		t.Fatalf("it is tried again after %v", gap)
	}
	equal(t, "sent", strings.Join(r.accept(), " "), "ActivationCompleted#8 ProbeTopologyDeclared#9 ProbeResult#10 Converged#11")
}

func TestAConvergedThatIsRefusedForEverIsTriedEverMoreRarely(t *testing.T) { // PROTOCOL E7
	r := on(t, "c0")
	r.offer(r.dispatch(r1, "c1", 0))
	r.activated()
	tries := 0
	for r.now < 24*time.Hour {
		switch q := r.any(); {
		case q.Kind == agent.RequestEvent && q.Event.Event.Body.Kind() == wire.KindConverged:
			r.answer(q, rejected)
			tries++
		case q.Kind == agent.RequestHeartbeat:
			r.answer(q, ok)
		case q.Kind == agent.RequestEvent:
			r.answer(q, accepted)
		default: // a poll that never ends
		}
	}
	if tries < 20 || tries > 35 {
		t.Fatalf("%d tries in a day", tries)
	}
}

func TestAnActivationFailedThatIsRefusedIsToldAsFailed(t *testing.T) { // PROTOCOL E7
	r := on(t, "c0")
	r.offer(r.dispatch(r1, "c1", 0))
	r.step(&agent.ActivationEnded{ID: r.effect(agent.EffectActivate).ID, Result: agent.ActivationFailed, CurrentClosure: "c0"})
	r.event(accepted)
	r.event(accepted)
	equal(t, "refused", told(r.event(rejected)), "ActivationFailed#3")
	equal(t, "next", told(r.event(accepted)), "Failed#4")
	equal(t, "state", r.state(r1), wire.Failed)
	equal(t, "outstanding", r.a.Outstanding(), false)
}

func TestNewProbesAreDeclaredAndHaveToPass(t *testing.T) { // PROTOCOL E1
	r := activatedWith(t, minute, enforce("p"))
	r.probing(50*time.Second, wire.Pass)
	r.step(&agent.ProbesDeclared{Probes: []wire.ProbeDeclaration{enforce("p"), enforce("q")}})
	r.probing(time.Second, wire.Fail)
	r.advance(minute)
	equal(t, "state", r.state(r1), wire.Soaking)
	equal(t, "declared", strings.Contains(r.history(r1), "ProbeTopologyDeclared#7"), true)
}

func TestTheSameProbesAreNotDeclaredTwice(t *testing.T) { // PROTOCOL E
	r := activatedWith(t, 60*minute, enforce("p"), enforce("q"))
	r.step(&agent.ProbesDeclared{Probes: []wire.ProbeDeclaration{enforce("q"), enforce("p")}})
	r.restart("c1", agent.ProcessStart, enforce("p"), enforce("q"))
	r.advance(minute)
	equal(t, "history", strings.Count(r.history(r1), "ProbeTopologyDeclared"), 1)
}

func TestAHostThatIsSwitchedByHandDoesNotConverge(t *testing.T) { // PROTOCOL A8
	r := activatedWith(t, minute)
	r.step(&agent.ClosureObserved{CurrentClosure: "c7"})
	r.advance(10 * minute)
	equal(t, "state", r.state(r1), wire.Soaking)
	equal(t, "strays", r.noticed(agent.NoticeStray), 1)
	equal(t, "closure", r.heartbeat(ok).Heartbeat.CurrentClosure, "c7")
	r.step(&agent.ClosureObserved{CurrentClosure: "c1"})
	equal(t, "state", r.state(r1), wire.Converged)
}

func TestProbesThatCannotBeDeclaredAreADefect(t *testing.T) { // PROTOCOL T7
	r := on(t, "c0", wire.ProbeDeclaration{ProbeName: "p"}, enforce("q"))
	equal(t, "defects", r.noticed(agent.NoticeDefect), 1)
	r.offer(r.dispatch(r1, "c1", 0))
	r.activated()
	equal(t, "probes", len(r.effect(agent.EffectProbe).Probes), 1)
}
