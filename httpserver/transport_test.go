package httpserver

import (
	"bytes"
	"context"
	"crypto/tls"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/refrain-fleet/refrain/core/wire"
	"github.com/refrain-fleet/refrain/httpserver/pki"
)

func TestAHeartbeatIsAnsweredWithItsOwnTime(t *testing.T) { // PROTOCOL H1
	h := start(t)
	a := h.agent("h1").heartbeat("h1")
	a.want(t, wire.OK)
	if want := `{"received_at":"2026-01-01T00:00:00Z"}`; a.body != want {
		t.Errorf("body is %s, want %s", a.body, want)
	}
	if got := a.header.Get("Content-Type"); got != wire.MediaJSON {
		t.Errorf("content type is %q, want %q", got, wire.MediaJSON)
	}
}

func TestTheFirstCheckThatFailsAnswers(t *testing.T) { // PROTOCOL T7
	h := start(t, func(c *Config) { c.MaxBody = 1 << 10 })
	agent, operator, stranger := h.agent("h1"), h.operator("anna"), h.stranger()
	long := heartbeatBody("h1")[:10] + strings.Repeat(" ", 1<<10) + heartbeatBody("h1")[10:]
	for _, test := range []struct {
		name   string
		client *client
		method string
		path   string
		body   string
		lines  []string
		want   wire.Code
	}{
		{"no such route", stranger, "POST", "/v1/agent/heartbeats", "{", []string{"Content-Type: text/plain"}, wire.NotFound},
		{"a trailing slash", stranger, "POST", "/v1/agent/heartbeat/", "{", nil, wire.NotFound},
		{"a doubled slash", stranger, "POST", "/v1//agent/heartbeat", "{", nil, wire.NotFound},
		{"a needless escape", stranger, "POST", "/v1/agent/heartbea%74", "{", nil, wire.NotFound},
		{"another method", stranger, "PUT", "/v1/agent/heartbeat", "{", []string{"Content-Type: text/plain"}, wire.MethodNotAllowed},
		{"no certificate", stranger, "POST", "/v1/agent/heartbeat", "{", []string{"X-Nixfleet-Protocol: 2"}, wire.NoCertificate},
		{"another protocol", agent, "POST", "/v1/agent/heartbeat", "{", []string{"X-Nixfleet-Protocol: 2", "Content-Type: text/plain"}, wire.UnsupportedProtocol},
		{"an unreadable protocol", agent, "POST", "/v1/agent/heartbeat", "{", []string{"X-Nixfleet-Protocol: one", "Content-Type: text/plain"}, wire.BadProtocolHeader},
		{"another media type", agent, "POST", "/v1/agent/heartbeat", long, []string{"Content-Type: text/plain"}, wire.UnsupportedMediaType},
		{"no media type", agent, "POST", "/v1/agent/heartbeat", long, []string{"Content-Type: "}, wire.UnsupportedMediaType},
		{"two media types", agent, "POST", "/v1/agent/heartbeat", long, []string{"Content-Type: application/json"}, wire.UnsupportedMediaType},
		{"too long", agent, "POST", "/v1/agent/heartbeat", long, nil, wire.BodyTooLarge},
		{"not JSON", agent, "POST", "/v1/agent/heartbeat", `{"hostname":1`, nil, wire.NotJSON},
		{"another shape", agent, "POST", "/v1/agent/heartbeat", `{"hostname":1}`, nil, wire.WrongShape},
		{"another host", agent, "POST", "/v1/agent/heartbeat", heartbeatBody("h2"), nil, wire.WrongIdentity},
		{"an operator as an agent, with a bad body", operator, "POST", "/v1/agent/heartbeat", "{", nil, wire.NotJSON},
		{"an operator as an agent", operator, "POST", "/v1/agent/heartbeat", heartbeatBody("anna"), nil, wire.WrongRole},
		{"an agent as an operator", agent, "POST", "/v1/operator/rollouts", manifest("c", "r", "x", "h1"), nil, wire.WrongRole},
		{"a bad query before the identity", agent, "GET", "/v1/operator/hosts?limit=0", "", nil, wire.BadQuery},
		{"media type with a parameter", agent, "POST", "/v1/agent/heartbeat", heartbeatBody("h1"), []string{"Content-Type: ", "Content-Type: application/json; charset=utf-8"}, wire.OK},
	} {
		t.Run(test.name, func(t *testing.T) {
			test.client.do(test.method, test.path, test.body, test.lines...).want(t, test.want)
		})
	}
}

func TestARefusedMethodIsToldWhichAreTaken(t *testing.T) { // PROTOCOL T7
	h := start(t)
	for path, want := range map[string]string{
		"/v1/agent/heartbeat":                   "POST",
		"/v1/agent/dispatch":                    "GET",
		"/v1/operator/rollouts":                 "GET, POST",
		"/v1/operator/rollouts/a@b%2Fc/resume":  "POST",
		"/v1/operator/rollouts/a@b%2Fc/events":  "GET",
		"/v1/operator/revocations":              "GET, POST",
		"/v1/operator/hosts/some-host.internal": "GET",
	} {
		a := h.stranger().do(http.MethodDelete, path, "")
		a.want(t, wire.MethodNotAllowed)
		if got := a.header.Get("Allow"); got != want {
			t.Errorf("%s: Allow is %q, want %q", path, got, want)
		}
	}
}

func TestABodyOfUnknownLengthHasTheSameLimit(t *testing.T) { // PROTOCOL T7
	h := start(t, func(c *Config) { c.MaxBody = 1 << 10 })
	c := h.agent("h1")
	send := func(body string) answer {
		// A reader of its own type hides the length, so the body goes in chunks.
		req := must(http.NewRequest(http.MethodPost, "https://"+h.server.Addr().String()+heartbeatPath, io.MultiReader(strings.NewReader(body))))(t)
		req.Header.Set("Content-Type", wire.MediaJSON)
		return c.send(req)
	}
	body := heartbeatBody("h1")
	send(body+strings.Repeat(" ", 1<<10-len(body))).want(t, wire.OK)
	send(body+strings.Repeat(" ", 1<<10-len(body)+1)).want(t, wire.BodyTooLarge)
}

func TestOnlyOperatorsHaveTheLimitOfManifests(t *testing.T) { // PROTOCOL T7
	h := start(t, func(c *Config) { c.MaxBody, c.MaxManifest = 1<<10, 4<<10 })
	body := manifest("stable", "r1", "c1", "h1")
	padded := body + strings.Repeat(" ", 3<<10)
	h.agent("h1").do(http.MethodPost, "/v1/operator/rollouts", padded).want(t, wire.BodyTooLarge)
	h.operator("anna").do(http.MethodPost, "/v1/operator/rollouts", padded).want(t, wire.Created)
	h.operator("anna").do(http.MethodPost, "/v1/operator/rollouts", body+strings.Repeat(" ", 4<<10)).want(t, wire.BodyTooLarge)
}

func TestAStrictServerWantsTheProtocolHeader(t *testing.T) { // PROTOCOL T6
	h := start(t, func(c *Config) { c.StrictProtocol = true })
	c := h.agent("h1")
	c.heartbeat("h1").want(t, wire.ProtocolRequired)
	c.do(http.MethodPost, heartbeatPath, heartbeatBody("h1"), "X-Nixfleet-Protocol: 1").want(t, wire.OK)
}

func TestACertificateOfAnotherCAFailsTheHandshake(t *testing.T) { // PROTOCOL T1
	h := start(t)
	foreign := must(pki.New(pki.Config{Suffix: testSuffix, Clock: h.clock}))(t)
	a := h.connect(must(foreign.IssueAgent("h1", pki.Validity{}))(t)).heartbeat("h1")
	if a.err == nil {
		t.Fatalf("got %v, want a failed handshake", a)
	}
	h.eventually("the handshake is counted", func() bool { return h.metric(`refrain_tls_handshake_errors_total{cause="unknown_ca"}`) == 1 })
}

func TestOldTLSIsNotSpoken(t *testing.T) { // PROTOCOL T1
	h := start(t)
	c := h.agent("h1")
	c.transport.TLSClientConfig.MaxVersion = tls.VersionTLS12
	if a := c.heartbeat("h1"); a.err == nil || !strings.Contains(a.err.Error(), "protocol version") {
		t.Fatalf("got %v, want no common version", a)
	}
}

func TestSessionsAreNotResumed(t *testing.T) { // PROTOCOL T1
	h := start(t)
	c := h.agent("h1")
	c.transport.TLSClientConfig.ClientSessionCache = tls.NewLRUClientSessionCache(8)
	for range 2 {
		conn := must(tls.Dial("tcp", h.server.Addr().String(), withName(c.transport.TLSClientConfig)))(t)
		request := "POST /v1/agent/heartbeat HTTP/1.1\r\nHost: plane\r\nConnection: close\r\n\r\n"
		if _, err := conn.Write([]byte(request)); err != nil {
			t.Fatal(err)
		}
		answer := must(io.ReadAll(conn))(t) // and with it any session ticket
		if !bytes.HasPrefix(answer, []byte("HTTP/1.1 415")) {
			t.Fatalf("got %s", answer)
		}
		if conn.ConnectionState().DidResume {
			t.Error("the second connection resumed the first one's session")
		}
		conn.Close()
	}
}

func withName(c *tls.Config) *tls.Config {
	c = c.Clone()
	c.ServerName = "127.0.0.1"
	return c
}

func TestHTTP2ClientsSettleForHTTP1(t *testing.T) {
	h := start(t)
	c := h.agent("h1")
	c.transport.ForceAttemptHTTP2 = true
	c.heartbeat("h1").want(t, wire.OK)
	conn := must(tls.Dial("tcp", h.server.Addr().String(), func() *tls.Config {
		cfg := withName(c.transport.TLSClientConfig)
		cfg.NextProtos = []string{"h2", "http/1.1"}
		return cfg
	}()))(t)
	defer conn.Close()
	if got := conn.ConnectionState().NegotiatedProtocol; got != "http/1.1" {
		t.Errorf("negotiated %q, want http/1.1", got)
	}
}

func TestACertificateThatExpiresOnAKeptConnectionIsRefused(t *testing.T) { // PROTOCOL T1
	h := start(t)
	c := h.connect(must(h.ca.IssueAgent("h1", pki.Validity{NotAfter: testEpoch.Add(time.Minute)}))(t))
	c.heartbeat("h1").want(t, wire.OK)
	h.clock.Add(time.Minute)
	c.heartbeat("h1").want(t, wire.OK)
	h.clock.Add(time.Nanosecond)
	c.heartbeat("h1").want(t, wire.CertificateExpired)
}

func TestARevocationIsFeltOnAKeptConnection(t *testing.T) { // PROTOCOL T5
	h := start(t)
	c, bystander := h.agent("h1"), h.agent("h2")
	c.heartbeat("h1").want(t, wire.OK)
	h.clock.Add(time.Second)
	h.operator("anna").do(http.MethodPost, "/v1/operator/revocations", `{"common_name":"agent-h1.`+testSuffix+`"}`).want(t, wire.OK)
	a := c.heartbeat("h1")
	a.want(t, wire.CertificateRevoked)
	if a.header.Get("WWW-Authenticate") == "" {
		t.Error("a 401 without a challenge")
	}
	bystander.heartbeat("h2").want(t, wire.OK)
	h.agent("h1").heartbeat("h1").want(t, wire.OK) // issued at the instant itself, so not before it
	h.restart()
	c.heartbeat("h1").want(t, wire.CertificateRevoked)
}

func TestABareNameIsAHost(t *testing.T) { // PROTOCOL T2
	h := start(t)
	h.connect(must(h.ca.IssueClient("old-host", pki.Validity{}))(t)).heartbeat("old-host").want(t, wire.OK)
	c := h.connect(must(h.ca.IssueClient("no host", pki.Validity{}))(t))
	c.do(http.MethodGet, "/v1/agent/dispatch", "").want(t, wire.WrongIdentity)
}

func TestEveryAnswerHasARequestIDOfItsOwn(t *testing.T) { // PROTOCOL T10
	h := start(t)
	seen := make(map[string]bool)
	for _, a := range []answer{
		h.agent("h1").heartbeat("h1"),
		h.agent("h1").do(http.MethodPost, heartbeatPath, heartbeatBody("h2"), "X-Request-Id: mine"),
		h.stranger().do(http.MethodGet, "/nothing", ""),
		h.stranger().do(http.MethodOptions, "/v1/agent/heartbeat", ""),
	} {
		id := a.header.Get(wire.HeaderRequestID)
		parsed, err := uuid.Parse(id)
		if err != nil || parsed.Version() != 7 {
			t.Errorf("request ID %q: want a UUID of version 7", id)
		}
		if seen[id] {
			t.Errorf("request ID %s was given twice", id)
		}
		seen[id] = true
		if a.status >= 400 {
			if got := a.problem(t).RequestID; got != wire.Text(id) {
				t.Errorf("the problem document says %q, the header %q", got, id)
			}
		}
	}
}

func TestAPanicOfAHandlerIsA500(t *testing.T) {
	h := newHarness(t)
	h.wantPanics = true
	h.server.handle(h.server.router, http.MethodGet, "/v1/agent/panic", endpoint{
		name: "panic", role: agents, serve: func(*exchange) { panic("on purpose") },
	})
	h.start()
	c := h.agent("h1")
	a := c.do(http.MethodGet, "/v1/agent/panic", "")
	a.want(t, wire.Internal)
	if lines := h.logs.matching("handler panicked", "on purpose", a.header.Get(wire.HeaderRequestID)); len(lines) != 1 {
		t.Errorf("%d log lines about it, want 1", len(lines))
	}
	c.heartbeat("h1").want(t, wire.OK)
}

func TestAnUnfinishedBodyIsNotJSON(t *testing.T) { // PROTOCOL T7
	h := start(t)
	conn := must(tls.Dial("tcp", h.server.Addr().String(), withName(h.agent("h1").transport.TLSClientConfig)))(t)
	defer conn.Close()
	if _, err := conn.Write([]byte("POST /v1/agent/heartbeat HTTP/1.1\r\nHost: plane\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{")); err != nil {
		t.Fatal(err)
	}
	if err := conn.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if answer := must(io.ReadAll(conn))(t); !bytes.Contains(answer, []byte(`"reason":"not_json"`)) {
		t.Errorf("got %s", answer)
	}
}

func TestNetHTTPAnswersWhatItDoesNotHandOn(t *testing.T) {
	h := start(t)
	config := withName(h.agent("h1").transport.TLSClientConfig)
	request := func(line, header string) string {
		return line + "\r\nHost: plane\r\nConnection: close\r\n" + header + "\r\n"
	}
	const poll = "GET " + dispatchPath + " HTTP/1.1"
	for _, test := range []struct{ name, request, want string }{
		{"no HTTP", "hello\r\n\r\n", "400"},
		{"an expectation", request(poll, "Expect: miracles\r\n"), "417"},
		{"headers within 20 KiB", request(poll, "A: "+strings.Repeat("a", 19<<10)+"\r\n"), "204"},
		{"headers beyond 20 KiB", request(poll, "A: "+strings.Repeat("a", 20<<10)+"\r\n"), "431"},
		{"a transfer coding", request(poll, "Transfer-Encoding: gzip, chunked\r\n"), "501"},
		{"a version", request("GET "+dispatchPath+" HTTP/3.0", ""), "505"},
	} {
		t.Run(test.name, func(t *testing.T) {
			conn := must(tls.Dial("tcp", h.server.Addr().String(), config))(t)
			defer conn.Close()
			must(io.WriteString(conn, test.request))(t)
			answer := make([]byte, len("HTTP/1.1 204"))
			must(io.ReadFull(conn, answer))(t)
			if got := string(answer); got != "HTTP/1.1 "+test.want {
				t.Errorf("answered %q, want %s", got, test.want)
			}
		})
	}
}

func TestOptionsOfTheServerAreNoRoute(t *testing.T) { // PROTOCOL T7
	h := start(t)
	conn := must(tls.Dial("tcp", h.server.Addr().String(), withName(h.agent("h1").transport.TLSClientConfig)))(t)
	defer conn.Close()
	if _, err := conn.Write([]byte("OPTIONS * HTTP/1.1\r\nHost: plane\r\nConnection: close\r\n\r\n")); err != nil {
		t.Fatal(err)
	}
	if answer := must(io.ReadAll(conn))(t); !bytes.Contains(answer, []byte(`"reason":"not_found"`)) {
		t.Errorf("got %s", answer)
	}
}

func TestNobodySendsALongBodyInVain(t *testing.T) { // PROTOCOL T7
	h := start(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	body := &countingReader{}
	req := must(http.NewRequestWithContext(ctx, http.MethodPost, "https://"+h.server.Addr().String()+heartbeatPath, body))(t)
	req.Header.Set("Content-Type", wire.MediaJSON)
	req.Header.Set("Expect", "100-continue")
	req.ContentLength = 1 << 30
	c := h.agent("h1")
	c.transport.ExpectContinueTimeout = time.Hour
	c.send(req).want(t, wire.BodyTooLarge)
	if body.read > 0 {
		t.Errorf("%d bytes of the body were sent", body.read)
	}
}

type countingReader struct{ read int }

func (r *countingReader) Read(p []byte) (int, error) { r.read += len(p); return len(p), nil }
