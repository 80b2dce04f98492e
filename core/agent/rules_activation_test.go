package agent_test

import (
	"strings"
	"testing"
	"time"

	"github.com/refrain-fleet/refrain/core/agent"
	"github.com/refrain-fleet/refrain/core/wire"
)

func TestTheSameDispatchTwiceStartsOneActivation(t *testing.T) { // PROTOCOL A9
	r := on(t, "c0")
	d := r.dispatch(r1, "c1", 0)
	r.offer(d)
	r.offer(d) // D2: the acknowledgement has not arrived
	equal(t, "activations", len(r.effects), 1)
	equal(t, "history", r.history(r1), "DispatchAck#1 ActivationStarted#2")
	r.restart("c0", agent.ProcessStart)
	r.offer(d)
	equal(t, "activations", len(r.effects), 1)
	equal(t, "history", r.history(r1), "DispatchAck#1 ActivationStarted#2")
}

func TestAHostThatRunsTheTargetAlreadyIsNotSwitched(t *testing.T) { // PROTOCOL A9
	r := on(t, "c1")
	r.offer(r.dispatch(r1, "c1", 60*minute))
	equal(t, "effects", len(r.effects), 0)
	equal(t, "history", r.history(r1), "DispatchAck#1 ActivationCompleted#2 ProbeTopologyDeclared#3")
}

func TestADispatchThatIsOfferedOverAndOverDoesNotMakeAnAgentSpin(t *testing.T) { // PROTOCOL D2
	r := on(t, "c0")
	d := r.dispatch(r1, "c1", 60*minute)
	r.offer(d)
	r.activated()
	start, polls := r.now, 0
	for ; r.now < start+60*minute && polls < 1000; polls++ {
		r.offer(d)
	}
	if polls < 60 || polls > 150 {
		t.Fatalf("%d polls in an hour", polls)
	}
}

func TestThePollAfterADispatchWaitsForItsAcknowledgement(t *testing.T) { // PROTOCOL D2
	r := on(t, "c0")
	r.offer(r.dispatch(r1, "c1", 60*minute))
	r.advance(30 * time.Second)
	equal(t, "polls", len(r.open(agent.RequestPoll)), 0)
	r.event(accepted)
	equal(t, "polls", len(r.open(agent.RequestPoll)), 1)
}

func TestAPollIsSentAgainAtOnceAfterItHasWaited(t *testing.T) { // PROTOCOL D1
	r := on(t, "c0")
	q := r.take(agent.RequestPoll)
	r.advance(60 * time.Second)
	r.answer(q, accepted)
	equal(t, "polls", len(r.open(agent.RequestPoll)), 1)
}

func TestAPlaneThatDoesNotLetPollsWaitIsAskedOnceASecond(t *testing.T) { // PROTOCOL D1
	r := on(t, "c0")
	start, polls := r.now, 0
	for ; r.now < start+minute && polls < 1000; polls++ {
		r.answer(r.take(agent.RequestPoll), accepted)
	}
	if polls < 55 || polls > 65 {
		t.Fatalf("%d polls in a minute", polls)
	}
}

func TestAFailedPollBacksOff(t *testing.T) { // PROTOCOL A5, D3
	r := on(t, "c0")
	for range 12 {
		q := r.take(agent.RequestPoll)
		failed := r.now
		r.answer(q, agent.Answer{Status: 503, RetryAfter: 5 * time.Second})
		q = r.take(agent.RequestPoll)
		if gap := r.now - failed; gap < 5*time.Second || gap > minute {
			t.Fatalf("again after %v", gap)
		}
		r.answer(q, silence)
	}
}

func TestADispatchWaitsForTheActivationThatRuns(t *testing.T) { // PROTOCOL A10
	r := on(t, "c0")
	r.offer(r.dispatch(r1, "c1", 60*minute))
	r.accept()
	r.offer(r.dispatch(e1, "c2", 60*minute))
	equal(t, "effects", len(r.effects), 1)
	equal(t, "edge", r.state(e1), 0)
	r.activated() // Soaking
	equal(t, "edge", r.state(e1), wire.Activating)
	equal(t, "effects", len(r.effects), 1)
}

func TestTheNewestDispatchOfAChannelWins(t *testing.T) { // PROTOCOL A10
	r := on(t, "c0")
	r.offer(r.dispatch(e1, "c9", 0))
	r.accept()
	r.offer(r.dispatch(r1, "c1", 60*minute))
	r.offer(r.dispatch(r2, "c2", 60*minute))
	r.activated()
	equal(t, "r1", r.state(r1), 0)
	equal(t, "r2", r.state(r2), wire.Activating)
}

func TestADispatchIsTakenUpWhenTheRunningActivationFails(t *testing.T) { // PROTOCOL A10
	r := on(t, "c0")
	r.offer(r.dispatch(r1, "c1", 0))
	r.accept()
	r.offer(r.dispatch(r2, "c2", 0))
	r.step(&agent.ActivationEnded{ID: r.effect(agent.EffectActivate).ID, Result: agent.ActivationFailed, CurrentClosure: "c0", ExitCode: 4, StderrTail: "no space"})
	equal(t, "r2", r.state(r2), wire.Activating)
	equal(t, "history", r.history(r1), "DispatchAck#1 ActivationStarted#2 ActivationFailed#3")
}

func TestADeferredActivationDoesNotHoldUpTheNext(t *testing.T) { // PROTOCOL A10
	r := deferred(t)
	r.offer(r.dispatch(r2, "c2", 0))
	equal(t, "r2", r.state(r2), wire.Activating)
}

// deferred returns a rig that waits for a reboot, all acknowledged.
func deferred(t testing.TB) *rig {
	t.Helper()
	r := on(t, "c0")
	r.offer(r.dispatch(r1, "c1", 0))
	r.step(&agent.ActivationEnded{ID: r.effect(agent.EffectActivate).ID, Result: agent.ActivationDeferred, CurrentClosure: "c0", Component: "kernel"})
	r.accept()
	equal(t, "state", r.state(r1), wire.Deferred)
	return r
}

// What a deferred activation left for the next boot would take the host away
// from a target that it runs already (docs/findings.md, F12).
func TestAHostThatWouldBootIntoSomethingElseIsSwitchedToWhatItRuns(t *testing.T) { // PROTOCOL A9
	for _, tc := range []struct {
		name    string
		between func(*rig)
	}{
		{"in one process", func(*rig) {}},
		{"after a crash", func(r *rig) {
			r.make()
			r.step(&agent.Started{CurrentClosure: "c0", NextBoot: "c1"})
		}},
		{"staged by hand", func(r *rig) {
			r.restart("c0", agent.ProcessStart)
			r.step(&agent.ClosureObserved{CurrentClosure: "c0", NextBoot: "c9"})
		}},
		{"without the disk", func(r *rig) {
			r.log = nil
			r.make()
			r.step(&agent.Started{CurrentClosure: "c0", NextBoot: "c1"})
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := deferred(t)
			tc.between(r)
			r.offer(r.dispatch(r2, "c0", 0))
			equal(t, "r2", r.state(r2), wire.Activating)
			equal(t, "closure", r.effect(agent.EffectActivate).Closure, "c0")
			r.restart("c0", agent.ProcessStart) // the switch got through
			equal(t, "r2", r.state(r2), wire.Converged)
			equal(t, "effects", len(r.effects), 0)
		})
	}
}

func TestWhatAnotherChannelLeftForTheNextBootIsLeftAlone(t *testing.T) { // PROTOCOL A10
	r := deferred(t)
	r.offer(r.dispatch(e1, "c0", 0))
	equal(t, "effects", len(r.effects), 0)
	equal(t, "edge", r.state(e1), wire.Converged)
}

func TestASnapshotOfAHostThatWouldBootIntoSomethingElseIsActivatedAgain(t *testing.T) { // PROTOCOL A4
	r := newRig(t)
	r.step(&agent.Started{CurrentClosure: "c0", NextBoot: "c1"})
	r.heartbeat(ok, wire.Snapshot{
		RolloutID: r2, Hostname: "h1", Channel: r2.Channel(), State: wire.Soaking, TargetClosure: "c0", CurrentClosure: "c0",
		DispatchAckedAt: r.wall(), ActivationCompletedAt: r.wall(), SoakDueAt: r.wall(),
	})
	equal(t, "r2", r.state(r2), wire.Activating)
	equal(t, "closure", r.effect(agent.EffectActivate).Closure, "c0")
}

func TestTheRebootAfterADeferralCompletesTheActivation(t *testing.T) { // PROTOCOL E
	r := deferred(t)
	r.restart("c1", agent.Reboot)
	equal(t, "sent", strings.Join(r.accept(), " "), "ActivationCompleted#4 ProbeTopologyDeclared#5 Converged#6")
	equal(t, "activations", len(r.effects), 0)
}

func TestAfterABootADeferralHasComeIsStillToComeOrHasFailed(t *testing.T) { // PROTOCOL E
	for _, x := range []struct {
		name              string
		current, nextBoot wire.Closure
		boot              agent.Boot
		state             wire.State
		sent              string
	}{
		{"only the agent started again", "c0", "c1", agent.ProcessStart, wire.Deferred, ""},
		{"only the agent started again, and what the next boot brings is unknown", "c0", "", agent.ProcessStart, wire.Deferred, ""},
		{"the host was booted and the next boot brings it", "c0", "c1", agent.Reboot, wire.Deferred, ""},
		{"the host was booted into what it ran before", "c0", "", agent.Reboot, wire.Failed, "ActivationFailed#4"},
		{"the host was booted into something else", "c9", "c9", agent.Reboot, wire.Failed, "ActivationFailed#4"},
		{"what the host runs is unknown", "", "", agent.Reboot, wire.Deferred, ""},
	} {
		r := deferred(t)
		r.make()
		r.step(&agent.Started{CurrentClosure: x.current, NextBoot: x.nextBoot, Boot: x.boot})
		equal(t, "sent when "+x.name, strings.Join(r.accept(), " "), x.sent)
		r.advance(10 * minute)
		equal(t, "state when "+x.name, r.state(r1), x.state)
		equal(t, "effects when "+x.name, len(r.effects), 0)
	}
	r := deferred(t)
	r.make()
	r.step(&agent.Started{Boot: agent.Reboot})
	r.advance(minute)
	sameAsItsClone(t, r)
	r.step(&agent.ClosureObserved{CurrentClosure: "c9"})
	equal(t, "state once it is known what the host was booted into", r.state(r1), wire.Failed)
}

func TestAnActivationThatACrashCutShortBeginsAgain(t *testing.T) { // PROTOCOL A9
	r := on(t, "c0")
	r.offer(r.dispatch(r1, "c1", 0))
	r.accept()
	r.restart("c0", agent.ProcessStart)
	equal(t, "closure", r.effect(agent.EffectActivate).Closure, "c1")
	equal(t, "history", r.history(r1), "DispatchAck#1 ActivationStarted#2")
	equal(t, "resumed", r.noticed(agent.NoticeResumed), 1)
}

func TestAnActivationThatGotThroughBeforeACrashIsCompleted(t *testing.T) { // PROTOCOL A9
	r := on(t, "c0")
	r.offer(r.dispatch(r1, "c1", 0))
	r.accept()
	r.restart("c1", agent.ProcessStart)
	equal(t, "effects", len(r.effects), 0)
	equal(t, "sent", strings.Join(r.accept(), " "), "ActivationCompleted#3 ProbeTopologyDeclared#4 Converged#5")
}

func TestASwitchThatEndsWellOnAnotherClosureHasFailed(t *testing.T) { // PROTOCOL E
	r := on(t, "c0")
	r.offer(r.dispatch(r1, "c1", 0))
	r.step(&agent.ActivationEnded{ID: r.effect(agent.EffectActivate).ID, Result: agent.ActivationCompleted, CurrentClosure: "c0"})
	equal(t, "state", r.state(r1), wire.Failed)
}

func TestALongStderrIsCutAtAWholeCharacter(t *testing.T) { // PROTOCOL T7
	r := on(t, "c0")
	r.offer(r.dispatch(r1, "c1", 0))
	r.step(&agent.ActivationEnded{ID: r.effect(agent.EffectActivate).ID, Result: agent.ActivationFailed, StderrTail: wire.Text(strings.Repeat("é", 4000) + "x")})
	for _, e := range r.a.History(r1, nil) {
		if b, is := e.Body.(wire.ActivationFailed); is {
			equal(t, "length", len(b.StderrTail), 4095)
			equal(t, "begin", strings.HasPrefix(string(b.StderrTail), "é"), true)
			return
		}
	}
	t.Fatal("no ActivationFailed")
}

func TestADispatchOfAnotherHostIsADefect(t *testing.T) { // PROTOCOL T3
	r := on(t, "c0")
	d := r.dispatch(r1, "c1", 0)
	d.Hostname = "h2"
	r.offer(d)
	equal(t, "state", r.state(r1), 0)
	equal(t, "defects", r.noticed(agent.NoticeDefect), 1)
}

func TestARolloutThatIsOfferedAgainAfterAnOlderOneIsBegunAnew(t *testing.T) { // PROTOCOL A10
	r := on(t, "c0")
	first := r.dispatch(r1, "c1", 60*minute)
	second := r.dispatch(r2, "c2", 60*minute)
	r.offer(second)
	r.activated()
	r.accept()
	r.step(&agent.ProbesDeclared{Probes: []wire.ProbeDeclaration{enforce("p")}}) // an event is open
	r.offer(first)                                                               // the plane was put back to before r2
	equal(t, "r1", r.state(r1), wire.Activating)
	r.activated()
	equal(t, "r2", r.view(r2).Superseded, true)
	r.offer(second)
	equal(t, "r2", r.state(r2), wire.Activating)
	equal(t, "history", r.history(r2), "DispatchAck#6 ActivationStarted#7")
	equal(t, "closure", r.effect(agent.EffectActivate).Closure, "c2")
}

// sentOf lists the open events of a rollout.
func (r *rig) sentOf(id wire.RolloutID) string {
	var sent []string
	for _, q := range r.open(agent.RequestEvent) {
		if q.Event.RolloutID == id {
			sent = append(sent, told(q))
		}
	}
	return strings.Join(sent, " ")
}

func TestAnEventOnItsWayHoldsUpItsRolloutThatIsBegunAnew(t *testing.T) { // PROTOCOL A2, E9
	// An answer that no retry cures is waited out for an interval, of which a
	// tenth is jitter.
	forbidden := agent.Answer{Status: 403}
	for x, wait := range map[*agent.Answer]time.Duration{&accepted: 0, &busy: busy.RetryAfter, &forbidden: 54 * time.Second} {
		r := on(t, "c0")
		first := r.dispatch(r1, "c1", 60*minute)
		second := r.dispatch(r2, "c2", 60*minute)
		r.offer(second)
		old := r.take(agent.RequestEvent) // the DispatchAck is on its way
		r.activated()
		r.offer(first) // the plane was put back to before r2
		r.activated()
		r.offer(second)
		equal(t, "r2", r.state(r2), wire.Activating)
		equal(t, "events on their way while the old one is", r.sentOf(r2), "")
		equal(t, "of the other rollout", r.sentOf(r1), "DispatchAck#1")
		sameAsItsClone(t, r)
		r.answer(old, *x)
		if wait > 0 {
			r.advance(wait - 1)
			equal(t, "events on their way before the backoff is over", r.sentOf(r2), "")
			sameAsItsClone(t, r)
			r.advance(1)
		}
		if x == &forbidden {
			r.advance(12 * time.Second)
		}
		equal(t, "events on their way", r.sentOf(r2), "DispatchAck#5")
	}
}

func TestALegacyAgentWaitsForItsNextTickOnAnEarlierLifesAccountToo(t *testing.T) {
	r := newRig(t)
	r.cfg.Legacy = true
	r.make()
	r.start("c0", agent.ProcessStart)
	first := r.dispatch(r1, "c1", 60*minute)
	second := r.dispatch(r2, "c2", 60*minute)
	r.offer(second)
	old := r.take(agent.RequestEvent)
	r.activated()
	r.offer(first)
	r.activated()
	r.offer(second)
	r.advance(10 * time.Second) // between two ticks
	r.answer(old, busy)
	equal(t, "events on their way before the tick", r.sentOf(r2), "")
	r.advance(minute - r.now%minute - 1)
	equal(t, "events on their way a nanosecond before the tick", r.sentOf(r2), "")
	r.advance(1)
	equal(t, "events on their way", r.sentOf(r2), "DispatchAck#5")
}

func sameAsItsClone(t *testing.T, r *rig) {
	t.Helper()
	clone, err := r.a.Clone()
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "the clone", string(clone.AppendState(nil)), string(r.a.AppendState(nil)))
}

// The plane lost its disk while the host was in r2, and opens both rollouts again.
func TestABackoffOutlivesARolloutThatIsBegunAnew(t *testing.T) { // PROTOCOL E9, G4
	r := on(t, "c0")
	r.offer(r.dispatch(r2, "c2", 60*minute))
	r.event(accepted)
	r.activated()
	r.event(busy)
	r.advance(minute)
	r.offer(r.dispatch(r1, "c1", 60*minute))
	for r.sentOf(r1) != "" {
		r.answer(r.take(agent.RequestEvent), accepted)
	}
	r.offer(r.dispatch(r2, "c2", 60*minute))
	for r.sentOf(r2) == "" {
		r.advance(time.Second)
	}
	for r.sentOf(r2) != "" {
		r.event(busy)
	}
	r.activated()
	equal(t, "r2", r.state(r2), wire.Activating)
	r.advance(busy.RetryAfter - 1)
	equal(t, "events on their way before the backoff is over", r.sentOf(r2), "")
	r.advance(1)
	equal(t, "events on their way", r.sentOf(r2), "DispatchAck#5")
}

func TestARolloutDispatchedLaterThanTheOneThatIsOfferedIsForgotten(t *testing.T) { // PROTOCOL A10
	r := on(t, "c0")
	first := r.dispatch(r1, "c1", 60*minute)
	r.advance(minute)
	r.offer(r.dispatch(r2, "c2", 60*minute))
	r.activated() // nothing is acknowledged
	r.offer(first)
	equal(t, "r2", r.state(r2), 0)
	equal(t, "r1", r.state(r1), wire.Activating)
}
