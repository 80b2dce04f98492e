package httpserver

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/refrain-fleet/refrain/core/wire"
	"github.com/refrain-fleet/refrain/httpserver/pki"
)

// client is somebody with a certificate, or without.
type client struct {
	h         *harness
	transport *http.Transport
	base      string
}

// connect makes a client that presents the certificate; none, if it has none.
func (h *harness) connect(cert tls.Certificate) *client {
	tlsConfig := &tls.Config{RootCAs: h.ca.Pool(), Time: h.clock.Now}
	if len(cert.Certificate) > 0 {
		tlsConfig.Certificates = []tls.Certificate{cert}
	}
	c := &client{h: h, transport: &http.Transport{TLSClientConfig: tlsConfig, MaxIdleConnsPerHost: 64}}
	h.clients = append(h.clients, c)
	return c
}

// agent makes the client of a host, with a new certificate.
func (h *harness) agent(host string) *client {
	h.t.Helper()
	return h.connect(must(h.ca.IssueAgent(host, pki.Validity{}))(h.t))
}

// operator makes the client of an operator.
func (h *harness) operator(name string) *client {
	h.t.Helper()
	return h.connect(must(h.ca.IssueOperator(name, pki.Validity{}))(h.t))
}

// stranger makes a client without a certificate.
func (h *harness) stranger() *client { return h.connect(tls.Certificate{}) }

// answer is what a request was answered with.
type answer struct {
	status int
	header http.Header
	body   string
	last   bool  // it says that its connection is closed
	err    error // there was no answer
}

// problem reads the answer's problem document.
func (a answer) problem(t testing.TB) wire.Problem {
	t.Helper()
	if got := a.header.Get("Content-Type"); got != wire.MediaProblem {
		t.Fatalf("content type is %q, want a problem document: %v", got, a)
	}
	var p wire.Problem
	if err := wire.DecodeDocument(new(wire.Decoder), &wire.ProblemSchema, []byte(a.body), &p); err != nil {
		t.Fatalf("%v in %s", err, a.body)
	}
	return p
}

func (a answer) String() string {
	if a.err != nil {
		return a.err.Error()
	}
	return fmt.Sprintf("%d %s", a.status, a.body)
}

// do sends a request and waits for the answer. Header lines are "Name: value";
// a body is JSON and an agent ours unless a line says otherwise, and an empty line
// leaves its header out.
func (c *client) do(method, path, body string, lines ...string) answer {
	c.h.t.Helper()
	if c.base == "" {
		c.base = "https://" + c.h.server.Addr().String()
	}
	var reader io.Reader
	if body != "" {
		reader = strings.NewReader(body)
	}
	req, err := http.NewRequestWithContext(c.h.t.Context(), method, c.base+path, reader)
	if err != nil {
		return answer{err: err}
	}
	if body != "" {
		req.Header.Set("Content-Type", wire.MediaJSON)
	}
	if !strings.HasPrefix(path, "/v1/operator/") {
		req.Header.Set(wire.HeaderAgent, wire.AgentVersion)
	}
	for _, line := range lines {
		name, value, _ := strings.Cut(line, ": ")
		if value == "" {
			req.Header.Del(name)
		} else {
			req.Header.Add(name, value)
		}
	}
	return c.send(req)
}

// send sends a request and waits for the answer. Only in a test that fails is
// there none for long; giving up then lets the test say what it saw last.
func (c *client) send(req *http.Request) answer {
	ctx, cancel := context.WithTimeout(req.Context(), time.Minute)
	defer cancel()
	resp, err := c.transport.RoundTrip(req.WithContext(ctx))
	if err != nil {
		return answer{err: err}
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	return answer{status: resp.StatusCode, header: resp.Header, body: string(text), last: resp.Close, err: err}
}

// begin sends a request and does not wait: the answer comes on the channel.
func (c *client) begin(method, path, body string, lines ...string) <-chan answer {
	c.h.t.Helper()
	if c.base == "" {
		c.base = "https://" + c.h.server.Addr().String()
	}
	done := make(chan answer, 1)
	go func() { done <- c.do(method, path, body, lines...) }()
	return done
}

const heartbeatPath = "/v1/agent/heartbeat"

// heartbeatBody is a steady heartbeat.
func heartbeatBody(host string) string {
	return `{"hostname":"` + host + `","rollout_id":null,"current_closure":null,"at":"2026-01-01T00:00:00Z"}`
}

func (c *client) heartbeat(host string) answer {
	c.h.t.Helper()
	return c.do(http.MethodPost, heartbeatPath, heartbeatBody(host))
}

func (c *client) beginHeartbeat(host string) <-chan answer {
	c.h.t.Helper()
	return c.begin(http.MethodPost, heartbeatPath, heartbeatBody(host))
}

// manifest is one of a single wave without a soak.
func manifest(channel, ref, closure string, hosts ...string) string {
	m := wire.Manifest{
		Channel: wire.Channel(channel), ChannelRef: wire.ChannelRef(ref),
		Policy: wire.Policy{OnHealthFailure: wire.Halt, Waves: []wire.Wave{{}}},
	}
	for _, host := range hosts {
		m.Hosts = append(m.Hosts, wire.ManifestHost{Hostname: wire.Hostname(host), TargetClosure: wire.Closure(closure)})
	}
	return string(m.AppendJSON(nil))
}

// numbered is a manifest with a serial.
func numbered(serial int, manifest string) string {
	return strings.Replace(manifest, `"policy"`, fmt.Sprintf(`"serial":%d,"policy"`, serial), 1)
}

// openRollout opens a rollout as an operator and returns its ID.
func (h *harness) openRollout(channel, ref, closure string, hosts ...string) wire.RolloutID {
	h.t.Helper()
	a := h.operator("opener").do(http.MethodPost, "/v1/operator/rollouts", manifest(channel, ref, closure, hosts...))
	if a.status != http.StatusCreated {
		h.t.Fatalf("opening a rollout: %v", a)
	}
	return wire.MakeRolloutID(wire.Channel(channel), wire.ChannelRef(ref))
}

// want fails the test unless the answer is a refusal with the reason.
func (a answer) want(t testing.TB, code wire.Code) {
	t.Helper()
	if a.err != nil {
		t.Fatalf("got no answer, want %d %v: %v", code.Status(), code, a.err)
	}
	if a.status != code.Status() {
		t.Fatalf("got %v, want %d %v", a, code.Status(), code)
	}
	if code.Reason() != "" {
		if got := a.problem(t).Reason; got != wire.Name(code.Reason()) {
			t.Fatalf("got reason %s, want %v: %v", got, code, a)
		}
	}
}

// ackBody is the first event of a host in a rollout.
func ackBody(host, rollout string) string {
	return fmt.Sprintf(`{"hostname":%q,"rolloutId":%q,"event":{"kind":"DispatchAck","seq":1,`+
		`"currentClosureAtDispatch":"c0","receivedAt":"2026-01-01T00:00:00Z"}}`, host, rollout)
}
