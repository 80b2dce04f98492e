package plane_test

import (
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/refrain-fleet/refrain/core/plane"
	"github.com/refrain-fleet/refrain/core/wire"
)

func retire(t *testing.T, b *harness, before int) []wire.RolloutID {
	t.Helper()
	state, retired, err := plane.Retire(plane.Config{}, b.plane.AppendDurable(nil), at(before))
	if err != nil {
		t.Fatal(err)
	}
	b.plane = restored(t, plane.Config{}, state)
	b.step(&plane.Started{})
	equal(t, "the state after it is read", b.durable(), string(state))
	return retired
}

func TestOnlyFinishedRolloutsAreRetired(t *testing.T) {
	b := started(t)
	b.step(open("stable@done", "h1=c2 h2=c2"))
	b.tell("h1", "stable@done", acked, switched, arrived)
	b.step(open("edge@only", "h1=c2"))
	b.now = at(1000).Std().Sub(epoch)
	b.step(open("stable@running", "h1=c2 h3=c2"))
	b.tell("h3", "stable@running", acked, switched)
	b.now = at(2000).Std().Sub(epoch)
	b.step(open("stable@newest", "h1=c2 h3=c3"))
	if got := retire(t, b, 1000); got != nil {
		t.Errorf("retired %v before the first was superseded", got)
	}
	// h2 never took it up, h1 has converged.
	if got := retire(t, b, 5000); !slices.Equal(got, []wire.RolloutID{"stable@done"}) {
		t.Errorf("retired %v; want what is superseded and has no host under way", got)
	}
	b.tell("h3", "stable@newest", acked)
	if got := retire(t, b, 5000); !slices.Equal(got, []wire.RolloutID{"stable@running"}) {
		t.Errorf("retired %v; want the one whose host has moved on", got)
	}
	if got := retire(t, b, 9000); got != nil {
		t.Errorf("retired %v; the newest rollout of a channel stays", got)
	}
}

func TestAHostThatEndedLateKeepsItsRollout(t *testing.T) {
	b := started(t)
	b.step(open("stable@r1", "h1=c2"))
	b.tell("h1", "stable@r1", acked, switched, arrived) // at 600
	b.step(open("stable@r2", "h1=c2"))
	if got := retire(t, b, 600); got != nil {
		t.Errorf("retired %v, whose host has just converged", got)
	}
	if got := retire(t, b, 601); len(got) != 1 {
		t.Errorf("retired %v; want stable@r1", got)
	}
}

func TestWhatAnOperatorChoseIsNewerThanWhatWasHeld(t *testing.T) { // PROTOCOL R6
	for chosen, other := range map[wire.RolloutID]wire.RolloutID{"stable@r1": "stable@r2", "stable@r2": "stable@r1"} {
		b := started(t)
		for _, id := range []wire.RolloutID{"stable@r1", "stable@r2"} {
			b.want(wire.Created, &plane.FileManifest{Manifest: manifest(id, "h1=c2"), Peers: []plane.Peer{{RolloutID: "stable@r1"}, {RolloutID: "stable@r2"}}})
		}
		b.tell("h1", other, acked, switched) // dispatched by an earlier life of the plane
		b.want(wire.OK, &plane.ChooseRollout{RolloutID: chosen})
		if got := retire(t, b, 5000); got != nil {
			t.Errorf("retired %v; want %s kept, which h1 is in", got, other)
		}
		b.tell("h1", chosen, acked)
		if got := retire(t, b, 5000); !slices.Equal(got, []wire.RolloutID{other}) {
			t.Errorf("retired %v; want %s, since h1 has taken up %s", got, other, chosen)
		}
	}
}

func TestARetiredRolloutIsNotOpenedAgain(t *testing.T) { // PROTOCOL R1, R6
	b := started(t)
	first := open("stable@r1", "h1=c2")
	b.step(first)
	b.step(open("stable@r2", "h1=c3"))
	if got := retire(t, b, 1); len(got) != 1 {
		t.Fatalf("retired %v; want stable@r1", got)
	}
	r := b.want(wire.RolloutSuperseded, first)
	if !strings.Contains(r.Outcome.Detail, "superseded by stable@r2") {
		t.Errorf("the refusal says %q", r.Outcome.Detail)
	}
	b.want(wire.UnknownRollout, event("h1", "stable@r1", 1, acked)) // E8
	equal(t, "the newest rollout's state", b.rolloutStatus("stable@r2").State, wire.Opening)
	clone := tablesOf(b.plane)
	equal(t, "the tables", clone.state(b.plane.Stats().Logged), b.durable())
}

func TestARetiredStateGoesOn(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f := newFleet(t, watch{})
		f.play(runLength)
		before := f.plane.AppendDurable(nil)
		after, retired, err := plane.Retire(f.cfg, before, f.now().Wall)
		if err != nil {
			t.Fatal(err)
		}
		p := restored(t, f.cfg, after) // verifies the invariants
		equal(t, "the place of the log", p.Stats().Logged, f.plane.Stats().Logged)
		for _, id := range retired {
			if _, there := p.Rollout(id); there {
				t.Errorf("%s is there still", id)
			}
		}
		again, more, err := plane.Retire(f.cfg, after, f.now().Wall)
		if err != nil || len(more) > 0 || string(again) != string(after) {
			t.Errorf("retiring twice takes %v away, error %v", more, err)
		}
	})
}
