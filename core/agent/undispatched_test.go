package agent_test

import (
	"testing"
	"time"

	"github.com/refrain-fleet/refrain/core/agent"
	"github.com/refrain-fleet/refrain/core/rollout"
	"github.com/refrain-fleet/refrain/core/wire"
)

// A host's closure need not change from one rollout to the next. Then a
// heartbeat confirms the record before its wave has its turn (H4), nothing is
// ever dispatched, and only the snapshot tells the host of the rollout.
// PROTOCOL A4
func TestASnapshotIsFollowedWithoutALaterDispatchIfThereIsNothingToActivate(t *testing.T) {
	const first, second = wire.RolloutID("stable@first"), wire.RolloutID("stable@second")
	at := wire.TimeOf(time.Date(2026, time.January, 1, 0, 0, 0, 0, time.UTC))
	event := func(seq wire.Seq, body wire.EventBody) agent.Entry {
		return agent.Entry{Kind: agent.EntryEvent, RolloutID: first, Event: wire.Event{Seq: seq, Body: body}}
	}
	dispatched := rollout.New(first, "h1", "c1", 0, 7200)
	dispatched.Dispatch(at)
	soaking := []agent.Entry{
		{Kind: agent.EntryTaken, RolloutID: first, Taken: &agent.Taken{Record: dispatched}},
		event(1, wire.DispatchAck{CurrentClosureAtDispatch: "c0", ReceivedAt: at}),
		event(2, wire.ActivationCompleted{ObservedCurrentClosure: "c1", CompletedAt: at}),
	}
	converged := append(soaking[:len(soaking):len(soaking)],
		event(3, wire.HostConverged{CurrentClosure: "c1", ConvergedAt: at.Add(2 * time.Hour)}),
		agent.Entry{Kind: agent.EntryAcknowledged, RolloutID: first, Seq: 3})
	pendingNoMore := wire.Snapshot{
		RolloutID: second, Hostname: "h1", State: wire.Soaking, TargetClosure: "c1", CurrentClosure: "c1",
		DispatchAckedAt: at, ActivationCompletedAt: at, SoakDueAt: at.Add(time.Minute),
	}
	activating := wire.Snapshot{
		RolloutID: second, Hostname: "h1", State: wire.Activating, TargetClosure: "c1", DispatchAckedAt: at, LastEventSeq: 1,
	}
	setBack := pendingNoMore // the plane's clock was set back in between
	setBack.DispatchedAt = at.Add(-time.Hour)
	older := activating
	older.DispatchedAt, older.CurrentClosureAtDispatch = at.Add(-time.Hour), "c0"
	elsewhere := pendingNoMore
	elsewhere.TargetClosure, elsewhere.CurrentClosure = "c2", "c2"
	elsewhereSetBack := elsewhere
	elsewhereSetBack.DispatchedAt = at.Add(-time.Hour)

	for _, c := range []struct {
		name     string
		log      []agent.Entry
		snapshot wire.Snapshot
		taken    bool
	}{
		{"the older is at its end", converged, pendingNoMore, true},
		{"the older is not at its end", soaking, pendingNoMore, false},
		{"it was dispatched before by the clock", converged, setBack, true},
		{"there is something to activate", converged, activating, false},
		{"there is something to activate and it was dispatched before", converged, older, false},
		// A plane that lost its disk confirmed it, and then dispatched an older one
		// before it had read the manifest of a newer.
		{"the host runs something else", converged, elsewhere, true},
		{"the host runs something else and it was dispatched before", converged, elsewhereSetBack, false},
	} {
		a, err := agent.New(agent.Config{Hostname: "h1", Seed: 1})
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range c.log {
			if err := a.Apply(e); err != nil {
				t.Fatal(err)
			}
		}
		var out agent.Output
		now := wire.Instant{Mono: time.Second, Wall: at.Add(time.Hour)}
		a.Step(now, &agent.Started{CurrentClosure: "c1"}, &out)
		// The plane does not know the older one, so the heartbeats name it and
		// nothing by turns.
		asked := uint64(0)
		for asked == 0 {
			requests := out.Requests
			out = agent.Output{NextTimer: out.NextTimer}
			for _, r := range requests {
				switch {
				case r.Kind == agent.RequestEvent:
					a.Step(now, &agent.EventAnswered{ID: r.ID, Answer: agent.Answer{Status: 404}}, &out)
				case r.Kind == agent.RequestHeartbeat && r.Heartbeat.RolloutID == "":
					asked = r.ID
				case r.Kind == agent.RequestHeartbeat:
					a.Step(now, &agent.HeartbeatAnswered{ID: r.ID, Answer: agent.Answer{Status: 200}, Response: wire.HeartbeatResponse{ReceivedAt: at}}, &out)
				}
			}
			if asked == 0 && len(out.Requests) == 0 {
				now.Mono = out.NextTimer
				a.Step(now, &agent.Timer{}, &out)
			}
		}
		out.Reset()
		a.Step(now, &agent.HeartbeatAnswered{ID: asked, Answer: agent.Answer{Status: 200}, Response: wire.HeartbeatResponse{
			ReceivedAt: at, Bootstrap: []wire.Snapshot{c.snapshot},
		}}, &out)
		taken := false
		for _, e := range out.Appends {
			taken = taken || e.Kind == agent.EntryTaken && e.RolloutID == second
		}
		if taken != c.taken {
			t.Errorf("%s: the rollout is taken up: %v, want %v", c.name, taken, c.taken)
		}
		if err := a.Check(); err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}
