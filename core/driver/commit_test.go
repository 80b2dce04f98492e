package driver_test

import (
	"testing"

	"github.com/refrain-fleet/refrain/core/driver"
	"github.com/refrain-fleet/refrain/core/plane"
	"github.com/refrain-fleet/refrain/core/wire"
)

func TestReply_WaitsForItsCommit(t *testing.T) { // PROTOCOL E2, H4
	r := started(t, nil)
	open := r.open("r1", "h1")
	beat := r.heartbeat("h9")
	r.settle()
	r.wantNone(open)
	r.want(beat, wire.OK) // it needs nothing durable
	r.commit(nil)
	r.settle()
	r.want(open, wire.Created)
}

func TestReply_WaitsForItsOwnGroupAndNotForTheOneBefore(t *testing.T) { // PROTOCOL E2
	r := started(t, nil)
	first := r.open("r1", "h1")
	r.settle()
	second := r.open("r2", "h1")
	r.settle()
	r.wantNone(first, second)
	r.commit(nil)
	r.settle()
	r.want(first, wire.Created)
	r.wantNone(second)
	r.commit(nil)
	r.settle()
	r.want(second, wire.Created)
}

func TestReply_OfADuplicateWaitsForTheOriginal(t *testing.T) { // PROTOCOL E3
	r := started(t, nil)
	first := r.open("r1", "h1")
	r.settle()
	again := r.open("r1", "h1")
	r.settle()
	r.wantNone(first, again)
	r.commit(nil)
	r.settle()
	r.want(first, wire.Created)
	r.want(again, wire.OK)
}

func TestCommit_FailedDiscardsAllThatWasSteppedSince(t *testing.T) { // PROTOCOL G2
	r := started(t, nil)
	first := r.open("r1", "h1")
	r.settle()
	second := r.open("r2", "h1")
	r.settle()
	r.commit(errDisk)
	r.until(driver.Discard)
	late := r.heartbeat("h9")
	r.want(late, wire.NotStarted)
	r.settle()
	r.want(first, wire.DroppedReply)
	r.want(second, wire.DroppedReply)
	if n := len(r.disk); n != 0 || r.worker.Plane().Stats().Logged != 0 {
		t.Errorf("%d entries are durable, the plane has logged %d; want none", n, r.worker.Plane().Stats().Logged)
	}
	r.want(r.heartbeatDone("h9"), wire.OK)
}

func (r *rig) heartbeatDone(host string) *request {
	r.t.Helper()
	q := r.heartbeat(host)
	r.settle()
	return q
}

func TestFailure_LetsTheCommitUnderWayEndFirst(t *testing.T) { // PROTOCOL E2
	r := started(t, nil)
	first := r.open("r1", "h1")
	r.settle()
	second := r.open("r2", "h1")
	r.until(driver.Step)
	r.worker.Fail() // the step has panicked
	r.settle()
	r.wantNone(first, second)
	r.commit(nil)
	r.settle()
	r.want(first, wire.Created) // it is durable
	r.want(second, wire.DroppedReply)
	if r.worker.Plane().Stats().Logged != 1 {
		t.Errorf("the plane has %d entries, want the one that is durable", r.worker.Plane().Stats().Logged)
	}
}

func TestRevocation_IsPublishedWithItsGroupAndBeforeItsReply(t *testing.T) { // PROTOCOL T5
	r := started(t, nil)
	first := r.revoke("h1")
	r.settle()
	second := r.revoke("h2")
	r.settle()
	if n := len(r.worker.Revocations()); n != 0 {
		t.Errorf("%d names are published and none is durable", n)
	}
	published := 0
	r.onAnswer = func(*request) { published = len(r.worker.Revocations()) }
	r.commit(nil)
	r.settle()
	r.want(first, wire.OK)
	r.wantNone(second)
	if published != 1 {
		t.Errorf("%d names were published at the answer, want 1", published)
	}
	r.commit(nil)
	r.settle()
	r.want(second, wire.OK)
	if published != 2 {
		t.Errorf("%d names were published at the answer, want 2", published)
	}
}

func TestRevocation_OfAGroupIsNotPublishedAgainByALaterOne(t *testing.T) { // PROTOCOL T5
	r := started(t, nil)
	r.revoke("h1")
	r.settle()
	r.commit(nil)
	r.settle()
	r.revoke("h2")
	r.settle()
	r.commit(nil)
	r.settle()
	r.open("r1", "h1") // in the buffers of the first group
	r.settle()
	r.commit(nil)
	r.settle()
	if n := len(r.worker.Revocations()); n != 2 {
		t.Errorf("%d names are published, want 2", n)
	}
}

func TestDroppedReply_IsAppliedAndNotAnswered(t *testing.T) { // PROTOCOL G2
	r := started(t, nil)
	open := r.open("r1", "h1")
	r.settle()
	r.commit(nil)
	r.until(driver.Reply)
	r.worker.DropReply(r.instant())
	r.hear()
	r.settle()
	r.want(open, wire.DroppedReply)
	if r.worker.Plane().Stats().Logged != 1 {
		t.Error("the opening is not applied")
	}
}

func TestSkippedInput_IsNotApplied(t *testing.T) { // PROTOCOL G2
	r := started(t, nil)
	open := r.open("r1", "h1")
	r.until(driver.Step)
	r.worker.Skip(r.instant())
	r.hear()
	r.settle()
	r.want(open, wire.DroppedReply)
	if r.worker.Plane().Stats().Logged != 0 {
		t.Error("the opening is applied")
	}
}

func TestTick_ComesBetweenBatchesAndDuringACommit(t *testing.T) {
	r := started(t, nil)
	r.open("r1", "h1")
	r.settle()
	r.worker.TickDue()
	if next := r.worker.Next(); next != driver.Tick {
		t.Errorf("next is %v, want the tick", next)
	}
	r.settle()
	r.commit(nil)
	r.settle()
}

func TestRows_OfAGroupAreThoseThatItsEntriesChanged(t *testing.T) {
	r := started(t, nil)
	r.open("r1", "h1", "h2")
	r.settle()
	if r.flying == nil || len(r.flying.Rows) != 3 { // a rollout and two records
		t.Fatalf("the group has %d rows, want 3", len(r.flying.Rows))
	}
	r.open("r2", "h1")
	r.commit(nil)
	r.settle()
	for _, row := range r.flying.Rows {
		if row.Table == plane.TableRecords && row.Key == "stable@r1" && row.Sub == "h2" {
			t.Error("a row of the group before is committed again")
		}
	}
}
