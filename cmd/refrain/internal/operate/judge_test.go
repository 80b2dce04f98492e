package operate

import (
	"strings"
	"testing"

	"github.com/refrain-fleet/refrain/core/wire"
)

func TestWait_JudgesEachCondition(t *testing.T) {
	waves := wire.Policy{Waves: make([]wire.Wave, 2)}
	under := wire.RolloutStatus{State: wire.Active, WavesDispatched: 1, Policy: waves, Counts: wire.StateCounts{Pending: 1, Soaking: 1}}
	good := wire.RolloutStatus{State: wire.Terminal, WavesDispatched: 2, Policy: waves, Counts: wire.StateCounts{Converged: 2}}
	halted := wire.RolloutStatus{State: wire.Halted, WavesDispatched: 1, Policy: waves, Counts: wire.StateCounts{Pending: 1, Failed: 1}, HaltedBy: "h1"}
	resumed := wire.RolloutStatus{State: wire.Terminal, WavesDispatched: 2, Policy: waves, Counts: wire.StateCounts{Converged: 1, Reverted: 1}}
	superseded := wire.RolloutStatus{State: wire.Superseded, WavesDispatched: 1, Policy: waves, Counts: wire.StateCounts{Pending: 2}, SupersededBy: "c@2"}
	held := wire.RolloutStatus{State: wire.Held, Policy: waves, Counts: wire.StateCounts{Pending: 2}}
	for _, test := range []struct {
		name    string
		rollout wire.RolloutStatus
		want    map[string]verdict
		why     string
	}{
		{"under way", under, map[string]verdict{"converged": notYet, "terminal": notYet, "dispatched": notYet, "halted": notYet, "failed": notYet, "superseded": notYet}, ""},
		{"converged", good, map[string]verdict{"converged": reached, "terminal": reached, "dispatched": reached, "halted": never, "failed": never, "superseded": notYet}, "at an end"},
		{"halted", halted, map[string]verdict{"converged": never, "terminal": never, "dispatched": never, "halted": reached, "failed": reached, "superseded": notYet}, "h"},
		{"resumed", resumed, map[string]verdict{"converged": never, "terminal": reached, "failed": reached, "superseded": notYet}, "1 of its hosts failed"},
		{"superseded", superseded, map[string]verdict{"converged": never, "terminal": never, "failed": never, "superseded": reached}, "superseded by c@2"},
		{"held", held, map[string]verdict{"converged": never, "superseded": never}, "held"},
	} {
		for condition, want := range test.want {
			got, why := judge(condition, &test.rollout)
			if got != want || (got == never) != (why != "") || !strings.Contains(why, test.why) && got == never {
				t.Errorf("%s, for %s: %d (%s), want %d", test.name, condition, got, why, want)
			}
		}
	}
}

func TestTrace_FollowsTheStates(t *testing.T) {
	event := func(body wire.EventBody, outcome wire.Name) wire.LoggedEvent {
		return wire.LoggedEvent{Hostname: "h1", Kind: wire.Name(body.Kind().String()), Outcome: outcome, Event: wire.Event{Seq: 1, Body: body}}
	}
	follower := tracer{states: map[wire.Hostname]wire.State{}}
	for i, test := range []struct {
		entry    wire.LoggedEvent
		from, to wire.State
		by       string
		moves    bool
	}{
		{wire.LoggedEvent{Kind: "opened", Outcome: "applied"}, 0, 0, "manifest", true},
		{event(wire.DispatchAck{}, "applied"), wire.Pending, wire.Activating, "agent", true},
		{event(wire.DispatchAck{}, "absorbed"), wire.Activating, wire.Activating, "agent", false},
		{wire.LoggedEvent{Hostname: "h1", Kind: "confirmed", Outcome: "applied"}, wire.Activating, wire.Soaking, "heartbeat", true},
		{event(wire.ProbeResult{}, "applied"), wire.Soaking, wire.Soaking, "agent", false},
		{wire.LoggedEvent{Hostname: "h1", Kind: "discarded", Outcome: "discarded"}, wire.Soaking, wire.Soaking, "agent", false},
		{event(wire.HealthFailed{}, "applied"), wire.Soaking, wire.Failed, "agent", true},
		{wire.LoggedEvent{Kind: "resumed", Outcome: "applied"}, 0, 0, "operator", true},
		{event(wire.RollbackComplete{}, "applied"), wire.Failed, wire.Reverted, "agent", true},
	} {
		c := follower.follow(&test.entry)
		if c.from != test.from || c.to != test.to || c.by != test.by || c.moves() != test.moves {
			t.Errorf("entry %d, %s: %v to %v by %s, moves %t; want %v to %v by %s, %t", i, test.entry.Kind, c.from, c.to, c.by, c.moves(), test.from, test.to, test.by, test.moves)
		}
	}
}

func TestSpan_NamesTwoUnitsAtMost(t *testing.T) {
	for seconds, want := range map[wire.Count]string{0: "0s", 59: "59s", 60: "1m", 3599: "59m", 3600: "1h0m", 90000: "1d1h"} {
		if got := span(seconds); got != want {
			t.Errorf("%d: %s, want %s", seconds, got, want)
		}
	}
}
