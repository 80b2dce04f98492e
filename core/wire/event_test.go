package wire_test

import (
	"testing"
	"time"

	"github.com/refrain-fleet/refrain/core/wire"
)

// decodedEvents has the example of every kind as a value.
func decodedEvents(t *testing.T) map[wire.EventKind]wire.Event {
	t.Helper()
	events := map[wire.EventKind]wire.Event{}
	for _, kind := range wire.EventKinds {
		doc := documents["event "+kind.String()]
		value, err := doc.decode(new(wire.Decoder), []byte(doc.example()))
		if err != nil {
			t.Fatal(err)
		}
		events[kind] = value.(wire.EventEnvelope).Event
	}
	return events
}

func TestAnEventKnowsItsKindItsNumberAndItsTime(t *testing.T) { // PROTOCOL E
	at := wire.TimeOf(time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC))
	events := decodedEvents(t)
	if len(events) != 12 {
		t.Errorf("got %d kinds, want 12", len(events))
	}
	for kind, event := range events {
		if event.Body.Kind() != kind {
			t.Errorf("%v: got the kind %v", kind, event.Body.Kind())
		}
		if event.Body.At() != at {
			t.Errorf("%v: got the time %v, want %v", kind, event.Body.At(), at)
		}
		if event.Seq != wire.Seq(kind) { // the examples are numbered by kind
			t.Errorf("%v: got the number %d", kind, event.Seq)
		}
	}
}

// Only three kinds say what the host runs now; a DispatchAck tells what it ran
// before, and that is no report.
func TestThreeKindsReportAClosure(t *testing.T) { // PROTOCOL E
	want := map[wire.EventKind]wire.Closure{
		wire.KindActivationCompleted: "/nix/store/new",
		wire.KindRollbackComplete:    "/nix/store/old",
		wire.KindConverged:           "/nix/store/new",
	}
	for kind, event := range decodedEvents(t) {
		closure, reported := wire.ReportedClosure(event.Body)
		if _, wanted := want[kind]; reported != wanted || closure != want[kind] {
			t.Errorf("%v: got %q, %v", kind, closure, reported)
		}
	}
}

func TestAnEventIsDescribedInOneLine(t *testing.T) {
	events := decodedEvents(t)
	for kind, want := range map[wire.EventKind]string{
		wire.KindDispatchAck:         "DispatchAck#1",
		wire.KindActivationCompleted: "ActivationCompleted#3 closure=/nix/store/new",
		wire.KindActivationFailed:    "ActivationFailed#5 exit=-1",
		wire.KindProbeResult:         "ProbeResult#8 http=fail",
		wire.KindConverged:           "Converged#12 closure=/nix/store/new",
	} {
		if got := events[kind].String(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	if got := (wire.Event{Seq: 3}).String(); got != "no event" {
		t.Errorf("got %q", got)
	}
}

func TestFourStatesAreActive(t *testing.T) { // PROTOCOL H3
	want := map[wire.State]bool{wire.Pending: true, wire.Activating: true, wire.Deferred: true, wire.Soaking: true}
	for _, state := range append(wire.States[:], 0) {
		if state.Active() != want[state] {
			t.Errorf("%v is active: %v", state, state.Active())
		}
	}
}

// Each state has a count of its own, under its own name on the wire.
func TestTheCountOfAStateIsTheOneOfItsName(t *testing.T) { // PROTOCOL R5
	value, err := documents["rollout"].decode(new(wire.Decoder), []byte(documents["rollout"].example()))
	if err != nil {
		t.Fatal(err)
	}
	counts := value.(wire.RolloutStatus).Counts
	for i, state := range wire.States {
		if got, want := *counts.Of(state), wire.Count(i+1); got != want { // the example counts up in path order
			t.Errorf("%v: got %d, want %d", state, got, want)
		}
		*counts.Of(state) = 100
	}
	if want := (wire.StateCounts{100, 100, 100, 100, 100, 100, 100}); counts != want {
		t.Errorf("got %+v after setting each", counts)
	}
}

func TestAWaveSoaksForMinutes(t *testing.T) { // PROTOCOL R1
	if got := (wire.Wave{SoakMinutes: 90}).Soak(); got != 90*time.Minute {
		t.Errorf("got %v", got)
	}
	if got := (wire.Wave{SoakMinutes: wire.MaxSoakMinutes}).Soak(); got != 366*24*time.Hour {
		t.Errorf("the longest soak is %v", got)
	}
}

// A word that no set has is shown as such and not as another's.
func TestAValueOutsideOfItsSetHasNoWord(t *testing.T) {
	for _, got := range []string{
		wire.State(99).String(), wire.Mode(99).String(), wire.ProbeStatus(99).String(), wire.HealthPolicy(99).String(),
		wire.RolloutState(99).String(), wire.Reachability(99).String(), wire.EventKind(99).String(),
	} {
		if got != "?" {
			t.Errorf("got %q", got)
		}
	}
	if got := wire.State(0).String(); got != "" {
		t.Errorf("no state is written %q", got)
	}
}
