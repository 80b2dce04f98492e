package httpserver

import (
	"fmt"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/refrain-fleet/refrain/core/plane"
	"github.com/refrain-fleet/refrain/core/wire"
)

// PROTOCOL L: whom the plane holds unreachable, and when it doubts itself. The
// exact instant is in TestASilentHostIsUnreachableAfterThreeIntervals.

// unreachable lists the hosts that the plane holds unreachable.
func (h *harness) unreachable() []string {
	h.t.Helper()
	a := h.reader().do(http.MethodGet, hostsPath+"?limit=1000", "")
	a.want(h.t, wire.OK)
	var names []string
	name := ""
	for _, m := range members(h.t, a.body) {
		switch value := a.body[m.value:m.end]; {
		case m.name == "hostname":
			name = value[1 : len(value)-1]
		case m.name == "reachability" && value == `"unreachable"`:
			names = append(names, name)
		}
	}
	return names
}

// wantUnreachable fails the test unless exactly these hosts are unreachable.
func (h *harness) wantUnreachable(when string, want ...string) {
	h.t.Helper()
	if got := h.unreachable(); !slices.Equal(got, want) {
		h.t.Fatalf("%s: unreachable are %v, want %v", when, got, want)
	}
}

// silence is how long a host may be silent, less the last tick of it.
const (
	lastTick = 5 * time.Second
	almost   = 3*time.Minute - lastTick
)

func TestAnyRequestIsASignOfLife(t *testing.T) { // PROTOCOL L1
	h := start(t)
	h.openRollout("stable", "r1", "c1", "applied", "rejected", "gap")
	signs := map[string]func(*client) answer{
		"heartbeat": func(c *client) answer { return c.heartbeat("heartbeat") },
		"poll":      func(c *client) answer { return c.poll() },
		"applied":   func(c *client) answer { return c.tell("applied", "stable@r1", 1, eventKinds["DispatchAck"]) },
		"rejected":  func(c *client) answer { return c.tell("rejected", "stable@r1", 1, eventKinds["Failed"]) },
		"gap":       func(c *client) answer { return c.tell("gap", "stable@r1", 7, eventKinds["Failed"]) },
		"unknown":   func(c *client) answer { return c.tell("unknown", "stable@r9", 1, eventKinds["Failed"]) },
	}
	clients := make(map[string]*client)
	for host := range signs {
		clients[host] = h.agent(host)
		clients[host].heartbeat(host).want(t, wire.OK)
	}
	h.agent("silent").heartbeat("silent").want(t, wire.OK)
	h.advance(2 * time.Minute)
	for host, sign := range signs {
		if a := sign(clients[host]); a.err != nil {
			t.Fatalf("%s: %v", host, a)
		}
	}
	h.advance(time.Minute)
	h.wantUnreachable("a minute after a sign of life", "silent")
	h.advance(2*time.Minute - lastTick)
	h.wantUnreachable("almost three intervals after it", "silent")
	h.advance(lastTick)
	h.wantUnreachable("three intervals after it", "applied", "gap", "heartbeat", "poll", "rejected", "silent", "unknown")
	// And any request brings a host back.
	for host, sign := range signs {
		sign(clients[host])
	}
	h.wantUnreachable("after another sign of life", "silent")
}

func TestAPollThatWaitsIsHeardWhenItAsks(t *testing.T) { // PROTOCOL L1, D3
	h := start(t)
	c := h.agent("h1")
	for range 4 { // one poll after the other, and nothing else
		done := c.beginPoll()
		h.waiting(1)
		h.advance(time.Minute)
		(<-done).want(t, wire.NoContent)
	}
	h.wantUnreachable("after four minutes of polling")
}

func TestTheAgentsClockNeverCounts(t *testing.T) { // PROTOCOL L1, H1
	h := start(t)
	beat := func(c *client, host, at string) {
		t.Helper()
		c.do(http.MethodPost, heartbeatPath, `{"hostname":"`+host+`","at":"`+at+`"}`).want(t, wire.OK)
	}
	past, future := h.agent("past"), h.agent("future")
	beat(past, "past", "0000-01-01T00:00:00Z")
	beat(future, "future", "9999-12-31T23:59:59Z")
	h.advance(almost)
	beat(past, "past", "0000-01-01T00:00:00Z")
	h.advance(lastTick)
	h.wantUnreachable("three intervals after a heartbeat from the future", "future")
}

func TestARestartGivesEveryHostAWholeSilence(t *testing.T) { // PROTOCOL L2
	h := start(t)
	h.openRollout("stable", "r1", "c1", "h1")
	h.agent("h1").heartbeat("h1").want(t, wire.OK)
	h.advance(almost)
	h.restart()
	h.advance(almost)
	h.wantUnreachable("almost three intervals after a restart")
	h.advance(lastTick)
	h.wantUnreachable("three intervals after a restart", "h1")
}

func TestTheTimeOfAWedgeIsCredited(t *testing.T) { // PROTOCOL L2
	h := start(t)
	h.agent("h1").heartbeat("h1").want(t, wire.OK)
	h.advance(2 * time.Minute)
	rule := h.faults.Install(Fault{Kind: Wedge, Match: ofKind[*plane.Poll]})
	done := h.agent("other").begin(http.MethodGet, dispatchPath, "")
	<-rule.Reached()
	h.clock.Add(10 * time.Minute)
	(<-done).want(t, wire.Timeout)
	ticks := h.ticks()
	rule.Lift()
	h.inside(0)
	h.eventually("the tick that was due", func() bool { return h.ticks() > ticks })
	h.wantUnreachable("right after the wedge")
	h.advance(time.Minute - lastTick)
	h.wantUnreachable("before the rest of its three intervals is over")
	h.advance(lastTick)
	h.wantUnreachable("after it", "h1")
}

func TestTimeWithAFullInboxIsCredited(t *testing.T) { // PROTOCOL L2
	for name, test := range map[string]struct {
		impair   func(*harness)
		credited bool
	}{
		"a full inbox": {func(h *harness) {
			rule := h.wedge()
			h.fill()
			h.agent("refused").heartbeat("refused").want(h.t, wire.Saturated)
			rule.Lift()
			h.inside(0)
		}, true},
		"a full share of bulk, with the reserve free": {func(h *harness) {
			rule := h.wedge()
			var calls []<-chan answer
			for i := range 6 {
				calls = append(calls, h.agent(fmt.Sprint("p", i)).begin(http.MethodGet, dispatchPath, ""))
				h.inside(i + 1)
			}
			h.agent("refused").poll().want(h.t, wire.Saturated)
			rule.Lift()
			for _, call := range calls {
				(<-call).want(h.t, wire.NoContent)
			}
		}, false},
		"one host at its own cap": {func(h *harness) { // credits nobody
			rule := h.wedge()
			c := h.agent("greedy")
			var calls []<-chan answer
			for i := range 4 {
				calls = append(calls, c.beginHeartbeat("greedy"))
				h.inside(i + 1)
			}
			for range 100 {
				c.heartbeat("greedy").want(h.t, wire.Saturated)
			}
			rule.Lift()
			for _, call := range calls {
				(<-call).want(h.t, wire.OK)
			}
		}, false},
	} {
		t.Run(name, func(t *testing.T) {
			h := start(t, func(c *Config) { c.InboxCapacity = 8 })
			h.agent("h1").heartbeat("h1").want(t, wire.OK)
			h.advance(time.Minute)
			test.impair(h)
			h.advance(2*time.Minute - lastTick)
			h.wantUnreachable("before three intervals are over")
			h.advance(lastTick)
			if test.credited {
				h.wantUnreachable("with the credit")
				h.advance(lastTick) // the time between the two ticks around it
			}
			h.wantUnreachable("after three intervals and the credit", "h1")
		})
	}
}

// fleet is a number of hosts of which some fall silent.
type fleet struct {
	h       *harness
	names   []string
	clients []*client
}

func (h *harness) fleet(hosts int) *fleet {
	h.t.Helper()
	f := &fleet{h: h}
	for i := range hosts {
		name := fmt.Sprintf("h%02d", i)
		f.names = append(f.names, name)
		f.clients = append(f.clients, h.agent(name))
	}
	f.beat(0)
	return f
}

// beat sends a heartbeat of each host but the first few.
func (f *fleet) beat(silent int) {
	f.h.t.Helper()
	for i := silent; i < len(f.names); i++ {
		f.clients[i].heartbeat(f.names[i]).want(f.h.t, wire.OK)
	}
}

// pass lets time go by in which all but the first few hosts are heard often
// enough.
func (f *fleet) pass(d time.Duration, silent int) {
	f.h.t.Helper()
	for d > 0 {
		step := min(d, 30*time.Second)
		f.h.advance(step)
		f.beat(silent)
		d -= step
	}
}

// suspicions is how often the plane has suspected itself, and was heard to.
func (h *harness) suspicions(want int) {
	h.t.Helper()
	if got := h.metric("refrain_observer_suspicions_total"); got != float64(want) {
		h.t.Fatalf("the plane suspected itself %v times, want %d", got, want)
	}
	h.eventually("it is logged", func() bool { return len(h.logs.matching("level=ERROR", "the plane suspects itself")) == want })
}

func TestFewSilentHostsAreMarkedAtOnce(t *testing.T) { // PROTOCOL L3
	for name, test := range map[string]struct{ hosts, silent int }{
		"nine of ten":    {10, 9},  // fewer than 10
		"a fifth of all": {50, 10}, // not more than 20 %
	} {
		t.Run(name, func(t *testing.T) {
			h := start(t)
			f := h.fleet(test.hosts)
			f.pass(3*time.Minute, test.silent)
			h.wantUnreachable("after three intervals", f.names[:test.silent]...)
			h.suspicions(0)
		})
	}
}

func TestManySilentHostsMakeThePlaneSuspectItself(t *testing.T) { // PROTOCOL L3
	for name, test := range map[string]struct{ hosts, silent int }{
		"ten of 49": {49, 10}, // more than 20 %, and 10
		"a third":   {30, 11},
	} {
		t.Run(name, func(t *testing.T) {
			h := start(t)
			f := h.fleet(test.hosts)
			f.pass(3*time.Minute, test.silent)
			h.wantUnreachable("after three intervals")
			h.suspicions(1)
			f.pass(time.Minute-lastTick, test.silent)
			h.wantUnreachable("less than an interval later")
			// It hears more than half of the fleet, so it is not deaf.
			f.pass(lastTick, test.silent)
			h.wantUnreachable("an interval later", f.names[:test.silent]...)
			h.suspicions(1)
		})
	}
}

func TestADeafPlaneMarksNobodyUntilItHearsAgain(t *testing.T) { // PROTOCOL L3
	h := start(t)
	f := h.fleet(24)
	f.pass(6*time.Minute, 24) // nobody is heard
	h.wantUnreachable("after six minutes of silence")
	h.suspicions(1) // one notice, not one an interval
	f.beat(12)
	f.pass(2*time.Minute, 12)
	h.wantUnreachable("while half of them are heard") // not more than half
	f.beat(11)
	f.pass(time.Minute, 11)
	h.wantUnreachable("when most of them are heard again", f.names[:11]...)
	h.suspicions(1)
	f.beat(0)
	h.wantUnreachable("when all of them are back")
}

func TestAPlaneThatHearsEnoughAgainStopsSuspectingItself(t *testing.T) { // PROTOCOL L3
	h := start(t)
	f := h.fleet(24)
	f.pass(4*time.Minute, 24)
	h.suspicions(1)
	f.beat(9) // nine are silent, which is fewer than ten
	f.pass(time.Minute, 9)
	h.wantUnreachable("when the limit no longer holds", f.names[:9]...)
	f.pass(4*time.Minute, 24)
	h.wantUnreachable("when many fall silent again", f.names[:9]...)
	h.suspicions(2)
}
