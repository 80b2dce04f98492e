package gate_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/refrain-fleet/refrain/core/gate"
	"github.com/refrain-fleet/refrain/core/wire"
)

func openGate(tb testing.TB, cfg gate.Config) *gate.Gate[*int] {
	g, err := gate.New[*int](cfg)
	if err != nil {
		tb.Fatal(err)
	}
	g.Start(0)
	return g
}

func hosts(n int) []gate.Caller {
	all := make([]gate.Caller, n)
	for i := range all {
		all[i] = gate.Caller(fmt.Sprintf("agent-%06d", i))
	}
	return all
}

// fill admits n inputs of other callers and takes them.
func fill(tb testing.TB, g *gate.Gate[*int], n int) []gate.Ticket {
	var tickets []gate.Ticket
	for i := range n {
		ticket, refusal := g.Offer(0, gate.Caller(fmt.Sprintf("inside-%d", i)), gate.Heartbeat, nil)
		if refusal.Code != wire.OK {
			tb.Fatal(refusal)
		}
		tickets = append(tickets, ticket)
	}
	g.Take(0, n, nil)
	return tickets
}

// BenchmarkOfferTakeSettle is the whole way of one input, with so many others
// inside and a batch of so many.
func BenchmarkOfferTakeSettle(b *testing.B) {
	for _, inside := range []int{0, 700} {
		for _, batch := range []int{1, 256} {
			b.Run(fmt.Sprintf("inside=%d/batch=%d", inside, batch), func(b *testing.B) {
				g := openGate(b, gate.Config{})
				fill(b, g, inside)
				callers := hosts(10_000)
				payload := new(int)
				dst := make([]gate.Taken[*int], 0, batch)
				now, n := time.Duration(0), 0
				b.ReportAllocs()
				for b.Loop() {
					now += time.Microsecond
					g.Offer(now, callers[n%len(callers)], gate.Heartbeat, payload)
					if n++; n%batch != 0 {
						continue
					}
					dst = g.Take(now, batch, dst[:0])
					for i := range dst {
						g.Settle(now, dst[i].Ticket)
					}
				}
				if stats := g.Stats(); stats.Offered != stats.Admitted {
					b.Fatalf("%s: want everything admitted", stats)
				}
			})
		}
	}
}

// BenchmarkOfferSaturated is a refusal of a caller that has a reservation (known)
// and of one that gets a new one (new), while the inbox is full.
func BenchmarkOfferSaturated(b *testing.B) {
	for _, c := range []struct {
		name    string
		callers int
		later   time.Duration
	}{{"known", 1000, 0}, {"new", 100_000, time.Millisecond}} {
		b.Run(c.name, func(b *testing.B) {
			g := openGate(b, gate.Config{})
			fill(b, g, 1024)
			callers := hosts(c.callers)
			now, n := time.Duration(0), 0
			b.ReportAllocs()
			for b.Loop() {
				now += c.later
				g.Offer(now, callers[n%len(callers)], gate.Heartbeat, nil)
				n++
			}
			if stats := g.Stats(); stats.Admitted != 1024 {
				b.Fatalf("%s: want everything refused", stats)
			}
		})
	}
}

// BenchmarkExpire is the timeout of one input and its settling afterwards.
func BenchmarkExpire(b *testing.B) {
	g := openGate(b, gate.Config{})
	callers := hosts(10_000)
	var taken []gate.Taken[*int]
	var expired []gate.Expired[*int]
	now, n := time.Duration(0), 0
	b.ReportAllocs()
	for b.Loop() {
		g.Offer(now, callers[n%len(callers)], gate.Bulk, nil)
		n++
		taken = g.Take(now, 1, taken[:0])
		now += 5 * time.Second
		expired = g.Expire(now, expired[:0])
		g.Settle(now, taken[0].Ticket)
	}
	if len(expired) != 1 {
		b.Fatalf("%d inputs expired, want 1", len(expired))
	}
}

// BenchmarkNew is what a simulated world pays for a gate.
func BenchmarkNew(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := gate.New[*int](gate.Config{}); err != nil {
			b.Fatal(err)
		}
	}
}

func TestTheSteadyStateAllocatesNothing(t *testing.T) {
	g := openGate(t, gate.Config{Capacity: 512})
	callers := hosts(1000)
	taken := make([]gate.Taken[*int], 0, 16)
	expired := make([]gate.Expired[*int], 0, 16)
	now, n := time.Duration(0), 0
	round := func() {
		for range 100 {
			now += time.Millisecond
			g.Offer(now, callers[n%len(callers)], gate.Heartbeat, nil)
			g.Refuse(now, callers[n%10], wire.Closed)
			g.Wedged(now)
			g.NextDeadline()
			g.Oldest(now)
			if n++; n%16 == 0 {
				expired = g.Expire(now, expired[:0])
				taken = g.Take(now, 16, taken[:0])
				for i := range taken {
					g.Settle(now, taken[i].Ticket)
				}
			}
		}
	}
	for range 100 {
		round()
	}
	if got := testing.AllocsPerRun(100, round); got != 0 {
		t.Errorf("%v allocations in a hundred requests, want none", got)
	}
}
