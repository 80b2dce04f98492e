package world

import (
	"cmp"
	"fmt"
	"slices"
	"testing"
	"time"
	"unsafe"

	"github.com/refrain-fleet/refrain/sim/random"
	"pgregory.net/rapid"
)

// TestTheQueueGivesWhatASortWouldGive pushes and pops at random, and compares
// each timer that comes out with the least of a plain list.
func TestTheQueueGivesWhatASortWouldGive(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var q queue
		// Few instants, some of them in one slot, many slots, more than a turn.
		at := rapid.OneOf(
			rapid.Map(rapid.Int64Range(0, 40), func(n int64) time.Duration { return time.Duration(n) }),
			rapid.Map(rapid.Int64Range(0, 3*turn), func(n int64) time.Duration { return time.Duration(n << slotBits) }),
			rapid.Map(rapid.Int64Range(0, int64(time.Hour)), func(n int64) time.Duration { return time.Duration(n) }),
		)
		var list []Timer // in the order of pushing, so that a stable sort keeps it
		t.Repeat(map[string]func(*rapid.T){
			"push": func(t *rapid.T) {
				e := Timer{
					at:    at.Draw(t, "at"),
					kind:  timerKind(rapid.Uint8Range(1, uint8(dueJudge)).Draw(t, "kind")),
					node:  rapid.Int32Range(-4, 1_000_000).Draw(t, "node"),
					epoch: rapid.Uint32().Draw(t, "epoch"),
					arg:   rapid.Uint64().Draw(t, "arg"),
				}
				q.push(e)
				list = append(list, e)
				slices.SortStableFunc(list, func(a, b Timer) int { return cmp.Compare(a.at, b.at) })
			},
			"pop": func(t *rapid.T) {
				if len(list) == 0 {
					t.Skip("nothing to pop")
				}
				if got := q.pop(); got != list[0] {
					t.Fatalf("popped %+v, want %+v", got, list[0])
				}
				list = list[1:]
			},
			"": func(t *rapid.T) {
				if q.len() != len(list) {
					t.Fatalf("%d in the queue, want %d", q.len(), len(list))
				}
				checkQueue(t, &q)
			},
		})
		for _, want := range list {
			if got := q.pop(); got != want {
				t.Fatalf("popped %+v, want %+v", got, want)
			}
		}
	})
}

// checkQueue holds the queue to what its comment says.
func checkQueue(t *rapid.T, q *queue) {
	for _, h := range []heap{q.near, q.far} {
		for i := 1; i < len(h); i++ {
			if before(&h[i], &h[(i-1)/4]) == 1 {
				t.Fatalf("element %d comes before its parent", i)
			}
		}
	}
	if q.hasFront && len(q.near) > 0 && before(&q.near[0], &q.front) == 1 {
		t.Fatal("the first of the heap comes before the front")
	}
	for i := range q.near {
		if slot := int64(q.near[i].at) >> slotBits; slot > q.slot {
			t.Fatalf("an event of slot %d is in the heap of slot %d", slot, q.slot)
		}
	}
	if len(q.far) > 0 && int64(q.far[0].at)>>slotBits <= q.slot {
		t.Fatal("an event that is due is far")
	}
	for at, list := range q.slots {
		if used := q.used[at/64]>>(at%64)&1 == 1; used != (len(list) > 0) {
			t.Fatalf("slot %d has %d events, and is in use: %v", at, len(list), used)
		}
		for i := range list {
			if slot := int64(list[i].at) >> slotBits; slot%turn != int64(at) || slot <= q.slot || slot >= q.slot+turn {
				t.Fatalf("an event of slot %d lies in place %d of the turn from slot %d on", slot, at, q.slot)
			}
		}
	}
}

func TestALargeQueueComesOutSorted(t *testing.T) {
	const n = 100_000
	const instants = 3 * turn << slotBits
	s := random.New(1, "queue", 0)
	var q queue
	want := make([]Timer, 0, n)
	for i := range n {
		e := Timer{at: time.Duration(s.IntN(n/10)) * (instants / n), kind: dueSection, arg: uint64(i)}
		q.push(e)
		want = append(want, e)
	}
	slices.SortStableFunc(want, func(a, b Timer) int { return cmp.Compare(a.at, b.at) })
	for i := range want {
		if got := q.pop(); got != want[i] {
			t.Fatalf("event %d is %+v, want %+v", i, got, want[i])
		}
	}
	if q.len() != 0 {
		t.Errorf("%d events are left", q.len())
	}
}

func TestAQueuedEventFillsHalfACacheLine(t *testing.T) {
	if size := unsafe.Sizeof(queued{}); size != 32 {
		t.Errorf("%d bytes, want 32", size)
	}
	if kinds := uint(dueJudge); kinds >= 1<<kindBits {
		t.Errorf("%d kinds of events, want them to fit into %d bits", kinds, kindBits)
	}
}

// BenchmarkQueue pops an event and plans another, with as many in the queue as
// so many hosts have.
func BenchmarkQueue(b *testing.B) {
	s := random.New(1, "queue", 0)
	var delays [1 << 14]time.Duration
	for i := range delays { // a step, a message, a timer
		delays[i] = []time.Duration{20 * time.Microsecond, s.Between(0, 20*time.Millisecond), s.Between(0, time.Minute)}[i%3]
	}
	for _, hosts := range []int{10, 1_000, 100_000, 1_000_000} {
		b.Run(fmt.Sprintf("hosts=%d", hosts), func(b *testing.B) {
			var q queue
			for range 3 * hosts {
				q.push(Timer{at: s.Between(0, time.Minute), kind: dueSection})
			}
			for i := 0; b.Loop(); i++ {
				e := q.pop()
				e.at += delays[i%len(delays)]
				q.push(e)
			}
		})
	}
}
