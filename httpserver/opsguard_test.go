package httpserver

import (
	"context"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// opsAs sends a request to the ops listener as somebody who calls it host, with
// headers as "name: value".
func (h *harness) opsAs(method, path, host string, headers ...string) (status int, body string) {
	h.t.Helper()
	r := must(http.NewRequest(method, "http://"+h.server.OpsAddr().String()+path, nil))(h.t)
	if host != "" {
		r.Host = host
	}
	for _, header := range headers {
		name, value, _ := strings.Cut(header, ": ")
		r.Header.Set(name, value)
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		h.t.Fatal(err)
	}
	defer http.DefaultClient.CloseIdleConnections()
	defer resp.Body.Close()
	return resp.StatusCode, string(must(io.ReadAll(resp.Body))(h.t))
}

func TestOps_APageOfAnotherOriginIsRefused(t *testing.T) {
	h := start(t, func(c *Config) { c.OpsHosts, c.OpsPprof = []string{"plane-1.example.com"}, true })
	own := h.server.OpsAddr().String()
	_, port, _ := net.SplitHostPort(own)
	const flight, goroutines = "/debug/flight", "/debug/pprof/goroutine?debug=1"
	tests := []struct {
		what, method, path, host string
		headers                  []string
		want                     int
	}{
		{"a cross-site form", "POST", flight, "", []string{"Origin: https://evil.example", "Sec-Fetch-Site: cross-site"}, 403},
		{"an old browser", "POST", flight, "", []string{"Origin: https://evil.example"}, 403},
		{"a page without an origin", "POST", flight, "", []string{"Origin: null"}, 403},
		{"another port of this machine", "POST", flight, "", []string{"Origin: http://127.0.0.1:1", "Sec-Fetch-Site: same-site"}, 403},
		{"a name that was rebound", "POST", flight, "evil.example:" + port, nil, 403},
		{"a name that was rebound, same-origin", "POST", flight, "evil.example:" + port, []string{"Sec-Fetch-Site: same-origin"}, 403},
		{"a name that begins well", "POST", flight, "localhost.evil.example", nil, 403},
		{"another address", "POST", flight, "192.0.2.1:" + port, nil, 403},
		{"an image from elsewhere", "GET", goroutines, "", []string{"Sec-Fetch-Site: cross-site"}, 403},
		{"a profile by a name that was rebound", "GET", goroutines, "evil.example", nil, 403},
		{"any other method", "DELETE", "/metrics", "evil.example", nil, 403},
		{"curl", "GET", goroutines, "", nil, 200},
		{"the address bar", "GET", goroutines, "", []string{"Sec-Fetch-Site: none"}, 200},
		{"localhost", "GET", goroutines, "LocalHost:" + port, nil, 200},
		{"localhost without a port", "GET", goroutines, "localhost", nil, 200},
		{"IPv6", "GET", goroutines, "[::1]:" + port, nil, 200},
		{"IPv6 without a port", "GET", goroutines, "[::1]", nil, 200},
		{"a configured name", "GET", goroutines, "Plane-1.example.com:" + port, nil, 200},
		{"a scraper by a name", "GET", "/metrics", "any.example", []string{"Sec-Fetch-Site: cross-site"}, 200},
		{"a probe by a name", "GET", "/readyz", "any.example", nil, 200},
	}
	for _, test := range tests {
		status, body := h.opsAs(test.method, test.path, test.host, test.headers...)
		if status != test.want {
			t.Errorf("%s: %d %s; want %d", test.what, status, body, test.want)
		}
	}
	if got := h.recordings("*"); len(got) > 0 {
		t.Errorf("recorded %v", got)
	}
	if lines := h.logs.matching("level=WARN", "refused at the ops listener"); len(lines) != 1 {
		t.Errorf("%d lines of refusals within a second; want 1", len(lines))
	}
	if status, body := h.opsAs("POST", flight, "", "Origin: http://"+own, "Sec-Fetch-Site: same-origin"); status != 200 {
		t.Errorf("its own page: %d %s", status, body)
	}
}

func TestOps_ProfilesAreOffByDefault(t *testing.T) {
	h := start(t)
	if status, _ := h.ops("/debug/pprof/"); status != http.StatusNotFound {
		t.Errorf("%d; want 404", status)
	}
}

func TestOps_AUnixSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ops.sock")
	stale := must(net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"}))(t)
	stale.SetUnlinkOnClose(false)
	stale.Close()
	h := start(t, func(c *Config) { c.OpsListen, c.OpsSocketMode = OpsUnix+path, 0o660 })
	if info := must(os.Lstat(path))(t); info.Mode() != os.ModeSocket|0o660 {
		t.Errorf("the socket has mode %v; want 0660", info.Mode())
	}
	if got := h.server.OpsAddr().String(); got != path {
		t.Errorf("the address is %s", got)
	}
	if lines := h.logs.matching("level=WARN"); len(lines) != 0 {
		t.Errorf("warned of\n%s", strings.Join(lines, "\n"))
	}
	transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", path)
	}}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport}
	for _, ask := range []func() (*http.Response, error){
		func() (*http.Response, error) { return client.Get("http://ops/readyz") },
		func() (*http.Response, error) { return client.Post("http://ops/debug/flight", "", nil) },
	} {
		resp := must(ask())(t)
		resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			t.Errorf("%s: %d", resp.Request.URL, resp.StatusCode)
		}
	}
	_, err := listenUnix(path, 0o600)
	if err == nil || !strings.Contains(err.Error(), "address already in use") {
		t.Errorf("a second listener: %v", err)
	}
	h.stop()
	if _, err := os.Lstat(path); !os.IsNotExist(err) {
		t.Errorf("the socket is still there: %v", err)
	}
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := listenUnix(path, 0o600); err == nil || !strings.Contains(err.Error(), "is no socket") {
		t.Errorf("a file in its place: %v", err)
	}
}
