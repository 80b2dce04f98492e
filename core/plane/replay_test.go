package plane_test

import (
	"slices"
	"testing"

	"github.com/refrain-fleet/refrain/core/plane"
	"github.com/refrain-fleet/refrain/core/wire"
)

func TestRequestReplays_AsksOncePerRecordThatMayBeBehind(t *testing.T) { // PROTOCOL H8
	for _, s := range wire.States {
		b := inState(t, s)
		rec := b.record("stable@r1", "h1").Snapshot
		if rec.CurrentClosure == "" {
			continue // it drifts anyway
		}
		beat := func() plane.Reply { return b.want(wire.OK, heartbeat("h1", "stable@r1", rec.CurrentClosure)) }
		equal(t, "a replay is asked without a reason", beat().Outcome.Replay, false)
		b.plane.RequestReplays()
		b.want(wire.OK, heartbeat("h1", "stable@r1", "")) // names no closure
		wanted := s != wire.Converged && s != wire.Reverted
		r := beat()
		equal(t, "a replay is asked in "+s.String(), r.Outcome.Replay, wanted)
		if wanted {
			equal(t, "from", r.Outcome.ReplayFrom, rec.LastEventSeq)
		}
		equal(t, "it is asked again in "+s.String(), beat().Outcome.Replay, s == wire.Failed)
		b.step(open("stable@r2", "h1=c3"))
		b.plane.RequestReplays()
		equal(t, "of a superseded rollout", beat().Outcome.Replay, false)
	}
}

func TestRequestReplays_IsOfTheStateAndNotDurable(t *testing.T) { // PROTOCOL H8
	b := inState(t, wire.Soaking)
	durable := b.plane.AppendDurable(nil)
	b.plane.RequestReplays()
	equal(t, "the durable state", string(b.plane.AppendDurable(nil)), string(durable))
	state := b.plane.AppendState(nil)
	restored, err := plane.Restore(plane.Config{}, state)
	if err != nil {
		t.Fatal(err)
	}
	for what, copied := range map[string]*plane.Plane{"restored": restored, "cloned": b.plane.Clone()} {
		equal(t, what, string(copied.AppendState(nil)), string(state))
		var out plane.Output
		copied.Step(instant(b.now), heartbeat("h1", "stable@r1", "c2"), &out)
		equal(t, "a replay is asked by the plane that was "+what, out.Replies[0].Outcome.Replay, true)
	}
	if _, err := plane.Restore(plane.Config{}, slices.Concat(state, []byte(`replay {"rollout_id":"stable@r9","hostname":"h1"}`+"\n"))); err == nil {
		t.Error("a mark of an unknown record is restored")
	}
}

func TestRequestReplays_ListsARecordAsLongAsItIsFailed(t *testing.T) { // PROTOCOL H8
	for _, s := range wire.States {
		b := inState(t, s)
		listed := func() bool {
			r := b.want(wire.OK, heartbeat("h1", "", "c9"))
			return slices.ContainsFunc(r.Outcome.Heartbeat.Bootstrap, func(s wire.Snapshot) bool { return s.RolloutID == "stable@r1" })
		}
		equal(t, "it is listed in "+s.String(), listed(), s.Active())
		b.plane.RequestReplays()
		equal(t, "after a restore it is listed in "+s.String(), listed(), s.Active() || s == wire.Failed)
		equal(t, "and then again", listed(), s.Active() || s == wire.Failed)
		b.step(open("stable@r2", "h1=c3"))
		equal(t, "superseded", listed(), false)
	}
}
