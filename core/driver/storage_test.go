package driver_test

import (
	"testing"
	"time"

	"github.com/refrain-fleet/refrain/core/driver"
	"github.com/refrain-fleet/refrain/core/wire"
)

// broken is a rig whose last commit has failed, and which has said so to the plane
// that it loaded again.
func broken(t *testing.T) *rig {
	t.Helper()
	r := started(t, nil)
	open := r.open("r1", "h1")
	r.settle()
	r.commit(nil)
	r.settle()
	r.want(open, wire.Created)
	lost := r.open("r2", "h1")
	r.settle()
	r.commit(errDisk)
	r.settle()
	r.want(lost, wire.DroppedReply)
	return r
}

func TestStorage_AfterAFailedCommitOnlyWhatNeedsTheDiskIsRefused(t *testing.T) { // PROTOCOL G9
	r := broken(t)
	if !r.worker.Broken() || !r.worker.Plane().ReadOnly() {
		t.Fatalf("broken %v, read-only %v; want both", r.worker.Broken(), r.worker.Plane().ReadOnly())
	}
	r.want(r.heartbeatDone("h1"), wire.OK)
	poll := r.poll("h1", 0)
	r.settle()
	r.want(poll, wire.OK)
	again := r.open("r1", "h1")
	r.settle()
	r.want(again, wire.OK)
	refused := r.open("r3", "h1")
	r.settle()
	r.want(refused, wire.StoreUnavailable)
	if after := refused.Outcome.RetryAfter; after < time.Second {
		t.Errorf("it is told to come back after %v; want a second at least", after)
	}
}

func TestStorage_ATrialShowsThatTheStoreCanWriteAgain(t *testing.T) { // PROTOCOL G9
	r := broken(t)
	for _, want := range []time.Duration{100, 200, 400} {
		if r.flying == nil || len(r.flying.Entries) > 0 {
			t.Fatalf("under way is %+v; want a trial, which has no entries", r.flying)
		}
		r.commit(errDisk)
		r.settle()
		if in, set := r.worker.Retry(); !set || in != want*time.Millisecond {
			t.Errorf("the next trial is due in %v (set: %v); want %v", in, set, want*time.Millisecond)
		}
		if next := r.worker.Next(); next != driver.Rest {
			t.Fatalf("next is %v before the time of the next trial; want a rest", next)
		}
		r.worker.RetryDue()
		r.settle()
	}
	r.commit(nil)
	r.settle()
	if r.worker.Broken() || r.worker.Plane().ReadOnly() {
		t.Fatalf("broken %v, read-only %v after a trial that succeeded", r.worker.Broken(), r.worker.Plane().ReadOnly())
	}
	open := r.open("r3", "h1")
	r.settle()
	r.commit(nil)
	r.settle()
	r.want(open, wire.Created)
}

func TestStorage_ATrialUnderWayDoesNotKeepTheWorkerFromEnding(t *testing.T) { // PROTOCOL G1, G9
	r := broken(t)
	r.front.Close(r.instant())
	r.hear()
	r.settle()
	if next := r.worker.Next(); next != driver.Rest {
		t.Fatalf("next is %v while a trial is under way; want a rest", next)
	}
	r.commit(errDisk)
	r.settle()
	if next := r.worker.Next(); next != driver.End {
		t.Errorf("next is %v after the trial; want the end", next)
	}
}

func TestStorage_ThePlaneIsToldThatDiskIsScarce(t *testing.T) { // PROTOCOL G11
	r := started(t, func(c *driver.Config) { c.DiskReserve = 100 })
	for _, step := range []struct {
		free   int64
		scarce bool
	}{{200, false}, {100, false}, {99, true}, {100, true}, {124, true}, {125, false}, {100, false}, {0, true}, {-1, false}} {
		r.worker.FreeDisk(step.free)
		r.settle()
		if got := r.worker.Plane().Scarce(); got != step.scarce || r.worker.Scarce() != step.scarce {
			t.Errorf("with %d bytes free: the plane takes disk for scarce: %v; want %v", step.free, got, step.scarce)
		}
	}
	r.worker.FreeDisk(99)
	r.settle()
	open := r.open("r1", "h1")
	r.settle()
	r.commit(errDisk)
	r.settle()
	r.want(open, wire.DroppedReply)
	if p := r.worker.Plane(); !p.ReadOnly() || !p.Scarce() {
		t.Errorf("after a failed commit: read-only %v, scarce %v; want both", p.ReadOnly(), p.Scarce())
	}
}
