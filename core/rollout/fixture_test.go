package rollout_test

import (
	"testing"
	"time"

	"github.com/refrain-fleet/refrain/core/rollout"
	"github.com/refrain-fleet/refrain/core/wire"
)

const (
	id          = wire.RolloutID("stable@r1")
	host        = wire.Hostname("h1")
	was         = wire.Closure("c1")
	target      = wire.Closure("c2")
	other       = wire.Closure("c3")
	soakSeconds = 300
)

// at is the agent's clock, s seconds after the tests' epoch.
func at(s int) wire.Time { return wire.TimeOf(time.Unix(1_800_000_000+int64(s), 0)) }

func fresh() rollout.Record { return rollout.New(id, host, target, 0, soakSeconds) }

// bodies has one plausible event of each kind, told at a late instant, when
// every soak is over.
var bodies = map[wire.EventKind]wire.EventBody{
	wire.KindDispatchAck:           wire.DispatchAck{CurrentClosureAtDispatch: was, ReceivedAt: at(9000)},
	wire.KindActivationStarted:     wire.ActivationStarted{StartedAt: at(9000), SwitchMethod: "switch"},
	wire.KindActivationCompleted:   wire.ActivationCompleted{ObservedCurrentClosure: target, CompletedAt: at(9000)},
	wire.KindActivationDeferred:    wire.ActivationDeferred{Component: "kernel", DeferredAt: at(9000)},
	wire.KindActivationFailed:      wire.ActivationFailed{ExitCode: 1, FailedAt: at(9000)},
	wire.KindProbeTopologyDeclared: wire.ProbeTopologyDeclared{Probes: []wire.ProbeDeclaration{{ProbeName: "http", ProbeKind: "tcp", Mode: wire.Enforce}}, DeclaredAt: at(9000)},
	wire.KindProbeObservedFirst:    wire.ProbeObservedFirst{ProbeName: "http", Mode: wire.Enforce, ObservedAt: at(9000)},
	wire.KindProbeResult:           wire.ProbeResult{ProbeName: "http", Mode: wire.Enforce, Status: wire.Fail, ObservedAt: at(9000)},
	wire.KindProbeFailureFirst:     wire.ProbeFailureFirst{ProbeName: "http", Mode: wire.Enforce, FirstFailedAt: at(9000)},
	wire.KindFailed:                wire.HealthFailed{FailedAt: at(9000), SustainedDurationSecs: 120, PolicyApplied: wire.Halt},
	wire.KindRollbackComplete:      wire.RollbackComplete{RevertedToClosure: was, CompletedAt: at(9000)},
	wire.KindConverged:             wire.HostConverged{ConvergedAt: at(9000), CurrentClosure: target},
}

// The steps of an ordinary history.
var (
	acked      = wire.DispatchAck{CurrentClosureAtDispatch: was, ReceivedAt: at(10)}
	started    = wire.ActivationStarted{StartedAt: at(20), SwitchMethod: "switch"}
	deferred   = wire.ActivationDeferred{Component: "kernel", DeferredAt: at(30)}
	completed  = wire.ActivationCompleted{ObservedCurrentClosure: target, CompletedAt: at(100)}
	unhealthy  = wire.HealthFailed{FailedAt: at(250), SustainedDurationSecs: 120, PolicyApplied: wire.RollbackAndHalt}
	rolledBack = wire.RollbackComplete{RevertedToClosure: was, CompletedAt: at(260)}
	convergedE = wire.HostConverged{ConvergedAt: at(400), CurrentClosure: target}
)

func result(probe wire.Name, mode wire.Mode, status wire.ProbeStatus, s int) wire.ProbeResult {
	return wire.ProbeResult{ProbeName: probe, Mode: mode, Status: status, ObservedAt: at(s)}
}

func declare(s int, modes map[wire.Name]wire.Mode) wire.ProbeTopologyDeclared {
	b := wire.ProbeTopologyDeclared{DeclaredAt: at(s)}
	for _, name := range []wire.Name{"db", "disk", "http", "mail"} {
		if mode, ok := modes[name]; ok {
			b.Probes = append(b.Probes, wire.ProbeDeclaration{ProbeName: name, ProbeKind: "tcp", Mode: mode})
		}
	}
	return b
}

// ways leads to each state by events alone.
var ways = map[wire.State][]wire.EventBody{
	wire.Pending:    nil,
	wire.Activating: {acked},
	wire.Deferred:   {acked, started, deferred},
	wire.Soaking:    {acked, started, completed},
	wire.Converged:  {acked, started, completed, convergedE},
	wire.Failed:     {acked, started, completed, unhealthy},
	wire.Reverted:   {acked, started, completed, unhealthy, rolledBack},
}

// after applies bodies to a fresh record that was dispatched at 0, numbered
// without gaps.
func after(t testing.TB, history ...wire.EventBody) rollout.Record {
	t.Helper()
	r := fresh()
	r.Dispatch(at(0))
	for _, body := range history {
		take(t, &r, body)
	}
	return r
}

// take applies body under the next number and wants it applied.
func take(t testing.TB, r *rollout.Record, body wire.EventBody) {
	t.Helper()
	want(t, r, next(r, body), rollout.Applied)
}

// next numbers body as the event that follows the record's last.
func next(r *rollout.Record, body wire.EventBody) wire.Event {
	return wire.Event{Seq: r.LastEventSeq + 1, Body: body}
}

// want applies ev and wants the outcome; the record has to stay sound, and to
// stay as it was unless the event was taken. It returns the detail.
func want(t testing.TB, r *rollout.Record, ev wire.Event, outcome rollout.Outcome) string {
	t.Helper()
	before := text(r)
	judged := r.Judge(ev)
	if text(r) != before {
		t.Fatalf("Judge(%v) changed the record\nfrom %s\nto   %s", ev, before, text(r))
	}
	applied := r.Apply(ev)
	if judged != applied {
		t.Fatalf("%v: Judge says %+v, Apply says %+v", ev, judged, applied)
	}
	if applied.Outcome != outcome {
		t.Fatalf("%v on %v is %v (%s), want %v", ev, before, applied.Outcome, applied.Detail, outcome)
	}
	taken := outcome == rollout.Applied || outcome == rollout.Absorbed
	if taken && r.LastEventSeq != ev.Seq {
		t.Fatalf("%v was %v, and lastEventSeq is %d", ev, outcome, r.LastEventSeq)
	}
	if !taken && text(r) != before {
		t.Fatalf("%v was %v and changed the record\nfrom %s\nto   %s", ev, outcome, before, text(r))
	}
	if refused := outcome == rollout.Gap || outcome == rollout.Rejected; refused != (applied.Detail != "") {
		t.Fatalf("%v was %v with detail %q", ev, outcome, applied.Detail)
	}
	sound(t, r)
	return applied.Detail
}

func sound(t testing.TB, r *rollout.Record) {
	t.Helper()
	if err := r.Check(); err != nil {
		t.Fatalf("%v\n%s", err, text(r))
	}
}

// text is the whole record in canonical form.
func text(r *rollout.Record) string { return string(r.AppendJSON(nil)) }

func equal[T comparable](t testing.TB, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Errorf("%s is %v, want %v", what, got, want)
	}
}
