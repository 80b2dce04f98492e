package httpserver

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/refrain-fleet/refrain/core/plane"
	"github.com/refrain-fleet/refrain/core/wire"
)

// PROTOCOL G: who is let in, who is turned away and for how long, and when a
// reply is late. See also admission_test.go and ops_test.go.

// retryAfter is the Retry-After of a refusal in seconds, which every 503 has.
func (a answer) retryAfter(t testing.TB) int {
	t.Helper()
	if a.err != nil || a.status != http.StatusServiceUnavailable {
		t.Fatalf("got %v, want a 503", a)
	}
	seconds, err := strconv.Atoi(a.header.Get(wire.HeaderRetryAfter))
	if err != nil || seconds < 1 {
		t.Fatalf("Retry-After is %q, want whole seconds, at least 1", a.header.Get(wire.HeaderRetryAfter))
	}
	return seconds
}

// listenAgain shuts the server down and lets another one listen that is not
// started.
func (h *harness) listenAgain() {
	h.t.Helper()
	h.stop()
	h.server = must(New(h.cfg))(h.t)
	for _, c := range h.clients {
		c.base = ""
	}
	h.listen()
}

func TestWhatTheGateRefusesIsNotApplied(t *testing.T) { // PROTOCOL G1
	for _, code := range []wire.Code{wire.NotStarted, wire.Saturated, wire.Closed} {
		t.Run(code.String(), func(t *testing.T) {
			h := start(t, func(c *Config) { c.InboxCapacity = 4 })
			h.openRollout("stable", "r1", "c1", "h1", "h2")
			operator, h1, h2, h9 := h.operator("anna"), h.agent("h1"), h.agent("h2"), h.agent("h9")
			before := h.durable()
			var rule *FaultRule
			ended := make(chan error, 1)
			switch code {
			case wire.NotStarted:
				h.listenAgain()
			case wire.Saturated:
				rule = h.wedge()
				h.fill()
			case wire.Closed:
				rule = h.wedge()
				other := h.agent("other").beginHeartbeat("other")
				defer func() { <-other }()
				<-rule.Reached()
				go func() { ended <- h.server.Shutdown(context.Background()) }()
				<-h.server.admission.closed
			}
			refused := []answer{
				h1.tell("h1", "stable@r1", 1, eventKinds["DispatchAck"]),
				h2.beat("h2", "", "c1"), // would be a confirmation
				h9.heartbeat("h9"),      // would be a new host
				h1.do(http.MethodGet, dispatchPath, ""),
				operator.do(http.MethodPost, rolloutsPath, manifest("stable", "r2", "c1", "h1")),
				operator.do(http.MethodPost, revocationsPath, `{"common_name":"agent-h1.fleet.test","force":true}`),
			}
			for _, a := range refused {
				a.want(t, code)
				a.retryAfter(t)
			}
			series := `refrain_unavailable_total{reason="` + code.Reason() + `"}`
			if got := h.metric(series); got != float64(len(refused)) {
				t.Errorf("%s is %v, want %d", series, got, len(refused))
			}
			switch code {
			case wire.NotStarted:
				h.start()
			case wire.Saturated:
				rule.Lift()
				h.inside(0)
			case wire.Closed:
				rule.Lift()
				if err := <-ended; err != nil {
					t.Error(err)
				}
				h.restart()
			}
			if after := h.durable(); after != before {
				t.Errorf("something was applied: it was\n%s\nand is\n%s", before, after)
			}
			h.reader().do(http.MethodGet, hostsPath+"/h9", "").want(t, wire.UnknownHost)
			h1.heartbeat("h1").want(t, wire.OK) // and the certificate is not revoked
		})
	}
}

func TestALateEventIsADuplicateTheNextTime(t *testing.T) { // PROTOCOL G2, E3, E9
	for name, point := range map[string]FaultPoint{"before the step": BeforeStep, "before the reply": BeforeReply} {
		t.Run(name, func(t *testing.T) {
			h := start(t)
			id := string(h.openRollout("stable", "r1", "c1", "h1"))
			c := h.agent("h1")
			rule := h.faults.Install(Fault{Kind: Wedge, At: point, Count: 1, Match: ofKind[*plane.Event]})
			done := c.begin(http.MethodPost, eventsPath, ackBody("h1", id))
			<-rule.Reached()
			h.clock.Add(DefaultReplyTimeout)
			late := <-done
			late.want(t, wire.Timeout)
			late.retryAfter(t)
			rule.Lift()
			h.inside(0)
			if got := h.metric("refrain_late_replies_total"); got != 1 {
				t.Errorf("%v late replies, want 1", got)
			}
			h.wantState(id, "h1", wire.Activating, 1) // applied wholly
			before := h.durable()
			c.do(http.MethodPost, eventsPath, ackBody("h1", id)).want(t, wire.NoContent)
			if after := h.durable(); after != before {
				t.Errorf("a duplicate changed something: it was\n%s\nand is\n%s", before, after)
			}
			if got := h.metric(`refrain_events_total{outcome="duplicate"}`); got != 1 {
				t.Errorf("%v duplicates, want 1", got)
			}
		})
	}
}

func TestAReplyAtItsDeadlineIsLate(t *testing.T) { // PROTOCOL G2
	for _, test := range []struct {
		takes time.Duration
		want  wire.Code
		late  float64
	}{
		{DefaultReplyTimeout - time.Nanosecond, wire.OK, 0},
		{DefaultReplyTimeout, wire.Timeout, 1},
		{DefaultReplyTimeout + time.Nanosecond, wire.Timeout, 1},
	} {
		for _, point := range []FaultPoint{BeforeStep, BeforeReply} {
			h := start(t)
			c := h.agent("h1")
			rule := h.faults.Install(Fault{Kind: Delay, At: point, For: test.takes, Count: 1})
			done := c.beginHeartbeat("h1")
			<-rule.Reached()
			h.clock.Add(test.takes)
			(<-done).want(t, test.want)
			h.inside(0)
			if got := h.metric("refrain_late_replies_total"); got != test.late {
				t.Errorf("a reply after %v: %v late replies, want %v", test.takes, got, test.late)
			}
			// The connection, and the answer on it, are not mixed up.
			c.do(http.MethodGet, dispatchPath, "").want(t, wire.NoContent)
		}
	}
}

func TestTheReplyTimeoutIsConfigured(t *testing.T) { // PROTOCOL G2
	const timeout = 1500 * time.Millisecond
	h := start(t, func(c *Config) { c.ReplyTimeout = timeout })
	rule := h.wedge()
	defer rule.Lift()
	done := h.agent("h1").beginHeartbeat("h1")
	<-rule.Reached()
	h.clock.Add(timeout - time.Nanosecond)
	if got := h.server.admission.look().stats.RefusedWith(wire.Timeout); got != 0 {
		t.Fatal("the timeout came before the deadline")
	}
	h.clock.Add(time.Nanosecond)
	(<-done).want(t, wire.Timeout)
}

// refusals sends a heartbeat of each host to a full inbox and returns what
// Retry-After says.
func (h *harness) refusals(from, to int) []int {
	h.t.Helper()
	var list []int
	for i := from; i < to; i++ {
		host := fmt.Sprint("h", i)
		a := h.agent(host).heartbeat(host)
		a.want(h.t, wire.Saturated)
		list = append(list, a.retryAfter(h.t))
	}
	return list
}

func TestRefusedHostsAreSpreadByTheDrain(t *testing.T) { // PROTOCOL G4
	for _, test := range []struct {
		finished int // within the last second, before the inbox was full
		gap      time.Duration
	}{
		{0, time.Second}, // nothing was measured: one inbox-full a minute, and at least one a second
		{2, time.Second / 2},
		{4, time.Second / 4},
		{100, time.Second / 8}, // one inbox-full a second at most
	} {
		h := start(t, func(c *Config) { c.InboxCapacity = 8 })
		c := h.agent("first")
		for range test.finished {
			c.heartbeat("first").want(t, wire.OK)
		}
		rule := h.wedge()
		h.fill()
		var want []int
		for i := range 20 {
			slot := time.Second + time.Duration(i)*test.gap
			want = append(want, int((slot+time.Second-1)/time.Second))
		}
		if got := h.refusals(0, 20); !slices.Equal(got, want) {
			t.Errorf("after %d finished: Retry-After %v, want %v", test.finished, got, want)
		}
		rule.Lift()
		h.inside(0)
	}
}

func TestNoSlotIsLaterThanAnInterval(t *testing.T) { // PROTOCOL G4
	const interval = 10
	h := start(t, func(c *Config) { c.InboxCapacity, c.HeartbeatInterval = 8, interval*time.Second })
	rule := h.wedge()
	h.fill()
	var want []int
	for i := range 25 { // beyond the interval the calendar starts at its front
		want = append(want, i%interval+1)
	}
	if got := h.refusals(0, 25); !slices.Equal(got, want) {
		t.Errorf("Retry-After %v, want %v", got, want)
	}
	rule.Lift()
	h.inside(0)
}

func TestAHostThatComesTooEarlyIsToldTheRestOfItsSlot(t *testing.T) { // PROTOCOL G4
	h := start(t, func(c *Config) { c.InboxCapacity, c.ReplyTimeout = 8, time.Minute })
	rule := h.wedge()
	h.fill()
	if got := h.refusals(0, 5); !slices.Equal(got, []int{1, 2, 3, 4, 5}) {
		t.Fatalf("Retry-After %v", got)
	}
	for range 3 { // asking often pushes nobody back, not even oneself
		if got := h.refusals(4, 5); got[0] != 5 {
			t.Errorf("the same host is told %d s, want 5", got[0])
		}
	}
	if got := h.refusals(5, 6); got[0] != 6 {
		t.Errorf("the next host is told %d s, want 6", got[0])
	}
	h.clock.Add(1500 * time.Millisecond)
	if got := h.refusals(4, 5); got[0] != 4 {
		t.Errorf("3.5 s before its slot the host is told %d s, want 4", got[0])
	}
	h.clock.Add(3500 * time.Millisecond) // its slot has come
	if got := h.refusals(4, 5); got[0] != 2 {
		t.Errorf("in its slot the host is told %d s, want 2: the slot after the last one", got[0])
	}
	rule.Lift()
	h.inside(0)
}

func TestEveryReasonGivesSlotsOfTheSameCalendar(t *testing.T) { // PROTOCOL G4
	h := newHarness(t, func(c *Config) { c.InboxCapacity = 8 })
	h.listen()
	for i := range 3 {
		host := fmt.Sprint("early", i)
		a := h.agent(host).heartbeat(host)
		a.want(t, wire.NotStarted)
		if got := a.retryAfter(t); got != i+1 {
			t.Errorf("while the plane starts: Retry-After %d, want %d", got, i+1)
		}
	}
	h.start()
	rule := h.wedge()
	h.fill()
	if got := h.refusals(0, 2); !slices.Equal(got, []int{4, 5}) {
		t.Errorf("under saturation: Retry-After %v, want 4 and 5", got)
	}
	rule.Lift()
	h.inside(0)
	h.faults.Install(Fault{Kind: Drop, Count: 1})
	a := h.agent("dropped").heartbeat("dropped")
	a.want(t, wire.DroppedReply)
	if got := a.retryAfter(t); got != 6 {
		t.Errorf("after a dropped reply: Retry-After %d, want 6", got)
	}
}

func TestAQuarterOfTheInboxIsForHeartbeats(t *testing.T) { // PROTOCOL G5
	for capacity, reserve := range map[int]int{2: 1, 4: 1, 5: 2, 8: 2, 9: 3} {
		h := start(t, func(c *Config) { c.InboxCapacity = capacity })
		h.openRollout("stable", "r1", "c1", "h0")
		rule := h.wedge()
		var calls []<-chan answer
		for i := range capacity - reserve {
			host := fmt.Sprint("h", i)
			calls = append(calls, h.agent(host).begin(http.MethodPost, eventsPath, ackBody(host, "stable@r1")))
			h.inside(i + 1)
		}
		// No event, poll or question of an operator gets in any more.
		h.agent("late").tell("late", "stable@r1", 1, eventKinds["DispatchAck"]).want(t, wire.Saturated)
		h.agent("late").do(http.MethodGet, dispatchPath, "").want(t, wire.Saturated)
		h.reader().do(http.MethodGet, hostsPath, "").want(t, wire.Saturated)
		for i := range reserve {
			host := fmt.Sprint("b", i)
			calls = append(calls, h.agent(host).beginHeartbeat(host))
			h.inside(capacity - reserve + i + 1)
		}
		h.agent("late").heartbeat("late").want(t, wire.Saturated)
		rule.Lift()
		for i, call := range calls {
			want := wire.UnknownRollout
			switch {
			case i == 0:
				want = wire.NoContent
			case i >= capacity-reserve:
				want = wire.OK
			}
			(<-call).want(t, want)
		}
	}
}

func TestARequestThatTimedOutStillCounts(t *testing.T) { // PROTOCOL G6
	h := start(t, func(c *Config) { c.InboxCapacity = 5 })
	rule := h.wedge()
	c := h.agent("h1")
	var calls []<-chan answer
	for i := range 4 {
		calls = append(calls, c.beginHeartbeat("h1"))
		h.inside(i + 1)
	}
	h.clock.Add(DefaultReplyTimeout)
	for _, call := range calls {
		(<-call).want(t, wire.Timeout)
	}
	h.inside(4)
	c.heartbeat("h1").want(t, wire.Saturated) // its own cap
	if got := h.server.admission.look().stats.RefusedByCap; got != 1 {
		t.Errorf("%d refused by the cap, want 1", got)
	}
	other := h.agent("h2").beginHeartbeat("h2")
	h.inside(5)
	h.agent("h3").heartbeat("h3").want(t, wire.Saturated) // the whole inbox
	rule.Lift()
	(<-other).want(t, wire.OK)
	h.inside(0)
	c.heartbeat("h1").want(t, wire.OK)
	// The one that was being worked on has a reply; the others are not worked on any more.
	if late, skipped := h.metric("refrain_late_replies_total"), h.metric("refrain_inputs_skipped_total"); late != 1 || skipped != 3 {
		t.Errorf("%v late replies and %v skipped, want 1 and 3", late, skipped)
	}
}

func TestAWaitingPollIsNoSignOfAWedge(t *testing.T) { // PROTOCOL G7, D3
	h := start(t)
	done := h.agent("h1").begin(http.MethodGet, dispatchPath+"?wait=60", "")
	h.waiting(1)
	h.advance(50 * time.Second)
	for _, path := range []string{"/livez", "/readyz"} {
		if status, body := h.ops(path); status != http.StatusOK {
			t.Errorf("%s says %d %s of an idle plane", path, status, body)
		}
	}
	if got := h.metric(`refrain_step_seconds_count{input="poll"}`); got != 1 {
		t.Errorf("%v polls were stepped while one waited, want 1", got)
	}
	h.advance(10 * time.Second)
	(<-done).want(t, wire.NoContent)
}

func TestTheLogSaysWhatWentWrong(t *testing.T) { // PROTOCOL G8
	h := start(t)
	rule := h.wedge()
	done := h.agent("h1").beginHeartbeat("h1")
	<-rule.Reached()
	h.clock.Add(DefaultReplyTimeout)
	a := <-done
	a.want(t, wire.Timeout)
	rule.Lift()
	h.inside(0)
	for _, want := range []string{"reason=timeout", "route=heartbeat", "name=agent-h1.fleet.test", "retry_after=1s", a.header.Get(wire.HeaderRequestID)} {
		if lines := h.logs.matching("level=ERROR", want); len(lines) != 1 {
			t.Errorf("%d lines at ERROR with %s, want 1", len(lines), want)
		}
	}
}
