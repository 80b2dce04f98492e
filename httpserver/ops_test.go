package httpserver

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/refrain-fleet/refrain/core/wire"
)

func TestLivezFailsWhileThePlaneIsWedgedAndOnlyThen(t *testing.T) { // PROTOCOL G7
	h := start(t)
	rule := h.wedge()
	done := h.agent("h1").beginHeartbeat("h1")
	<-rule.Reached()
	h.clock.Add(DefaultReplyTimeout)
	(<-done).want(t, wire.Timeout)
	if status, body := h.ops("/livez"); status != http.StatusOK {
		t.Errorf("livez says %d %s at the reply timeout, which is not longer than it", status, body)
	}
	h.clock.Add(time.Nanosecond)
	status, body := h.ops("/livez")
	if status != http.StatusServiceUnavailable || !strings.HasPrefix(body, "wedged: 1 requests in the inbox") {
		t.Errorf("livez says %d %s of a wedged plane", status, body)
	}
	if status, body := h.ops("/readyz"); status != http.StatusServiceUnavailable || !strings.Contains(body, "wedged") {
		t.Errorf("readyz says %d %s of a wedged plane", status, body)
	}
	if got := h.metric("refrain_wedged"); got != 1 {
		t.Errorf("refrain_wedged is %v, want 1", got)
	}
	rule.Lift()
	h.inside(0)
	if status, body := h.ops("/livez"); status != http.StatusOK || body != "ok\n" {
		t.Errorf("livez says %d %s after the wedge", status, body)
	}
}

func TestReadyzSaysWhyNot(t *testing.T) { // PROTOCOL G7
	h := newHarness(t, func(c *Config) { c.InboxCapacity = 2 })
	h.listen()
	probe := func(path string, wantStatus int, want string) {
		t.Helper()
		if status, body := h.ops(path); status != wantStatus || !strings.HasPrefix(body, want) {
			t.Errorf("%s says %d %q, want %d %q…", path, status, body, wantStatus, want)
		}
	}
	probe("/readyz", 503, "not started")
	probe("/livez", 200, "ok")
	h.start()
	probe("/readyz", 200, "ok")
	rule := h.wedge()
	h.fill()
	probe("/readyz", 503, "saturated")
	probe("/livez", 200, "ok")
	ended := make(chan error, 1)
	go func() { ended <- h.server.Shutdown(context.Background()) }()
	<-h.server.admission.closed
	probe("/readyz", 503, "draining")
	probe("/livez", 200, "ok")
	rule.Lift()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func TestEverySeriesIsThereFromTheStart(t *testing.T) {
	h := start(t)
	_, text := h.ops("/metrics")
	for _, code := range wire.UnavailableCodes {
		if want := fmt.Sprintf("refrain_unavailable_total{reason=%q} 0\n", code.Reason()); !strings.Contains(text, want) {
			t.Errorf("there is no %s", want)
		}
	}
	for _, want := range []string{
		"refrain_inbox_depth 0\n", "refrain_inbox_oldest_seconds 0\n", "refrain_inbox_capacity 1024\n", "refrain_wedged 0\n",
		"refrain_late_replies_total 0\n", "refrain_replays_asked_total 0\n", "refrain_observer_suspicions_total 0\n",
		`refrain_hosts{reachability="reachable"} 0`, `refrain_hosts{reachability="unreachable"} 0`, `refrain_hosts{reachability="never_seen"} 0`,
		`refrain_records{state="Pending"} 0`, `refrain_records{state="Reverted"} 0`,
		`refrain_events_total{outcome="applied"} 0`, `refrain_events_total{outcome="rejected"} 0`,
		`refrain_entries_logged_total{kind="opened"} 0`, `refrain_entries_logged_total{kind="Converged"} 0`,
		`refrain_requests_total{class="5xx",route="heartbeat"} 0`, `refrain_requests_total{class="4xx",route="none"} 0`,
		`refrain_step_seconds_count{input="heartbeat"} 0`, `refrain_reply_seconds_count{input="heartbeat"} 0`,
		"refrain_polls_waiting 0\n", "refrain_plane_rebuilds_total 0\n", "refrain_build_info{", "go_goroutines ",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("there is no %s", want)
		}
	}
}

func TestNoNameOfAHostOrARolloutIsALabel(t *testing.T) {
	h := start(t)
	h.openRollout("channel-name", "ref-name", "c1", "host-name")
	h.agent("host-name").heartbeat("host-name").want(t, wire.OK)
	h.agent("host-name").heartbeat("other-name").want(t, wire.WrongIdentity)
	h.stranger().do(http.MethodGet, "/path-name", "").want(t, wire.NotFound)
	_, text := h.ops("/metrics")
	for _, name := range []string{"channel-name", "ref-name", "host-name", "other-name", "path-name"} {
		if strings.Contains(text, name) {
			t.Errorf("%s is in the metrics", name)
		}
	}
}

func TestTheOpsListenerIsForReadingOnly(t *testing.T) {
	h := start(t)
	for _, path := range []string{"/livez", "/readyz", "/metrics"} {
		resp := must(http.Post("http://"+h.server.OpsAddr().String()+path, "text/plain", nil))(t)
		resp.Body.Close()
		if resp.StatusCode != http.StatusMethodNotAllowed {
			t.Errorf("POST %s is answered %d", path, resp.StatusCode)
		}
	}
	if status, _ := h.ops(heartbeatPath); status != http.StatusNotFound {
		t.Errorf("the ops listener answers a route of the plane with %d", status)
	}
	http.DefaultClient.CloseIdleConnections()
}

func TestAnOpsListenerForOthersIsWarnedAbout(t *testing.T) {
	h := newHarness(t, func(c *Config) { c.OpsListen = ":0" })
	h.listen()
	if lines := h.logs.matching("level=WARN", "ops listener can be reached from other machines"); len(lines) != 1 {
		t.Errorf("%d warnings, want 1", len(lines))
	}
	if !isLocal(&net.UnixAddr{}) || !isLocal(&net.TCPAddr{IP: net.IPv6loopback}) || isLocal(&net.TCPAddr{IP: net.IPv4(192, 0, 2, 1)}) {
		t.Error("isLocal is wrong")
	}
}

func TestAServerWithoutOps(t *testing.T) {
	h := start(t, func(c *Config) { c.OpsListen = OpsOff })
	if h.server.OpsAddr() != nil {
		t.Error("there is an ops listener")
	}
	h.agent("h1").heartbeat("h1").want(t, wire.OK)
}

func TestRefusalsAreCountedExactlyThoughFewAreLogged(t *testing.T) { // PROTOCOL G8
	h := newHarness(t)
	h.listen()
	c := h.agent("h1")
	for range 5 {
		c.heartbeat("h1").want(t, wire.NotStarted)
	}
	if got := h.metric(`refrain_unavailable_total{reason="not_started"}`); got != 5 {
		t.Errorf("counted %v, want 5", got)
	}
	if lines := h.logs.matching("reason=not_started"); len(lines) != 1 {
		t.Errorf("%d log lines in one second, want 1", len(lines))
	}
	h.clock.Add(time.Second)
	c.heartbeat("h1").want(t, wire.NotStarted)
	if lines := h.logs.matching("reason=not_started", "suppressed=4"); len(lines) != 1 {
		t.Errorf("%d log lines with the count of the others, want 1", len(lines))
	}
}

func TestASteadyHeartbeatIsNotLoggedAboveDebug(t *testing.T) { // PROTOCOL G8
	h := start(t)
	h.agent("h1").heartbeat("h1").want(t, wire.OK)
	for _, level := range []string{"INFO", "WARN", "ERROR"} {
		for _, line := range h.logs.matching("level="+level, "h1") {
			t.Errorf("a heartbeat wrote %s", line)
		}
	}
}
