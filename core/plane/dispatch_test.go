package plane_test

import (
	"slices"
	"testing"
	"time"

	"github.com/refrain-fleet/refrain/core/plane"
	"github.com/refrain-fleet/refrain/core/wire"
)

func TestADispatchSaysWhatD1Lists(t *testing.T) { // PROTOCOL D1
	for _, policy := range []wire.HealthPolicy{wire.Halt, wire.RollbackAndHalt} {
		b := started(t)
		b.now = 3 * time.Second
		in := open("stable@r1", "h1=c2")
		in.Manifest.Policy.OnHealthFailure = policy
		in.Manifest.Policy.Waves[0].SoakMinutes = 5
		b.step(in)
		b.now = 8 * time.Second
		got := b.want(wire.OK, &plane.Poll{Hostname: "h1"}).Outcome.Document.(*wire.Dispatch)
		equal(t, "the dispatch", *got, wire.Dispatch{
			Hostname: "h1", RolloutID: "stable@r1", TargetClosure: "c2",
			SoakDueAt: at(303), SoakSeconds: 300, EnqueuedAt: at(3), OnHealthFailure: policy,
		})
	}
}

func TestADispatchIsOfferedUntilItsAckIsApplied(t *testing.T) { // PROTOCOL D2
	b := started(t)
	b.step(open("stable@r1", "h1=c2"))
	first := b.want(wire.OK, &plane.Poll{Hostname: "h1"})
	b.now = time.Hour
	second := b.want(wire.OK, &plane.Poll{Hostname: "h1"})
	equal(t, "the second offer", outcomeText(&second.Outcome), outcomeText(&first.Outcome))

	b.plane = restored(t, plane.Config{}, b.plane.AppendDurable(nil))
	b.step(&plane.Started{})
	third := b.want(wire.OK, &plane.Poll{Hostname: "h1"})
	equal(t, "the offer after a restart", outcomeText(&third.Outcome), outcomeText(&first.Outcome))

	b.tell("h1", "stable@r1", acked)
	b.want(wire.NoContent, &plane.Poll{Hostname: "h1"})
}

func TestTheRolloutOpenedFirstIsOfferedFirst(t *testing.T) { // PROTOCOL D1
	b := started(t)
	ids := []wire.RolloutID{"m@1", "z@1", "a@1", "k@1"}
	for _, id := range ids {
		b.step(open(id, "h1=c2"))
	}
	for _, id := range ids {
		got := b.want(wire.OK, &plane.Poll{Hostname: "h1"}).Outcome.Document.(*wire.Dispatch)
		equal(t, "the rollout offered", got.RolloutID, id)
		b.tell("h1", id, acked)
	}
	b.want(wire.NoContent, &plane.Poll{Hostname: "h1"})
}

// Whoever has new work is woken: by an opening, by another host's event, by a
// confirmation, by a resume and by the end of a quarantine.
func TestWhoeverHasNewWorkIsWoken(t *testing.T) { // PROTOCOL D1
	for _, c := range []struct {
		what string
		do   func(b *harness)
		in   plane.Input
		want []wire.Hostname
	}{
		{"an opening", func(*harness) {}, open("stable@r1", "h1=c2 h2=c2", "h3=c2"), []wire.Hostname{"h1", "h2"}},
		{"another host's event", func(b *harness) {
			b.step(open("stable@r1", "h1=c2", "h2=c2 h3=c2"))
			b.tell("h1", "stable@r1", acked)
		}, event("h1", "stable@r1", 2, putOff), []wire.Hostname{"h2", "h3"}},
		{"a resume", func(b *harness) {
			b.step(open("stable@r1", "h1=c2 h2=c2"))
			b.tell("h1", "stable@r1", acked, broken)
		}, &plane.ResumeRollout{RolloutID: "stable@r1"}, []wire.Hostname{"h2"}},
		{"the end of a quarantine", func(b *harness) {
			b.step(open("stable@r1", "h1=c2 h2=c2"))
			b.tell("h1", "stable@r1", acked, switched, unhealthy, rolledBack)
			b.step(&plane.ResumeRollout{RolloutID: "stable@r1"})
		}, &plane.ClearQuarantine{Channel: "stable", Closure: "c2"}, []wire.Hostname{"h2"}},
	} {
		b := started(t)
		c.do(b)
		b.step(c.in)
		if got := slices.Compact(slices.Sorted(slices.Values(b.out.Wakes))); !slices.Equal(got, c.want) {
			t.Errorf("%s wakes %v; want %v", c.what, got, c.want)
		}
	}
}

func TestNobodyElseIsOfferedAnything(t *testing.T) { // PROTOCOL R2
	b := started(t)
	b.step(open("stable@r1", "h1=c2", "h2=c2"))
	for _, h := range []wire.Hostname{"h2", "h3"} {
		b.want(wire.NoContent, &plane.Poll{Hostname: h})
		equal(t, "entries", len(b.out.Entries), 0)
	}
	equal(t, "a stranger that polled is known", b.hostStatus("h3").Reachability, wire.Reachable)
}
