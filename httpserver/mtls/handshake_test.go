package mtls

import (
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"testing"
	"time"

	"github.com/refrain-fleet/refrain/httpserver/pki"
)

// raw sends bytes on a plain connection, and closes it when the server has, or at once.
func (r *rig) raw(text string, wait bool) {
	r.t.Helper()
	conn, err := net.Dial("tcp", r.addr)
	r.must(err)
	defer conn.Close()
	_, err = io.WriteString(conn, text)
	r.must(err)
	if wait {
		_, _ = io.Copy(io.Discard, conn)
	}
}

func TestEveryCauseOfAFailedHandshakeIsCounted(t *testing.T) { // PROTOCOL T1
	r := newRig(t)
	dial := func(config *tls.Config) {
		t.Helper()
		if status := r.get(r.client(config)); status != 0 {
			t.Errorf("answered %d, want a failed handshake", status)
		}
	}
	other := r.newCA()
	serverPair, err := r.ca.IssueServer([]string{"x.test"}, pki.Validity{})
	r.must(err)
	old := r.agent(r.ca, "h1", pki.Validity{})
	old.MaxVersion = tls.VersionTLS12
	distrusting := r.agent(r.ca, "h1", pki.Validity{})
	distrusting.RootCAs = other.Pool()
	for is, provoke := range map[cause]func(){
		causeUnknownCA: func() { dial(r.agent(other, "h1", pki.Validity{})) },
		causeExpired: func() {
			dial(r.agent(r.ca, "h1", pki.Validity{NotBefore: testEpoch.Add(-time.Hour), NotAfter: testEpoch.Add(-time.Second)}))
		},
		causeNotYetValid:   func() { dial(r.agent(r.ca, "h1", pki.Validity{NotBefore: testEpoch.Add(time.Minute)})) },
		causeWrongUsage:    func() { dial(r.config(serverPair)) },
		causeOldVersion:    func() { dial(old) },
		causeNotTLS:        func() { r.raw("GET / HTTP/1.1\r\n\r\n", true) },
		causeServerRefused: func() { dial(distrusting) },
		causeHungUp:        func() { r.raw("\x16\x03\x01", false) },
		causeTimeout:       func() { r.raw("\x16\x03\x01", true) },
	} {
		provoke()
		r.wantMetric("refrain_tls_handshake_errors_total", causeWords[is], 1)
		if lines := r.lines("level=INFO", `msg="TLS handshakes refused"`, "cause="+causeWords[is]+" ", "count=1 "); len(lines) != 1 {
			t.Errorf("%s: %d lines, want one\n%s", causeWords[is], len(lines), r.log)
		}
	}
	if lines := r.lines("cause=unknown_ca", "last_name=agent-h1.fleet.test", "last_peer=127.0.0.1:"); len(lines) != 1 {
		t.Errorf("the line does not say who:\n%s", r.log)
	}
	for _, none := range []cause{causeBadClient, causeOther} {
		r.wantMetric("refrain_tls_handshake_errors_total", causeWords[none], 0)
	}
	if got, _ := r.metric("refrain_tls_silent_connections_total", ""); got != 0 {
		t.Errorf("%v silent connections, want none", got)
	}
}

func TestAConnectionWithoutAByteIsNoFailedHandshake(t *testing.T) {
	r := newRig(t)
	for range 3 {
		r.raw("", false)
	}
	reset, err := net.Dial("tcp", r.addr)
	r.must(err)
	r.must(reset.(*net.TCPConn).SetLinger(0)) // closes with a reset
	r.must(reset.Close())
	r.wantMetric("refrain_tls_silent_connections_total", "", 4)
	for _, word := range causeWords {
		r.wantMetric("refrain_tls_handshake_errors_total", word, 0)
	}
	if lines := r.lines("handshake"); len(lines) > 0 {
		t.Errorf("logged: %v", lines)
	}
}

func TestACauseIsLoggedOnceAMinuteWithItsCount(t *testing.T) {
	r := newRig(t)
	total := 0.0
	provoke := func(n int) {
		t.Helper()
		for range n {
			r.raw("GET / HTTP/1.1\r\n\r\n", true)
		}
		total += float64(n)
		r.wantMetric("refrain_tls_handshake_errors_total", "not_tls", total)
	}
	wantLines := func(counts ...int) {
		t.Helper()
		for i, n := range counts {
			lines := r.lines("cause=not_tls")
			if len(lines) != len(counts) || len(r.lines(fmt.Sprintf("count=%d ", n))) == 0 {
				t.Fatalf("line %d: want %d lines with the counts %v, have\n%s", i, len(counts), counts, r.log)
			}
		}
	}
	provoke(6)
	wantLines(1)
	r.clock.Add(logEvery - 1)
	wantLines(1)
	r.clock.Add(1)
	wantLines(1, 5)
	r.clock.Add(logEvery) // nothing came: no line, and the next one is logged at once
	wantLines(1, 5)
	provoke(4)
	wantLines(1, 5, 1)
	r.connections.Close() // the rest is not lost
	wantLines(1, 5, 1, 3)
}
