package plane_test

import (
	"slices"
	"strings"
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
	b.step(&plane.Tick{})
	second := b.want(wire.OK, &plane.Poll{Hostname: "h1"})
	equal(t, "the second offer", outcomeText(&second.Outcome), outcomeText(&first.Outcome))

	b.plane = restored(t, plane.Config{}, b.plane.AppendDurable(nil))
	b.step(&plane.Started{})
	third := b.want(wire.OK, &plane.Poll{Hostname: "h1"})
	equal(t, "the offer after a restart", outcomeText(&third.Outcome), outcomeText(&first.Outcome))

	b.tell("h1", "stable@r1", acked)
	b.want(wire.NoContent, &plane.Poll{Hostname: "h1"})
}

// A dispatch that was offered is offered again from the first tick after 15 s
// on, which wakes the polls of its host. Other dispatches are not held back.
func TestADispatchIsOfferedAgainAfterFifteenSeconds(t *testing.T) { // PROTOCOL D2
	b := started(t)
	tick := func(at time.Duration, wakes ...wire.Hostname) {
		t.Helper()
		b.now = at
		b.step(&plane.Tick{})
		if got := b.out.Wakes; !slices.Equal(got, wakes) {
			t.Errorf("the tick at %v wakes %v; want %v", at, got, wakes)
		}
	}
	poll := func(want wire.RolloutID) {
		t.Helper()
		d, _ := b.step(&plane.Poll{Hostname: "h1"}).Outcome.Document.(*wire.Dispatch)
		if d == nil && want != "" || d != nil && d.RolloutID != want {
			t.Errorf("h1 is offered %v; want %q", d, want)
		}
		equal(t, "h1 has work", b.plane.HasWork("h1"), false)
	}
	b.step(open("stable@r1", "h1=c2 h2=c2"))
	poll("stable@r1")
	poll("")
	b.step(open("edge@r1", "h1=c3")) // another channel
	equal(t, "h1 has work", b.plane.HasWork("h1"), true)
	poll("edge@r1")
	b.step(open("stable@r2", "h1=c4")) // and a newer rollout of the first
	poll("stable@r2")
	b.tell("h1", "edge@r1", acked)

	tick(15*time.Second - 1)
	poll("")
	b.now = 15 * time.Second
	poll("") // not before a tick, so that a poll that waits is woken at the same time
	tick(15*time.Second, "h1")
	equal(t, "h1 has work", b.plane.HasWork("h1"), true)
	poll("stable@r2") // edge@r1 is acknowledged, stable@r1 superseded
	poll("")
	tick(30*time.Second - 1)
	tick(30*time.Second, "h1")

	poll("stable@r2")
	b.step(&plane.Started{})
	poll("stable@r2") // a plane that was started anew offers at once
}

// Only hosts that were offered something keep anything of it, and not for long.
func TestOffersAreForgotten(t *testing.T) { // PROTOCOL D2
	b := started(t)
	b.step(open("stable@r1", "h1=c2 h2=c2"))
	offers := func() int { return strings.Count(string(b.plane.AppendState(nil)), "\noffer ") }
	b.step(&plane.Poll{Hostname: "h1"})
	b.step(&plane.Poll{Hostname: "h2"})
	equal(t, "offers", offers(), 2)
	b.tell("h1", "stable@r1", acked)
	equal(t, "offers after an acknowledgement", offers(), 1)
	b.now = 20 * time.Second
	b.step(&plane.Tick{})
	equal(t, "offers after their time", offers(), 0)
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
