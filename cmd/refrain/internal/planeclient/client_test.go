package planeclient

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/refrain-fleet/refrain/core/wire"
	"github.com/refrain-fleet/refrain/httpserver/pki"
)

// plane answers requests with the given handler, behind mutual TLS.
func plane(t *testing.T, handler http.HandlerFunc) Config {
	t.Helper()
	dir := t.TempDir()
	check := func(_ any, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	check(pki.Init(dir, "fleet.test", pki.Options{}))
	check(pki.Server(dir, []string{"127.0.0.1"}, pki.Options{}))
	check(pki.Operator(dir, []string{"anna"}, pki.Options{}))
	file := func(name string) string { return filepath.Join(dir, name) }
	pair, err := tls.LoadX509KeyPair(file("server.crt"), file("server.key"))
	check(nil, err)
	ca, err := os.ReadFile(file("ca.crt"))
	check(nil, err)
	pool := x509.NewCertPool()
	block, _ := pem.Decode(ca)
	root, err := x509.ParseCertificate(block.Bytes)
	check(nil, err)
	pool.AddCert(root)
	server := httptest.NewUnstartedServer(handler)
	server.TLS = &tls.Config{Certificates: []tls.Certificate{pair}, ClientCAs: pool, ClientAuth: tls.RequireAndVerifyClientCert, MinVersion: tls.VersionTLS13}
	server.StartTLS()
	t.Cleanup(server.Close)
	return Config{
		URL: server.URL, CAFile: file("ca.crt"), CertFile: file("operators/anna.crt"), KeyFile: file("operators/anna.key"),
		Timeout: time.Hour,
	}
}

func client(t *testing.T, cfg Config) *Client {
	t.Helper()
	c, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func refuse(w http.ResponseWriter, code wire.Code, after time.Duration) {
	outcome := wire.Unavailable(code, after)
	var a wire.Answer
	outcome.Write("", &a)
	for _, h := range a.Header {
		w.Header().Set(h.Name, h.Value)
	}
	w.WriteHeader(a.Status)
	_, _ = w.Write(a.Body)
}

func TestDo_IsTriedAgainAsRetryAfterSays(t *testing.T) {
	asked := 0
	cfg := plane(t, func(w http.ResponseWriter, _ *http.Request) {
		if asked++; asked < 3 {
			refuse(w, wire.Saturated, time.Second)
		}
	})
	var waits []time.Duration
	cfg.Waits = func(why string, d time.Duration) {
		if !strings.Contains(why, "503 saturated") {
			t.Errorf("waits for %q", why)
		}
		waits = append(waits, d)
	}
	if _, err := client(t, cfg).Do(context.Background(), Request{Path: "/"}); err != nil || asked != 3 {
		t.Errorf("asked %d times: %v", asked, err)
	}
	if len(waits) != 2 || waits[0] != time.Second {
		t.Errorf("waited for %v, want twice 1s", waits)
	}
}

func TestDo_GivesUpBeforeARetryBeyondTheTimeout(t *testing.T) {
	asked := 0
	cfg := plane(t, func(w http.ResponseWriter, _ *http.Request) {
		asked++
		refuse(w, wire.Saturated, 2*time.Hour)
	})
	_, err := client(t, cfg).Do(context.Background(), Request{Path: "/"})
	var refusal *Refusal
	if !errors.As(err, &refusal) || refusal.RetryAfter != 2*time.Hour || asked != 1 {
		t.Errorf("asked %d times: %v", asked, err)
	}
}

func TestDo_ANotFoundIsNotTriedAgain(t *testing.T) {
	asked := 0
	cfg := plane(t, func(w http.ResponseWriter, _ *http.Request) { asked++; http.NotFound(w, nil) })
	_, err := client(t, cfg).Do(context.Background(), Request{Path: "/"})
	if err == nil || !strings.Contains(err.Error(), "404 without a problem document") || asked != 1 {
		t.Errorf("asked %d times: %v", asked, err)
	}
}

func TestEach_FollowsThePages(t *testing.T) {
	cfg := plane(t, func(w http.ResponseWriter, r *http.Request) {
		pages := map[string]string{
			"":  `{"revocations":[{"common_name":"a"}],"next":"a","new":1}`,
			"a": `{"revocations":[],"next":"b"}`, // a page of a filter may be empty
			"b": `{"revocations":[{"common_name":"c"}]}`,
		}
		if r.URL.Query().Get("state") != "Failed" || r.URL.Query().Get("limit") != "1000" {
			t.Errorf("asked for %s", r.URL.RawQuery)
		}
		_, _ = w.Write([]byte(pages[r.URL.Query().Get("after")]))
	})
	items, err := All(context.Background(), client(t, cfg), "/x", map[string][]string{"state": {"Failed"}}, "revocations", &wire.RevocationSchema)
	if err != nil || len(items) != 2 || items[1].CommonName != "c" {
		t.Errorf("got %v, %v", items, err)
	}
}

func TestUnreachable_NamesTheFileAtFault(t *testing.T) {
	cfg := plane(t, func(http.ResponseWriter, *http.Request) {})
	other := plane(t, func(http.ResponseWriter, *http.Request) {})
	for name, test := range map[string]struct {
		edit func(*Config)
		want string
	}{
		"another CA":          {func(c *Config) { c.CAFile = other.CAFile }, "was not signed by the CA in " + other.CAFile},
		"another name":        {func(c *Config) { c.URL = strings.Replace(c.URL, "127.0.0.1", "localhost", 1) }, "the plane's certificate is for 127.0.0.1"},
		"another certificate": {func(c *Config) { c.CertFile, c.KeyFile = other.CertFile, other.KeyFile }, "refuses the certificate in " + other.CertFile},
	} {
		changed := cfg
		test.edit(&changed)
		_, err := client(t, changed).Do(context.Background(), Request{Path: "/"})
		var unreachable *Unreachable
		if !errors.As(err, &unreachable) || !strings.Contains(err.Error(), test.want) && !(name == "another certificate" && strings.Contains(err.Error(), "no answer")) { // the alert may come too late
			t.Errorf("%s: %v, want %q", name, err, test.want)
		}
	}
}
