package gate

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/refrain-fleet/refrain/core/wire"
)

// PROTOCOL G8
func TestEachReasonHasItsOwnCounter(t *testing.T) {
	r := newRig(t, Config{})
	for i, code := range wire.UnavailableCodes {
		for range i + 1 {
			r.Refuse(0, "a", code)
		}
	}
	r.CountRefused(wire.OverBudget)
	r.CountRefused(wire.OverBudget)
	stats := r.Stats()
	if got := stats.RefusedWith(wire.OverBudget); got != 9 {
		t.Errorf("over_budget: %d, want 9", got)
	}
	stats.Refused[6] -= 2
	for i, code := range wire.UnavailableCodes {
		if got := stats.RefusedWith(code); got != uint64(i+1) || stats.Refused[i] != got {
			t.Errorf("%s: %d, want %d", code, got, i+1)
		}
	}
	if stats.RefusedWith(wire.OK) != 0 || stats.RefusedWith(wire.Gap) != 0 {
		t.Error("a code that is no 503 is counted")
	}
	r.check()
}

func TestInputsAreTakenInOrderOfAdmission(t *testing.T) {
	r := openRig(t, Config{})
	for i := range 5 {
		r.admit(0, numbered(i), []Class{Heartbeat, Bulk}[i%2])
	}
	kept := []Taken[string]{{Payload: "kept"}}
	got := r.Take(0, 2, kept)
	got = r.Take(0, 0, got)
	got = r.Take(0, -1, got)
	got = r.Take(0, 9, got)
	var payloads []string
	for _, taken := range got {
		payloads = append(payloads, taken.Payload)
	}
	if want := []string{"kept", "h0", "h1", "h2", "h3", "h4"}; !slices.Equal(payloads, want) {
		t.Errorf("took %v, want %v", payloads, want)
	}
	if more := r.Take(0, 9, nil); more != nil {
		t.Errorf("took %v again", more)
	}
}

func TestOldestIsTheAgeOfTheOldestInputInside(t *testing.T) {
	r := openRig(t, Config{})
	want := func(now, age time.Duration, ok bool) {
		t.Helper()
		if got, has := r.Oldest(now); got != age || has != ok {
			t.Errorf("at %s: got %s %t, want %s %t", now, got, has, age, ok)
		}
	}
	want(second, 0, false)
	r.admit(1*second, "a", Bulk)
	r.admit(3*second, "b", Bulk)
	tickets := r.take(3*second, 1)
	want(4*second, 3*second, true)
	r.expire(1*second+timeout, "a") // answered is not finished
	want(7*second, 6*second, true)
	r.settle(7*second, tickets[0], Discard, wire.OK)
	want(7*second, 4*second, true)
}

func TestAClockThatRunsBackwardsStandsStill(t *testing.T) {
	r := openRig(t, Config{})
	r.admit(10*second, "a", Bulk)
	r.admit(4*second, "b", Bulk)
	if deadline := r.inbox.slots[r.inbox.last].deadline; deadline != 10*second+timeout {
		t.Errorf("deadline %s, want 15s", deadline)
	}
	if age, _ := r.Oldest(0); age != 0 {
		t.Errorf("age %s, want 0s", age)
	}
	r.Expire(10*second+timeout+1, nil)
	if !r.Wedged(0) {
		t.Error("a wedge went away with the clock")
	}
	if stats := r.Stats(); stats.ClockReversals != 1 {
		t.Errorf("%s, want 1 clock reversal", stats)
	}
}

func TestEveryCallWithANowMovesTheClock(t *testing.T) {
	r := newRig(t, Config{})
	now := time.Duration(0)
	for _, call := range []func(){
		func() { r.Start(now) },
		func() { r.Offer(now, "a", Bulk, "a") },
		func() { r.Offer(now, "b", Bulk, "b") },
		func() { r.Take(now, 2, nil) },
		func() { r.Settle(now, Ticket{1, 0}) },
		func() { r.Drop(now, Ticket{2, 1}) },
		func() { r.Expire(now, nil) },
		func() { r.Refuse(now, "a", wire.Saturated) },
		func() { r.Close(now) },
		func() { r.Flush(now, nil) },
	} {
		now += second
		call()
		r.check()
		if r.clock != now {
			t.Errorf("the clock is at %s, want %s", r.clock, now)
		}
	}
}

func TestAFreedSlotKeepsNothingAlive(t *testing.T) {
	g, err := New[*int](Config{Capacity: 1})
	if err != nil {
		t.Fatal(err)
	}
	g.Start(0)
	ticket, _ := g.Offer(0, "a", Bulk, new(int))
	g.Take(0, 1, nil)
	g.Settle(0, ticket)
	if s := g.inbox.slots[0]; s.payload != nil || s.caller != "" {
		t.Errorf("slot 0 still has %v of %q", s.payload, s.caller)
	}
}

func TestADefectOfTheDriverIsAPanicThatNamesIt(t *testing.T) {
	for _, c := range []struct {
		name string
		call func(r rig)
		want string
	}{
		{"class", func(r rig) { r.Offer(0, "a", 0, "") }, "gate: Offer of class 0: want Heartbeat or Bulk"},
		{"zero ticket", func(r rig) { r.Settle(0, Ticket{}) }, "gate: Settle of t0: no such input is inside"},
		{"foreign ticket", func(r rig) { r.Drop(0, Ticket{number: 1, slot: 5000}) }, "gate: Drop of t1: no such input is inside"},
		{"slot just beyond", func(r rig) { r.Drop(0, Ticket{number: 1, slot: defaultCapacity}) }, "gate: Drop of t1: no such input is inside"},
		{"queued", func(r rig) { r.Settle(0, r.admit(0, "a", Bulk)) }, "gate: Settle of t1: it was not taken"},
		{"settled twice", func(r rig) {
			ticket := r.admit(0, "a", Bulk)
			r.take(0, 1)
			r.Settle(0, ticket)
			r.Settle(0, ticket)
		}, "gate: Settle of t1: no such input is inside"},
		{"used slot", func(r rig) {
			ticket := r.admit(0, "a", Bulk)
			r.take(0, 1)
			r.Settle(0, ticket)
			r.admit(0, "a", Bulk)
			r.take(0, 1)
			r.Drop(0, ticket)
		}, "gate: Drop of t1: no such input is inside"},
		{"flush", func(r rig) { r.Flush(0, nil) }, "gate: Flush of a gate that is open: want it closed first"},
		{"code", func(r rig) { r.Refuse(0, "a", wire.OK) }, "gate: Refuse with ok: want one of the 503 codes"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := openRig(t, Config{})
			defer func() {
				if got := fmt.Sprint(recover()); got != c.want {
					t.Errorf("got %q, want %q", got, c.want)
				}
			}()
			c.call(r)
		})
	}
}

// PROTOCOL T11
func TestAnOperatorIsNeverTheSameCallerAsAHost(t *testing.T) {
	if Host("web-1") != "web-1" || Operator("web-1") != "operator:web-1" {
		t.Errorf("got %s and %s", Host("web-1"), Operator("web-1"))
	}
	if _, err := wire.ParseHostname(string(Operator("x"))); err == nil {
		t.Error("an operator's caller is a hostname too")
	}
}
