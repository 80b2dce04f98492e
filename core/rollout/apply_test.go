package rollout_test

import (
	"testing"

	"github.com/refrain-fleet/refrain/core/rollout"
	"github.com/refrain-fleet/refrain/core/wire"
)

func TestAnOrdinaryHistoryStampsTheAgentsInstants(t *testing.T) { // PROTOCOL E, E1
	r := after(t, acked, started, completed, convergedE)
	equal(t, "the record", text(&r), `{"rolloutId":"stable@r1","hostname":"h1","wave":0,"soakSeconds":300,"state":"Converged",`+
		`"targetClosure":"c2","currentClosureAtDispatch":"c1","currentClosure":"c2",`+
		`"dispatchedAt":"`+at(0).String()+`","dispatchAckedAt":"`+at(10).String()+`","activationStartedAt":"`+at(20).String()+`",`+
		`"activationCompletedAt":"`+at(100).String()+`","soakDueAt":"`+at(300).String()+`","endedAt":"`+at(400).String()+`","lastEventSeq":4}`)
}

func TestADeferredActivationCompletesAfterTheReboot(t *testing.T) { // PROTOCOL E
	r := after(t, acked, started, deferred)
	equal(t, "the state", r.State, wire.Deferred)
	equal(t, "the current closure", r.CurrentClosure, "")
	take(t, &r, completed)
	equal(t, "the state", r.State, wire.Soaking)
	equal(t, "activationCompletedAt", r.ActivationCompletedAt, at(100))
}

func TestAFailedActivationEndsTheRecord(t *testing.T) { // PROTOCOL E
	r := after(t, acked, started, wire.ActivationFailed{ExitCode: 1, FailedAt: at(90)})
	equal(t, "the state", r.State, wire.Failed)
	equal(t, "endedAt", r.EndedAt, at(90))
	equal(t, "the current closure", r.CurrentClosure, "")
	take(t, &r, wire.RollbackComplete{RevertedToClosure: was, CompletedAt: at(95)})
	equal(t, "the state", r.State, wire.Reverted)
	equal(t, "endedAt", r.EndedAt, at(95))
	equal(t, "the current closure", r.CurrentClosure, was)
}

func TestARollbackSetsTheCurrentClosure(t *testing.T) { // PROTOCOL E
	r := after(t, ways[wire.Failed]...)
	equal(t, "the closure of the Failed record", r.CurrentClosure, target)
	equal(t, "endedAt", r.EndedAt, at(250))
	take(t, &r, rolledBack)
	equal(t, "the closure of the Reverted record", r.CurrentClosure, was)
	equal(t, "endedAt", r.EndedAt, at(260))
}

func TestCompletingClearsTheProbes(t *testing.T) { // PROTOCOL E
	// Only a record from elsewhere has probes before its activation.
	r := after(t, acked)
	r.Probes = []rollout.Probe{{Name: "http", Mode: wire.Enforce}}
	take(t, &r, completed)
	equal(t, "the number of probes", len(r.Probes), 0)
}

func TestAnInstantIsStampedByTheFirstEventThatTellsIt(t *testing.T) { // PROTOCOL E
	r := after(t, acked, started, wire.ActivationStarted{StartedAt: at(70), SwitchMethod: "switch"})
	equal(t, "activationStartedAt", r.ActivationStartedAt, at(20))
	take(t, &r, completed)
	want(t, &r, next(&r, wire.ActivationCompleted{ObservedCurrentClosure: target, CompletedAt: at(170)}), rollout.Absorbed)
	equal(t, "activationCompletedAt", r.ActivationCompletedAt, at(100))
	want(t, &r, next(&r, wire.DispatchAck{CurrentClosureAtDispatch: other, ReceivedAt: at(1)}), rollout.Absorbed)
	equal(t, "dispatchAckedAt", r.DispatchAckedAt, at(10))
	equal(t, "currentClosureAtDispatch", r.CurrentClosureAtDispatch, was)
}

func TestAnUndispatchedRecordTakesItsDeadlineFromTheActivation(t *testing.T) { // PROTOCOL E1
	r := fresh() // a plane that was wiped has not dispatched it
	take(t, &r, acked)
	equal(t, "soakDueAt before the activation", r.SoakDueAt.IsSet(), false)
	take(t, &r, completed)
	equal(t, "soakDueAt", r.SoakDueAt, at(100+soakSeconds))
	dispatched := after(t, acked, completed)
	equal(t, "soakDueAt of a dispatched record", dispatched.SoakDueAt, at(soakSeconds))
}

func TestAbsorbingFillsInWhatTheRecordLacks(t *testing.T) { // PROTOCOL E5
	bare := func(state wire.State) rollout.Record {
		r := after(t, ways[state]...)
		s := wire.Snapshot{
			RolloutID: id, Hostname: host, State: state, TargetClosure: target, CurrentClosure: r.CurrentClosure,
			DispatchAckedAt: r.DispatchAckedAt, ActivationCompletedAt: r.ActivationCompletedAt, LastEventSeq: 9,
		}
		again := rollout.FromSnapshot(s, 0, soakSeconds)
		sound(t, &again)
		return again
	}
	for _, state := range []wire.State{wire.Deferred, wire.Soaking, wire.Converged, wire.Failed, wire.Reverted} {
		r := bare(state)
		want(t, &r, next(&r, acked), rollout.Absorbed)
		equal(t, "currentClosureAtDispatch", r.CurrentClosureAtDispatch, was)
		want(t, &r, next(&r, started), rollout.Absorbed)
		equal(t, "activationStartedAt", r.ActivationStartedAt, at(20))
		equal(t, "endedAt", r.EndedAt.IsSet(), false)
		equal(t, "the state", r.State, state)
	}
	for _, c := range []struct {
		state wire.State
		body  wire.EventBody
		ended wire.Time
	}{
		{wire.Converged, convergedE, at(400)},
		{wire.Failed, unhealthy, at(250)},
		{wire.Failed, wire.ActivationFailed{FailedAt: at(90)}, at(90)},
		{wire.Reverted, rolledBack, at(260)},
		{wire.Reverted, unhealthy, wire.Time{}}, // the failure is not the latest end
		{wire.Reverted, wire.ActivationFailed{FailedAt: at(90)}, wire.Time{}},
		{wire.Soaking, completed, wire.Time{}},
	} {
		r := bare(c.state)
		want(t, &r, next(&r, c.body), rollout.Absorbed)
		equal(t, "endedAt of "+c.state.String()+" after "+c.body.Kind().String(), r.EndedAt, c.ended)
		want(t, &r, next(&r, c.body), rollout.Absorbed)
		equal(t, "endedAt", r.EndedAt, c.ended)
	}
}

func TestAnEndIsStampedOnce(t *testing.T) { // PROTOCOL E5
	r := after(t, ways[wire.Converged]...)
	want(t, &r, next(&r, convergedAt(at(9000))), rollout.Absorbed)
	equal(t, "endedAt", r.EndedAt, at(400))
}

func TestAFailedSwitchThatCompletedAfterAllKeepsItsState(t *testing.T) { // PROTOCOL E5
	r := fresh()
	take(t, &r, acked)
	take(t, &r, wire.ActivationFailed{ExitCode: 1, FailedAt: at(90)})
	want(t, &r, next(&r, wire.ActivationCompleted{ObservedCurrentClosure: target, CompletedAt: at(90)}), rollout.Absorbed)
	equal(t, "the state", r.State, wire.Failed)
	equal(t, "activationCompletedAt", r.ActivationCompletedAt, at(90))
	equal(t, "the current closure", r.CurrentClosure, target)
	equal(t, "soakDueAt", r.SoakDueAt, at(90+soakSeconds))
	equal(t, "endedAt", r.EndedAt, at(90))
}

func TestAnActivationAfterAFailureBeginsAnew(t *testing.T) { // PROTOCOL E13
	again := wire.ActivationCompleted{ObservedCurrentClosure: target, CompletedAt: at(500)}
	r := after(t, acked, started, completed, declare(110, map[wire.Name]wire.Mode{"db": wire.Enforce}), unhealthy)
	for name, body := range map[string]wire.EventBody{
		"no later than the failure": wire.ActivationCompleted{ObservedCurrentClosure: target, CompletedAt: at(250)},
		"before the failure":        completed,
	} {
		old := r.Clone()
		want(t, &old, next(&old, body), rollout.Absorbed)
		equal(t, "the state after a completion "+name, old.State, wire.Failed)
	}
	stays := r.Clone()
	want(t, &stays, wire.Event{Seq: r.LastEventSeq, Body: again}, rollout.Duplicate)
	want(t, &stays, next(&stays, wire.ActivationCompleted{ObservedCurrentClosure: other, CompletedAt: at(500)}), rollout.Rejected)
	if got := stays.ApplyAs(wire.DialectField, next(&stays, again)).Outcome; got != rollout.Absorbed || stays.State != wire.Failed {
		t.Errorf("of a field agent it is %v, and the record %v; want it absorbed", got, stays.State)
	}
	back := after(t, acked, started, completed, unhealthy, rolledBack)
	want(t, &back, next(&back, again), rollout.Absorbed)
	equal(t, "the state after a rollback", back.State, wire.Reverted)

	want(t, &r, wire.Event{Seq: r.LastEventSeq + 4, Body: again}, rollout.Applied)
	equal(t, "the state", r.State, wire.Soaking)
	equal(t, "activationCompletedAt", r.ActivationCompletedAt, at(500))
	equal(t, "soakDueAt", r.SoakDueAt, at(500+soakSeconds))
	equal(t, "endedAt", r.EndedAt, wire.Time{})
	equal(t, "the number of probes", len(r.Probes), 0)
	want(t, &r, next(&r, convergedAt(at(499+soakSeconds))), rollout.Rejected)
	want(t, &r, next(&r, convergedAt(at(500+soakSeconds))), rollout.Applied)
}

// Ordinary events are most of what a plane does; a new probe may allocate.
func TestTakingAnOrdinaryEventAllocatesNothing(t *testing.T) {
	probing := after(t, acked, completed, declare(110, map[wire.Name]wire.Mode{"db": wire.Enforce, "http": wire.Enforce}))
	history := []wire.EventBody{
		acked, started, deferred, completed,
		result("db", wire.Enforce, wire.Pass, 120), result("http", wire.Enforce, wire.Fail, 120),
		wire.ProbeObservedFirst{ProbeName: "db", Mode: wire.Enforce, ObservedAt: at(120)},
		wire.ProbeFailureFirst{ProbeName: "http", Mode: wire.Enforce, FirstFailedAt: at(120)},
		result("http", wire.Enforce, wire.Pass, 130), convergedE,
	}
	var r rollout.Record
	taken := 0
	allocated := testing.AllocsPerRun(100, func() {
		r, taken = fresh(), 0
		r.Dispatch(at(0))
		for i, body := range history {
			if body.Kind() == wire.KindProbeResult && len(r.Probes) == 0 {
				r.Probes = probing.Probes // as if declared
			}
			if r.Apply(wire.Event{Seq: wire.Seq(i + 1), Body: body}).Outcome == rollout.Applied {
				taken++
			}
			r.Apply(wire.Event{Seq: wire.Seq(i + 1), Body: body}) // a duplicate
		}
	})
	equal(t, "the number of events applied", taken, len(history))
	equal(t, "the state", r.State, wire.Converged)
	equal(t, "the number of allocations", allocated, 0)
}

func TestOnlyObserves(t *testing.T) { // PROTOCOL G11
	failing := func() rollout.Record {
		return soakingWith(t, declare(110, map[wire.Name]wire.Mode{"http": wire.Enforce}), result("http", wire.Enforce, wire.Fail, 120))
	}
	for _, c := range []struct {
		name string
		body wire.EventBody
		want bool
	}{
		{"a result as before", result("http", wire.Enforce, wire.Fail, 130), true},
		{"another result", result("http", wire.Enforce, wire.Pass, 130), false},
		{"another mode", result("http", wire.Observe, wire.Fail, 130), false},
		{"another probe", result("db", wire.Enforce, wire.Fail, 130), false},
		{"the same declaration", declare(140, map[wire.Name]wire.Mode{"http": wire.Enforce}), true},
		{"another declaration", declare(140, map[wire.Name]wire.Mode{"http": wire.Enforce, "db": wire.Enforce}), false},
		{"a first failure", wire.ProbeFailureFirst{ProbeName: "http", Mode: wire.Enforce, FirstFailedAt: at(130)}, false},
		{"an activation that is known", completed, true},
		{"a state", wire.HealthFailed{FailedAt: at(130), PolicyApplied: wire.Halt}, false},
		{"what is not legal", rolledBack, false},
	} {
		r := failing()
		before := text(&r)
		if got := r.OnlyObserves(wire.DialectRefrain, next(&r, c.body)); got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
		equal(t, "the record after "+c.name, text(&r), before)
		r.LastEventSeq = 9
		if r.OnlyObserves(wire.DialectRefrain, wire.Event{Seq: 9, Body: c.body}) {
			t.Errorf("%s with a number that was used is taken for an observation", c.name)
		}
	}
}
