package gate

import (
	"slices"
	"testing"

	"github.com/refrain-fleet/refrain/core/wire"
)

// PROTOCOL G1
func TestBeforeTheStartEveryOfferIsNotStarted(t *testing.T) {
	r := newRig(t, Config{})
	r.refused(0, "a", Heartbeat, wire.NotStarted)
	r.refused(0, "a", Bulk, wire.NotStarted)
	r.Start(second)
	r.admit(second, "a", Heartbeat)
}

// PROTOCOL G1
func TestAFullInboxIsSaturated(t *testing.T) {
	r := openRig(t, Config{Capacity: 3, HeartbeatReserve: -1})
	r.admit(0, "a", Heartbeat)
	r.admit(0, "b", Bulk)
	r.admit(0, "c", Bulk)
	r.refused(0, "d", Heartbeat, wire.Saturated)
	r.refused(0, "d", Bulk, wire.Saturated)
	if r.Depth() != 3 {
		t.Errorf("depth %d, want 3", r.Depth())
	}
}

// PROTOCOL G1
func TestAClosedGateRefusesEveryOfferForGood(t *testing.T) {
	r := openRig(t, Config{})
	r.admit(0, "a", Heartbeat)
	r.Close(second)
	r.refused(second, "b", Heartbeat, wire.Closed)
	r.Start(second)
	r.refused(second, "b", Bulk, wire.Closed)
	r.Close(second)
	if r.State() != Closed {
		t.Errorf("state %s, want closed", r.State())
	}
}

// PROTOCOL G1
func TestAGateThatIsClosedBeforeItStartedStaysClosed(t *testing.T) {
	r := newRig(t, Config{})
	r.Close(0)
	r.Start(0)
	r.refused(0, "a", Heartbeat, wire.Closed)
}

// PROTOCOL G1
func TestStartingAnOpenGateChangesNothing(t *testing.T) {
	r := openRig(t, Config{})
	r.admit(0, "a", Heartbeat)
	before := r.AppendState(nil)
	r.Start(0)
	if after := r.AppendState(nil); !slices.Equal(before, after) {
		t.Errorf("the state changed: %s", r)
	}
}

// PROTOCOL G1
func TestAClosedGateStillWorksOnWhatIsInside(t *testing.T) {
	r := openRig(t, Config{})
	for _, caller := range []Caller{"a", "b", "c"} {
		r.admit(0, caller, Bulk)
	}
	r.Close(second)
	tickets := r.take(second, 2)
	r.settle(second, tickets[0], Deliver, wire.OK)
	r.drop(second, tickets[1], Refuse, wire.DroppedReply)
	r.expire(timeout, "c")
	if r.Depth() != 1 {
		t.Errorf("depth %d, want 1", r.Depth())
	}
}

// PROTOCOL G1
func TestFlushRefusesClosedWhatWasNeverTaken(t *testing.T) {
	r := openRig(t, Config{})
	for _, caller := range []Caller{"a", "b", "c"} {
		r.admit(0, caller, Bulk)
	}
	tickets := r.take(0, 1)
	r.Close(second)
	r.flush(second, "b", "c")
	r.flush(second)
	if r.Depth() != 1 {
		t.Errorf("depth %d, want the taken one", r.Depth())
	}
	r.settle(second, tickets[0], Deliver, wire.OK)
}

// PROTOCOL G1
func TestATimedOutInputKeepsItsSlotUntilItIsFinished(t *testing.T) {
	r := openRig(t, Config{Capacity: 2, HeartbeatReserve: -1})
	r.admit(0, "a", Bulk)
	r.admit(0, "b", Bulk)
	tickets := r.take(0, 1)
	r.expire(timeout, "a", "b")
	r.refused(timeout, "c", Bulk, wire.Saturated)
	r.settle(timeout, tickets[0], Discard, wire.OK)
	r.admit(timeout, "c", Bulk)
	// The queued one is still taken: the reducer has to see it.
	if got := r.take(timeout, 9); len(got) != 2 || got[0].String() != "t2" {
		t.Errorf("took %v, want t2 and t3", got)
	}
}

// PROTOCOL G6
func TestATimedOutInputCountsForItsHostsCap(t *testing.T) {
	r := openRig(t, Config{PerHost: 1})
	r.admit(0, "a", Bulk)
	tickets := r.take(0, 1)
	r.expire(timeout, "a")
	r.refused(timeout, "a", Bulk, wire.Saturated)
	r.settle(timeout, tickets[0], Discard, wire.OK)
	r.admit(timeout, "a", Bulk)
}

// PROTOCOL G5
func TestAShareOfTheInboxIsForHeartbeatsOnly(t *testing.T) {
	r := openRig(t, Config{Capacity: 4, HeartbeatReserve: 1})
	for i := range 3 {
		r.admit(0, numbered(i), Bulk)
	}
	r.refused(0, "bulk", Bulk, wire.Saturated)
	r.admit(0, "beat", Heartbeat)
	r.refused(0, "more", Heartbeat, wire.Saturated)
	if stats := r.Stats(); stats.RefusedByReserve != 1 || stats.RefusedWith(wire.Saturated) != 2 {
		t.Errorf("%s, want 2 saturated, 1 of them by the reserve", stats)
	}
}

// PROTOCOL G5
func TestHeartbeatsMayUseTheWholeInbox(t *testing.T) {
	r := openRig(t, Config{Capacity: 4, HeartbeatReserve: 1})
	for i := range 4 {
		r.admit(0, numbered(i), Heartbeat)
	}
	r.refused(0, "bulk", Bulk, wire.Saturated)
	if stats := r.Stats(); stats.RefusedByReserve != 0 {
		t.Errorf("%s, want none refused by the reserve", stats)
	}
}

// PROTOCOL G5
func TestHeartbeatsInsideDoNotUseUpTheBulkShare(t *testing.T) {
	r := openRig(t, Config{Capacity: 4, HeartbeatReserve: 2})
	r.admit(0, "a", Heartbeat)
	r.admit(0, "b", Heartbeat)
	r.admit(0, "c", Bulk)
	r.admit(0, "d", Bulk)
}

// PROTOCOL G5
func TestAQuarterOfTheInboxIsReservedByDefault(t *testing.T) {
	for _, c := range []struct{ capacity, bulk int }{
		{1, 1}, {2, 1}, {3, 2}, {4, 3}, {5, 3}, {8, 6}, {9, 6}, {1024, 768},
	} {
		r := openRig(t, Config{Capacity: c.capacity})
		for i := range c.bulk {
			r.admit(0, numbered(i), Bulk)
		}
		r.refused(0, "bulk", Bulk, wire.Saturated)
	}
}

// PROTOCOL G6
func TestAFifthRequestOfAHostIsSaturated(t *testing.T) {
	r := openRig(t, Config{})
	for i := range 4 {
		r.admit(0, "a", []Class{Heartbeat, Bulk}[i%2])
	}
	r.refused(0, "a", Heartbeat, wire.Saturated)
	r.refused(0, "a", Bulk, wire.Saturated)
	r.admit(0, "b", Bulk)
	r.settle(0, r.take(0, 1)[0], Deliver, wire.OK)
	r.admit(0, "a", Bulk)
	r.refused(0, "a", Bulk, wire.Saturated)
	if stats := r.Stats(); stats.RefusedByCap != 3 {
		t.Errorf("%s, want 3 by the cap", stats)
	}
}
