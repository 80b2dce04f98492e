package check

import (
	"strings"
	"testing"
	"time"

	"github.com/refrain-fleet/refrain/core/agent"
	"github.com/refrain-fleet/refrain/sim/sabotage"
	"github.com/refrain-fleet/refrain/sim/world"
)

// What cannot be brought about in a world, since agents draw their jitter
// themselves, is told to the checker directly.
func TestHeartbeatsWithoutJitterAreSeen(t *testing.T) {
	const interval = time.Minute
	answered := agent.Answer{Status: 200}
	lost := agent.Answer{}
	for _, c := range []struct {
		name  string
		first time.Duration // of the first heartbeat, after the start
		then  []time.Duration
		of    agent.Answer
		says  string // empty: nothing
	}{
		{"jittered", 3001 * time.Millisecond, []time.Duration{59 * time.Second, 61 * time.Second}, answered, ""},
		{"one draw that comes out even", time.Second, []time.Duration{interval, 61 * time.Second, interval}, answered, ""},
		{"two draws that do", time.Second, []time.Duration{interval, interval}, answered, "does not jitter"},
		{"all hosts at once", 0, nil, answered, "does not jitter"},
		{"a first one that is late", 7 * time.Second, nil, answered, "its first heartbeat 7s after it started"},
		{"too early", time.Second, []time.Duration{53 * time.Second}, answered, "53s after the last"},
		{"too late", time.Second, []time.Duration{67 * time.Second}, answered, "1m7s after the last"},
		{"a backoff that is drawn", time.Second, []time.Duration{700 * time.Millisecond, 1300 * time.Millisecond}, lost, ""},
		{"a backoff that is not", time.Second, []time.Duration{time.Second, 2 * time.Second}, lost, "does not jitter"},
		{"a backoff beyond the cap", time.Second, []time.Duration{61 * time.Second}, lost, "at most 1m0s"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w, err := world.New(sabotage.QuietStory(), world.Options{})
			if err != nil {
				t.Fatal(err)
			}
			newConduct(&Checks{World: w})
			step := func(in agent.Input, requests ...agent.Request) {
				w.Tamper().Emit(world.Event{Kind: world.EventHostStepped, Host: 1, AgentInput: in, AgentOutput: &agent.Output{Requests: requests}})
			}
			id := uint64(1)
			step(&agent.Started{})
			w.Tamper().Advance(c.first)
			step(&agent.Timer{}, agent.Request{ID: id, Kind: agent.RequestHeartbeat})
			for _, after := range c.then {
				step(&agent.HeartbeatAnswered{ID: id, Answer: c.of})
				w.Tamper().Advance(after)
				id++
				step(&agent.Timer{}, agent.Request{ID: id, Kind: agent.RequestHeartbeat})
			}
			switch v := w.Violation(); {
			case v == nil && c.says != "":
				t.Errorf("nothing is violated; want something with %q", c.says)
			case v != nil && (c.says == "" || !strings.Contains(v.Detail, c.says)):
				t.Errorf("the violation is %v; want one with %q", v, c.says)
			}
		})
	}
}

// A 404 to an event of a rollout's earlier life says nothing of the new one.
func TestALate404IsOfTheLifeWhoseEventItAnswers(t *testing.T) { // PROTOCOL E8
	for _, forgotten := range []bool{false, true} {
		w, h := new(world.World), agentHabits{rollouts: []rolloutHabits{{id: "stable@r1", open: 7}}}
		if forgotten {
			h.appends(w, 1, &agent.Entry{Kind: agent.EntryForgotten, RolloutID: "stable@r1"})
		}
		h.hear(w, 1, &agent.EventAnswered{ID: 7, Answer: agent.Answer{Status: 404}})
		if r := h.of("stable@r1"); r.unknown == forgotten || r.open != 0 || r.earlier {
			t.Errorf("forgotten %v: %+v", forgotten, *r)
		}
	}
}
