package gate

import (
	"fmt"
	"testing"

	"github.com/refrain-fleet/refrain/core/wire"
)

func TestEverythingHasStableText(t *testing.T) {
	r := openRig(t, Config{Capacity: 8})
	if got, want := r.String(), "open at=0s inside=0/8 taken=0 queued=0 answered=0 bulk=0/6 callers=0 deadline=none promised=0 next-slot=0s; nothing"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	r.admit(0, "a", Bulk)
	r.admit(second, "b", Heartbeat)
	r.admit(second, "b", Heartbeat)
	r.take(second, 2)
	r.expire(timeout, "a")
	if got, want := r.String(), "open at=5s inside=3/8 taken=2 queued=1 answered=1 bulk=1/6 callers=2 deadline=6s promised=1 next-slot=7s; offered=3 admitted=3 taken=2 timeout=1"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	for _, c := range []struct {
		value fmt.Stringer
		want  string
	}{
		{NotStarted, "not_started"}, {Open, "open"}, {Closed, "closed"}, {State(9), "?"},
		{Heartbeat, "heartbeat"}, {Bulk, "bulk"}, {Class(0), "?"},
		{Deliver, "deliver"}, {Refuse, "refuse"}, {Discard, "discard"}, {Disposal(0), "?"},
		{Ticket{}, "t0"}, {Ticket{number: 42, slot: 7}, "t42"},
		{Refusal{}, "ok"}, {Refusal{wire.Saturated, 3 * second}, "saturated retry-after=3s"},
		{Stats{Settled: 1, RefusedByCap: 2, RefusedByReserve: 3, RefusedOutside: 4, ClockReversals: 5, Refused: [7]uint64{1, 2, 3, 4, 5, 6, 7}},
			"settled=1 not_started=1 saturated=2 closed=3 dropped_reply=4 timeout=5 store_unavailable=6 over_budget=7 by_cap=2 by_reserve=3 outside=4 clock_reversals=5"},
	} {
		if got := c.value.String(); got != c.want {
			t.Errorf("got %q, want %q", got, c.want)
		}
	}
}

func TestEveryPartOfTheStateIsInItsEncoding(t *testing.T) {
	before := string(brokenRig(t).AppendState(nil))
	for i, change := range []func(g *Gate[string]){
		func(g *Gate[string]) { g.state = Closed },
		func(g *Gate[string]) { g.impaired = true },
		func(g *Gate[string]) { g.clock++ },
		func(g *Gate[string]) { g.progress++ },
		func(g *Gate[string]) { g.inbox.admitted++ },
		func(g *Gate[string]) { g.inbox.depth++ },
		func(g *Gate[string]) { g.inbox.slots[1].number = 1 },
		func(g *Gate[string]) { g.inbox.slots[1].deadline-- },
		func(g *Gate[string]) { g.inbox.slots[1].class = Heartbeat },
		func(g *Gate[string]) { g.inbox.slots[1].caller = "B" },
		func(g *Gate[string]) { g.inbox.slots[1].taken = false },
		func(g *Gate[string]) { g.inbox.slots[1].answered = false },
		func(g *Gate[string]) { g.drain.running = false },
		func(g *Gate[string]) { g.drain.busy++ },
		func(g *Gate[string]) { g.drain.since++ },
		func(g *Gate[string]) { g.drain.newest++ },
		func(g *Gate[string]) { g.drain.counts[7]++ },
		func(g *Gate[string]) { g.calendar.next++ },
		func(g *Gate[string]) { g.calendar.head++ },
		func(g *Gate[string]) { g.calendar.ring[0].at++ },
		func(g *Gate[string]) { g.calendar.ring[0].caller = "B" },
		func(g *Gate[string]) { g.stats.Offered++ },
		func(g *Gate[string]) { g.stats.Admitted++ },
		func(g *Gate[string]) { g.stats.Taken++ },
		func(g *Gate[string]) { g.stats.Settled++ },
		func(g *Gate[string]) { g.stats.Dropped++ },
		func(g *Gate[string]) { g.stats.Flushed++ },
		func(g *Gate[string]) { g.stats.Delivered++ },
		func(g *Gate[string]) { g.stats.LateReplies++ },
		func(g *Gate[string]) { g.stats.RefusedByCap++ },
		func(g *Gate[string]) { g.stats.RefusedByReserve++ },
		func(g *Gate[string]) { g.stats.RefusedOutside++ },
		func(g *Gate[string]) { g.stats.ClockReversals++ },
		func(g *Gate[string]) { g.stats.Refused[2]++ },
	} {
		r := brokenRig(t)
		change(r.Gate)
		if string(r.AppendState(nil)) == before {
			t.Errorf("change %d is not in the encoding", i)
		}
	}
	if got := string(brokenRig(t).AppendState([]byte("kept"))); got != "kept"+before {
		t.Error("the same state has two encodings")
	}
}

func TestTheEncodingLeavesThePlaceOfAnInputOut(t *testing.T) {
	// Two gates free the same slots in another order, and so use them in
	// another order for the next inputs.
	var states []string
	for _, order := range [][]int{{0, 1}, {1, 0}} {
		r := openRig(t, Config{Capacity: 4})
		r.admit(0, "a", Bulk)
		r.admit(0, "b", Bulk)
		tickets := r.take(0, 2)
		for _, i := range order {
			r.settle(0, tickets[i], Deliver, wire.OK)
		}
		r.admit(0, "c", Bulk)
		r.admit(0, "d", Bulk)
		states = append(states, string(r.AppendState(nil)))
	}
	if states[0] != states[1] {
		t.Error("the encodings differ, the behaviour does not")
	}
}

// TestNamesAndListsAreEncodedWithTheirLength: without the lengths, two states
// could have one encoding.
func TestNamesAndListsAreEncodedWithTheirLength(t *testing.T) {
	if one, two := appendCaller(appendCaller(nil, "ab"), "c"), appendCaller(appendCaller(nil, "a"), "bc"); string(one) == string(two) {
		t.Errorf("ab, c and a, bc are both %q", one)
	}
	c := makeCalendar(60 * second)
	empty := len(c.appendState(nil))
	c.remember(reservation{"a", second})
	c.remember(reservation{"b", second})
	want := appendTime(nil, 0)
	want = append(want, 2) // promises
	for _, caller := range []Caller{"a", "b"} {
		want = appendCaller(appendTime(want, second), caller)
	}
	if got := c.appendState(nil); string(got) != string(want) || empty != 2 {
		t.Errorf("got %q, want %q; %d bytes for none, want 2", got, want, empty)
	}
	b := makeInbox[string](1)
	if got, want := b.appendState(nil), []byte{0, 0}; string(got) != string(want) {
		t.Errorf("an empty inbox is %q, want %q", got, want)
	}
}
