package rollout_test

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/refrain-fleet/refrain/core/rollout"
	"github.com/refrain-fleet/refrain/core/wire"
)

// drawHistory draws what one agent may have gone through, numbered 1, 2, 3 …,
// unfinished or to an end. It is valid: the agent's own record takes each of it
// in order.
func drawHistory(t *rapid.T) []wire.Event {
	var history []wire.Event
	clock := 0
	tick := func() wire.Time {
		clock += rapid.IntRange(0, 40).Draw(t, "passes")
		return at(clock)
	}
	tell := func(body wire.EventBody) {
		history = append(history, wire.Event{Seq: wire.Seq(len(history) + 1), Body: body})
	}
	coin := func(label string) bool { return rapid.Bool().Draw(t, label) }

	tell(wire.DispatchAck{CurrentClosureAtDispatch: was, ReceivedAt: tick()})
	for range rapid.IntRange(0, 2).Draw(t, "starts") {
		tell(wire.ActivationStarted{StartedAt: tick(), SwitchMethod: "switch"})
	}
	switch rapid.SampledFrom([]string{"completes", "completes", "completes", "defers", "fails", "hangs"}).Draw(t, "activation") {
	case "hangs":
		return history
	case "fails":
		tell(wire.ActivationFailed{ExitCode: 1, FailedAt: tick()})
		if coin("rolls back") {
			tell(wire.RollbackComplete{RevertedToClosure: was, CompletedAt: tick()})
		}
		return history
	case "defers":
		tell(wire.ActivationDeferred{Component: "kernel", DeferredAt: tick()})
		if !coin("reboots") {
			return history
		}
	}
	activated := tick()
	observed := rapid.SampledFrom([]wire.Closure{target, target, target, other}).Draw(t, "observed")
	tell(wire.ActivationCompleted{ObservedCurrentClosure: observed, CompletedAt: activated})
	for range rapid.IntRange(0, 8).Draw(t, "probe events") {
		kind := rapid.SampledFrom([]wire.EventKind{
			wire.KindProbeTopologyDeclared, wire.KindProbeObservedFirst, wire.KindProbeResult, wire.KindProbeResult, wire.KindProbeFailureFirst,
		}).Draw(t, "kind")
		tell(drawBody(t, kind))
	}
	switch rapid.SampledFrom([]string{"converges", "converges", "fails", "soaks"}).Draw(t, "end") {
	case "converges":
		own := replay(nil, history)
		for _, probe := range own.FailingProbes() {
			tell(wire.ProbeResult{ProbeName: probe, Mode: wire.Enforce, Status: wire.Pass, ObservedAt: tick()})
		}
		soaked := activated.Add(soakSeconds * time.Second)
		tell(wire.HostConverged{ConvergedAt: soaked.Add(time.Duration(rapid.IntRange(0, 2).Draw(t, "late")) * time.Second), CurrentClosure: target})
	case "fails":
		tell(wire.HealthFailed{FailedAt: tick(), SustainedDurationSecs: 120, PolicyApplied: wire.RollbackAndHalt})
		if coin("rolls back") {
			tell(wire.RollbackComplete{RevertedToClosure: was, CompletedAt: tick()})
		}
	}
	return history
}

// replay gives a record the history in order; start makes the record, or is nil
// for a fresh one.
func replay(start func() rollout.Record, history []wire.Event) rollout.Record {
	r := fresh()
	if start != nil {
		r = start()
	}
	for _, ev := range history {
		r.Apply(ev)
	}
	return r
}

// drawStart draws how a plane makes its record: dispatched, or known again
// after a wipe.
func drawStart(t *rapid.T) func() rollout.Record {
	dispatched := rapid.Bool().Draw(t, "dispatched")
	when := drawTime.Draw(t, "dispatched at")
	return func() rollout.Record {
		r := fresh()
		if dispatched {
			r.Dispatch(when)
		}
		return r
	}
}

func TestADrawnHistoryIsValid(t *testing.T) { // the premise of the tests below
	rapid.Check(t, func(t *rapid.T) {
		start, history := drawStart(t), drawHistory(t)
		r := start()
		for _, ev := range history {
			if got := r.Apply(ev); got.Outcome != rollout.Applied {
				t.Fatalf("%v is %v: %s", ev, got.Outcome, got.Detail)
			}
		}
	})
}

// An agent sends its events in order and again and again (A2, E9); the network
// loses and repeats them, heartbeats confirm, the plane is wiped. As long as
// nothing is taken before what precedes it, a last replay leaves the plane with
// the agent's own record, to the last field.
func TestAReplayLeavesThePlaneWithTheAgentsOwnRecord(t *testing.T) { // PROTOCOL E3 to E6, A3, H4, S4
	rapid.Check(t, func(t *rapid.T) {
		start, history := drawStart(t), drawHistory(t)
		own, r := replay(start, history), start()
		for range rapid.IntRange(0, 25).Draw(t, "deliveries") {
			switch rapid.SampledFrom([]string{"send", "send", "send", "send", "send", "send", "confirm", "wipe"}).Draw(t, "step") {
			case "confirm":
				r.Confirm(target, drawTime.Draw(t, "heartbeat"))
			case "wipe":
				r = start()
			case "send":
				ev := history[rapid.IntRange(0, min(len(history), int(r.LastEventSeq)+2)-1).Draw(t, "which")]
				before := r.Clone()
				if got := r.Apply(ev).Outcome; ev.Seq > before.LastEventSeq+1 && got != rollout.Gap {
					r = before // taken before its predecessor; the test below is about those
				} else if got == rollout.Rejected {
					t.Fatalf("%v was rejected by %v", ev, &before)
				}
			}
			if err := r.Check(); err != nil {
				t.Fatal(err)
			}
			if !r.Synthesised() && r.LastEventSeq > 0 {
				if mirror := replay(start, history[:r.LastEventSeq]); text(&r) != text(&mirror) {
					t.Fatalf("the plane has\n%s, but the agent was\n%s", text(&r), text(&mirror))
				}
			}
		}
		for _, ev := range history {
			if got := r.Apply(ev); got.Outcome == rollout.Gap || got.Outcome == rollout.Rejected {
				t.Fatalf("the replay of %v is %v: %s", ev, got.Outcome, got.Detail)
			}
		}
		if r.LastEventSeq != own.LastEventSeq {
			t.Fatalf("lastEventSeq is %d, want %d", r.LastEventSeq, own.LastEventSeq)
		}
		if r.Synthesised() {
			// The plane is ahead, and says so, of an agent that never told the
			// end of its activation.
			if own.State != wire.Activating && own.State != wire.Deferred {
				t.Fatalf("the plane still infers what the agent has told:\n%s\n%s", text(&r), text(&own))
			}
			return
		}
		if text(&r) != text(&own) {
			t.Fatalf("the plane ends with\n%s, the agent with\n%s", text(&r), text(&own))
		}
	})
}

// Events may also be taken across gaps (E4), and then what was jumped over
// stays unknown (E3). The state, the closure and every instant that was told
// are the agent's own all the same. One thing can stand in the way: a Converged
// that E1 refuses, for a pass that was jumped over or an activation that only a
// confirmation reports. Telling each result again and trying Converged later
// (E7) removes it.
func TestAReplayAfterJumpsEndsInTheAgentsOwnState(t *testing.T) { // PROTOCOL E1, E3, E4, E7, S4
	rapid.Check(t, func(t *rapid.T) {
		start, history := drawStart(t), drawHistory(t)
		own, r := replay(start, history), start()
		var told []wire.Seq
		send := func(ev wire.Event) rollout.Outcome {
			before := r.LastEventSeq
			got := r.Apply(ev)
			if got.Outcome == rollout.Applied || got.Outcome == rollout.Absorbed {
				told = append(told, ev.Seq)
			}
			if r.LastEventSeq < before {
				t.Fatalf("lastEventSeq fell from %d to %d", before, r.LastEventSeq)
			}
			if err := r.Check(); err != nil {
				t.Fatal(err)
			}
			return got.Outcome
		}
		for range rapid.IntRange(0, 20).Draw(t, "deliveries") {
			if rapid.IntRange(0, 4).Draw(t, "confirm") == 0 {
				r.Confirm(target, drawTime.Draw(t, "heartbeat"))
			}
			send(history[rapid.IntRange(0, len(history)-1).Draw(t, "which")])
		}
		for _, ev := range history {
			switch got := send(ev); {
			case got == rollout.Rejected && ev.Body.Kind() == wire.KindConverged && len(told) < len(history)-1:
				for _, probe := range r.FailingProbes() {
					send(wire.Event{Seq: r.LastEventSeq + 1, Body: result(probe, wire.Enforce, wire.Pass, 5000)})
				}
				ev.Seq = r.LastEventSeq + 1
				ev.Body = wire.HostConverged{ConvergedAt: at(9000), CurrentClosure: target}
				if got := send(ev); got != rollout.Applied {
					t.Fatalf("Converged is %v when tried again", got)
				}
				return
			case got == rollout.Gap, got == rollout.Rejected:
				t.Fatalf("the replay of %v is %v on %v", ev, got, &r)
			}
		}
		if r.LastEventSeq != own.LastEventSeq {
			t.Fatalf("lastEventSeq is %d, want %d", r.LastEventSeq, own.LastEventSeq)
		}
		if r.Synthesised() && (own.State == wire.Activating || own.State == wire.Deferred) {
			return
		}
		if r.State != own.State || r.EndedAt != own.EndedAt {
			t.Fatalf("the plane ends with\n%s, the agent with\n%s", text(&r), text(&own))
		}
		for _, ev := range history {
			if !slices.Contains(told, ev.Seq) {
				continue
			}
			switch b := ev.Body.(type) {
			case wire.DispatchAck:
				if r.DispatchAckedAt != b.ReceivedAt || r.CurrentClosureAtDispatch != was {
					t.Fatalf("%v was told, but the plane has\n%s", ev, text(&r))
				}
			case wire.ActivationStarted:
				if !r.ActivationStartedAt.IsSet() {
					t.Fatalf("%v was told, but the plane has\n%s", ev, text(&r))
				}
			case wire.ActivationCompleted:
				if r.ActivationCompletedAt != b.CompletedAt || r.SoakDueAt != own.SoakDueAt || r.CurrentClosure != own.CurrentClosure {
					t.Fatalf("%v was told, but the plane has\n%s", ev, text(&r))
				}
			}
		}
		if len(told) == len(history) && text(&r) != text(&own) {
			t.Fatalf("everything was told, but the plane ends with\n%s, the agent with\n%s", text(&r), text(&own))
		}
	})
}
