package httpserver

import (
	"context"
	"crypto/tls"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/refrain-fleet/refrain/core/plane"
	"github.com/refrain-fleet/refrain/core/wire"
)

const dispatchPath = "/v1/agent/dispatch"

// waiting waits until so many polls wait for work.
func (h *harness) waiting(n int) {
	h.t.Helper()
	h.eventually("polls waiting", func() bool { return h.server.WaitingPolls() == n })
}

func TestAPollWaitsForWork(t *testing.T) { // PROTOCOL D1, D3
	h := start(t)
	c := h.agent("h1")
	done := c.begin(http.MethodGet, dispatchPath+"?wait=60", "")
	h.waiting(1)
	if depth := h.server.InboxDepth(); depth != 0 {
		t.Errorf("a waiting poll holds %d slots of the inbox", depth)
	}
	h.openRollout("stable", "r1", "c1", "h1", "h2")
	a := <-done
	a.want(t, wire.OK)
	if !strings.Contains(a.body, `"rollout_id":"stable@r1","target_closure":"c1"`) {
		t.Errorf("dispatched %s", a.body)
	}
	// D2: it is offered again after 15 s, until it is acknowledged.
	c.do(http.MethodGet, dispatchPath, "").want(t, wire.NoContent)
	done = c.begin(http.MethodGet, dispatchPath+"?wait=60", "")
	h.waiting(1)
	h.advance(20 * time.Second)
	(<-done).want(t, wire.OK)
	c.do(http.MethodPost, "/v1/agent/events", ackBody("h1", "stable@r1")).want(t, wire.NoContent)
	h.advance(20 * time.Second)
	c.do(http.MethodGet, dispatchPath, "").want(t, wire.NoContent)
}

func TestAPollWaitsExactlyAsLongAsItSays(t *testing.T) { // PROTOCOL D1
	h := start(t)
	done := h.agent("h1").begin(http.MethodGet, dispatchPath+"?wait=30", "")
	h.waiting(1)
	h.clock.Add(30*time.Second - time.Nanosecond)
	select {
	case a := <-done:
		t.Fatalf("answered early: %v", a)
	default:
	}
	if h.server.WaitingPolls() != 1 {
		t.Fatal("the poll does not wait any more")
	}
	h.clock.Add(time.Nanosecond)
	(<-done).want(t, wire.NoContent)
}

func TestTheWaitIsClampedAndAnUnreadableOneRefused(t *testing.T) { // PROTOCOL D1
	h := start(t)
	c := h.agent("h1")
	for query, want := range map[string]wire.Code{
		"":                            wire.NoContent,
		"?wait=0":                     wire.NoContent,
		"?wait=-5":                    wire.NoContent,
		"?wait=-99999999999999999999": wire.NoContent,
		"?wait=":                      wire.BadQuery,
		"?wait=soon":                  wire.BadQuery,
		"?wait=1.5":                   wire.BadQuery,
		"?wait=1&wait=2":              wire.BadQuery,
		"?wait=%zz":                   wire.BadQuery,
	} {
		a := c.do(http.MethodGet, dispatchPath+query, "")
		if a.status != want.Status() {
			t.Errorf("%s: got %v, want %v", query, a, want)
		}
	}
	for _, query := range []string{"?wait=61", "?wait=99999999999999999999"} {
		done := c.begin(http.MethodGet, dispatchPath+query, "")
		h.waiting(1)
		h.clock.Add(maxWait)
		(<-done).want(t, wire.NoContent)
	}
}

func TestANewerPollAnswersTheOlderOne(t *testing.T) { // PROTOCOL D3
	h := start(t)
	c := h.agent("h1")
	older := c.begin(http.MethodGet, dispatchPath+"?wait=60", "")
	h.waiting(1)
	newer := c.begin(http.MethodGet, dispatchPath+"?wait=60", "")
	(<-older).want(t, wire.NoContent)
	h.waiting(1)
	h.openRollout("stable", "r1", "c1", "h1")
	(<-newer).want(t, wire.OK)
}

func TestShutdownAnswersWaitingPollsAtOnce(t *testing.T) { // PROTOCOL D3
	h := start(t)
	// Something is inside, so the shutdown itself takes its time.
	rule := h.faults.Install(Fault{Kind: Wedge, Match: ofKind[*plane.Heartbeat]})
	poll := h.agent("h1").begin(http.MethodGet, dispatchPath+"?wait=60", "")
	h.waiting(1)
	beat := h.agent("h2").beginHeartbeat("h2")
	<-rule.Reached()
	ended := make(chan error, 1)
	go func() { ended <- h.server.Shutdown(context.Background()) }()
	a := <-poll
	a.want(t, wire.Closed)
	if a.header.Get(wire.HeaderRetryAfter) == "" {
		t.Error("a 503 without Retry-After")
	}
	rule.Lift()
	(<-beat).want(t, wire.OK)
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func TestAPollWhoseCallerIsGoneIsForgotten(t *testing.T) { // PROTOCOL D3
	h := start(t)
	ctx, cancel := context.WithCancel(t.Context())
	req := must(http.NewRequestWithContext(ctx, http.MethodGet, "https://"+h.server.Addr().String()+dispatchPath+"?wait=60", nil))(t)
	done := make(chan answer, 1)
	c := h.agent("h1")
	go func() { done <- c.send(req) }()
	h.waiting(1)
	cancel()
	<-done
	h.waiting(0)
	h.eventually("it is counted", func() bool { return h.metric(`refrain_requests_total{class="gone",route="dispatch"}`) == 1 })
}

func TestAPollWhoseCallerHangsUpIsNotAnswered(t *testing.T) { // PROTOCOL D1
	h := start(t)
	conn := must(tls.Dial("tcp", h.server.Addr().String(), withName(h.agent("h1").transport.TLSClientConfig)))(t)
	defer conn.Close()
	if _, err := conn.Write([]byte("GET " + dispatchPath + "?wait=60 HTTP/1.1\r\nHost: plane\r\n\r\n")); err != nil {
		t.Fatal(err)
	}
	h.waiting(1)
	if err := conn.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	// Above all not with the 200 of a handler that wrote nothing.
	if answer := must(io.ReadAll(conn))(t); len(answer) != 0 {
		t.Errorf("got %s", answer)
	}
	h.waiting(0)
}

func TestAPollIsAnsweredThoughABodyThatItAnnouncedNeverComes(t *testing.T) { // PROTOCOL D1
	h := start(t)
	for _, length := range []string{"Content-Length: 10", "Transfer-Encoding: chunked"} {
		conn := must(tls.Dial("tcp", h.server.Addr().String(), withName(h.agent("h1").transport.TLSClientConfig)))(t)
		defer conn.Close()
		must(io.WriteString(conn, "GET "+dispatchPath+"?wait=30 HTTP/1.1\r\nHost: plane\r\n"+length+"\r\n\r\n"))(t)
		h.waiting(1)
		h.clock.Add(30 * time.Second)
		// The bytes that are missing could still come, so the connection is of
		// no use for another request: it ends after the answer.
		answered := string(must(io.ReadAll(conn))(t))
		if !strings.HasPrefix(answered, "HTTP/1.1 204 ") {
			t.Errorf("%s: answered %q, want 204", length, answered)
		}
	}
}

func TestWorkIsNotHandedToAPollWhoseCertificateWasRevokedMeanwhile(t *testing.T) { // PROTOCOL T5, D1
	h := start(t)
	h.clock.Add(2 * time.Second) // a certificate knows only whole seconds
	done := h.agent("h1").begin(http.MethodGet, dispatchPath+"?wait=60", "")
	h.waiting(1)
	h.clock.Add(2 * time.Second)
	h.operator("anna").do(http.MethodPost, "/v1/operator/revocations", `{"common_name":"agent-h1.`+h.cfg.AgentCNSuffix+`"}`).want(t, wire.OK)
	h.openRollout("stable", "r1", "c1", "h1")
	(<-done).want(t, wire.CertificateRevoked)
}

func TestAPollThatIsRefusedIsAnswered503(t *testing.T) { // PROTOCOL G1
	h := newHarness(t)
	h.listen()
	h.agent("h1").do(http.MethodGet, dispatchPath+"?wait=60", "").want(t, wire.NotStarted)
}

func TestAWokenHerdDoesNotFillTheInbox(t *testing.T) { // PROTOCOL D1, D3
	const herd = 24
	h := start(t, func(c *Config) { c.InboxCapacity = 8 }) // two turns
	var calls []<-chan answer
	var names []string
	for i := range herd {
		host := "h" + string(rune('a'+i))
		names = append(names, host)
		calls = append(calls, h.agent(host).begin(http.MethodGet, dispatchPath+"?wait=60", ""))
		h.waiting(i + 1)
	}
	h.openRollout("stable", "r1", "c1", names...)
	for _, call := range calls {
		(<-call).want(t, wire.OK)
	}
	if got := h.server.admission.look().stats.RefusedWith(wire.Saturated); got != 0 {
		t.Errorf("%d of the herd were refused", got)
	}
}

func TestARebuildWakesThosePollsWhoseWakeWasLost(t *testing.T) { // PROTOCOL D1
	store := newBrittleStore()
	h := start(t, func(c *Config) { c.Store = store })
	done := h.agent("h1").begin(http.MethodGet, dispatchPath+"?wait=60", "")
	h.waiting(1)
	// The rollout is in the log, but the commit says that it is not.
	store.set(func() { store.failCommit, store.late = 1, true })
	h.operator("anna").do(http.MethodPost, "/v1/operator/rollouts", manifest("stable", "r1", "c1", "h1")).want(t, wire.DroppedReply)
	(<-done).want(t, wire.OK)
}
