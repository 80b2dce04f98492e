package plane_test

import (
	"testing"
	"time"

	"github.com/refrain-fleet/refrain/core/plane"
	"github.com/refrain-fleet/refrain/core/wire"
)

// ways leads a host that was dispatched to each state.
var ways = map[wire.State][]wire.EventBody{
	wire.Pending:    nil,
	wire.Activating: {acked},
	wire.Deferred:   {acked, putOff},
	wire.Soaking:    {acked, switched},
	wire.Converged:  {acked, switched, arrived},
	wire.Failed:     {acked, switched, unhealthy},
	wire.Reverted:   {acked, switched, unhealthy, rolledBack},
}

// inState returns a plane whose host h1 is in a state in stable@r1.
func inState(t *testing.T, s wire.State) *harness {
	t.Helper()
	b := started(t)
	b.step(open("stable@r1", "h1=c2"))
	b.tell("h1", "stable@r1", ways[s]...)
	if got := b.record("stable@r1", "h1").Snapshot.State; got != s {
		t.Fatalf("the host is %v; want %v", got, s)
	}
	return b
}

func TestTheAgentsClockIsNotedAndDecidesNothing(t *testing.T) { // PROTOCOL H1, L1
	for _, claimed := range []wire.Time{at(-1e9), at(0), at(1e9)} {
		b := started(t)
		beat := heartbeat("h1", "", "c1")
		beat.Request.At = claimed
		r := b.want(wire.OK, beat)
		equal(t, "the echo", r.Outcome.Heartbeat.ReceivedAt, claimed)
		equal(t, "last_heartbeat_at", b.hostStatus("h1").LastHeartbeatAt, claimed)
		equal(t, "notices of almost three intervals", len(b.tickFor(3*interval-1)), 0)
		equal(t, "notices of three intervals", len(b.tickFor(1)), 1)
	}
}

func TestDriftIsAClosureThatTheRecordDoesNotHave(t *testing.T) { // PROTOCOL H2
	for _, s := range wire.States {
		b := inState(t, s)
		rec := b.record("stable@r1", "h1").Snapshot
		for _, c := range []struct {
			what    string
			beat    *plane.Heartbeat
			drifted bool
		}{
			{"the target", heartbeat("h1", "stable@r1", "c2"), rec.CurrentClosure != "c2"},
			{"what it ran before", heartbeat("h1", "stable@r1", "c1"), rec.CurrentClosure != "c1"},
			{"a third closure", heartbeat("h1", "stable@r1", "c3"), true},
			{"no closure", heartbeat("h1", "stable@r1", ""), false},
			{"an unknown rollout", heartbeat("h1", "stable@r9", "c3"), false},
			{"a host without a record", heartbeat("h2", "stable@r1", "c3"), false},
		} {
			before := b.durable()
			r := b.want(wire.OK, c.beat)
			equal(t, s.String()+", "+c.what+": Replay-From", r.Outcome.Replay, c.drifted)
			if c.drifted {
				equal(t, s.String()+", "+c.what+": its number", r.Outcome.ReplayFrom, rec.LastEventSeq)
				equal(t, s.String()+", "+c.what+": the notice", b.kinds(), "replay_asked")
			}
			equal(t, s.String()+", "+c.what+": the bootstrap", len(r.Outcome.Heartbeat.Bootstrap), 0)
			equal(t, s.String()+", "+c.what+": the durable state", b.durable(), before)
		}
	}
}

func TestTheBootstrapHasTheActiveRecordsOnly(t *testing.T) { // PROTOCOL H3
	for _, s := range wire.States {
		b := inState(t, s)
		want := 0
		if s.Active() {
			want = 1
		}
		r := b.want(wire.OK, heartbeat("h1", "", "c1"))
		equal(t, s.String()+": snapshots", len(r.Outcome.Heartbeat.Bootstrap), want)
		if want == 1 {
			equal(t, s.String()+": the snapshot", r.Outcome.Heartbeat.Bootstrap[0], b.record("stable@r1", "h1").Snapshot)
		}
		b.step(open("stable@r2", "h2=c2"))
		r = b.want(wire.OK, heartbeat("h1", "", "c1"))
		equal(t, s.String()+": snapshots of a superseded rollout", len(r.Outcome.Heartbeat.Bootstrap), 0)
	}
}

func TestAConfirmationGoesAsFarAsSoaking(t *testing.T) { // PROTOCOL H4
	for _, s := range wire.States {
		b := inState(t, s)
		before := b.record("stable@r1", "h1")
		r := b.want(wire.OK, heartbeat("h1", "", "c2"))
		after := b.record("stable@r1", "h1")
		if s != wire.Pending && s != wire.Activating && s != wire.Deferred {
			equal(t, s.String()+": entries", len(b.out.Entries), 0)
			equal(t, s.String()+": the snapshot", after.Snapshot, before.Snapshot)
			continue
		}
		equal(t, s.String()+": the state", after.Snapshot.State, wire.Soaking)
		equal(t, s.String()+": the mark", after.Synthesised, true)
		equal(t, s.String()+": the number", after.Snapshot.LastEventSeq, before.Snapshot.LastEventSeq)
		equal(t, s.String()+": the reply's snapshot", r.Outcome.Heartbeat.Bootstrap[0], after.Snapshot)
		equal(t, s.String()+": the entry", b.out.Entries[0].Kind, "confirmed")
		equal(t, s.String()+": needs", r.AfterEntries, 1)
	}
}

// The agent's word outranks an inference (decision 006).
func TestAConfirmedHostMaySayThatItsActivationFailed(t *testing.T) { // PROTOCOL H4, E5, R2
	b := inState(t, wire.Activating)
	b.step(heartbeat("h1", "", "c2"))
	b.want(wire.NoContent, event("h1", "stable@r1", 2, broken))
	equal(t, "the state", b.record("stable@r1", "h1").Snapshot.State, wire.Failed)
	equal(t, "the rollout", b.rolloutStatus("stable@r1").State, wire.Halted)
	equal(t, "the notices", b.kinds(), "transition halted")
}

// A confirmation is a step of the host's way like any other: it ends a wave's
// wait only by what comes after it, and leaves nothing to be offered.
func TestAConfirmedHostIsNotYetDone(t *testing.T) { // PROTOCOL H4, R2
	b := started(t)
	b.step(open("stable@r1", "h1=c2", "h2=c2"))
	b.step(heartbeat("h1", "", "c2"))
	equal(t, "waves dispatched", b.rolloutStatus("stable@r1").WavesDispatched, 1)
	b.want(wire.NoContent, &plane.Poll{Hostname: "h1"})
	b.tell("h1", "stable@r1", acked, switched, arrived)
	equal(t, "waves dispatched when it has converged", b.rolloutStatus("stable@r1").WavesDispatched, 2)
}

func TestAHeartbeatMovesNothingElse(t *testing.T) { // PROTOCOL H5
	for _, s := range wire.States {
		b := inState(t, s)
		b.step(open("edge@r1", "h1=c5 h2=c5"))
		before := b.durable()
		for _, beat := range []*plane.Heartbeat{
			heartbeat("h1", "", ""), heartbeat("h1", "", "c1"), heartbeat("h1", "stable@r1", "c1"),
			heartbeat("h1", "stable@r1", "c2"), heartbeat("h1", "edge@r1", "c5"), heartbeat("h1", "edge@r9", "c5"),
			heartbeat("h2", "", "c2"), heartbeat("h3", "", "c2"), heartbeat("h3", "stable@r1", "c2"),
		} {
			b.want(wire.OK, beat)
			equal(t, s.String()+": the durable state after "+beat.String(), b.durable(), before)
			equal(t, s.String()+": entries of "+beat.String(), len(b.out.Entries), 0)
		}
	}
}

func TestAnsweringTheSameHeartbeatTwiceIsHarmless(t *testing.T) { // PROTOCOL H7
	for _, s := range wire.States {
		for _, beat := range []*plane.Heartbeat{
			heartbeat("h1", "", ""), heartbeat("h1", "", "c1"), heartbeat("h1", "", "c2"),
			heartbeat("h1", "stable@r1", "c1"), heartbeat("h1", "stable@r1", "c2"),
		} {
			b := inState(t, s)
			first := b.want(wire.OK, beat)
			state := string(b.plane.AppendState(nil))
			second := b.want(wire.OK, beat)
			what := s.String() + ", " + beat.String()
			equal(t, what+": the second answer", outcomeText(&second.Outcome), outcomeText(&first.Outcome))
			equal(t, what+": the state", string(b.plane.AppendState(nil)), state)
			equal(t, what+": needs", second.AfterEntries, 0)
		}
	}
}

func TestASteadyHeartbeatAllocatesNothing(t *testing.T) { // PROTOCOL H
	for _, c := range []struct {
		what string
		beat *plane.Heartbeat
		way  []wire.EventBody
	}{
		{"of a converged host", heartbeat("h1", "", "c2"), ways[wire.Converged]},
		{"of a soaking host with its rollout", heartbeat("h1", "stable@r1", "c2"), ways[wire.Soaking]},
		{"of a converged host with its rollout", heartbeat("h1", "stable@r1", "c2"), ways[wire.Converged]},
		{"without a closure", heartbeat("h1", "stable@r1", ""), ways[wire.Soaking]},
		{"with a rollout that is unknown", heartbeat("h1", "stable@r9", "c2"), ways[wire.Soaking]},
		{"of a host without records", heartbeat("h9", "", "c2"), nil},
	} {
		b := started(t)
		b.step(open("stable@r1", "h1=c2 h2=c2"))
		b.tell("h1", "stable@r1", c.way...)
		b.step(c.beat)
		now := b.now
		got := testing.AllocsPerRun(1000, func() {
			now += time.Millisecond
			b.out.Reset()
			b.plane.Step(instant(now), c.beat, &b.out)
		})
		equal(t, "allocations of a heartbeat "+c.what, got, 0)
	}
}
