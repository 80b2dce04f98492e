package mtls

import (
	"bytes"
	"context"
	"crypto"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/benbjohnson/clock"
	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"github.com/refrain-fleet/refrain/httpserver/pki"
)

const testSuffix = "fleet.test"

var testEpoch = time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)

// rig is an HTTPS server with files in a directory, and a clock that the test moves.
type rig struct {
	t           *testing.T
	clock       *clock.Mock
	dir         string
	ca          *pki.Authority
	credentials *Credentials
	connections *Connections
	registry    *prometheus.Registry
	log         *lockedBuffer
	addr        string
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func newRig(t *testing.T) *rig {
	t.Helper()
	return newRigWith(t, Limits{})
}

func newRigWith(t *testing.T, limits Limits) *rig {
	t.Helper()
	r := &rig{t: t, clock: clock.NewMock(), dir: t.TempDir(), registry: prometheus.NewRegistry(), log: new(lockedBuffer)}
	r.clock.Set(testEpoch)
	r.ca = r.newCA()
	r.write("ca.pem", r.caPEM(r.ca))
	r.serverPair(pki.Validity{})
	logger := slog.New(slog.NewTextHandler(r.log, nil))
	r.connections = NewConnections(limits, r.clock.Now, r.clock, logger)
	var err error
	r.credentials, err = NewCredentials(Config{
		CertFile: r.file("server.crt"), KeyFile: r.file("server.key"), ClientCAFile: r.file("ca.pem"), Suffix: testSuffix,
		Now: r.clock.Now, Clock: r.clock, Logger: logger,
	}, r.connections)
	r.must(err)
	r.registry.MustRegister(r.credentials)
	server := &http.Server{
		Handler: http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
			Identify(q)
			if len(q.TLS.PeerCertificates) > 0 && !r.credentials.Trusts(q.TLS, r.clock.Now()) {
				w.WriteHeader(http.StatusUnauthorized)
			}
		}),
		TLSConfig: r.credentials.TLSConfig(), ConnState: r.connections.State, ConnContext: r.connections.Context,
		ReadHeaderTimeout: 200 * time.Millisecond, ErrorLog: log.New(io.Discard, "", 0),
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	r.must(err)
	r.addr = listener.Addr().String()
	ended := make(chan error, 1)
	go func() { ended <- server.ServeTLS(r.connections.Listen(listener), "", "") }()
	t.Cleanup(func() {
		_ = server.Shutdown(context.Background())
		<-ended
		r.connections.Close()
	})
	return r
}

func (r *rig) must(err error) {
	r.t.Helper()
	if err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) file(name string) string { return filepath.Join(r.dir, name) }

func (r *rig) write(name string, text []byte) {
	r.t.Helper()
	r.must(os.WriteFile(r.file(name), text, 0o600))
}

func (r *rig) newCA() *pki.Authority {
	r.t.Helper()
	ca, err := pki.New(pki.Config{Suffix: testSuffix, Clock: r.clock})
	r.must(err)
	return ca
}

func (r *rig) caPEM(ca *pki.Authority) []byte {
	r.t.Helper()
	text, _, err := pki.EncodePair(ca.Pair())
	r.must(err)
	return text
}

// sign makes a CA's certificate anew, with its key, and returns it as PEM.
func (r *rig) sign(template *x509.Certificate, pair tls.Certificate) []byte {
	r.t.Helper()
	key := pair.PrivateKey.(crypto.Signer)
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	r.must(err)
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

// serverPair issues and writes the server's pair.
func (r *rig) serverPair(validity pki.Validity) {
	r.t.Helper()
	pair, err := r.ca.IssueServer([]string{"127.0.0.1"}, validity)
	r.must(err)
	certificate, key, err := pki.EncodePair(pair)
	r.must(err)
	r.write("server.crt", certificate)
	r.write("server.key", key)
}

func (r *rig) agent(ca *pki.Authority, host string, validity pki.Validity) *tls.Config {
	r.t.Helper()
	pair, err := ca.IssueAgent(host, validity)
	r.must(err)
	return r.config(pair)
}

func (r *rig) config(pair tls.Certificate) *tls.Config {
	return &tls.Config{RootCAs: r.ca.Pool(), Certificates: []tls.Certificate{pair}, Time: r.clock.Now}
}

// client makes a client that keeps its connections.
func (r *rig) client(config *tls.Config) *http.Client {
	transport := &http.Transport{TLSClientConfig: config}
	r.t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

// get sends a request; 0 for no answer.
func (r *rig) get(c *http.Client) int {
	r.t.Helper()
	response, err := c.Get("https://" + r.addr)
	if err != nil {
		return 0
	}
	defer response.Body.Close()
	_, err = io.Copy(io.Discard, response.Body)
	r.must(err)
	return response.StatusCode
}

// metric reads a series; ok is false if there is none. label is the value of its only
// label, or empty.
func (r *rig) metric(name, label string) (value float64, ok bool) {
	r.t.Helper()
	families, err := r.registry.Gather()
	r.must(err)
	for _, family := range families {
		for _, m := range family.GetMetric() {
			if family.GetName() == name && labelOf(m) == label {
				return m.GetGauge().GetValue() + m.GetCounter().GetValue(), true
			}
		}
	}
	return 0, false
}

func labelOf(m *dto.Metric) string {
	for _, pair := range m.GetLabel() {
		return pair.GetValue()
	}
	return ""
}

func (r *rig) wantMetric(name, label string, want float64) {
	r.t.Helper()
	r.eventually(name+" "+label, func() bool { got, ok := r.metric(name, label); return ok && got == want })
}

func (r *rig) eventually(what string, so func() bool) {
	r.t.Helper()
	for limit := time.Now().Add(20 * time.Second); !so(); time.Sleep(time.Millisecond) {
		if time.Now().After(limit) {
			r.t.Fatalf("does not happen: %s\n%s", what, r.log)
		}
	}
}

// lines returns the log lines that contain every text.
func (r *rig) lines(texts ...string) (found []string) {
	for line := range strings.Lines(r.log.String()) {
		all := true
		for _, text := range texts {
			all = all && strings.Contains(line, text)
		}
		if all {
			found = append(found, line)
		}
	}
	return found
}
