package gate

import (
	"testing"
	"time"

	"github.com/refrain-fleet/refrain/core/wire"
)

// PROTOCOL G7
func TestThePlaneIsWedgedWhenNothingFinishesForLongerThanTheTimeout(t *testing.T) {
	r := openRig(t, Config{})
	wedged := func(now time.Duration, want bool) {
		t.Helper()
		if r.Wedged(now) != want {
			t.Errorf("at %s: wedged is %t, want %t", now, !want, want)
		}
	}
	wedged(time.Hour, false) // the inbox is empty
	r.admit(second, "a", Bulk)
	r.admit(2*second, "b", Bulk)
	tickets := r.take(2*second, 2)
	wedged(second+timeout, false)
	wedged(second+timeout+1, true)
	r.expire(second+timeout, "a") // an answer is not a finish
	wedged(second+timeout+1, true)
	r.settle(second+timeout+1, tickets[0], Discard, wire.OK)
	wedged(second+timeout+1, false)
	wedged(second+2*timeout+1, false)
	wedged(second+2*timeout+2, true)
	r.drop(second+2*timeout+2, tickets[1], Refuse, wire.Timeout)
	wedged(time.Hour, false)
	// The time without work does not count.
	r.admit(time.Hour, "c", Bulk)
	wedged(time.Hour+timeout, false)
	wedged(time.Hour+timeout+1, true)
}

// PROTOCOL G7
func TestABusyPlaneIsNotWedged(t *testing.T) {
	// The inbox is full the whole time, every reply is late, but one input
	// finishes in every reply timeout.
	r := openRig(t, Config{Capacity: 4, HeartbeatReserve: -1})
	for i := range 4 {
		r.admit(0, numbered(i), Bulk)
	}
	now := time.Duration(0)
	for i := range 20 {
		now += timeout
		r.Expire(now, nil)
		if r.Wedged(now) {
			t.Fatalf("at %s: wedged", now)
		}
		r.settle(now, r.take(now, 1)[0], Discard, wire.OK)
		r.admit(now, numbered(i), Bulk)
		r.refused(now, "x", Bulk, wire.Saturated)
	}
}

// PROTOCOL G7
func TestADrainingPlaneIsNotWedged(t *testing.T) {
	r := openRig(t, Config{})
	for i := range 4 {
		r.admit(0, numbered(i), Bulk)
	}
	r.Close(0)
	for i, ticket := range r.take(0, 4) {
		now := time.Duration(i+1) * timeout
		if r.Wedged(now) {
			t.Fatalf("at %s: wedged", now)
		}
		r.Expire(now, nil)
		r.settle(now, ticket, Discard, wire.OK)
	}
	if r.Wedged(time.Hour) {
		t.Error("wedged with nothing inside")
	}
}

// PROTOCOL G7
func TestAFlushDoesNotHideAWedge(t *testing.T) {
	r := openRig(t, Config{})
	r.admit(0, "a", Bulk)
	r.take(0, 1)
	r.admit(0, "b", Bulk)
	r.Close(timeout)
	r.flush(timeout, "b")
	if r.Wedged(timeout) || !r.Wedged(timeout+1) {
		t.Errorf("want it wedged a nanosecond after the timeout")
	}
}

// PROTOCOL L2
func TestImpairedTellsOfHostsThatWentUnheard(t *testing.T) {
	for _, c := range []struct {
		name string
		play func(r rig)
		want bool
	}{
		{"admitted", func(r rig) { r.admit(0, "a", Bulk) }, false},
		{"not started", func(r rig) { r.state = NotStarted; r.refused(0, "a", Bulk, wire.NotStarted) }, true},
		{"not started, then started", func(r rig) {
			r.state = NotStarted
			r.refused(0, "a", Bulk, wire.NotStarted)
			r.Start(0)
		}, false},
		{"started twice", func(r rig) {
			for i := range 4 {
				r.admit(0, numbered(i), Heartbeat)
			}
			r.refused(0, "x", Heartbeat, wire.Saturated)
			r.Start(0)
		}, true},
		{"closed", func(r rig) { r.Close(0); r.refused(0, "a", Bulk, wire.Closed) }, true},
		{"full inbox", func(r rig) {
			for i := range 4 {
				r.admit(0, numbered(i), Heartbeat)
			}
			r.refused(0, "x", Heartbeat, wire.Saturated)
		}, true},
		{"full bulk share", func(r rig) {
			for i := range 3 {
				r.admit(0, numbered(i), Bulk)
			}
			r.refused(0, "x", Bulk, wire.Saturated)
		}, false},
		{"cap", func(r rig) {
			r.admit(0, "a", Heartbeat)
			r.admit(0, "a", Heartbeat)
			r.refused(0, "a", Heartbeat, wire.Saturated)
		}, false},
		{"cap in a full inbox", func(r rig) {
			for range 2 {
				r.admit(0, "a", Heartbeat)
				r.admit(0, "b", Heartbeat)
			}
			r.refused(0, "a", Heartbeat, wire.Saturated)
		}, false},
		{"timeout and drop", func(r rig) {
			r.admit(0, "a", Bulk)
			r.admit(1, "b", Bulk)
			tickets := r.take(1, 2)
			r.expire(timeout, "a")
			r.drop(timeout, tickets[1], Refuse, wire.DroppedReply)
		}, false},
		{"outside", func(r rig) { r.Refuse(0, "a", wire.Closed) }, false},
		{"empty flush", func(r rig) { r.Close(0); r.flush(0) }, false},
		{"flush", func(r rig) { r.admit(0, "a", Bulk); r.Close(0); r.flush(0, "a") }, true},
	} {
		r := openRig(t, Config{Capacity: 4, HeartbeatReserve: 1, PerHost: 2})
		c.play(r)
		if got := r.Impaired(); got != c.want {
			t.Errorf("%s: impaired is %t, want %t", c.name, got, c.want)
		}
		if r.Impaired() {
			t.Errorf("%s: impaired is not cleared", c.name)
		}
	}
}
