package httpserver

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/refrain-fleet/refrain/core/wire"
	"github.com/refrain-fleet/refrain/httpserver/pki"
)

func TestABadConfigurationNamesTheField(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	writeFile(t, file, "nothing")
	for want, edit := range map[string]func(*Config){
		"certificate is missing":                func(c *Config) { c.Certificate = nil },
		"certificate: open":                     func(c *Config) { c.Certificate, c.CertFile, c.KeyFile = nil, file+"1", file },
		"client ca is missing":                  func(c *Config) { c.ClientCAs = nil },
		"client ca: open":                       func(c *Config) { c.ClientCAs, c.ClientCAFile = nil, file+"1" },
		"no certificate found; want a PEM file": func(c *Config) { c.ClientCAs, c.ClientCAFile = nil, file },
		"agent cn suffix is empty":              func(c *Config) { c.AgentCNSuffix = "" },
		"want no leading dot":                   func(c *Config) { c.AgentCNSuffix = ".fleet.test" },
		"store is missing":                      func(c *Config) { c.Store = nil },
		"max intermediates is -1":               func(c *Config) { c.MaxIntermediates = -1 },
		"max connections is -1":                 func(c *Config) { c.MaxConnections = -1 },
		"batch size is -1":                      func(c *Config) { c.BatchSize = -1 },
		"capacity is -1":                        func(c *Config) { c.InboxCapacity = -1 },
		"reply timeout is -1s":                  func(c *Config) { c.ReplyTimeout = -time.Second },
		"heartbeat interval is -1m0s":           func(c *Config) { c.HeartbeatInterval = -time.Minute },
		"want whole seconds":                    func(c *Config) { c.HeartbeatInterval = 1500 * time.Millisecond },
		"max retry after":                       func(c *Config) { c.HeartbeatInterval = 25 * time.Hour },
		"max body is 1 bytes":                   func(c *Config) { c.MaxBody = 1 },
		"want at least max body":                func(c *Config) { c.MaxManifest = DefaultMaxBody - 1 },
		"event budget is 65535 bytes":           func(c *Config) { c.EventBudget.Bytes = DefaultMaxBody - 1 },
		"event budget is -1 events":             func(c *Config) { c.EventBudget.Events = -1 },
		"event budget is refilled in -1s":       func(c *Config) { c.EventBudget.Per = -time.Second },
		"disk reserve is -2 bytes":              func(c *Config) { c.DiskReserve = -2 },
		"shutdown timeout is -1s":               func(c *Config) { c.ShutdownTimeout = -time.Second },
		"manifest dir: stat":                    func(c *Config) { c.ManifestDir = file + "1" },
		"which is not a directory":              func(c *Config) { c.ManifestDir = file },
	} {
		cfg := newHarness(t).cfg
		edit(&cfg)
		if _, err := New(cfg); err == nil || !strings.HasPrefix(err.Error(), "httpserver: ") || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}

func TestAnAddressThatIsTakenIsAnError(t *testing.T) {
	other := start(t)
	for name, edit := range map[string]func(*Config){
		"listen:":     func(c *Config) { c.Listen = other.server.Addr().String() },
		"ops listen:": func(c *Config) { c.OpsListen = other.server.OpsAddr().String() },
	} {
		h := newHarness(t, edit)
		if err := h.server.Start(t.Context()); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("got %v, want %q", err, name)
		}
	}
}

func TestTheCertificateIsReadAgainOnDemand(t *testing.T) {
	dir := t.TempDir()
	certFile, keyFile := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	h := newHarness(t)
	issue := func() (serial string) {
		t.Helper()
		pair := must(h.ca.IssueServer([]string{"127.0.0.1"}, pki.Validity{}))(t)
		cert, key, err := pki.EncodePair(pair)
		if err != nil {
			t.Fatal(err)
		}
		writeFile(t, certFile, string(cert))
		writeFile(t, keyFile, string(key))
		return pair.Leaf.SerialNumber.String()
	}
	first := issue()
	h.cfg.Certificate, h.cfg.CertFile, h.cfg.KeyFile = nil, certFile, keyFile
	h.server = must(New(h.cfg))(t)
	h.start()
	serving := func() string {
		t.Helper()
		c := h.agent("h1") // a new connection
		c.heartbeat("h1").want(t, wire.OK)
		leaf := h.server.credentials.Leaf()
		return leaf.SerialNumber.String()
	}
	if got := serving(); got != first {
		t.Errorf("serving %s, want %s", got, first)
	}
	second := issue()
	if changed, err := h.server.ReloadCertificates(); err != nil || !changed {
		t.Fatalf("changed: %v, error: %v", changed, err)
	}
	if got := serving(); got != second {
		t.Errorf("serving %s, want %s", got, second)
	}
	if err := os.Remove(keyFile); err != nil {
		t.Fatal(err)
	}
	if _, err := h.server.ReloadCertificates(); err == nil {
		t.Error("a missing key is no error")
	}
	if got := serving(); got != second {
		t.Errorf("after an error: serving %s, want %s", got, second)
	}
}
