package gate

import (
	"testing"
	"time"

	"github.com/refrain-fleet/refrain/core/wire"
)

// PROTOCOL G3
func TestFlushAnswersNobodyTwice(t *testing.T) {
	r := openRig(t, Config{})
	r.admit(0, "a", Bulk)
	r.admit(1, "b", Bulk)
	r.expire(timeout, "a")
	r.Close(timeout)
	r.flush(timeout, "b")
	r.expire(2 * timeout)
	if r.Depth() != 0 {
		t.Errorf("depth %d, want 0", r.Depth())
	}
	if stats := r.Stats(); stats.Flushed != 2 || stats.RefusedWith(wire.Closed) != 1 {
		t.Errorf("%s, want 2 flushed and 1 of them closed", stats)
	}
}

// PROTOCOL G1
func TestAFlushedInputIsClosedEvenAtItsDeadline(t *testing.T) {
	r := openRig(t, Config{})
	r.admit(0, "a", Bulk)
	r.Close(timeout)
	r.flush(timeout, "a")
}

// PROTOCOL G2
func TestADroppedInputIsRefusedDroppedReply(t *testing.T) {
	r := openRig(t, Config{})
	r.admit(0, "a", Bulk)
	r.drop(timeout-1, r.take(0, 1)[0], Refuse, wire.DroppedReply)
	r.expire(timeout)
}

// PROTOCOL G2
func TestADropAtTheDeadlineIsATimeout(t *testing.T) {
	r := openRig(t, Config{})
	r.admit(0, "a", Bulk)
	r.drop(timeout, r.take(0, 1)[0], Refuse, wire.Timeout)
	r.expire(timeout)
}

// PROTOCOL G3
func TestADropAfterTheTimeoutIsDiscarded(t *testing.T) {
	r := openRig(t, Config{})
	r.admit(0, "a", Bulk)
	tickets := r.take(0, 1)
	r.expire(timeout, "a")
	r.drop(timeout, tickets[0], Discard, wire.OK)
	if stats := r.Stats(); stats.RefusedWith(wire.DroppedReply) != 0 || stats.Dropped != 1 || stats.LateReplies != 0 {
		t.Errorf("%s, want 1 dropped without a reply or a refusal", stats)
	}
}

// PROTOCOL G2
func TestAReplyBeforeTheDeadlineIsDelivered(t *testing.T) {
	r := openRig(t, Config{})
	r.admit(second, "a", Bulk)
	r.settle(second+timeout-1, r.take(second, 1)[0], Deliver, wire.OK)
	r.expire(second + timeout)
}

// PROTOCOL G2
func TestAReplyAtTheDeadlineIsLate(t *testing.T) {
	r := openRig(t, Config{})
	r.admit(second, "a", Bulk)
	r.settle(second+timeout, r.take(second, 1)[0], Refuse, wire.Timeout)
	r.expire(second + timeout)
	if stats := r.Stats(); stats.LateReplies != 1 || stats.Delivered != 0 {
		t.Errorf("%s, want 1 late reply", stats)
	}
}

// PROTOCOL G2
func TestALateReplyIsNeverDelivered(t *testing.T) {
	r := openRig(t, Config{})
	r.admit(0, "a", Bulk)
	tickets := r.take(0, 1)
	r.expire(timeout, "a")
	r.settle(timeout+1, tickets[0], Discard, wire.OK)
	if stats := r.Stats(); stats.LateReplies != 1 || stats.Delivered != 0 {
		t.Errorf("%s, want 1 late reply", stats)
	}
}

// PROTOCOL G3
func TestEveryRequestIsAnsweredAtItsDeadlineAndNotBefore(t *testing.T) {
	r := openRig(t, Config{})
	r.admit(0, "a", Bulk)
	r.admit(10, "b", Heartbeat)
	r.admit(10, "c", Heartbeat)
	r.take(10, 1) // queued or taken makes no difference
	r.expire(timeout - 1)
	r.expire(timeout, "a")
	r.expire(timeout)
	r.expire(timeout + 9)
	r.expire(timeout+10, "b", "c")
	r.expire(timeout + 11)
}

// PROTOCOL G3
func TestTheNextDeadlineIsTheEarliestUnansweredOne(t *testing.T) {
	r := openRig(t, Config{})
	want := func(deadline time.Duration, ok bool) {
		t.Helper()
		if got, has := r.NextDeadline(); got != deadline || has != ok {
			t.Errorf("got %s %t, want %s %t", got, has, deadline, ok)
		}
	}
	want(0, false)
	r.admit(1, "a", Bulk)
	r.admit(2, "b", Bulk)
	r.admit(3, "c", Bulk)
	r.admit(4, "d", Bulk)
	want(timeout+1, true)
	tickets := r.take(4, 3)
	r.settle(4, tickets[1], Deliver, wire.OK)
	want(timeout+1, true)
	r.settle(4, tickets[0], Deliver, wire.OK)
	want(timeout+3, true)
	r.expire(timeout+3, "c")
	want(timeout+4, true)
	r.expire(timeout+4, "d")
	want(0, false)
}
