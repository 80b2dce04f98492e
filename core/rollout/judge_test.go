package rollout_test

import (
	"testing"
	"time"

	"github.com/refrain-fleet/refrain/core/rollout"
	"github.com/refrain-fleet/refrain/core/wire"
)

func convergedAt(instant wire.Time) wire.HostConverged {
	return wire.HostConverged{ConvergedAt: instant, CurrentClosure: target}
}

func TestConvergedWaitsForTheSoakToBeOver(t *testing.T) { // PROTOCOL E1
	// The deadline of the dispatch is at 300.
	for _, c := range []struct {
		name      string
		completed int
		converged wire.Time
		want      rollout.Outcome
	}{
		{"at the deadline of the dispatch", 100, at(300), rollout.Applied},
		{"a nanosecond before both", 100, at(300).Add(-1), rollout.Rejected},
		{"after both", 100, at(9000), rollout.Applied},
		{"at the activation plus the soak, before the deadline", -200, at(100), rollout.Applied},
		{"a nanosecond before the activation plus the soak", -200, at(100).Add(-1), rollout.Rejected},
		{"at the same instant by both", 0, at(300), rollout.Applied},
		{"a nanosecond before the same instant", 0, at(300).Add(-1), rollout.Rejected},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := after(t, acked, wire.ActivationCompleted{ObservedCurrentClosure: target, CompletedAt: at(c.completed)})
			want(t, &r, next(&r, convergedAt(c.converged)), c.want)
		})
	}
}

func TestASoakOfNoTimeIsOverAtOnce(t *testing.T) { // PROTOCOL E1
	r := rollout.New(id, host, target, 0, 0)
	take(t, &r, acked)
	take(t, &r, completed)
	want(t, &r, next(&r, convergedAt(at(100).Add(-1))), rollout.Rejected)
	want(t, &r, next(&r, convergedAt(at(100))), rollout.Applied)
}

func TestAReplayAfterAWipeIsJudgedByWhatHappened(t *testing.T) { // PROTOCOL E1
	// The new plane dispatches long after the host has done it all.
	r := fresh()
	r.Dispatch(at(100_000))
	take(t, &r, acked)
	take(t, &r, completed)
	take(t, &r, convergedE)
	equal(t, "endedAt", r.EndedAt, at(400))
	equal(t, "soakDueAt", r.SoakDueAt, at(100_000+soakSeconds))
}

func TestConvergedReportsTheTarget(t *testing.T) { // PROTOCOL E1
	r := after(t, acked, completed)
	want(t, &r, next(&r, wire.HostConverged{ConvergedAt: at(400), CurrentClosure: other}), rollout.Rejected)
	take(t, &r, convergedE)
	equal(t, "the current closure", r.CurrentClosure, target)
}

// The activation may observe another closure than the target; the table sends
// it to Soaking all the same, and Converged is where it shows.
func TestAnotherClosureThanTheTargetSoaksAndDoesNotConverge(t *testing.T) { // PROTOCOL E, E1
	r := after(t, acked, wire.ActivationCompleted{ObservedCurrentClosure: other, CompletedAt: at(100)})
	equal(t, "the state", r.State, wire.Soaking)
	equal(t, "the current closure", r.CurrentClosure, other)
	want(t, &r, next(&r, wire.HostConverged{ConvergedAt: at(400), CurrentClosure: other}), rollout.Rejected)
	// By then the host runs the target, says the agent.
	take(t, &r, convergedE)
	equal(t, "the current closure", r.CurrentClosure, target)
}

func TestEveryEnforceModeProbeHasToPass(t *testing.T) { // PROTOCOL E1
	for _, c := range []struct {
		name   string
		probes []wire.EventBody
		want   rollout.Outcome
	}{
		{"no probe is known", nil, rollout.Applied},
		{"one passes", []wire.EventBody{result("http", wire.Enforce, wire.Pass, 150)}, rollout.Applied},
		{"one fails", []wire.EventBody{result("http", wire.Enforce, wire.Fail, 150)}, rollout.Rejected},
		{"one is declared and never ran", []wire.EventBody{declare(110, map[wire.Name]wire.Mode{"http": wire.Enforce})}, rollout.Rejected},
		{"one ran and told no result", []wire.EventBody{wire.ProbeObservedFirst{ProbeName: "http", Mode: wire.Enforce, ObservedAt: at(150)}}, rollout.Rejected},
		{"one passed and fails", []wire.EventBody{result("http", wire.Enforce, wire.Pass, 150), result("http", wire.Enforce, wire.Fail, 160)}, rollout.Rejected},
		{"one failed and passes", []wire.EventBody{result("http", wire.Enforce, wire.Fail, 150), result("http", wire.Enforce, wire.Pass, 160)}, rollout.Applied},
		{"the second of two fails", []wire.EventBody{result("db", wire.Enforce, wire.Pass, 150), result("http", wire.Enforce, wire.Fail, 150)}, rollout.Rejected},
		{"the first of two fails", []wire.EventBody{result("db", wire.Enforce, wire.Fail, 150), result("http", wire.Enforce, wire.Pass, 150)}, rollout.Rejected},
		{"an observe-mode probe fails", []wire.EventBody{result("http", wire.Observe, wire.Fail, 150)}, rollout.Applied},
		{"a disabled probe fails", []wire.EventBody{result("http", wire.Disabled, wire.Fail, 150)}, rollout.Applied},
		{"a failing probe is declared anew to be observed only", []wire.EventBody{result("http", wire.Enforce, wire.Fail, 150), declare(160, map[wire.Name]wire.Mode{"http": wire.Observe})}, rollout.Applied},
		{"a failing probe is no longer declared", []wire.EventBody{result("http", wire.Enforce, wire.Fail, 150), declare(160, nil)}, rollout.Applied},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := after(t, append([]wire.EventBody{acked, completed}, c.probes...)...)
			want(t, &r, next(&r, convergedE), c.want)
		})
	}
}

func TestAConvergedTooEarlyMayBeTriedAgain(t *testing.T) { // PROTOCOL E7
	r := after(t, acked, completed)
	ev := next(&r, convergedAt(at(200)))
	want(t, &r, ev, rollout.Rejected)
	ev.Body = convergedAt(at(300))
	want(t, &r, ev, rollout.Applied)
}

// What is missing may be just the pass that E1 wants.
func TestAConvergedThatBreaksE1AcrossAGapAsksForWhatIsMissing(t *testing.T) { // PROTOCOL E6
	r := after(t, acked, completed, result("http", wire.Enforce, wire.Fail, 150))
	ev := wire.Event{Seq: r.LastEventSeq + 2, Body: convergedE}
	want(t, &r, ev, rollout.Gap)
	take(t, &r, result("http", wire.Enforce, wire.Pass, 160))
	want(t, &r, ev, rollout.Applied)
	for name, body := range map[string]wire.HostConverged{
		"the closure": {ConvergedAt: at(400), CurrentClosure: other},
		"the soak":    {ConvergedAt: at(200), CurrentClosure: target},
	} {
		t.Run(name, func(t *testing.T) {
			r := after(t, acked, completed)
			want(t, &r, wire.Event{Seq: r.LastEventSeq + 2, Body: body}, rollout.Gap)
			want(t, &r, wire.Event{Seq: r.LastEventSeq + 1, Body: body}, rollout.Rejected)
		})
	}
}

func TestALegalEventIsTakenAcrossAGap(t *testing.T) { // PROTOCOL E4
	r := after(t, acked)
	want(t, &r, wire.Event{Seq: 7, Body: completed}, rollout.Applied)
	equal(t, "the state", r.State, wire.Soaking)
	equal(t, "lastEventSeq", r.LastEventSeq, 7)
	want(t, &r, wire.Event{Seq: 2, Body: started}, rollout.Duplicate)
	equal(t, "activationStartedAt", r.ActivationStartedAt.IsSet(), false)
}

func TestADuplicateIsToldBeforeItsBodyIsLookedAt(t *testing.T) { // PROTOCOL E3
	r := after(t, ways[wire.Reverted]...)
	want(t, &r, wire.Event{Seq: r.LastEventSeq, Body: convergedE}, rollout.Duplicate)
	want(t, &r, wire.Event{Seq: 1, Body: rolledBack}, rollout.Duplicate)
	want(t, &r, wire.Event{Seq: 0, Body: acked}, rollout.Duplicate)
}

func TestTheLargestNumberIsTaken(t *testing.T) {
	r := after(t, acked)
	want(t, &r, wire.Event{Seq: wire.MaxSeq, Body: completed}, rollout.Applied)
	want(t, &r, wire.Event{Seq: wire.MaxSeq, Body: convergedE}, rollout.Duplicate)
}

// soaking on another closure, as the agent observed it.
func onAnotherClosure(t *testing.T) rollout.Record {
	return after(t, acked, wire.ActivationCompleted{ObservedCurrentClosure: other, CompletedAt: at(100)})
}

func TestAnEventThatIsPastHasToAgreeOnTheClosure(t *testing.T) { // PROTOCOL E5
	failedSwitch := func(t *testing.T) rollout.Record {
		return after(t, acked, wire.ActivationFailed{ExitCode: 1, FailedAt: at(90)})
	}
	way := func(state wire.State) func(*testing.T) rollout.Record {
		return func(t *testing.T) rollout.Record { return after(t, ways[state]...) }
	}
	completes := func(c wire.Closure) wire.EventBody { // before anything failed
		return wire.ActivationCompleted{ObservedCurrentClosure: c, CompletedAt: at(80)}
	}
	for _, c := range []struct {
		name   string
		record func(*testing.T) rollout.Record
		body   wire.EventBody
		agrees bool
	}{
		{"completed again on the target", way(wire.Soaking), completes(target), true},
		{"completed again on another", way(wire.Soaking), completes(other), false},
		{"completed again on the closure observed before", onAnotherClosure, completes(other), true},
		{"completed on the target after another was observed", onAnotherClosure, completes(target), false},
		{"completed after it converged", way(wire.Converged), completes(target), true},
		{"completed on another after it converged", way(wire.Converged), completes(other), false},
		{"completed after the probes failed", way(wire.Failed), completes(target), true},
		{"completed on another after the probes failed", way(wire.Failed), completes(other), false},
		{"completed after the switch failed", failedSwitch, completes(target), true},
		{"completed on another after the switch failed", failedSwitch, completes(other), false},
		{"completed after the rollback", way(wire.Reverted), completes(target), true},
		{"completed, after the rollback, on what was rolled back to", way(wire.Reverted), completes(was), false},
		{"rolled back again", way(wire.Reverted), rolledBack, true},
		{"rolled back again to another", way(wire.Reverted), wire.RollbackComplete{RevertedToClosure: target, CompletedAt: at(300)}, false},
		{"converged again", way(wire.Converged), convergedE, true},
		{"converged again, early", way(wire.Converged), convergedAt(at(0)), true},
		{"converged again on another", way(wire.Converged), wire.HostConverged{ConvergedAt: at(500), CurrentClosure: was}, false},
		{"acknowledged again with another closure at dispatch", way(wire.Soaking), wire.DispatchAck{CurrentClosureAtDispatch: other, ReceivedAt: at(5)}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, offset := range []wire.Seq{1, 3} {
				r := c.record(t)
				before := r.Clone()
				ev := wire.Event{Seq: r.LastEventSeq + offset, Body: c.body}
				switch {
				case c.agrees:
					want(t, &r, ev, rollout.Absorbed)
					equal(t, "the state", r.State, before.State)
					if before.CurrentClosure != "" {
						equal(t, "the current closure", r.CurrentClosure, before.CurrentClosure)
					}
				case offset == 1, !before.State.Active():
					want(t, &r, ev, rollout.Rejected)
				default:
					want(t, &r, ev, rollout.Gap)
				}
			}
		})
	}
}

func TestARefusalSaysWhatIsWrongAndWhatWouldBeRight(t *testing.T) { // PROTOCOL T10
	early := onAnotherClosure(t)
	nowhere := after(t, acked, completed)
	nowhere.SoakDueAt, nowhere.ActivationCompletedAt = wire.Time{}, wire.Time{} // no sound record is like this
	for _, c := range []struct {
		record rollout.Record
		offset wire.Seq
		body   wire.EventBody
		want   string
	}{
		{after(t), 1, completed, "ActivationCompleted is taken in Activating or Deferred, but the record is Pending"},
		{after(t), 2, completed, "ActivationCompleted is taken in Activating or Deferred, but the record is Pending; event 1 is missing"},
		{after(t, acked), 3, rolledBack, "RollbackComplete is taken in Failed, but the record is Activating; events 2 to 3 are missing"},
		{early, 1, completed, "the record is Soaking already and ActivationCompleted reports closure c2; want c3"},
		{after(t, acked, completed), 1, wire.HostConverged{ConvergedAt: at(400), CurrentClosure: other}, "Converged reports closure c3; want the target c2"},
		{after(t, acked, completed), 1, convergedAt(at(299)), "convergedAt is " + at(299).String() + ", before the soak is over; want " + at(300).String() + " or later"},
		{after(t, acked, completed, result("http", wire.Enforce, wire.Fail, 150)), 1, convergedE, "Converged wants every enforce-mode probe to pass, but http does not"},
		{after(t, acked, completed, result("http", wire.Enforce, wire.Fail, 150), result("db", wire.Enforce, wire.Fail, 150)), 1, convergedE, "Converged wants every enforce-mode probe to pass, but 2 do not, the first of them db"},
		{nowhere, 1, convergedE, "Converged wants the soak to be over, but the record knows neither a soak deadline nor when the activation completed"},
	} {
		got := c.record.Judge(wire.Event{Seq: c.record.LastEventSeq + c.offset, Body: c.body})
		equal(t, "the detail", got.Detail, c.want)
	}
}

func TestADeadlineAtTheEndOfTimeIsStillADeadline(t *testing.T) { // PROTOCOL E1
	// Clocks can say anything; sums must not wrap.
	end := wire.TimeOf(time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC))
	r := rollout.New(id, host, target, 0, 1<<31-1)
	r.Dispatch(end)
	take(t, &r, acked)
	take(t, &r, wire.ActivationCompleted{ObservedCurrentClosure: target, CompletedAt: end})
	want(t, &r, next(&r, convergedAt(end)), rollout.Rejected)
	want(t, &r, next(&r, convergedAt(at(0))), rollout.Rejected)
}
