package sim

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/refrain-fleet/refrain/core/agent"
	"github.com/refrain-fleet/refrain/core/gate"
	"github.com/refrain-fleet/refrain/core/plane"
	"github.com/refrain-fleet/refrain/core/wire"
)

func onHost(change func(*hostNode, agent.Input)) func() *saboteur {
	return func() *saboteur {
		return &saboteur{onHostStepped: func(_ *World, h *hostNode, in agent.Input) { change(h, in) }}
	}
}

// Worlds in which wedge, slots or agents are not as they should be: S15 to S18.
var conductBroken = []sabotage{
	{"S15", "a wedge is seen too late", wedgedStory, anotherGate(func(c *gate.Config) { c.ReplyTimeout = 10 * time.Second })},
	{"S15", "a plane that works is called wedged", wedgedStory, func() *saboteur {
		return &saboteur{onFinished: func(w *World, _ *message) { w.checks.sharedInbox.inside = 0 }}
	}},
	{"S16", "everybody is told the same second", crowdedStory, onAnswer(func(_ *World, m *message) {
		if m.request.Outcome.Code.Unavailable() {
			m.request.Outcome.RetryAfter = time.Second
		}
	})},
	{"S18", "a poll is not woken for the work that has come", quietStory, onReply(func(w *World, _ plane.Input, _ *plane.Reply) {
		w.plane.worker.Output().Wakes = w.plane.worker.Output().Wakes[:0]
	})},
	{"S17", "a host does not keep away from heartbeats as long as it was told", crowdedStory, onHost(func(_ *hostNode, in agent.Input) {
		if x, is := in.(*agent.HeartbeatAnswered); is && x.Status == 503 {
			x.RetryAfter = 5 * time.Minute
		}
	})},
	{"S17", "a host does not keep away from polls as long as it was told", crowdedStory, onHost(func(_ *hostNode, in agent.Input) {
		if x, is := in.(*agent.PollAnswered); is && x.Status == 503 {
			x.RetryAfter = 5 * time.Minute
		}
	})},
	{"S17", "a host does not keep an event back as long as it was told", wedgedStory, onHost(func(_ *hostNode, in agent.Input) {
		if x, is := in.(*agent.EventAnswered); is && x.Status == 503 {
			x.RetryAfter = 5 * time.Minute
		}
	})},
	{"S17", "a host begins a switch twice", quietStory, onHost(func(h *hostNode, _ agent.Input) {
		for _, e := range h.out.Effects {
			if e.Kind == agent.EffectActivate {
				h.out.Effects = append(h.out.Effects, e)
				return
			}
		}
	})},
	{"S17", "a host that failed stays where it is", failingStory, onHost(func(h *hostNode, _ agent.Input) {
		h.out.Effects = slices.DeleteFunc(h.out.Effects, func(e agent.Effect) bool { return e.Kind == agent.EffectRollback })
	})},
	{"S17", "a host sends two events of a rollout at a time", quietStory, onHost(func(h *hostNode, _ agent.Input) {
		for _, r := range h.out.Requests {
			if r.Kind == agent.RequestEvent {
				h.out.Requests = append(h.out.Requests, r)
				return
			}
		}
	})},
	{"S17", "a host converges before its soak is over", quietStory, onHost(func(h *hostNode, in agent.Input) {
		if _, is := in.(*agent.ActivationEnded); is {
			h.out.Appends = append(h.out.Appends, agent.Entry{Kind: agent.EntryEvent, RolloutID: "stable@r1", Event: wire.Event{Seq: 9, Body: wire.HostConverged{}}})
		}
	})},
	{"S17", "a host converges on what no probe has told this process", quietStory, onHost(func(h *hostNode, in agent.Input) {
		if _, is := in.(*agent.Started); is {
			h.out.Appends = append(h.out.Appends, agent.Entry{Kind: agent.EntryEvent, RolloutID: "stable@r1", Event: wire.Event{Seq: 9, Body: wire.HostConverged{}}})
		}
	})},
	{"S17", "a host goes on telling a plane that does not know the rollout", quietStory, onHost(func(_ *hostNode, in agent.Input) {
		if x, is := in.(*agent.EventAnswered); is {
			x.Status = 404
		}
	})},
}

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
			w, err := New(quietStory(), Options{Checkers: []Checker{}})
			if err != nil {
				t.Fatal(err)
			}
			newCheckAgent(&Checks{World: w})
			step := func(in agent.Input, requests ...agent.Request) {
				w.emit(Event{Kind: EventHostStepped, Host: 1, AgentInput: in, AgentOutput: &agent.Output{Requests: requests}})
			}
			id := uint64(1)
			step(&agent.Started{})
			w.now += c.first
			step(&agent.Timer{}, agent.Request{ID: id, Kind: agent.RequestHeartbeat})
			for _, after := range c.then {
				step(&agent.HeartbeatAnswered{ID: id, Answer: c.of})
				w.now += after
				id++
				step(&agent.Timer{}, agent.Request{ID: id, Kind: agent.RequestHeartbeat})
			}
			switch v := w.violation; {
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
		w, h := new(World), agentHabits{rollouts: []rolloutHabits{{id: "stable@r1", open: 7}}}
		if forgotten {
			h.appends(w, 1, &agent.Entry{Kind: agent.EntryForgotten, RolloutID: "stable@r1"})
		}
		h.hear(w, &agent.EventAnswered{ID: 7, Answer: agent.Answer{Status: 404}})
		if r := h.of("stable@r1"); r.unknown == forgotten || r.open != 0 || r.earlier {
			t.Errorf("forgotten %v: %+v", forgotten, *r)
		}
	}
}
