package agent_test

import (
	"slices"
	"testing"
	"time"

	"github.com/refrain-fleet/refrain/core/agent"
	"github.com/refrain-fleet/refrain/core/rollout"
	"github.com/refrain-fleet/refrain/core/wire"
)

// PROTOCOL A1
func TestARolloutIsKeptAsLongAsTheOneItSupersededIsUnsent(t *testing.T) {
	const older, newer = wire.RolloutID("stable@older"), wire.RolloutID("stable@newer")
	cfg := agent.Config{Hostname: "h1", Seed: 1, Legacy: true}
	a, err := agent.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	at := wire.TimeOf(time.Date(2026, time.January, 1, 0, 0, 0, 0, time.UTC))
	taken := func(id wire.RolloutID, target wire.Closure) agent.Entry {
		rec := rollout.New(id, "h1", target, 0, 0)
		return agent.Entry{Kind: agent.EntryTaken, RolloutID: id, Taken: &agent.Taken{Record: rec}}
	}
	event := func(id wire.RolloutID, seq wire.Seq, body wire.EventBody) agent.Entry {
		return agent.Entry{Kind: agent.EntryEvent, RolloutID: id, Event: wire.Event{Seq: seq, Body: body}}
	}
	for _, e := range []agent.Entry{
		taken(older, "c1"),
		event(older, 1, wire.DispatchAck{CurrentClosureAtDispatch: "c0", ReceivedAt: at}),
		event(older, 2, wire.ActivationCompleted{ObservedCurrentClosure: "c1", CompletedAt: at}),
		taken(newer, "c2"),
		event(newer, 1, wire.DispatchAck{CurrentClosureAtDispatch: "c1", ReceivedAt: at}),
		event(newer, 2, wire.ActivationCompleted{ObservedCurrentClosure: "c2", CompletedAt: at}),
		event(newer, 3, wire.HostConverged{CurrentClosure: "c2", ConvergedAt: at}),
		{Kind: agent.EntryAcknowledged, RolloutID: newer, Seq: 3},
	} {
		if err := a.Apply(e); err != nil {
			t.Fatal(err)
		}
	}

	var out agent.Output
	forgotten := func() (ids []wire.RolloutID) {
		for _, e := range out.Appends {
			if e.Kind == agent.EntryForgotten {
				ids = append(ids, e.RolloutID)
			}
		}
		return ids
	}
	now := wire.Instant{Mono: time.Second, Wall: at}
	a.Step(now, &agent.Started{CurrentClosure: "c2"}, &out)
	if ids := forgotten(); len(ids) > 0 {
		t.Errorf("%v are forgotten while %s has events to send", ids, older)
	}
	if err := a.Check(); err != nil {
		t.Error(err)
	}
	again, err := agent.Restore(cfg, a.AppendDurable(nil))
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range again.Views(nil) {
		if v.Superseded != (v.Record.RolloutID == older) {
			t.Errorf("after a restart %s is superseded: %v", v.Record.RolloutID, v.Superseded)
		}
	}

	for range 2 { // the events of the older one
		i := slices.IndexFunc(out.Requests, func(r agent.Request) bool { return r.Kind == agent.RequestEvent })
		if i < 0 {
			t.Fatal("no event is sent")
		}
		id := out.Requests[i].ID
		out.Reset()
		now.Mono += time.Second
		a.Step(now, &agent.EventAnswered{ID: id, Answer: agent.Answer{Status: 204}}, &out)
	}
	ids := forgotten()
	slices.Sort(ids)
	if !slices.Equal(ids, []wire.RolloutID{newer, older}) {
		t.Errorf("%v are forgotten; want both, since everything is answered", ids)
	}
}
