package agent_test

import (
	"testing"
	"time"

	"github.com/refrain-fleet/refrain/core/agent"
	"github.com/refrain-fleet/refrain/core/wire"
)

func TestTheFirstHeartbeatComesInTheFirstTenthOfAnInterval(t *testing.T) { // PROTOCOL A5
	var early, late int
	for seed := range uint64(200) {
		r := newRig(t)
		r.cfg.Seed = seed
		r.make()
		r.now = time.Hour
		r.start("c0", agent.ProcessStart)
		r.take(agent.RequestHeartbeat)
		at := r.now - time.Hour
		if at < 0 || at > 6*time.Second {
			t.Fatalf("seed %d: the first heartbeat comes after %v", seed, at)
		}
		if at < 3*time.Second {
			early++
		} else {
			late++
		}
	}
	if early < 50 || late < 50 {
		t.Fatalf("%d of 200 come in the first half, %d in the second", early, late)
	}
}

func TestHeartbeatsComeEveryIntervalJitteredByATenth(t *testing.T) { // PROTOCOL A5
	r := on(t, "c0")
	r.heartbeat(ok)
	least, most := time.Hour, time.Duration(0)
	for range 200 {
		sent := r.now
		r.heartbeat(ok)
		gap := r.now - sent
		if gap < 54*time.Second || gap > 66*time.Second {
			t.Fatalf("two heartbeats are %v apart", gap)
		}
		least, most = min(least, gap), max(most, gap)
	}
	if least > 56*time.Second || most < 64*time.Second {
		t.Fatalf("all gaps are between %v and %v", least, most)
	}
}

func TestALateAnswerDoesNotPutOffTheNextHeartbeat(t *testing.T) { // PROTOCOL A5
	r := on(t, "c0")
	q := r.take(agent.RequestHeartbeat)
	sent := r.now
	r.advance(9 * time.Second)
	r.answer(q, ok)
	r.take(agent.RequestHeartbeat)
	if gap := r.now - sent; gap > 66*time.Second {
		t.Fatalf("the next one is sent after %v", gap)
	}
}

func TestFailedHeartbeatsBackOffUpToTheInterval(t *testing.T) { // PROTOCOL A5
	for _, x := range []agent.Answer{silence, {Status: 500}, {Status: 503}, {Status: 429}} {
		r := on(t, "c0")
		r.heartbeat(ok)
		bound := time.Second
		sum := time.Duration(0)
		for range 40 {
			q := r.take(agent.RequestHeartbeat)
			r.answer(q, x)
			gap := r.a.NextTimer() - r.now // the poll is open
			if len(r.open(agent.RequestPoll)) == 0 {
				gap = 0
			}
			if gap > bound {
				t.Fatalf("%v: after a failure it waits %v; want at most %v", x, gap, bound)
			}
			sum += gap
			bound = min(2*bound, minute)
		}
		if sum < 10*minute || sum > 27*minute {
			t.Fatalf("%v: 40 backoffs add up to %v; full jitter gives about 18m", x, sum)
		}
	}
}

func TestASuccessEndsTheBackoff(t *testing.T) { // PROTOCOL A5
	r := on(t, "c0")
	for range 10 {
		r.heartbeat(silence)
	}
	r.heartbeat(ok)
	r.heartbeat(silence)
	failed := r.now
	r.take(agent.RequestHeartbeat)
	if gap := r.now - failed; gap > time.Second {
		t.Fatalf("the first backoff after a success is %v", gap)
	}
}

func TestRetryAfterIsAFloor(t *testing.T) { // PROTOCOL A5, G4
	r := on(t, "c0")
	for range 20 {
		r.heartbeat(agent.Answer{Status: 503, RetryAfter: 25 * time.Second})
		failed := r.now
		q := r.take(agent.RequestHeartbeat)
		if gap := r.now - failed; gap < 25*time.Second || gap > minute {
			t.Fatalf("it comes back after %v", gap)
		}
		r.answer(q, ok)
	}
}

func TestARetryAfterOfAYearIsNotFollowed(t *testing.T) { // PROTOCOL G4
	r := on(t, "c0")
	r.heartbeat(agent.Answer{Status: 503, RetryAfter: 365 * 24 * time.Hour})
	failed := r.now
	r.take(agent.RequestHeartbeat)
	equal(t, "wait", r.now-failed, time.Hour)
}

func TestAHeartbeatThatThePlaneCouldNotProcessHasFailed(t *testing.T) { // PROTOCOL H
	r := on(t, "c0")
	q := r.take(agent.RequestHeartbeat)
	r.step(&agent.HeartbeatAnswered{ID: q.ID, Answer: ok}) // received_at is null
	failed := r.now
	r.take(agent.RequestHeartbeat)
	if gap := r.now - failed; gap > time.Second {
		t.Fatalf("it is tried again after %v", gap)
	}
}

func TestAHostThatIsNotAcceptedKeepsEverythingAndTriesAtTheInterval(t *testing.T) { // PROTOCOL T1, T3
	for _, status := range []int{401, 403} {
		x := agent.Answer{Status: status}
		r := on(t, "c0")
		r.offer(r.dispatch(r1, "c1", 0))
		q := r.event(x)
		sent := r.now
		again := r.take(agent.RequestEvent)
		equal(t, "event", told(again), told(q))
		if gap := r.now - sent; gap < 54*time.Second || gap > 66*time.Second {
			t.Fatalf("the event is tried again after %v", gap)
		}
		r.heartbeat(x)
		sent = r.now
		r.take(agent.RequestHeartbeat)
		if gap := r.now - sent; gap < 54*time.Second || gap > 66*time.Second {
			t.Fatalf("the heartbeat is tried again after %v", gap)
		}
		equal(t, "history", r.history(r1), "DispatchAck#1 ActivationStarted#2")
		if r.noticed(agent.NoticeUnauthorised) < 2 {
			t.Fatal("no notice says so")
		}
	}
}

func TestAnEventThatIsNotAnsweredGoesOutAgainTheSame(t *testing.T) { // PROTOCOL E9
	r := on(t, "c0")
	r.offer(r.dispatch(r1, "c1", 0))
	first := r.event(silence)
	for _, x := range []agent.Answer{silence, {Status: 500}, {Status: 503, RetryAfter: 7 * time.Second}} {
		q := r.take(agent.RequestEvent)
		equal(t, "event", told(q), told(first))
		failed := r.now
		r.answer(q, x)
		q = r.take(agent.RequestEvent)
		if gap := r.now - failed; gap < x.RetryAfter || gap > minute {
			t.Fatalf("%v: again after %v", x, gap)
		}
		r.answer(q, silence)
	}
}

func TestClientTimeoutsAreThoseOfTheProtocol(t *testing.T) { // PROTOCOL A6
	r := on(t, "c0")
	equal(t, "heartbeat", r.take(agent.RequestHeartbeat).Timeout, 10*time.Second)
	poll := r.take(agent.RequestPoll)
	equal(t, "poll", poll.Timeout, 70*time.Second)
	equal(t, "wait", poll.Wait, 60*time.Second)
	r.step(&agent.PollAnswered{ID: poll.ID, Answer: ok, Dispatch: r.dispatch(r1, "c1", 0)})
	equal(t, "event", r.take(agent.RequestEvent).Timeout, 10*time.Second)
}

func TestAnAnswerToARequestThatIsNotOpenChangesNothing(t *testing.T) { // PROTOCOL H7
	r := on(t, "c0")
	r.offer(r.dispatch(r1, "c1", 0))
	q := r.event(accepted)
	before := string(r.a.AppendState(nil))
	for _, in := range []agent.Input{
		&agent.EventAnswered{ID: q.ID, Answer: rejected},
		&agent.EventAnswered{Answer: rejected},
		&agent.HeartbeatAnswered{ID: 999, Answer: silence},
		&agent.HeartbeatAnswered{Answer: silence},
		&agent.PollAnswered{ID: 1, Answer: silence},
		&agent.ActivationEnded{ID: 999, Result: agent.ActivationFailed},
		&agent.RollbackEnded{ID: r.effects[0].ID},
		&agent.Probed{ID: r.effects[0].ID, Probe: "p"},
	} {
		r.step(in)
		equal(t, in.String(), string(r.a.AppendState(nil)), before)
	}
}

func TestAHeartbeatNamesTheOutstandingRollout(t *testing.T) { // PROTOCOL H, H3
	r := on(t, "c0")
	equal(t, "named", r.heartbeat(ok).Heartbeat.RolloutID, "")
	r.offer(r.dispatch(r1, "c1", 0))
	equal(t, "named", r.heartbeat(ok).Heartbeat.RolloutID, r1)
	r.activated() // converged, but not acknowledged
	equal(t, "named", r.heartbeat(ok).Heartbeat.RolloutID, r1)
	r.accept()
	q := r.heartbeat(ok)
	equal(t, "named", q.Heartbeat.RolloutID, "")
	equal(t, "closure", q.Heartbeat.CurrentClosure, "c1")
}

func TestOfSeveralOutstandingRolloutsEachIsNamedInTurn(t *testing.T) { // PROTOCOL H2
	r := soaking(t)
	r.offer(r.dispatch(e1, "c1", 60*minute))
	r.accept()
	named := map[wire.RolloutID]int{}
	for range 10 {
		named[r.heartbeat(ok).Heartbeat.RolloutID]++
	}
	equal(t, "stable", named[r1], 5)
	equal(t, "edge", named[e1], 5)
}

func TestAHostThatDoesNotKnowItsClosureSaysSoAndTakesNoWork(t *testing.T) { // PROTOCOL H
	r := on(t, "")
	equal(t, "closure", r.heartbeat(ok).Heartbeat.CurrentClosure, "")
	r.advance(10 * minute)
	equal(t, "polls", len(r.open(agent.RequestPoll)), 0)
	r.step(&agent.ClosureObserved{CurrentClosure: "c0"})
	r.take(agent.RequestPoll)
}

// A poll that is answered 204 ends the backoff of those that failed before it.
func TestAPollThatFindsNoWorkEndsTheBackoff(t *testing.T) { // PROTOCOL A5
	r := on(t, "c0")
	for range 9 {
		r.answer(r.take(agent.RequestPoll), silence)
	}
	r.answer(r.take(agent.RequestPoll), accepted)
	r.answer(r.take(agent.RequestPoll), silence)
	failed := r.now
	r.take(agent.RequestPoll)
	if waited := r.now - failed; waited > time.Second {
		t.Errorf("the next poll came %v after the first failure; want at most 1s", waited)
	}
}
