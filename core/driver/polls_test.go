package driver_test

import (
	"testing"
	"time"

	"github.com/refrain-fleet/refrain/core/driver"
	"github.com/refrain-fleet/refrain/core/wire"
)

// opened opens a rollout to its end.
func (r *rig) opened(ref string, hosts ...string) {
	r.t.Helper()
	r.open(ref, hosts...)
	r.settle()
	r.commit(nil)
	r.settle()
}

func (r *rig) wantWaiting(n int) {
	r.t.Helper()
	if got := r.front.WaitingPolls(); got != n {
		r.t.Fatalf("%d polls wait, want %d", got, n)
	}
}

func TestPoll_WithoutAWaitIsAnswered(t *testing.T) { // PROTOCOL D1
	r := started(t, nil)
	q := r.poll("h1", 0)
	r.settle()
	r.want(q, wire.NoContent)
}

func TestPoll_WaitsAndIsWoken(t *testing.T) { // PROTOCOL D1
	r := started(t, nil)
	q := r.poll("h1", time.Minute)
	r.settle()
	r.wantNone(q)
	r.wantWaiting(1)
	if depth := r.front.Gate().Depth(); depth != 0 {
		t.Errorf("a poll that waits is inside: %d", depth)
	}
	r.open("r1", "h1")
	r.settle()
	r.wantNone(q) // the dispatch is not durable
	r.commit(nil)
	r.settle()
	r.want(q, wire.OK)
	r.wantWaiting(0)
}

func TestPoll_IsAnsweredWhenItsTimeIsUp(t *testing.T) { // PROTOCOL D1
	r := started(t, nil)
	long, short := r.poll("h1", 10*time.Second), r.poll("h2", time.Second)
	r.settle()
	r.front.Alarm()
	for _, step := range []struct {
		q  *request
		at time.Duration
	}{{short, time.Second}, {long, 10 * time.Second}} {
		r.now = step.at - 1
		r.front.Expire(r.instant())
		r.hear()
		r.wantNone(step.q)
		if at, set := r.front.Alarm(); !set || at != step.at {
			t.Errorf("the timer is set %v to %v, want %v", set, at, step.at)
		}
		r.now++
		r.front.Expire(r.instant())
		r.hear()
		r.want(step.q, wire.NoContent)
	}
}

func TestPoll_ThatAsksWhenItsTimeIsUpIsAnsweredByWhatItFinds(t *testing.T) { // PROTOCOL D1
	r := started(t, nil)
	q := r.poll("h1", time.Second)
	r.until(driver.Step)
	r.now = time.Second
	r.front.Expire(r.instant())
	r.hear()
	r.wantNone(q)
	r.settle()
	r.want(q, wire.NoContent)
}

func TestPoll_ANewerOneTakesThePlace(t *testing.T) { // PROTOCOL D3
	r := started(t, nil)
	waiting := r.poll("h1", time.Minute)
	r.settle()
	newer := r.poll("h1", time.Minute)
	r.want(waiting, wire.NoContent)
	r.until(driver.Reply)
	newest := r.poll("h1", time.Minute) // while the one before asks
	r.wantNone(newer)
	r.settle()
	r.want(newer, wire.NoContent)
	r.wantNone(newest)
	r.wantWaiting(1)
	r.opened("r1", "h1")
	r.want(newest, wire.OK)
}

func TestPoll_OneWithoutAWaitLeavesTheOtherAlone(t *testing.T) { // PROTOCOL D3
	r := started(t, nil)
	waiting := r.poll("h1", time.Minute)
	r.settle()
	r.poll("h1", 0)
	r.settle()
	r.wantNone(waiting)
}

func TestPoll_ADispatchReadyAtOnceIsNotWaitedFor(t *testing.T) { // PROTOCOL D1
	r := started(t, nil)
	r.opened("r1", "h1")
	q := r.poll("h1", time.Minute)
	r.settle()
	r.want(q, wire.OK)
}

func TestPoll_ThatAsksWhileTheWorkComesIsGivenIt(t *testing.T) { // PROTOCOL D1
	r := started(t, nil)
	r.open("r1", "h1")
	r.settle()
	q := r.poll("h1", time.Minute)
	r.until(driver.Step)
	r.settle() // it finds nothing durable yet, or waits for what it finds
	r.commit(nil)
	r.settle()
	r.want(q, wire.OK)
}

func TestPoll_OfAClientThatIsGone(t *testing.T) {
	r := started(t, nil)
	q := r.poll("h1", time.Minute)
	r.settle()
	if !r.front.GiveUp(r.instant(), q) || !q.Finished {
		t.Error("a poll that waits is not given back")
	}
	r.hear()
	r.wantNone(q)
	r.wantWaiting(0)
	asking := r.poll("h1", time.Minute)
	if r.front.GiveUp(r.instant(), asking) {
		t.Error("a poll that asks is given back, and the worker has it")
	}
	r.settle()
	r.want(asking, wire.NoContent) // it does not wait
	if r.front.GiveUp(r.instant(), asking) {
		t.Error("an answered poll is given back")
	}
}

func TestPoll_ClosingAnswersAllThatWait(t *testing.T) { // PROTOCOL D3
	r := started(t, nil)
	b, a := r.poll("b", time.Minute), r.poll("a", time.Minute)
	r.settle()
	asking := r.poll("c", time.Minute)
	r.front.Close(r.instant())
	r.hear()
	r.wantOrder("a=closed", "b=closed")
	r.want(a, wire.Closed)
	r.want(b, wire.Closed)
	r.settle()
	r.want(asking, wire.Closed)
}

func TestPoll_NoneBeginsToWaitWhileTheDriverDrains(t *testing.T) { // PROTOCOL D3
	r := started(t, nil)
	first, second, woken := r.poll("h1", time.Minute), r.poll("h2", time.Minute), r.poll("h3", time.Minute)
	r.settle()
	r.front.Drain()
	late := r.poll("h4", time.Minute)
	r.settle()
	r.want(late, wire.Closed)
	r.wantWaiting(3)

	if !r.front.Release(r.instant(), first) {
		t.Error("a poll that waits is not released")
	}
	r.hear()
	r.want(first, wire.Closed)
	if r.front.Release(r.instant(), first) || r.front.Release(r.instant(), late) {
		t.Error("an answered poll is released")
	}
	r.wantWaiting(2)

	// Everything else goes on: heartbeats, and polls for which there is work.
	beat := r.heartbeat("h1")
	r.settle()
	r.want(beat, wire.OK)
	open := r.open("r1", "h3", "h5")
	r.settle()
	r.commit(nil)
	r.settle()
	r.want(open, wire.Created)
	r.want(woken, wire.OK)
	ready := r.poll("h5", time.Minute)
	r.settle()
	r.want(ready, wire.OK)
	r.wantWaiting(1)
	r.front.Close(r.instant())
	r.hear()
	r.want(second, wire.Closed)
}

func TestPoll_OfACertificateRevokedMeanwhileIsNotGivenWork(t *testing.T) { // PROTOCOL T5
	r := started(t, nil)
	q, other := r.poll("h1", time.Minute), r.poll("h2", time.Minute)
	r.settle()
	r.now = time.Second
	r.revoke("h1")
	r.settle()
	r.commit(nil)
	r.settle()
	r.opened("r1", "h1", "h2")
	r.want(q, wire.CertificateRevoked)
	r.want(other, wire.OK)
}

func TestPoll_OfACertificateExpiredMeanwhileIsNotGivenWork(t *testing.T) { // PROTOCOL T1
	r := started(t, nil)
	q := r.poll("h1", time.Minute)
	q.Certificate.NotAfter = r.instant().Wall
	r.settle()
	r.now = time.Second
	r.opened("r1", "h1")
	r.want(q, wire.CertificateExpired)
}

func TestTurns_AreGivenInTheOrderOfWaking(t *testing.T) { // PROTOCOL D3
	r := started(t, nil) // 8 places make 2 turns
	names := []string{"h3", "h1", "h4", "h2", "h5"}
	for _, name := range names {
		r.poll(name, time.Minute)
		r.settle()
	}
	r.open("r1", names...)
	r.settle()
	r.commit(nil)
	r.order = nil
	r.until(driver.Announce)
	r.order = nil
	r.section()
	if depth := r.front.Gate().Depth(); depth != 2 {
		t.Errorf("%d polls ask at a time, want 2", depth)
	}
	r.settle()
	// The plane wakes the hosts in the order of their names.
	r.wantOrder("h1=ok", "h2=ok", "h3=ok", "h4=ok", "h5=ok")
}

func TestTurns_ComeBackFromPollsThatAreRefused(t *testing.T) { // PROTOCOL D3
	r := started(t, nil)
	polls := []*request{r.poll("h1", time.Minute), r.poll("h2", time.Minute), r.poll("h3", time.Minute)}
	r.settle()
	r.open("r1", "h1", "h2", "h3")
	r.settle()
	for i := range capacity {
		r.heartbeat(string(rune('a' + i))) // the inbox is full
	}
	r.commit(nil)
	r.until(driver.Announce)
	r.heartbeat("z") // in the place of the opening
	r.section()
	for _, q := range polls {
		r.want(q, wire.Saturated)
	}
	r.settle()
	again := r.poll("h1", time.Minute)
	r.settle()
	r.want(again, wire.OK)
}

func TestTurns_OfAPollWhoseTimeIsUpGoToTheNext(t *testing.T) { // PROTOCOL D3
	r := started(t, nil)
	short := r.poll("h1", time.Second)
	long := r.poll("h2", time.Minute)
	r.settle()
	r.open("r1", "h1", "h2")
	r.settle()
	r.commit(nil)
	r.until(driver.Announce)
	r.now = time.Second // the timer has not gone off yet
	r.settle()
	r.want(short, wire.NoContent)
	r.want(long, wire.OK)
}

func TestWake_LostWithAPlaneIsMadeUpFor(t *testing.T) { // PROTOCOL D1
	r := started(t, nil)
	q := r.poll("h1", time.Minute)
	r.settle()
	open := r.open("r1", "h1")
	r.settle()
	r.disk = append(r.disk, r.flying.Entries...) // it is on the disk all the same
	r.commit(errDisk)
	r.settle()
	r.want(open, wire.DroppedReply)
	r.want(q, wire.OK)
}

func TestPoll_ThatExpiresWhenItAsksAgainIsTheWorkers(t *testing.T) { // PROTOCOL G2
	r := started(t, nil)
	q := r.poll("h1", time.Minute)
	r.settle()
	r.opened("r1", "h2") // wakes nobody
	r.open("r2", "h1")
	r.settle()
	r.commit(nil)
	r.until(driver.Announce)
	r.section()
	r.until(driver.Step)
	r.now = 5 * time.Second
	r.front.Expire(r.instant())
	r.hear()
	r.want(q, wire.Timeout)
	if q.Finished {
		t.Error("the poll is finished, and the worker has it")
	}
	r.settle()
}
