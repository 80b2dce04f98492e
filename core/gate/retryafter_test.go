package gate

import (
	"slices"
	"testing"
	"time"

	"github.com/refrain-fleet/refrain/core/wire"
)

// PROTOCOL G4
func TestEvery503CarriesRetryAfter(t *testing.T) {
	// The rig fails on any refusal without one; this provokes all five of the gate's
	// own.
	r := newRig(t, Config{Capacity: 2})
	r.refused(0, "a", Bulk, wire.NotStarted)
	r.Start(0)
	r.admit(0, "a", Bulk)
	r.refused(0, "b", Bulk, wire.Saturated)
	r.drop(0, r.take(0, 1)[0], Refuse, wire.DroppedReply)
	r.admit(0, "a", Bulk)
	r.expire(timeout, "a")
	r.Close(timeout)
	r.refused(timeout, "b", Bulk, wire.Closed)
	for _, code := range wire.UnavailableCodes {
		if refusal := r.Refuse(timeout, "c", code); refusal.Code != code || refusal.RetryAfter < second {
			t.Errorf("%s, want %s", refusal, code)
		}
		want := uint64(2)
		if code == wire.StoreUnavailable || code == wire.OverBudget {
			want = 1 // the plane's, which the gate only counts
		}
		if stats := r.Stats(); stats.RefusedWith(code) != want {
			t.Errorf("%s: %d, want %d: %s", code, stats.RefusedWith(code), want, stats)
		}
	}
	r.check()
}

// PROTOCOL G4
func TestAllFiveReasonsShareOneCalendar(t *testing.T) {
	r := newRig(t, Config{Capacity: 1, PerHost: 1}) // one slot a second
	got := []time.Duration{r.refused(0, "a", Bulk, wire.NotStarted).RetryAfter}
	r.Start(0)
	r.admit(0, "b", Bulk)
	got = append(got, r.refused(0, "c", Bulk, wire.Saturated).RetryAfter)
	got = append(got, r.Refuse(0, "d", wire.Timeout).RetryAfter)
	_, refusal := r.Drop(0, r.take(0, 1)[0])
	got = append(got, refusal.RetryAfter)
	r.Close(0)
	got = append(got, r.refused(0, "e", Bulk, wire.Closed).RetryAfter)
	if want := []time.Duration{1 * second, 2 * second, 3 * second, 4 * second, 5 * second}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// PROTOCOL G4
func TestAFloodByOneHostDoesNotPushTheCalendar(t *testing.T) {
	r := newRig(t, Config{Capacity: 1})
	for range 1000 {
		if got := r.refused(0, "flood", Bulk, wire.NotStarted).RetryAfter; got != second {
			t.Fatalf("flood: %s, want 1s", got)
		}
	}
	if got := r.refused(0, "other", Bulk, wire.NotStarted).RetryAfter; got != 2*second {
		t.Errorf("other: %s, want 2s", got)
	}
}

// PROTOCOL G4
func TestAnAdmittedCallersPromiseIsForgotten(t *testing.T) {
	r := newRig(t, Config{Capacity: 1, HeartbeatReserve: -1})
	r.refused(0, "a", Bulk, wire.NotStarted) // promised 1 s
	r.refused(0, "b", Bulk, wire.NotStarted) // promised 2 s
	r.Start(0)
	r.admit(0, "a", Bulk)
	if got := r.refused(0, "a", Bulk, wire.Saturated).RetryAfter; got != 3*second {
		t.Errorf("a: %s, want the next free slot, 3s", got)
	}
	if got := r.refused(0, "b", Bulk, wire.Saturated).RetryAfter; got != 2*second {
		t.Errorf("b: %s, want the promised 2s", got)
	}
}

// PROTOCOL G4
func TestTheSpreadFollowsTheMeasuredDrain(t *testing.T) {
	// Ten inputs a second finish; then the callers are refused at once.
	r := openRig(t, Config{Capacity: 100, HeartbeatReserve: -1, PerHost: 100})
	now := time.Duration(0)
	for range 20 * 10 {
		r.admit(now, "a", Bulk)
		now += 100 * time.Millisecond
		r.settle(now, r.take(now, 1)[0], Deliver, wire.OK)
	}
	arrivals := map[time.Duration]int{}
	for i := range 300 {
		arrivals[r.Refuse(now, numbered(i), wire.Saturated).RetryAfter]++
	}
	for after, n := range arrivals {
		if n > 11 {
			t.Errorf("%d hosts come back after %s, want about 10", n, after)
		}
	}
	if len(arrivals) < 29 {
		t.Errorf("the hosts come back in %d seconds, want about 30", len(arrivals))
	}
}
