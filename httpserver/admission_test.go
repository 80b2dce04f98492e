package httpserver

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/refrain-fleet/refrain/core/plane"
	"github.com/refrain-fleet/refrain/core/wire"
)

func TestEachReasonOfA503HasItsAnswerItsCounterAndItsLine(t *testing.T) { // PROTOCOL G1, G2, G4, G8
	level := map[wire.Code]string{
		wire.NotStarted: "WARN", wire.Saturated: "WARN", wire.StoreUnavailable: "WARN", wire.OverBudget: "WARN",
		wire.Closed: "ERROR", wire.DroppedReply: "ERROR", wire.Timeout: "ERROR",
	}
	for _, code := range wire.UnavailableCodes {
		t.Run(code.String(), func(t *testing.T) {
			h := newHarness(t, func(c *Config) { c.InboxCapacity, c.Store, c.EventBudget.Events = 4, newBrittleStore(), 2 })
			if code != wire.NotStarted {
				h.start()
			}
			a := h.provoke(code)
			a.want(t, code)
			if seconds, err := strconv.Atoi(a.header.Get(wire.HeaderRetryAfter)); err != nil || seconds < 1 || seconds > 60 {
				t.Errorf("Retry-After is %q, want whole seconds from 1 to 60", a.header.Get(wire.HeaderRetryAfter))
			}
			stats := h.server.admission.look().stats
			if got := stats.RefusedWith(code); got != 1 {
				t.Errorf("counted %d refusals, want 1", got)
			}
			if code != wire.Closed { // its ops listener is gone by now
				if got := h.metric(`refrain_unavailable_total{reason="` + code.Reason() + `"}`); got != 1 {
					t.Errorf("the series says %v, want 1", got)
				}
			}
			lines := h.logs.matching("reason="+code.Reason(), "level="+level[code], a.header.Get(wire.HeaderRequestID))
			if len(lines) != 1 {
				t.Errorf("%d log lines at %s, want 1", len(lines), level[code])
			}
		})
	}
}

func TestTheTimeoutComesAtTheDeadlineAndNotANanosecondBefore(t *testing.T) { // PROTOCOL G2, G3
	h := start(t)
	rule := h.wedge()
	defer rule.Lift()
	done := h.agent("h1").beginHeartbeat("h1")
	<-rule.Reached()
	h.clock.Add(DefaultReplyTimeout - time.Nanosecond)
	// What is answered without a deadline having come is answered by now: the
	// only one who could answer is the timer, and it is not due.
	if s := h.server.admission.look().stats; s.RefusedWith(wire.Timeout) != 0 {
		t.Fatal("the timeout came before the deadline")
	}
	select {
	case a := <-done:
		t.Fatalf("answered before the deadline: %v", a)
	default:
	}
	h.clock.Add(time.Nanosecond)
	(<-done).want(t, wire.Timeout)
}

func TestEveryRequestBehindAWedgeIsAnsweredAtItsOwnDeadline(t *testing.T) { // PROTOCOL G3
	h := start(t)
	rule := h.wedge()
	defer rule.Lift()
	var calls []<-chan answer
	for i := range 5 {
		host := fmt.Sprint("h", i)
		calls = append(calls, h.agent(host).beginHeartbeat(host))
		h.inside(i + 1)
		h.clock.Add(time.Second)
	}
	for i, call := range calls { // offered at 0 s, 1 s … 4 s; it is 5 s now
		(<-call).want(t, wire.Timeout)
		if got := h.server.admission.look().stats.RefusedWith(wire.Timeout); got != uint64(i+1) {
			t.Fatalf("%d requests were answered timeout, want %d", got, i+1)
		}
		h.clock.Add(time.Second)
	}
}

func TestAReplyAfterItsDeadlineIsThrownAway(t *testing.T) { // PROTOCOL G2
	h := start(t)
	rule := h.faults.Install(Fault{Kind: Wedge, At: BeforeReply, Count: 1})
	c := h.agent("h1")
	done := c.beginHeartbeat("h1")
	<-rule.Reached()
	h.clock.Add(DefaultReplyTimeout)
	(<-done).want(t, wire.Timeout)
	rule.Lift()
	h.inside(0)
	if got := h.metric("refrain_late_replies_total"); got != 1 {
		t.Errorf("%v late replies, want 1", got)
	}
	// The input was applied wholly: the plane knows the host.
	h.operator("anna").do(http.MethodGet, "/v1/operator/hosts/h1", "").want(t, wire.OK)
	c.heartbeat("h1").want(t, wire.OK)
}

func TestADroppedReplyIsWhollyAppliedOrNotAtAll(t *testing.T) { // PROTOCOL G2
	for point, want := range map[FaultPoint]string{BeforeStep: "Pending", BeforeReply: "Activating"} {
		h := start(t)
		id := h.openRollout("stable", "r1", "c1", "h1")
		rule := h.faults.Install(Fault{Kind: Drop, At: point, Count: 1, Match: ofKind[*plane.Event]})
		c := h.agent("h1")
		c.do(http.MethodPost, "/v1/agent/events", ackBody("h1", string(id))).want(t, wire.DroppedReply)
		if rule.Hits() != 1 {
			t.Errorf("%d hits, want 1", rule.Hits())
		}
		h.restart() // what is applied is durable
		a := h.operator("anna").do(http.MethodGet, "/v1/operator/rollouts/stable@r1", "")
		if !strings.Contains(a.body, `"state":"`+want+`"`) {
			t.Errorf("dropped at point %d: want state %s in %s", point, want, a.body)
		}
		c.do(http.MethodPost, "/v1/agent/events", ackBody("h1", string(id))).want(t, wire.NoContent) // again is harmless
	}
}

func TestAFifthRequestOfAHostIsTurnedAway(t *testing.T) { // PROTOCOL G6
	h := start(t)
	rule := h.wedge()
	c := h.agent("h1")
	var calls []<-chan answer
	for i := range 4 {
		calls = append(calls, c.beginHeartbeat("h1"))
		h.inside(i + 1)
	}
	c.heartbeat("h1").want(t, wire.Saturated)
	other := h.agent("h2").beginHeartbeat("h2")
	h.inside(5)
	rule.Lift()
	for _, call := range append(calls, other) {
		(<-call).want(t, wire.OK)
	}
}

func TestTheReserveIsForHeartbeats(t *testing.T) { // PROTOCOL G5
	h := start(t, func(c *Config) { c.InboxCapacity = 4 })
	rule := h.wedge()
	var calls []<-chan answer
	for i := range 3 {
		host := fmt.Sprint("h", i)
		calls = append(calls, h.agent(host).begin(http.MethodGet, "/v1/agent/dispatch", ""))
		h.inside(i + 1)
	}
	h.agent("h3").do(http.MethodGet, "/v1/agent/dispatch", "").want(t, wire.Saturated)
	beat := h.agent("h4").beginHeartbeat("h4")
	h.inside(4)
	rule.Lift()
	(<-beat).want(t, wire.OK)
	for _, call := range calls {
		(<-call).want(t, wire.NoContent)
	}
}

func TestACallerThatGoesAwayChangesNothing(t *testing.T) { // PROTOCOL G3
	h := start(t)
	rule := h.wedge()
	ctx, cancel := context.WithCancel(t.Context())
	req := must(http.NewRequestWithContext(ctx, http.MethodPost, "https://"+h.server.Addr().String()+heartbeatPath, strings.NewReader(heartbeatBody("h1"))))(t)
	req.Header.Set("Content-Type", wire.MediaJSON)
	done := make(chan answer, 1)
	c := h.agent("h1")
	go func() { done <- c.send(req) }()
	<-rule.Reached()
	cancel()
	if a := <-done; a.err == nil {
		t.Fatalf("got %v for a request that was given up", a)
	}
	rule.Lift()
	h.inside(0)
	h.operator("anna").do(http.MethodGet, "/v1/operator/hosts/h1", "").want(t, wire.OK)
}

func TestASlowPlaneIsNotWedged(t *testing.T) { // PROTOCOL G7
	h := start(t)
	rule := h.faults.Install(Fault{Kind: Delay, For: 4 * time.Second})
	defer rule.Lift()
	first, second := h.agent("h1").beginHeartbeat("h1"), (<-chan answer)(nil)
	<-rule.Reached()
	second = h.agent("h2").beginHeartbeat("h2")
	h.inside(2)
	h.clock.Add(4 * time.Second)
	(<-first).want(t, wire.OK)
	h.eventually("the second delay", func() bool { return rule.Hits() == 2 })
	h.clock.Add(time.Second)
	(<-second).want(t, wire.Timeout)
	h.clock.Add(2 * time.Second)
	if status, body := h.ops("/livez"); status != http.StatusOK {
		t.Errorf("livez says %d %s of a plane that is slow", status, body)
	}
	rule.Lift()
	h.inside(0)
}
