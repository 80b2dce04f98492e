package gate

import (
	"strings"
	"testing"
	"time"

	"github.com/refrain-fleet/refrain/core/wire"
)

// brokenRig is a gate in the midst of its work: t1 is settled; t2 is taken and
// answered, t3 taken, t4 and t5 queued, in slots 1 to 4 of 8 and free slots 0,
// 5, 6 and 7; one caller has a reservation.
func brokenRig(t testing.TB) rig {
	r := openRig(t, Config{Capacity: 8, HeartbeatReserve: 5, PerHost: 2})
	first := r.admit(0, "a", Bulk)
	r.admit(1, "b", Bulk)
	r.admit(2, "a", Heartbeat)
	r.admit(3, "c", Bulk)
	r.admit(4, "c", Heartbeat)
	r.take(4, 3)
	r.settle(4, first, Deliver, wire.OK)
	r.expire(1+timeout, "b")
	return r
}

// TestEveryInvariantCanFire breaks the state of a gate in every way that Check
// speaks of.
func TestEveryInvariantCanFire(t *testing.T) {
	fired := map[string]bool{}
	for _, c := range []struct {
		want  string
		spoil func(g *Gate[string])
	}{
		{"1: the list leads to slot 8, which does not exist", func(g *Gate[string]) { g.inbox.slots[4].next = 8 }},
		{"1: the list leads to slot -7, which does not exist", func(g *Gate[string]) { g.inbox.first = -7 }},
		{"1: slot 5 is in the list and free", func(g *Gate[string]) { g.inbox.slots[4].next = 5 }},
		{"1: slot 3 comes after 2 and says after -1", func(g *Gate[string]) { g.inbox.slots[3].prev = none }},
		{"1: slot 1 comes after 4 and says after -1", func(g *Gate[string]) { g.inbox.slots[4].next = 1 }},
		{"1: the list ends at slot 4 and should at 3", func(g *Gate[string]) { g.inbox.last = 3 }},
		{"1: 4 inputs are in the list, depth is 5", func(g *Gate[string]) { g.inbox.depth = 5 }},
		{"1: the free list leads to slot 8, which does not exist", func(g *Gate[string]) { g.inbox.slots[7].next = 8 }},
		{"1: the free list leads to slot -2, which does not exist", func(g *Gate[string]) { g.inbox.free = -2 }},
		{"1: the free list goes in a circle", func(g *Gate[string]) { g.inbox.slots[7].next = 5 }},
		{"1: slot 2 is in the free list and holds t3", func(g *Gate[string]) { g.inbox.slots[6].next = 2 }},
		{"1: 6 slots are free or used, capacity is 8", func(g *Gate[string]) { g.inbox.slots[5].next = none }},

		{"2: t3 comes after t3", func(g *Gate[string]) { g.inbox.slots[1].number = 3 }},
		{"2: t3 is due before t2", func(g *Gate[string]) { g.inbox.slots[2].deadline = timeout }},
		{"2: t6 is inside, 5 were admitted", func(g *Gate[string]) { g.inbox.slots[4].number = 6 }},
		{"2: t5 was offered at 5.000000002s, it is 5.000000001s", func(g *Gate[string]) { g.inbox.slots[4].deadline = 2*timeout + 2 }},

		{"3: t4 was taken, t3 before it was not", func(g *Gate[string]) { g.inbox.slots[2].taken, g.inbox.slots[3].taken = false, true }},
		{"3: the queue starts at slot 3, the cursor is at 4", func(g *Gate[string]) { g.inbox.queued = 4 }},
		{"3: the queue starts at slot -1, the cursor is at 3", func(g *Gate[string]) { g.inbox.slots[3].taken, g.inbox.slots[4].taken = true, true }},

		{"4: t3 was answered, t2 before it was not", func(g *Gate[string]) { g.inbox.slots[1].answered, g.inbox.slots[2].answered = false, true }},
		{"4: t3 was answered, it is due at 5.000000002s and it is 5.000000001s", func(g *Gate[string]) { g.inbox.slots[2].answered = true }},
		{"4: the unanswered start at slot 2, the cursor is at 1", func(g *Gate[string]) { g.inbox.waiting = 1 }},

		{"5: t3 has class 0", func(g *Gate[string]) { g.inbox.slots[2].class = 0 }},
		{"5: 2 inputs are bulk, the count is 1", func(g *Gate[string]) { g.inbox.bulk = 1 }},
		{"5: 4 inputs are bulk, their share is 3", func(g *Gate[string]) {
			g.inbox.slots[2].class, g.inbox.slots[4].class, g.inbox.bulk = Bulk, Bulk, 4
		}},

		{"6: b has 1 inputs inside, the count is 2", func(g *Gate[string]) { g.inbox.callers["b"] = 2 }},
		{"6: c has 3 inputs inside, the cap is 2", func(g *Gate[string]) {
			g.inbox.slots[2].caller = "c"
			g.inbox.callers["c"] = 3
			delete(g.inbox.callers, "a")
		}},
		{"6: 3 callers have inputs inside, 4 are counted", func(g *Gate[string]) { g.inbox.callers["gone"] = 0 }},

		{"7: 5 tickets were given, 6 inputs admitted", func(g *Gate[string]) { g.stats.Admitted++ }},
		{"7: 5 inputs were admitted, 6 have ended or are inside", func(g *Gate[string]) { g.stats.Settled++ }},
		{"7: 5 inputs were admitted, 6 have ended or are inside", func(g *Gate[string]) { g.stats.Dropped++ }},
		{"7: 5 inputs were admitted, 6 have ended or are inside", func(g *Gate[string]) { g.stats.Flushed++ }},

		{"8: there were 6 requests, 2 answers, and 3 wait", func(g *Gate[string]) { g.stats.Offered++ }},
		{"8: there were 6 requests, 2 answers, and 3 wait", func(g *Gate[string]) { g.stats.RefusedOutside++ }},
		{"8: there were 5 requests, 3 answers, and 3 wait", func(g *Gate[string]) { g.stats.Refused[4]++ }},
		{"8: there were 5 requests, 3 answers, and 3 wait", func(g *Gate[string]) { g.stats.Delivered++ }},
		{"8: there were 1 replies, 1 delivered and 1 late", func(g *Gate[string]) { g.stats.LateReplies++ }},

		{"9: the state is 3", func(g *Gate[string]) { g.state = Closed + 1 }},
		{"9: the gate is not started and has admitted", func(g *Gate[string]) { g.state = NotStarted }},
		{"9: the gate is not closed and has flushed", func(g *Gate[string]) {
			g.stats.Flushed++
			g.stats.Settled--
			g.stats.LateReplies--
		}},

		{"10: the busy clock runs: false, 4 inputs are inside", func(g *Gate[string]) { g.drain.running = false }},
		{"10: the inbox was busy for 6.000000001s, it is 5.000000001s", func(g *Gate[string]) { g.drain.busy = second }},
		{"10: the inbox was busy for -1ns, it is 5.000000001s", func(g *Gate[string]) { g.drain.since = timeout + 2 }},
		{"10: the last progress was at 1h0m0s, it is 5.000000001s", func(g *Gate[string]) { g.progress = time.Hour }},
		{"10: 2 inputs finished lately, 1 in all", func(g *Gate[string]) { g.drain.counts[0]++ }},

		{"11: reservations 2 to 1 are in a ring of 64, the bound is 65536", func(g *Gate[string]) { g.calendar.head = 2 }},
		{"11: reservations 0 to 65 are in a ring of 64, the bound is 65536", func(g *Gate[string]) { g.calendar.tail = 65 }},
		{"11: reservations 0 to 65537 are in a ring of 131072, the bound is 65536", func(g *Gate[string]) {
			g.calendar.tail = maxReservations + 1
			g.calendar.ring = make([]reservation, 2*maxReservations)
		}},
		{"11: reservation 0 of b is found as 0", func(g *Gate[string]) { delete(g.calendar.byCaller, "b") }},
		{"11: reservation 0 of b is found as 7", func(g *Gate[string]) { g.calendar.byCaller["b"] = 7 }},
		{"11: reservation 0 of b is for 1m7.000000001s, the next instant is 7.000000001s", func(g *Gate[string]) { g.calendar.ring[0].at = 67*second + 1 }},
		{"11: 1 reservations are in the ring, 2 callers have one", func(g *Gate[string]) { g.calendar.byCaller["gone"] = 0 }},
	} {
		r := brokenRig(t)
		c.spoil(r.Gate)
		err := r.Check()
		if err == nil || err.Error() != "gate: invariant "+c.want {
			t.Errorf("got  %v\nwant gate: invariant %s", err, c.want)
		}
		number, _, _ := strings.Cut(c.want, ":")
		fired[number] = true
	}
	if len(fired) != 11 {
		t.Errorf("%d invariants fired, want 11", len(fired))
	}
}
