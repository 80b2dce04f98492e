package httpagent

import (
	"crypto/tls"
	"crypto/x509"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/benbjohnson/clock"
	"pgregory.net/rapid"

	"github.com/refrain-fleet/refrain/core/agent"
	"github.com/refrain-fleet/refrain/core/wire"
)

func TestAConfigurationSaysWhatIsWrong(t *testing.T) {
	dir := t.TempDir()
	empty := filepath.Join(dir, "empty.pem")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	machine := must(NewVirtualMachine(VirtualMachineConfig{Closure: "c0"}))(t)
	for _, test := range []struct {
		edit func(*Config)
		want string
	}{
		{func(*Config) {}, ""},
		{func(c *Config) { c.Agent.Hostname = "" }, "hostname"},
		{func(c *Config) { c.Agent.HeartbeatInterval = 1 }, "heartbeat interval"},
		{func(c *Config) { c.URL = "" }, "url is missing"},
		{func(c *Config) { c.URL = "http://plane" }, `url is "http://plane"; want https://`},
		{func(c *Config) { c.URL = "plane:8443" }, "want https://"},
		{func(c *Config) { c.URL = "https://" }, "want https://"},
		{func(c *Config) { c.URL = "https://:8443" }, "want https://"},
		{func(c *Config) { c.URL = "https://plane/v1" }, "only a host and a port"},
		{func(c *Config) { c.URL = "https://plane?x" }, "only a host and a port"},
		{func(c *Config) { c.URL = "https://me@plane" }, "only a host and a port"},
		{func(c *Config) { c.URL = "https://plane:x" }, "url: "},
		{func(c *Config) { c.URL = "https://plane:8443/" }, ""},
		{func(c *Config) { c.Certificate = nil }, "certificate is missing"},
		{func(c *Config) { c.Certificate = nil; c.CertFile = empty }, "certificate is missing"},
		{func(c *Config) { c.Certificate = nil; c.CertFile, c.KeyFile = empty, empty }, "certificate: "},
		{func(c *Config) { c.RootCAs = nil }, "ca is missing"},
		{func(c *Config) { c.RootCAs = nil; c.CAFile = empty }, "ca: " + filepath.Join(dir, "empty.pem") + ": no certificate found; want a PEM file"},
		{func(c *Config) { c.RootCAs = nil; c.CAFile = filepath.Join(dir, "nowhere") }, "ca: open "},
		{func(c *Config) { c.Log = nil }, "log is missing"},
		{func(c *Config) { c.Machine = nil }, "machine is missing"},
		{func(c *Config) { c.CompactAbove = -1 }, "compact above is -1 bytes"},
		{func(c *Config) { c.ProbeTimeout = -1 }, "probe timeout is -1ns"},
	} {
		cfg := Config{
			Agent: agent.Config{Hostname: "h1"}, URL: "https://plane.example.com", Certificate: new(tls.Certificate),
			RootCAs: x509.NewCertPool(), Log: new(MemoryLog), Machine: machine,
		}
		test.edit(&cfg)
		_, err := New(cfg)
		if test.want == "" && err != nil || test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)) {
			t.Errorf("got %v, want %q", err, test.want)
		}
	}
}

func TestEveryNoticeHasALine(t *testing.T) {
	for kind := agent.NoticeKind(1); int(kind) < agent.NoticeKindCount; kind++ {
		if noticeLines[kind].text == "" {
			t.Errorf("%v has no line", kind)
		}
	}
}

func TestAFastClockRunsFromItsMaking(t *testing.T) {
	base := clock.NewMock()
	base.Set(time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC))
	c := NewClock(base, 60)
	if got, want := c.Now(), (wire.Instant{Wall: wire.TimeOf(base.Now())}); got != want {
		t.Errorf("at first %v, want %v", got, want)
	}
	base.Add(2 * time.Second)
	want := wire.Instant{Mono: 2 * time.Minute, Wall: wire.TimeOf(time.Date(2026, 1, 31, 12, 2, 0, 0, time.UTC))}
	if got := c.Now(); got != want {
		t.Errorf("after two seconds %v, want %v", got, want)
	}
	for speed, want := range map[int]int{-1: 1, 0: 1, 1: 1, MaxSpeed: MaxSpeed, MaxSpeed + 1: MaxSpeed} {
		if got := NewClock(base, speed).Speed(); got != want {
			t.Errorf("speed %d is taken as %d, want %d", speed, got, want)
		}
	}
	mono := NewMonotonicClock(base, 60)
	base.Add(2 * time.Second)
	if got, want := mono.Now(), (wire.Instant{Mono: 2 * time.Minute, Wall: wire.TimeOf(base.Now())}); got != want {
		t.Errorf("only the monotonic clock is fast: after two seconds %v, want %v", got, want)
	}
	if c.at(agent.NoTimer) != nil {
		t.Error("there is a timer for an instant that never comes")
	}
}

// A timer that goes off before its instant would be stepped in vain, again and
// again.
func TestATimerNeverGoesOffEarly(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		base := clock.NewMock()
		c := NewClock(base, rapid.IntRange(1, MaxSpeed).Draw(t, "speed"))
		base.Set(base.Now().Add(time.Duration(rapid.Int64Range(0, int64(time.Hour)).Draw(t, "passed"))))
		wait := time.Duration(rapid.Int64Range(-int64(time.Hour), int64(1000*time.Hour)).Draw(t, "wait"))
		due := c.Now().Mono + wait
		slowed := c.slowed(wait)
		base.Set(base.Now().Add(slowed))
		if now := c.Now().Mono; now < due {
			t.Fatalf("at %v the timer for %v goes off", now, due)
		}
		if slowed > 0 {
			base.Set(base.Now().Add(-1))
			if now := c.Now().Mono; now >= due {
				t.Fatalf("a nanosecond earlier it was %v, and the timer for %v had not gone off", now, due)
			}
		}
	})
}
