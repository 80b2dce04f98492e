package httpserver

import (
	"bufio"
	"crypto/tls"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/refrain-fleet/refrain/core/wire"
	"github.com/refrain-fleet/refrain/httpserver/pki"
)

// withCAFile makes a server whose client CAs are those of a file, and a function that
// has it trust others.
func withCAFile(t *testing.T) (h *harness, trust func(*pki.Authority)) {
	t.Helper()
	h = newHarness(t)
	file := filepath.Join(t.TempDir(), "ca.pem")
	put := func(ca *pki.Authority) {
		t.Helper()
		text, _, err := pki.EncodePair(ca.Pair())
		if err != nil {
			t.Fatal(err)
		}
		writeFile(t, file, string(text))
	}
	put(h.ca)
	h.cfg.ClientCAs, h.cfg.ClientCAFile = nil, file
	h.server = must(New(h.cfg))(t)
	h.start()
	return h, func(ca *pki.Authority) {
		t.Helper()
		put(ca)
		if changed, err := h.server.ReloadCertificates(); err != nil || !changed {
			t.Fatalf("changed: %v, error: %v", changed, err)
		}
	}
}

// A handshake that was complete before its CA was removed, and a request after that.
func TestAConnectionOfARemovedCAIsNotServed(t *testing.T) { // PROTOCOL T1
	h, trust := withCAFile(t)
	conn := must(tls.Dial("tcp", h.server.Addr().String(), withName(h.agent("h1").transport.TLSClientConfig)))(t)
	defer conn.Close()
	trust(must(pki.New(pki.Config{Suffix: testSuffix, Clock: h.clock}))(t))
	body := heartbeatBody("h1")
	request := must(http.NewRequest(http.MethodPost, "https://plane"+heartbeatPath, strings.NewReader(body)))(t)
	request.Header.Set(wire.HeaderContentType, wire.MediaJSON)
	if err := request.Write(conn); err != nil {
		t.Fatal(err)
	}
	response := must(http.ReadResponse(bufio.NewReader(conn), request))(t)
	defer response.Body.Close()
	text := must(io.ReadAll(response.Body))(t)
	answer{status: response.StatusCode, header: response.Header, body: string(text)}.want(t, wire.NoCertificate)
	if !response.Close || !strings.Contains(string(text), "is no longer trusted") {
		t.Errorf("the connection is kept: %v, body %s", !response.Close, text)
	}
}

// A poll that waits when its CA is removed gets no work that comes later.
func TestAWaitingPollOfARemovedCAEndsWithoutAnAnswer(t *testing.T) { // PROTOCOL T1
	h, trust := withCAFile(t)
	poll := h.agent("h1").begin(http.MethodGet, dispatchPath+"?wait=60", "")
	h.eventually("the poll waits", func() bool { return h.server.WaitingPolls() == 1 })
	next := must(pki.New(pki.Config{Suffix: testSuffix, Clock: h.clock}))(t)
	trust(next)
	if a := <-poll; a.err == nil {
		t.Errorf("answered %v", a)
	}
	h.eventually("no poll waits", func() bool { return h.server.WaitingPolls() == 0 })
	if a := h.agent("h1").heartbeat("h1"); a.err == nil {
		t.Errorf("a new connection is answered %v", a)
	}
	c := h.connect(must(next.IssueAgent("h1", pki.Validity{}))(t))
	c.heartbeat("h1").want(t, wire.OK)
}

// Files are polled by the clock; a change is used when it has been the same twice.
func TestAChangedFileIsUsedWithoutASignal(t *testing.T) {
	h, _ := withCAFile(t)
	next := must(pki.New(pki.Config{Suffix: testSuffix, Clock: h.clock}))(t)
	text, _, err := pki.EncodePair(next.Pair())
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, h.cfg.ClientCAFile, string(text))
	h.eventually("the new CA is used", func() bool {
		h.clock.Add(time.Second)
		return h.metric(`refrain_certificate_reloads_total{outcome="applied"}`) == 1
	})
	h.connect(must(next.IssueAgent("h1", pki.Validity{}))(t)).heartbeat("h1").want(t, wire.OK)

	// A bad one is refused, and readiness goes on with a note.
	writeFile(t, h.cfg.ClientCAFile, "no PEM")
	h.eventually("the file is refused", func() bool {
		h.clock.Add(time.Second)
		return h.metric("refrain_certificate_files_refused") == 1
	})
	status, body := h.ops("/readyz?verbose")
	if status != http.StatusOK || !strings.Contains(body, `{"name":"certificates","state":"warning","reason":"certificate files refused since 2026-01-01T00:`) || !strings.Contains(body, "ca.pem: no certificate found") {
		t.Errorf("/readyz answers %d %q", status, body)
	}
	h.connect(must(next.IssueAgent("h1", pki.Validity{}))(t)).heartbeat("h1").want(t, wire.OK)
}
