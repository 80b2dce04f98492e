package fuzz

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/benbjohnson/clock"

	"github.com/refrain-fleet/refrain/core/wire"
	"github.com/refrain-fleet/refrain/httpserver"
	"github.com/refrain-fleet/refrain/httpserver/store/memory"
)

// bodyRoutes are the routes that read a body, with whose certificate they are
// asked.
var bodyRoutes = []struct{ path, commonName string }{
	{"/v1/agent/heartbeat", "agent-h1.fuzz"},
	{"/v1/agent/events", "agent-h1.fuzz"},
	{"/v1/operator/rollouts", "operator-o.fuzz"},
	{"/v1/operator/quarantine/clear", "operator-o.fuzz"},
	{"/v1/operator/revocations", "operator-o.fuzz"},
}

// knownRollout is what the plane knows before the fuzzed request comes.
const knownRollout = `{"channel":"stable","channel_ref":"r1","policy":{"on_health_failure":"halt","waves":[{"soak_minutes":0}]},` +
	`"hosts":[{"hostname":"h1","wave":0,"target_closure":"c1"}]}`

// knownHeartbeat is what the plane has received from h1 by then. It moves no
// record.
const knownHeartbeat = `{"hostname":"h1","at":"2026-01-01T00:00:00Z"}`

// The bytes of a request, its body and the headers that are read before the
// body, never make the server fail: through the real router and handlers, the
// reducer and a store, the answer is no 5xx, is the refusal that the document
// calls for, and a refused request has changed nothing. PROTOCOL T3, T7, T10, E8
func FuzzRequest(f *testing.F) {
	f.Add(uint8(0), "application/json", "1", []byte(`{"hostname":"h1","rollout_id":"stable@r1","current_closure":"c0","at":"2026-01-01T00:00:00Z"}`))
	f.Add(uint8(0), "application/json", "", []byte(`{"hostname":"h2","at":"2026-01-01T00:00:00Z"}`))
	f.Add(uint8(1), "application/json; charset=utf-8", "1", []byte(`{"hostname":"h1","rolloutId":"stable@r1","event":{"kind":"DispatchAck","seq":1,"currentClosureAtDispatch":"c0","receivedAt":"2026-01-01T00:00:00Z"}}`))
	f.Add(uint8(1), "application/json", "2", []byte(`{"hostname":"h1","rolloutId":"edge@r1","event":{"kind":"Converged","seq":9,"convergedAt":"2026-01-01T00:00:00Z","currentClosure":"c1"}}`))
	f.Add(uint8(2), "application/json", "1", []byte(knownRollout))
	f.Add(uint8(3), "text/plain", "x", []byte(`{"channel":"stable","closure":"c1"}`))
	f.Add(uint8(4), "", "1", []byte(`{"common_name":"agent-h1.fuzz"}`))
	f.Fuzz(func(t *testing.T, route uint8, contentType, protocol string, body []byte) {
		s := serve(t)
		if status, text := s.post("/v1/operator/rollouts", "operator-o.fuzz", "application/json", "1", []byte(knownRollout)); status != 201 {
			t.Fatalf("the rollout was answered %d: %s", status, text)
		}
		// h1 was seen already: the first request of a host makes it reachable, even
		// if it is refused (PROTOCOL L1).
		if status, text := s.post("/v1/agent/heartbeat", "agent-h1.fuzz", "application/json", "1", []byte(knownHeartbeat)); status != 200 {
			t.Fatalf("the heartbeat was answered %d: %s", status, text)
		}
		before := s.state()
		r := bodyRoutes[int(route)%len(bodyRoutes)]
		status, answer := s.post(r.path, r.commonName, contentType, protocol, body)
		switch {
		case status >= 500 || status < 200:
			t.Fatalf("%s was answered %d: %s", r.path, status, answer)
		case status == 204:
			if len(answer) > 0 {
				t.Errorf("a 204 has a body: %s", answer)
			}
		case !json.Valid(answer):
			t.Errorf("%d with what is no JSON: %s", status, answer)
		}
		if status >= 400 {
			checkProblem(t, status, answer)
			if after := s.state(); after != before {
				t.Errorf("%s was refused with %d, and changed the state from\n%s\nto\n%s", r.path, status, before, after)
			}
		}
		if contentType != "application/json" || protocol != "1" || len(body) > httpserver.DefaultMaxBody {
			return
		}
		var want []int
		switch r.path {
		case "/v1/agent/heartbeat":
			want = statuses(&wire.HeartbeatRequestSchema, body, func(d *wire.HeartbeatRequest) wire.Hostname { return d.Hostname }, 200)
		case "/v1/agent/events":
			want = statuses(&wire.EventEnvelopeSchema, body, func(d *wire.EventEnvelope) wire.Hostname { return d.Hostname }, 204, 404, 409)
		case "/v1/operator/rollouts":
			want = statuses(&wire.ManifestSchema, body, func(*wire.Manifest) wire.Hostname { return "h1" }, 200, 201, 409)
		default:
			return
		}
		if !slices.Contains(want, status) {
			t.Errorf("%s was answered %d, want one of %v: %s", r.path, status, want, answer)
		}
	})
}

// statuses are those that a document may be answered with: the refusal that it
// calls for (PROTOCOL T7, T3), or one of those given.
func statuses[T any](schema *wire.Schema[T], body []byte, claimed func(*T) wire.Hostname, otherwise ...int) []int {
	var doc T
	err := wire.DecodeDocument(new(wire.Decoder), schema, body, &doc)
	var syntax *wire.SyntaxError
	switch {
	case errors.As(err, &syntax):
		return []int{400}
	case err != nil:
		return []int{422}
	case claimed(&doc) != "h1":
		return []int{403}
	}
	return otherwise
}

// checkProblem verifies the body of a refusal (PROTOCOL T10).
func checkProblem(t *testing.T, status int, answer []byte) {
	t.Helper()
	var problem struct {
		Status int    `json:"status"`
		Reason string `json:"reason"`
	}
	if err := json.Unmarshal(answer, &problem); err != nil || problem.Status != status || problem.Reason == "" {
		t.Errorf("%d with the problem %s (%v)", status, answer, err)
	}
}

// handler is a server that is asked without a network, by whoever has the
// certificate that the request says.
type handler struct {
	t      *testing.T
	server *httpserver.Server
}

// serve starts a server of its own for every input, so that none depends on
// those before it.
func serve(t *testing.T) *handler {
	t.Helper()
	server, err := httpserver.New(httpserver.Config{
		Listener: &silence{closed: make(chan struct{})}, OpsListen: httpserver.OpsOff,
		Certificate: &tls.Certificate{}, ClientCAs: x509.NewCertPool(), AgentCNSuffix: "fuzz",
		InboxCapacity: 8, FlightDir: httpserver.FlightOff, CheckInvariants: true,
		Logger: slog.New(slog.DiscardHandler), Clock: clock.NewMock(), Store: memory.New(0),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Shutdown(context.Background()); err != nil {
			t.Errorf("shutdown: %v", err)
		}
	})
	if err := server.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	return &handler{t, server}
}

func (h *handler) post(path, commonName, contentType, protocol string, body []byte) (status int, answer []byte) {
	r := httptest.NewRequest(http.MethodPost, "https://plane"+path, bytes.NewReader(body))
	r.Header["Content-Type"] = []string{contentType}
	r.Header[wire.HeaderProtocol] = []string{protocol}
	r.Header.Set(wire.HeaderAgent, wire.AgentVersion)
	return h.ask(r, commonName)
}

// state is what an operator may see of everything.
func (h *handler) state() string {
	var all []byte
	for _, path := range []string{"hosts", "rollouts", "rollouts/stable@r1", "quarantine", "revocations"} {
		status, answer := h.ask(httptest.NewRequest(http.MethodGet, "https://plane/v1/operator/"+path, nil), "operator-o.fuzz")
		if status != 200 {
			h.t.Fatalf("%s was answered %d: %s", path, status, answer)
		}
		all = append(append(all, answer...), '\n')
	}
	return string(all)
}

func (h *handler) ask(r *http.Request, commonName string) (status int, answer []byte) {
	name := pkix.AttributeTypeAndValue{Type: asn1.ObjectIdentifier{2, 5, 4, 3}, Value: commonName} // as the parser gives it
	leaf := &x509.Certificate{
		Subject:  pkix.Name{CommonName: commonName, Names: []pkix.AttributeTypeAndValue{name}},
		NotAfter: time.Unix(1<<40, 0), ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	r.TLS = &tls.ConnectionState{PeerCertificates: []*x509.Certificate{leaf}, VerifiedChains: [][]*x509.Certificate{{leaf}}}
	w := httptest.NewRecorder()
	h.server.ServeHTTP(w, r)
	answer, err := io.ReadAll(w.Body)
	if err != nil {
		h.t.Fatal(err)
	}
	return w.Code, answer
}

// silence is a listener that nobody connects to.
type silence struct {
	once   sync.Once
	closed chan struct{}
}

func (s *silence) Accept() (net.Conn, error) {
	<-s.closed
	return nil, net.ErrClosed
}

func (s *silence) Close() error {
	s.once.Do(func() { close(s.closed) })
	return nil
}

func (s *silence) Addr() net.Addr { return &net.TCPAddr{} }
