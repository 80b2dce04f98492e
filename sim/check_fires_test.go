package sim

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/refrain-fleet/refrain/core/driver"
	"github.com/refrain-fleet/refrain/core/gate"
	"github.com/refrain-fleet/refrain/core/plane"
	"github.com/refrain-fleet/refrain/core/wire"
	"github.com/refrain-fleet/refrain/sim/scenario"
)

// sabotage is a world that breaks a rule, and how.
type sabotage struct {
	checker, name string
	story         func() scenario.Scenario
	by            func() *saboteur
}

// onReply changes replies of the reducer.
func onReply(change func(w *World, in plane.Input, r *plane.Reply)) func() *saboteur {
	return func() *saboteur {
		return &saboteur{onStepDone: func(w *World, _ *message, in plane.Input, r *plane.Reply) {
			if r != nil {
				change(w, in, r)
			}
		}}
	}
}

// onAnswer changes answers on their way out.
func onAnswer(change func(*World, *message)) func() *saboteur {
	return func() *saboteur { return &saboteur{onAnswered: change} }
}

// withoutTimer lets no deadline of the gate come.
func withoutTimer(w *World, _ *message) { w.plane.alarm = -1 }

func isEvent(in plane.Input) bool     { _, is := in.(*plane.Event); return is }
func isHeartbeat(in plane.Input) bool { _, is := in.(*plane.Heartbeat); return is }
func isPoll(in plane.Input) bool      { _, is := in.(*plane.Poll); return is }

// anotherGate gives the plane another gate than it should have.
func anotherGate(change func(*gate.Config)) func() *saboteur {
	return func() *saboteur {
		return &saboteur{onPlaneStarted: func(w *World) {
			cfg := w.plane.front.Gate().Config()
			change(&cfg)
			other, err := gate.New[*driver.Request[*message]](cfg)
			if err != nil {
				panic(err)
			}
			*w.plane.front.Gate() = *other // which is about to be opened
		}}
	}
}

// afterStep edits the record of a host once, after a step of some kind.
func afterStep(of func(plane.Input) bool, host, pattern, by string) func() *saboteur {
	return func() *saboteur {
		done := false
		return &saboteur{onStepDone: func(w *World, _ *message, in plane.Input, _ *plane.Reply) {
			if !done && of(in) && aboutHost(in) == wire.Hostname(host) {
				done = editRecord(w, host, pattern, by)
			}
		}}
	}
}

// addLine adds a line to the log after a step of some kind.
func addLine(of func(plane.Input) bool) func() *saboteur {
	return onReply(func(w *World, in plane.Input, _ *plane.Reply) {
		if of(in) {
			w.plane.worker.Output().Entries = append(w.plane.worker.Output().Entries, plane.Entry{Input: in})
		}
	})
}

// beside sets an instant in the record of a host after every heartbeat of
// another, each time to another one.
func beside(host, member string) func() *saboteur {
	return func() *saboteur {
		return &saboteur{onStepDone: func(w *World, _ *message, in plane.Input, _ *plane.Reply) {
			if isHeartbeat(in) && aboutHost(in) != wire.Hostname(host) {
				editRecord(w, host, `"`+member+`":"[^"]*"`, fmt.Sprintf(`"%s":"2026-01-01T00:00:%02dZ"`, member, w.step%60))
			}
		}}
	}
}

// dispatchEarly dispatches h3, which is in the second wave, while the first is
// under way.
func dispatchEarly(w *World) bool {
	return editRecord(w, "h3", `"state":"Pending",(.*),"lastEventSeq":0`,
		`"state":"Pending",$1,"dispatchedAt":"2026-01-01T00:01:00Z","soakDueAt":"2026-01-01T00:02:00Z","lastEventSeq":0`)
}

// sabotages lists every one.
func sabotages() []sabotage {
	return slices.Concat(durabilityBroken, recordsBroken, admissionBroken, answersBroken, rolloutsBroken, conductBroken)
}

// wakeAnyway names a host as one that is dispatched just now, from an instant
// on.
func wakeAnyway(host wire.Hostname, id wire.RolloutID, from time.Duration) func() *saboteur {
	return onReply(func(w *World, _ plane.Input, _ *plane.Reply) {
		if w.now < from {
			return
		}
		for _, r := range w.checks.sharedLedger.hosts[w.checks.sharedLedger.number(host)] {
			if r.of.id == id {
				r.dispatchJudged = false
			}
		}
		w.plane.worker.Output().Wakes = append(w.plane.worker.Output().Wakes, host)
	})
}

// offerAnyway offers a host a rollout from an instant on.
func offerAnyway(host wire.Hostname, id wire.RolloutID, from time.Duration) func() *saboteur {
	return onReply(func(w *World, in plane.Input, r *plane.Reply) {
		poll, is := in.(*plane.Poll)
		if !is || poll.Hostname != host || w.now < from {
			return
		}
		rec, _ := w.plane.worker.Plane().Record(id, host)
		r.Outcome = wire.Outcome{Code: wire.OK, Document: &wire.Dispatch{
			Hostname: host, RolloutID: id, TargetClosure: rec.TargetClosure, SoakDueAt: rec.SoakDueAt,
			SoakSeconds: rec.SoakSeconds, EnqueuedAt: rec.DispatchedAt, OnHealthFailure: wire.RollbackAndHalt,
		}}
	})
}

func TestEveryCheckerFiresInAWorldThatBreaksItsRule(t *testing.T) {
	for _, s := range sabotages() {
		t.Run(s.checker+" "+s.name, func(t *testing.T) {
			only := checkerNumbered(t, s.checker)
			if v := runWith(t, s.story(), only, nil); v != nil {
				t.Fatalf("it fires in a world that is whole: %v", v)
			}
			v := runWith(t, s.story(), only, s.by())
			if v == nil || v.Checker != s.checker {
				t.Fatalf("the violation is %v, want one of %s", v, s.checker)
			}
			t.Log(v)
		})
	}
}

func TestThereIsAWorldInWhichEachCheckerFires(t *testing.T) {
	fires := map[string]bool{"INV": true} // see TestTheInvariantsOfTheReducersAreChecked
	for _, s := range sabotages() {
		fires[s.checker] = true
	}
	for _, c := range Checkers() {
		if !fires[c.Number] {
			t.Errorf("nothing breaks %s", c.Number)
		}
	}
}
