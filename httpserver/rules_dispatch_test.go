package httpserver

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/refrain-fleet/refrain/core/plane"
	"github.com/refrain-fleet/refrain/core/wire"
)

// PROTOCOL D: how work is handed out. How long a poll waits, that it holds
// nothing meanwhile, and how it ends is in dispatch_test.go.

// poll asks for work and does not wait.
func (c *client) poll() answer {
	c.h.t.Helper()
	return c.do(http.MethodGet, dispatchPath, "")
}

// beginPoll waits for work for a minute.
func (c *client) beginPoll() <-chan answer {
	c.h.t.Helper()
	return c.begin(http.MethodGet, dispatchPath+"?wait=60", "")
}

// dispatched fails the test unless the answer is a dispatch of the rollout.
func (a answer) dispatched(t testing.TB, rollout string) {
	t.Helper()
	a.want(t, wire.OK)
	if !strings.Contains(a.body, `"rollout_id":"`+rollout+`"`) {
		t.Fatalf("dispatched %s, want %s", a.body, rollout)
	}
}

func TestADispatchSaysAllThatTheAgentNeeds(t *testing.T) { // PROTOCOL D1
	h := start(t)
	h.clock.Add(1500 * time.Millisecond)
	h.open(wire.RollbackAndHalt, []int{10, 0}, "stable", "r1", "c1", "h1", "h2")
	c := h.agent("h1")
	a := c.poll()
	a.want(t, wire.OK)
	want := `{"hostname":"h1","rollout_id":"stable@r1","target_closure":"c1","soak_due_at":"2026-01-01T00:10:01.5Z","soak_seconds":600,` +
		`"enqueued_at":"2026-01-01T00:00:01.5Z","on_health_failure":"rollback-and-halt"}`
	if a.body != want {
		t.Errorf("got  %s\nwant %s", a.body, want)
	}
	if got := a.header.Get("Content-Type"); got != wire.MediaJSON {
		t.Errorf("content type is %q, want %q", got, wire.MediaJSON)
	}
	// A host that has nothing to do, known or not, is told so.
	for _, host := range []string{"h2", "h9"} {
		if a := h.agent(host).poll(); a.status != http.StatusNoContent || a.body != "" {
			t.Errorf("%s: got %v, want 204 without a body", host, a)
		}
	}
}

func TestTheOldestDispatchComesFirst(t *testing.T) { // PROTOCOL D1, D2
	h := start(t)
	h.openRollout("zeta", "r1", "c1", "h1")
	h.openRollout("alpha", "r1", "c1", "h1")
	c := h.agent("h1")
	c.poll().dispatched(t, "zeta@r1")
	c.tellAll("h1", "zeta@r1", "DispatchAck")
	c.poll().dispatched(t, "alpha@r1")
	c.tellAll("h1", "alpha@r1", "DispatchAck")
	c.poll().want(t, wire.NoContent)
}

func TestADispatchIsOfferedUntilItsAckIsApplied(t *testing.T) { // PROTOCOL D2
	h := start(t)
	h.openRollout("stable", "r1", "c1", "h1", "h2")
	c := h.agent("h1")
	first := c.poll()
	first.dispatched(t, "stable@r1")
	again := func(when string) {
		t.Helper()
		h.advance(20 * time.Second) // 15 s, and to the next tick
		if a := c.poll(); a.status != http.StatusOK || a.body != first.body {
			t.Errorf("%s: got %v, want %v", when, a, first)
		}
	}
	c.poll().want(t, wire.NoContent)
	h.agent("h1").poll().want(t, wire.NoContent) // on another connection
	again("after the answer")
	c.beat("h1", "stable@r1", "c0").want(t, wire.OK)
	c.beat("h1", "", "c0").want(t, wire.OK)
	again("after heartbeats")
	h.faults.Install(Fault{Kind: Drop, Count: 1, Match: ofKind[*plane.Event]})
	c.do(http.MethodPost, eventsPath, ackBody("h1", "stable@r1")).want(t, wire.DroppedReply)
	again("after an ack that was lost")
	c.tell("h1", "stable@r1", 2, eventKinds["ActivationStarted"]).want(t, wire.Gap)
	again("after an event that was refused")
	h.agent("h2").tellAll("h2", "stable@r1", "DispatchAck")
	again("after another host's ack")
	// An answer that the host never sees.
	h.faults.Install(Fault{Kind: Drop, At: BeforeReply, Count: 1, Match: ofKind[*plane.Poll]})
	c.poll().want(t, wire.DroppedReply)
	again("after an answer that was lost")
	h.restart()
	again("after a restart")
	c.tellAll("h1", "stable@r1", "DispatchAck")
	c.poll().want(t, wire.NoContent)
	h.restart()
	c.poll().want(t, wire.NoContent)
}

func TestAConfirmationEndsAnOffer(t *testing.T) { // PROTOCOL D2, H4
	h := start(t)
	h.openRollout("stable", "r1", "c1", "h1")
	c := h.agent("h1")
	c.poll().dispatched(t, "stable@r1")
	c.beat("h1", "", "c1").want(t, wire.OK) // it runs the target already
	c.poll().want(t, wire.NoContent)
}

func TestEverythingThatQueuesWorkWakesThePoll(t *testing.T) { // PROTOCOL D1, R2, R3
	for name, test := range map[string]struct {
		prepare, release func(*harness)
		rollout          string
	}{
		"a new rollout": {
			prepare: func(*harness) {},
			release: func(h *harness) { h.openRollout("stable", "r1", "c1", "h1") },
			rollout: "stable@r1",
		},
		"the host before it converges": {
			prepare: func(h *harness) {
				h.open(wire.Halt, []int{0, 0}, "stable", "r1", "c1", "h0", "h1")
				h.agent("h0").tellAll("h0", "stable@r1", "DispatchAck", "ActivationCompleted")
			},
			release: func(h *harness) {
				h.agent("h0").tell("h0", "stable@r1", 3, eventKinds["Converged"]).want(h.t, wire.NoContent)
			},
			rollout: "stable@r1",
		},
		"the host before it defers": {
			prepare: func(h *harness) {
				h.open(wire.Halt, []int{0, 0}, "stable", "r1", "c1", "h0", "h1")
				h.agent("h0").tellAll("h0", "stable@r1", "DispatchAck")
			},
			release: func(h *harness) {
				h.agent("h0").tell("h0", "stable@r1", 2, eventKinds["ActivationDeferred"]).want(h.t, wire.NoContent)
			},
			rollout: "stable@r1",
		},
		"an operator resumes": {
			prepare: func(h *harness) {
				h.openRollout("stable", "r1", "c1", "h0", "h1")
				h.agent("h0").tellAll("h0", "stable@r1", "DispatchAck", "ActivationFailed")
			},
			release: func(h *harness) {
				h.reader().do(http.MethodPost, rolloutsPath+"/stable@r1/resume", "").want(h.t, wire.OK)
			},
			rollout: "stable@r1",
		},
		"an operator clears a quarantine": {
			prepare: func(h *harness) {
				h.openRollout("stable", "r1", "c1", "h0")
				h.agent("h0").tellAll("h0", "stable@r1", "DispatchAck", "ActivationFailed", "RollbackComplete")
				h.openRollout("stable", "r2", "c1", "h1")
			},
			release: func(h *harness) {
				h.reader().do(http.MethodPost, clearPath, `{"channel":"stable","closure":"c1"}`).want(h.t, wire.NoContent)
			},
			rollout: "stable@r2",
		},
	} {
		t.Run(name, func(t *testing.T) {
			h := start(t)
			test.prepare(h)
			c := h.agent("h1")
			c.poll().want(t, wire.NoContent)
			done := c.beginPoll()
			h.waiting(1)
			test.release(h)
			(<-done).dispatched(t, test.rollout)
		})
	}
}

func TestAPollThatWaitsOutlivesWhatIsNotForIt(t *testing.T) { // PROTOCOL D1, D3
	h := start(t)
	done := h.agent("h1").beginPoll()
	h.waiting(1)
	h.openRollout("stable", "r1", "c1", "h2")
	h.agent("h2").tellAll("h2", "stable@r1", "DispatchAck")
	h.openRollout("stable", "r2", "c2", "h2")
	select {
	case a := <-done:
		t.Fatalf("answered %v", a)
	default:
	}
	h.waiting(1)
	h.openRollout("beta", "r1", "c1", "h1")
	(<-done).dispatched(t, "beta@r1")
}

func TestTheLongestWaitIsAMinute(t *testing.T) { // PROTOCOL D1
	h := start(t)
	for _, wait := range []string{"60", "61", "99999999999999999999"} {
		done := h.agent("h1").begin(http.MethodGet, dispatchPath+"?wait="+wait, "")
		h.waiting(1)
		h.clock.Add(time.Minute - time.Nanosecond)
		h.waiting(1)
		h.clock.Add(time.Nanosecond)
		(<-done).want(t, wire.NoContent)
	}
}
