package httpserver

import (
	"bufio"
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/refrain-fleet/refrain/core/wire"
	"github.com/refrain-fleet/refrain/httpserver/pki"
)

func withPage(c *Config) { c.PageListen, c.OpsPage = "127.0.0.1:0", true }

// onPage lets a client ask the page's listener.
func (c *client) onPage() *client {
	c.base = "https://" + c.h.server.PageAddr().String()
	return c
}

func TestTheLivePageIsForOperators(t *testing.T) { // PROTOCOL T1, T4
	h := start(t, withPage)
	h.openRollout("stable", "r1", "c1", "h1")
	operator := h.operator("anna").onPage()
	a := operator.do(http.MethodGet, "/", "")
	if a.status != http.StatusOK || !strings.Contains(a.body, "stable@r1") {
		t.Errorf("an operator gets %v", a)
	}
	for path, want := range map[string]int{"/style.css": 200, "/page.js": 200, "/host?name=h1": 200, "/rollout?id=stable@r1": 200, "/host?name=h2": 404, "/v1/operator/status": 404, "/metrics": 404} {
		if a := operator.do(http.MethodGet, path, ""); a.status != want || !strings.Contains(a.header.Get("Content-Security-Policy"), "default-src 'none'") {
			t.Errorf("%s: %d with the policy %q, want %d", path, a.status, a.header.Get("Content-Security-Policy"), want)
		}
	}
	if a := operator.do(http.MethodPost, "/", "{}"); a.status != http.StatusMethodNotAllowed {
		t.Errorf("POST gets %v", a)
	}
	for _, path := range []string{"/", "/events", "/style.css", "/host?name=h1"} {
		h.agent("h1").onPage().do(http.MethodGet, path, "").want(t, wire.WrongRole)
		h.stranger().onPage().do(http.MethodGet, path, "").want(t, wire.NoCertificate)
	}
	// The other listeners do not have it, unless they are told to.
	if a := h.operator("anna").do(http.MethodGet, "/", ""); a.status != http.StatusNotFound {
		t.Errorf("the control plane's listener answers %v", a)
	}
	if got := h.metric(`refrain_requests_total{class="2xx",route="page"}`); got < 5 {
		t.Errorf("%v answers of the page are counted", got)
	}
}

func TestALivePageIsServedOnlyIfItIsAskedFor(t *testing.T) {
	h := start(t)
	if h.server.PageAddr() != nil {
		t.Error("it has a listener")
	}
	if status, _ := h.ops("/page/"); status != http.StatusNotFound {
		t.Errorf("the ops listener answers %d", status)
	}
	_, err := New(Config{Certificate: h.cfg.Certificate, ClientCAs: h.cfg.ClientCAs, AgentCNSuffix: testSuffix, Store: h.cfg.Store, OpsListen: OpsOff, OpsPage: true})
	if err == nil || !strings.Contains(err.Error(), "ops page is set") {
		t.Errorf("an ops page without an ops listener: %v", err)
	}
}

func TestTheOpsListenerHasThePageForThisMachine(t *testing.T) {
	h := start(t, withPage)
	if status, body := h.ops("/page/"); status != http.StatusOK || !strings.Contains(body, `href="style.css"`) {
		t.Errorf("it answers %d %s", status, body)
	}
	if status, _ := h.ops("/page/style.css"); status != http.StatusOK {
		t.Errorf("its style is %d", status)
	}
	for what, refused := range map[string][]string{
		"a name that was rebound": {"evil.example"}, "a page of another origin": {"", "Sec-Fetch-Site: cross-site"}, "an old browser": {"", "Origin: https://evil.example"},
	} {
		if status, body := h.opsAs(http.MethodGet, "/page/events", refused[0], refused[1:]...); status != http.StatusForbidden {
			t.Errorf("%s: %d %s, want 403", what, status, body)
		}
	}
	if status, body := h.opsAs(http.MethodPost, "/page/", ""); status != http.StatusMethodNotAllowed {
		t.Errorf("POST: %d %s", status, body)
	}
}

// pageStream opens a stream of the page and reads its first events.
func pageStream(t *testing.T, c *client) (next func() bool) {
	t.Helper()
	r, err := http.NewRequestWithContext(context.Background(), http.MethodGet, "https://"+c.h.server.PageAddr().String()+"/events", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := c.transport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { resp.Body.Close() })
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("the stream is refused: %d", resp.StatusCode)
	}
	lines := bufio.NewScanner(resp.Body)
	// next reads to the end of what belongs together; false at the end of the stream.
	next = func() bool {
		for lines.Scan() {
			if lines.Text() == "event: version" {
				return true
			}
		}
		return false
	}
	if !next() {
		t.Fatal("the stream ends at once")
	}
	return next
}

func TestAStreamOfThePageEndsWhenTheServerDrains(t *testing.T) {
	h := start(t, withPage)
	next := pageStream(t, h.operator("anna"))
	if got := h.metric("refrain_page_viewers"); got != 1 {
		t.Errorf("%v viewers are counted", got)
	}
	ended := make(chan error, 1)
	go func() { ended <- h.server.Shutdown(context.Background()) }()
	for next() { // what came before it
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func TestAStreamOfThePageEndsWhenItsCertificateIsRevokedOrExpires(t *testing.T) { // PROTOCOL T2, T5
	h := start(t, withPage)
	anna := h.connect(must(h.ca.IssueOperator("anna", pki.Validity{}))(t))
	berta := h.connect(must(h.ca.IssueOperator("berta", pki.Validity{NotAfter: testEpoch.Add(30 * time.Second)}))(t))
	first, second := pageStream(t, anna), pageStream(t, berta)
	h.clock.Add(time.Second)
	if !first() || !second() {
		t.Fatal("a stream ends too early")
	}
	h.operator("carla").do(http.MethodPost, "/v1/operator/revocations", `{"common_name":"operator-anna.`+testSuffix+`"}`).want(t, wire.OK)
	h.clock.Add(time.Second)
	for first() {
	}
	anna.onPage().do(http.MethodGet, "/", "").want(t, wire.CertificateRevoked)
	if !second() {
		t.Error("the other stream ends as well")
	}
	for range 40 {
		h.clock.Add(time.Second)
	}
	for second() {
	}
}

// While the reducer stands still the page says so, and its figures are those of before.
func TestThePageShowsAWedge(t *testing.T) { // PROTOCOL G7
	h := start(t, withPage)
	h.openRollout("stable", "r1", "c1", "h1")
	c := h.operator("anna").onPage()
	c.do(http.MethodGet, "/", "")
	rule := h.wedge()
	beat := h.agent("h1").beginHeartbeat("h1")
	<-rule.Reached()
	h.clock.Add(DefaultReplyTimeout + time.Second)
	(<-beat).want(t, wire.Timeout)
	page := make(chan answer, 1)
	go func() { page <- c.do(http.MethodGet, "/", "") }()
	var a answer
	for a.status == 0 {
		select {
		case a = <-page:
		case <-time.After(time.Millisecond):
			h.clock.Add(100 * time.Millisecond)
		}
	}
	for _, want := range []string{"Not current", "wedged: see /livez", "stable@r1", "<code>timeout</code>"} {
		if !strings.Contains(a.body, want) {
			t.Errorf("there is no %q in %s", want, a.body)
		}
	}
	rule.Lift()
	h.inside(0)
}
