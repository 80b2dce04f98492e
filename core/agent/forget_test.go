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
	if ids := forgotten(); !slices.Equal(ids, []wire.RolloutID{older, newer}) {
		t.Errorf("%v are forgotten; want both, since everything is answered, and the older one first", ids)
	}
}

// readableAfterAnyCrash restores every prefix of a rig's log. After none of them may
// a rollout be active that the log had superseded.
func (r *rig) readableAfterAnyCrash(superseded wire.RolloutID) {
	r.t.Helper()
	var lines []byte
	was := false
	for i := range r.log {
		lines = r.log[i].AppendLine(lines)
		a, err := agent.Restore(r.cfg, lines)
		if err != nil {
			r.t.Fatalf("after a crash behind %v: %v", r.log[i], err)
		}
		for _, v := range a.Views(nil) {
			if v.Record.RolloutID == superseded {
				if was && !v.Superseded {
					r.t.Fatalf("after a crash behind %v %s is active again", r.log[i], superseded)
				}
				was = v.Superseded
			}
		}
	}
	if !was {
		r.t.Fatalf("%s was never superseded", superseded)
	}
}

// PROTOCOL A1, E8
func TestACrashWhileRolloutsAreForgottenDoesNotBringBackASupersededOne(t *testing.T) {
	r := newRig(t)
	r.cfg.KeepFinished = 1
	r.make()
	r.start("c0", agent.ProcessStart)
	r.offer(r.dispatch(r1, "c1", 0))
	r.activated()
	unsent := r.take(agent.RequestEvent)
	r.converged(r2, "c2")
	r.converged(e1, "c3")
	equal(t, "newer", r.state(r2), wire.Converged)
	r.answer(unsent, agent.Answer{Status: 404})
	equal(t, "older", r.state(r1), 0)
	equal(t, "newer", r.state(r2), 0)
	r.readableAfterAnyCrash(r1)
}

// PROTOCOL A1, R6
func TestACrashWhileALaterDispatchIsRevokedDoesNotBringBackASupersededOne(t *testing.T) {
	r := on(t, "c0")
	r.offer(r.dispatch(r1, "c1", 0))
	r.activated()
	r.advance(5 * minute)
	r.offer(r.dispatch(r2, "c2", 0))
	r.activated()
	d := r.dispatch(r3, "c3", 0)
	d.EnqueuedAt = d.EnqueuedAt.Add(-2 * minute) // the plane has lost r2
	r.offer(d)
	equal(t, "oldest", r.view(r1).Superseded, true)
	equal(t, "revoked", r.state(r2), 0)
	r.readableAfterAnyCrash(r1)

	// A crash before it is forgotten: the next process does that.
	for i := range r.log {
		if r.log[i].Kind == agent.EntryTaken && r.log[i].RolloutID == r3 {
			r.log = r.log[:i+1]
			break
		}
	}
	r.make()
	equal(t, "revoked", r.view(r2).Superseded, true)
	r.start("c2", agent.ProcessStart)
	equal(t, "revoked", r.state(r2), 0)
	equal(t, "newest", r.view(r3).Superseded, false)
}
