package driver_test

import (
	"testing"
	"time"

	"github.com/refrain-fleet/refrain/core/driver"
	"github.com/refrain-fleet/refrain/core/gate"
	"github.com/refrain-fleet/refrain/core/wire"
)

func TestConfig_BatchOfNone(t *testing.T) {
	if _, _, err := driver.New[string](driver.Config{}); err == nil {
		t.Error("a batch of none is taken")
	}
	if _, _, err := driver.New[string](driver.Config{Batch: 1, Gate: gate.Config{Capacity: -1}}); err == nil {
		t.Error("a capacity of -1 is taken")
	}
}

func TestStart_RequestsBeforeItAreNotStarted(t *testing.T) { // PROTOCOL G1
	r := newRig(t, nil)
	r.want(r.heartbeat("h1"), wire.NotStarted)
	r.settle()
	r.want(r.heartbeatDone("h1"), wire.OK)
}

func TestLoad_ThatFailsDropsWhatIsQueuedAndBacksOff(t *testing.T) { // PROTOCOL G2
	r := started(t, func(c *driver.Config) { c.Batch = 1 })
	open := r.open("r1", "h1")
	r.settle()
	r.commit(errDisk)
	queued := r.heartbeat("h2")
	r.until(driver.Load)
	r.want(open, wire.DroppedReply)
	r.wantNone(queued)
	for _, want := range []time.Duration{100, 200, 400, 800, 1600, 3200, 5000, 5000} {
		if next := r.worker.Next(); next != driver.Load {
			t.Fatalf("next is %v, want a load", next)
		}
		r.worker.LoadFailed(r.instant())
		r.hear()
		r.want(queued, wire.DroppedReply)
		r.settle()
		if got, set := r.worker.Retry(); !set || got != want*time.Millisecond {
			t.Errorf("the next attempt is due in %v (set: %v), want %v", got, set, want*time.Millisecond)
		}
		if _, again := r.worker.Retry(); again {
			t.Error("the timer of the next attempt is to be set twice")
		}
		r.want(r.heartbeat("h3"), wire.NotStarted)
		r.worker.RetryDue()
	}
	r.settle()
	r.want(r.heartbeatDone("h3"), wire.OK)
}

func TestClose_FinishesWhatIsInsideAndEnds(t *testing.T) { // PROTOCOL G1
	r := started(t, nil)
	open, beat := r.open("r1", "h1"), r.heartbeat("h2")
	r.front.Close(r.instant())
	r.hear()
	r.want(r.heartbeat("h3"), wire.Closed)
	r.settle()
	r.want(beat, wire.OK)
	r.wantNone(open)
	r.commit(nil)
	r.settle()
	r.want(open, wire.Created)
	if next := r.worker.Next(); next != driver.End {
		t.Errorf("next is %v, want the end", next)
	}
}

func TestClose_OfAnIdleDriverEndsIt(t *testing.T) {
	r := started(t, nil)
	r.front.Close(r.instant())
	r.hear()
	r.settle()
	if next := r.worker.Next(); next != driver.End {
		t.Errorf("next is %v, want the end", next)
	}
}

func TestClose_WhileTheLoadFailsEndsIt(t *testing.T) {
	r := started(t, nil)
	r.open("r1", "h1")
	r.settle()
	r.commit(errDisk)
	r.until(driver.Load)
	r.worker.LoadFailed(r.instant())
	r.hear()
	r.settle()
	r.front.Close(r.instant())
	r.hear()
	r.settle()
	if next := r.worker.Next(); next != driver.End {
		t.Errorf("next is %v, want the end", next)
	}
}

func TestPause_OfAClosedGateStillSaysClosed(t *testing.T) { // PROTOCOL G1
	r := started(t, nil)
	r.open("r1", "h1")
	r.settle()
	r.front.Close(r.instant())
	r.hear()
	r.commit(errDisk)
	r.until(driver.Discard)
	if r.front.Rebuilding() {
		t.Error("a closed driver says that the plane is being rebuilt")
	}
	r.want(r.heartbeat("h2"), wire.Closed)
}

func TestAbandon_AnswersWhatIsInsideAndTheWorkerFindsNothing(t *testing.T) { // PROTOCOL G3
	r := started(t, func(c *driver.Config) { c.Batch = 2 })
	parked := r.open("r1", "h1")
	r.settle()
	batch, next := r.heartbeat("h1"), r.open("r2", "h1")
	queued := r.heartbeat("h3")
	r.until(driver.Step)
	r.front.Close(r.instant())
	r.front.Abandon(r.instant())
	r.hear()
	for _, q := range []*request{parked, batch, next} {
		r.want(q, wire.DroppedReply)
		if q.Finished {
			t.Errorf("%s is finished, and the worker may still read it", q.For)
		}
	}
	r.want(queued, wire.Closed)
	if !queued.Finished {
		t.Error("what was never taken is not finished")
	}
	r.commit(nil)
	r.settle()
	if end := r.worker.Next(); end != driver.End {
		t.Errorf("next is %v, want the end", end)
	}
}

func TestDeadline_AnswersAndTheInputStaysTheWorkers(t *testing.T) { // PROTOCOL G2, G3
	r := started(t, nil)
	beat := r.heartbeat("h1")
	at, set := r.front.Alarm()
	if !set || at != 5*time.Second {
		t.Fatalf("the timer is set %v to %v, want 5 s", set, at)
	}
	if _, again := r.front.Alarm(); again {
		t.Error("the timer is set twice")
	}
	r.until(driver.Step)
	r.now = at - 1
	r.front.Expire(r.instant())
	r.hear()
	r.wantNone(beat)
	if at, set = r.front.Alarm(); !set || at != 5*time.Second {
		t.Errorf("the timer is set %v to %v after it went off early, want 5 s", set, at)
	}
	r.now++
	r.front.Expire(r.instant())
	r.hear()
	r.want(beat, wire.Timeout)
	if beat.Finished {
		t.Error("the request is finished, and the worker has it")
	}
	r.settle()
	if n := r.front.Gate().Stats().LateReplies; n != 1 {
		t.Errorf("%d replies were late, want 1", n)
	}
}

// What is late when its batch is taken is not stepped, and those behind it are in
// time for that reason (PROTOCOL G2, decision 043).
func TestTake_SkipsWhatIsLate(t *testing.T) {
	r := started(t, nil)
	answered := r.heartbeat("h1")
	r.now = time.Second
	overdue := r.heartbeat("h2")
	r.now = 4 * time.Second
	inTime := r.heartbeat("h3")
	r.now = 5 * time.Second
	r.front.Expire(r.instant())
	r.hear()
	r.want(answered, wire.Timeout)
	r.now = 6 * time.Second // no look at the deadlines since
	if n := r.worker.Take(r.instant()); n != 3 {
		t.Fatalf("%d inputs were taken, want 3", n)
	}
	if got := r.worker.Current(); got != inTime {
		t.Fatalf("%v is to be stepped, want the heartbeat of h3", got.Input)
	}
	r.hear()
	r.want(overdue, wire.Timeout)
	r.settle()
	r.want(inTime, wire.OK)
	stats := r.front.Gate().Stats()
	if stats.Skipped != 2 || stats.LateReplies != 0 {
		t.Errorf("%d were skipped and %d replies were late, want 2 and none", stats.Skipped, stats.LateReplies)
	}
	if !r.front.Impaired() {
		t.Error("the plane is not told that it has not heard everybody (PROTOCOL L2)")
	}
}

func TestImpairment_IsToldWithTheNextTick(t *testing.T) { // PROTOCOL L2
	r := started(t, nil)
	for i := range capacity {
		r.heartbeat(string(rune('a' + i)))
	}
	r.want(r.heartbeat("one-more"), wire.Saturated)
	if !r.front.Impaired() || r.front.Impaired() {
		t.Error("want that a full inbox impairs the plane, and that it is said once")
	}
}
