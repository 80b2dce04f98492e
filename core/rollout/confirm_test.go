package rollout_test

import (
	"testing"

	"github.com/refrain-fleet/refrain/core/rollout"
	"github.com/refrain-fleet/refrain/core/wire"
)

// confirmed is a record that was in the state when a heartbeat at 500 confirmed
// it.
func confirmed(t *testing.T, state wire.State) rollout.Record {
	t.Helper()
	r := fresh()
	for _, body := range ways[state] {
		take(t, &r, body)
	}
	if !r.Confirm(target, at(500)) {
		t.Fatalf("the confirmation of %v changed nothing", state)
	}
	sound(t, &r)
	return r
}

func TestAConfirmationMakesARecordSoaking(t *testing.T) { // PROTOCOL H4
	r := confirmed(t, wire.Pending)
	equal(t, "the Pending record", text(&r), `{"rolloutId":"stable@r1","hostname":"h1","wave":0,"soakSeconds":300,"state":"Soaking",`+
		`"targetClosure":"c2","currentClosure":"c2","dispatchAckedAt":"`+at(500).String()+`",`+
		`"activationCompletedAt":"`+at(500).String()+`","soakDueAt":"`+at(800).String()+`","lastEventSeq":0,`+
		`"synthesised":["dispatchAckedAt","activationCompletedAt","soakDueAt","currentClosure"]}`)
	for _, state := range []wire.State{wire.Activating, wire.Deferred} {
		r := confirmed(t, state)
		equal(t, "the state", r.State, wire.Soaking)
		equal(t, "synthesised", r.Synthesised(), true)
		equal(t, "lastEventSeq", r.LastEventSeq, wire.Seq(len(ways[state])))
		equal(t, "dispatchAckedAt", r.DispatchAckedAt, at(10))
		equal(t, "activationCompletedAt", r.ActivationCompletedAt, at(500))
		equal(t, "soakDueAt", r.SoakDueAt, at(500+soakSeconds))
		equal(t, "the current closure", r.CurrentClosure, target)
		equal(t, "the marks", r.Marks, rollout.MarkActivationCompletedAt|rollout.MarkSoakDueAt|rollout.MarkCurrentClosure)
	}
}

func TestAConfirmationKeepsTheDeadlineOfTheDispatch(t *testing.T) { // PROTOCOL H4
	r := after(t)
	equal(t, "Confirm", r.Confirm(target, at(500)), true)
	sound(t, &r)
	equal(t, "soakDueAt", r.SoakDueAt, at(soakSeconds))
	equal(t, "the mark of soakDueAt", r.Marks.Has(rollout.MarkSoakDueAt), false)
}

func TestAConfirmationNeedsTheTarget(t *testing.T) { // PROTOCOL H4
	for _, state := range []wire.State{wire.Pending, wire.Activating, wire.Deferred} {
		for _, closure := range []wire.Closure{was, other, ""} {
			r := after(t, ways[state]...)
			before := text(&r)
			equal(t, "Confirm", r.Confirm(closure, at(500)), false)
			equal(t, "the record", text(&r), before)
		}
	}
}

func TestAConfirmationMovesNoOtherState(t *testing.T) { // PROTOCOL H4, H5
	for _, state := range []wire.State{wire.Soaking, wire.Converged, wire.Failed, wire.Reverted} {
		r := after(t, ways[state]...)
		before := text(&r)
		equal(t, "Confirm in "+state.String(), r.Confirm(target, at(500)), false)
		equal(t, "the record", text(&r), before)
		equal(t, "synthesised", r.Synthesised(), false)
	}
}

func TestASecondConfirmationChangesNothing(t *testing.T) { // PROTOCOL H7
	r := confirmed(t, wire.Activating)
	before := text(&r)
	equal(t, "Confirm", r.Confirm(target, at(600)), false)
	equal(t, "the record", text(&r), before)
}

func TestTheAgentsOwnEventsReplaceAConfirmation(t *testing.T) { // PROTOCOL E5, H4
	own := fresh()
	r := confirmed(t, wire.Pending)
	for i, body := range []wire.EventBody{acked, started, deferred, completed} {
		take(t, &own, body)
		want(t, &r, next(&r, body), rollout.Absorbed)
		equal(t, "the state", r.State, wire.Soaking)
		equal(t, "synthesised", r.Synthesised(), i < 3)
		equal(t, "the mark of dispatchAckedAt", r.Marks.Has(rollout.MarkDispatchAckedAt), false)
	}
	equal(t, "the record", text(&r), text(&own))
	equal(t, "soakDueAt", r.SoakDueAt, at(100+soakSeconds))
}

func TestAnAgentThatLostItsLogGoesOnFromAConfirmation(t *testing.T) { // PROTOCOL A4, E1
	r := confirmed(t, wire.Activating)
	take(t, &r, result("http", wire.Enforce, wire.Pass, 600))
	want(t, &r, next(&r, convergedAt(at(799))), rollout.Rejected)
	want(t, &r, next(&r, convergedAt(at(800))), rollout.Applied)
	equal(t, "synthesised", r.Synthesised(), false)
	equal(t, "the marks", r.Marks, rollout.MarkActivationCompletedAt|rollout.MarkSoakDueAt)
	want(t, &r, next(&r, completed), rollout.Absorbed)
	equal(t, "the marks", r.Marks, 0)
	equal(t, "activationCompletedAt", r.ActivationCompletedAt, at(100))
	equal(t, "the state", r.State, wire.Converged)
}

// The confirmation was wrong: what the host says itself counts.
func TestAnActivationThatFailedOutranksAConfirmation(t *testing.T) { // PROTOCOL E5, H4
	notActivated := wire.ActivationFailed{ExitCode: 1, FailedAt: at(90)}
	for _, state := range []wire.State{wire.Pending, wire.Activating} {
		own, r := fresh(), confirmed(t, state)
		for _, body := range []wire.EventBody{acked, started} {
			take(t, &own, body)
			if r.LastEventSeq < own.LastEventSeq {
				want(t, &r, wire.Event{Seq: own.LastEventSeq, Body: body}, rollout.Absorbed)
			}
		}
		take(t, &own, notActivated)
		want(t, &r, next(&r, notActivated), rollout.Applied)
		equal(t, "the record", text(&r), text(&own))
	}
	r := confirmed(t, wire.Pending)
	take(t, &r, result("http", wire.Enforce, wire.Pass, 600))
	take(t, &r, notActivated) // the acknowledgement was lost, and nothing else vouches for it
	equal(t, "the marks", r.Marks, rollout.MarkDispatchAckedAt)
	equal(t, "the number of probes", len(r.Probes), 0)
	equal(t, "soakDueAt", r.SoakDueAt.IsSet(), false)
	dispatched := after(t)
	dispatched.Confirm(target, at(500))
	take(t, &dispatched, notActivated)
	equal(t, "soakDueAt of a dispatched record", dispatched.SoakDueAt, at(soakSeconds))
}

func TestAnActivationThatFailedDoesNotOutrankTheAgentsOwnCompletion(t *testing.T) { // PROTOCOL E7
	r := confirmed(t, wire.Activating)
	want(t, &r, next(&r, completed), rollout.Absorbed)
	want(t, &r, next(&r, wire.ActivationFailed{ExitCode: 1, FailedAt: at(90)}), rollout.Rejected)
}

func TestADeferralOfAConfirmedRecordIsAbsorbed(t *testing.T) { // PROTOCOL E5, H4
	r := confirmed(t, wire.Activating)
	want(t, &r, next(&r, deferred), rollout.Absorbed)
	equal(t, "the state", r.State, wire.Soaking)
	equal(t, "synthesised", r.Synthesised(), true)
}

func TestAConfirmedClosureIsNoObstacleToTheAgentsOwn(t *testing.T) { // PROTOCOL E5, H4
	own := wire.ActivationCompleted{ObservedCurrentClosure: other, CompletedAt: at(100)}
	r := confirmed(t, wire.Activating)
	want(t, &r, next(&r, own), rollout.Absorbed)
	equal(t, "the current closure", r.CurrentClosure, other)
	equal(t, "the marks", r.Marks, 0)
	failed := confirmed(t, wire.Activating)
	take(t, &failed, unhealthy)
	equal(t, "synthesised", failed.Synthesised(), false)
	want(t, &failed, next(&failed, own), rollout.Absorbed)
	equal(t, "the current closure", failed.CurrentClosure, other)
	equal(t, "the state", failed.State, wire.Failed)
	reverted := confirmed(t, wire.Activating)
	take(t, &reverted, unhealthy)
	take(t, &reverted, rolledBack)
	equal(t, "the marks", reverted.Marks, rollout.MarkActivationCompletedAt|rollout.MarkSoakDueAt)
	want(t, &reverted, next(&reverted, own), rollout.Rejected)
	want(t, &reverted, next(&reverted, completed), rollout.Absorbed)
	equal(t, "the current closure", reverted.CurrentClosure, was)
	equal(t, "the marks", reverted.Marks, 0)
}

func TestNoMarkIsNotAMark(t *testing.T) {
	all := rollout.MarkDispatchAckedAt | rollout.MarkActivationCompletedAt | rollout.MarkSoakDueAt | rollout.MarkCurrentClosure
	equal(t, "all.Has(0)", all.Has(0), false)
	equal(t, "all.Has(two)", all.Has(rollout.MarkSoakDueAt|rollout.MarkCurrentClosure), true)
	equal(t, "one.Has(two)", rollout.MarkSoakDueAt.Has(rollout.MarkSoakDueAt|rollout.MarkCurrentClosure), false)
}
