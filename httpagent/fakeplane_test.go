package httpagent

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/refrain-fleet/refrain/core/wire"
)

// authority signs the certificates of a test.
type authority struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
}

func newAuthority(t testing.TB) *authority {
	t.Helper()
	a := &authority{key: must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))(t)}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "a CA"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der := must(x509.CreateCertificate(rand.Reader, template, template, a.key.Public(), a.key))(t)
	a.certificate = must(x509.ParseCertificate(der))(t)
	return a
}

func (a *authority) pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(a.certificate)
	return pool
}

func (a *authority) issue(t testing.TB, commonName string, usage x509.ExtKeyUsage) *tls.Certificate {
	t.Helper()
	key := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))(t)
	der := must(x509.CreateCertificate(rand.Reader, &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: commonName},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		KeyUsage:    x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{usage},
	}, a.certificate, key.Public(), a.key))(t)
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// write puts a pair into dir as name.crt and name.key.
func (a *authority) write(t testing.TB, dir, name string, pair *tls.Certificate) (certFile, keyFile string) {
	t.Helper()
	certFile, keyFile = filepath.Join(dir, name+".crt"), filepath.Join(dir, name+".key")
	key := must(x509.MarshalPKCS8PrivateKey(pair.PrivateKey))(t)
	for path, block := range map[string]*pem.Block{
		certFile: {Type: "CERTIFICATE", Bytes: pair.Certificate[0]},
		keyFile:  {Type: "PRIVATE KEY", Bytes: key},
	} {
		if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return certFile, keyFile
}

// call is a request that reached the plane.
type call struct {
	kind      string // heartbeat, event, poll
	at        time.Time
	header    http.Header
	path      string
	tls       *tls.ConnectionState
	remote    string
	heartbeat wire.HeartbeatRequest
	event     wire.EventEnvelope
}

// answer is what the plane answers: an outcome, or some raw answer in its
// place, or nothing for as long as the caller waits.
type answer struct {
	wire.Outcome
	raw  func(http.ResponseWriter)
	hold bool
}

// fakePlane is a TLS server that speaks the wire and answers what the test
// says. It holds polls unless the test says something else.
type fakePlane struct {
	t      testing.TB
	rig    *rig
	ca     *authority
	server *http.Server
	url    string
	done   chan struct{}

	mu      sync.Mutex
	calls   []call
	respond func(call) answer
	release chan struct{} // closed to release what is held
	maxTLS  uint16        // 0 for the newest
}

func newFakePlane(t testing.TB, r *rig) *fakePlane {
	t.Helper()
	p := &fakePlane{t: t, rig: r, ca: newAuthority(t), done: make(chan struct{}), release: make(chan struct{})}
	p.respond = func(call) answer { return answer{} }
	pair := p.ca.issue(t, "plane", x509.ExtKeyUsageServerAuth)
	listener := must(net.Listen("tcp", "127.0.0.1:0"))(t)
	config := &tls.Config{Certificates: []tls.Certificate{*pair}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: p.ca.pool()}
	config.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) {
		p.mu.Lock()
		defer p.mu.Unlock()
		config := config.Clone()
		config.MaxVersion = p.maxTLS
		return config, nil
	}
	p.server = &http.Server{
		Handler: http.HandlerFunc(p.serve), TLSConfig: config, ErrorLog: log.New(io.Discard, "", 0),
	}
	p.url = "https://" + listener.Addr().String()
	go func() {
		defer close(p.done)
		_ = p.server.ServeTLS(listener, "", "")
	}()
	return p
}

func (p *fakePlane) close() {
	p.letGo()
	_ = p.server.Shutdown(context.Background())
	<-p.done
}

// letGo answers what is held: 204.
func (p *fakePlane) letGo() {
	p.mu.Lock()
	defer p.mu.Unlock()
	close(p.release)
	p.release = make(chan struct{})
}

// answers sets what the plane answers. It is called under the plane's lock.
func (p *fakePlane) answers(respond func(call) answer) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.respond = respond
}

// of returns the calls of a kind so far.
func (p *fakePlane) of(kind string) (calls []call) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.calls {
		if c.kind == kind {
			calls = append(calls, c)
		}
	}
	return calls
}

func (p *fakePlane) serve(w http.ResponseWriter, r *http.Request) {
	c := call{at: p.rig.clock.Now(), header: r.Header, path: r.URL.String(), tls: r.TLS, remote: r.RemoteAddr}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	var decoder wire.Decoder
	timeout := 10 * time.Second
	switch r.Method + " " + r.URL.Path {
	case "POST /v1/agent/heartbeat":
		c.kind = "heartbeat"
		err = wire.DecodeDocument(&decoder, &wire.HeartbeatRequestSchema, body, &c.heartbeat)
	case "POST /v1/agent/events":
		c.kind = "event"
		err = wire.DecodeDocument(&decoder, &wire.EventEnvelopeSchema, body, &c.event)
	case "GET /v1/agent/dispatch":
		c.kind, timeout = "poll", 70*time.Second
	default:
		if c.kind = "release"; r.Method == http.MethodGet && (strings.HasPrefix(c.path, fleetPath) || strings.HasPrefix(c.path, rolloutsPath)) {
			break
		}
		p.t.Errorf("%s %s", r.Method, r.URL)
	}
	if err != nil {
		p.t.Errorf("%s: %v", body, err)
	}
	p.mu.Lock()
	p.calls = append(p.calls, c)
	a, release := p.respond(c), p.release
	if c.kind == "heartbeat" && a.Code == wire.OK && a.raw == nil {
		a.Heartbeat.ReceivedAt = c.heartbeat.At
	}
	p.mu.Unlock()
	if a.hold || c.kind == "poll" && a.Code == wire.OK && a.raw == nil && a.Document == nil {
		leave := p.rig.holding(c.at.Add(timeout))
		defer leave()
		select {
		case <-r.Context().Done():
			panic(http.ErrAbortHandler) // returning would be a 200
		case <-release:
			a = answer{Outcome: wire.Outcome{Code: wire.NoContent}}
		}
	}
	if a.raw != nil {
		a.raw(w)
		return
	}
	var out wire.Answer
	a.Write("", &out)
	for _, h := range out.Header {
		w.Header().Set(h.Name, h.Value)
	}
	w.Header().Set("Content-Length", strconv.Itoa(len(out.Body)))
	if out.Status == http.StatusNoContent {
		w.Header().Del("Content-Length")
	}
	w.WriteHeader(out.Status)
	_, _ = w.Write(out.Body)
}

func noContent() answer { return answer{Outcome: wire.Outcome{Code: wire.NoContent}} }

func unavailable(after time.Duration) answer {
	return answer{Outcome: wire.Unavailable(wire.Saturated, after)}
}

// must returns a function that returns v, or fails the test.
func must[T any](v T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}
