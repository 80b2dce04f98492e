package httpagent

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"time"

	"github.com/benbjohnson/clock"

	"github.com/refrain-fleet/refrain/core/agent"
)

// Config configures a driver. Zero values mean the defaults; the fields that
// have none are Agent.Hostname, URL, the certificate, the CA, Log and Machine.
type Config struct {
	// Agent is the reducer's own configuration. Its times are those of Clock,
	// but for RequestTimeout and PollWait, which are the plane's.
	Agent agent.Config
	// Boot says why the process came up, for the first session. Default
	// [agent.ProcessStart].
	Boot agent.Boot

	// URL is the plane's: https, a host, perhaps a port, and no path.
	URL string
	// CertFile and KeyFile are PEM files with the host's certificate chain and
	// key. They and CAFile are read again when they change, at most once a second and
	// as one set: requests from then on use new connections. If they cannot be used,
	// the set before stays in use.
	CertFile, KeyFile string
	// Certificate is used in place of the files if it is set.
	Certificate *tls.Certificate
	// CAFile is a PEM file with the CA that signed the plane's certificate, or
	// several. The system's CAs are never used.
	CAFile string
	// RootCAs is used in place of the file if it is set.
	RootCAs *x509.CertPool

	// TrustFile is the trust file of releases. With it the agent acts only on what they
	// say (PROTOCOL A11), and Agent.SignedOnly is set; without, Agent.SignedOnly must not
	// be. It is read again whenever artifacts are verified.
	TrustFile string

	// Log is the agent's durable log. The driver closes it.
	Log Log
	// CompactAbove is the size in bytes from which a log is compacted, if it
	// has also become twice as long as what the last compaction left. Default
	// 256 KiB, more than 0.
	CompactAbove int
	// Machine is the host.
	Machine Machine
	// ProbeTimeout is when a probe that has not ended counts as failed, in the
	// agent's time. Default 10 s, more than 0.
	ProbeTimeout time.Duration

	// Clock is the agent's time. Default the real one.
	Clock *Clock
	// Logger takes the log lines. The agent's loop logs too, so it must not block.
	// Default [slog.Default].
	Logger *slog.Logger
	// Observer is notified of what the driver does. Default none.
	Observer Observer
	// CheckInvariants verifies the reducer's invariants after every step; Run
	// returns a violation as an error. It costs time in proportion to what the
	// agent keeps. Default false.
	CheckInvariants bool
}

// Defaults of [Config].
const (
	DefaultCompactAbove = 256 << 10
	DefaultProbeTimeout = 10 * time.Second
)

func setDefault[T comparable](field *T, value T) {
	if *field == *new(T) {
		*field = value
	}
}

func (c Config) withDefaults() Config {
	setDefault(&c.CompactAbove, DefaultCompactAbove)
	setDefault(&c.ProbeTimeout, DefaultProbeTimeout)
	if c.Clock == nil {
		c.Clock = NewClock(clock.New(), 1)
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	if c.Observer == nil {
		c.Observer = unobserved{}
	}
	return c
}

// validate judges a configuration whose defaults are filled in. The reducer
// validates its own fields.
func (c *Config) validate() error {
	switch {
	case c.Certificate == nil && (c.CertFile == "" || c.KeyFile == ""):
		return errors.New("certificate is missing; want a certificate file and a key file")
	case c.RootCAs == nil && c.CAFile == "":
		return errors.New("ca is missing; want a file with the certificate of the CA that signed the plane's")
	case c.Agent.SignedOnly && c.TrustFile == "":
		return errors.New("trust file is missing; want one, since the agent is to act only on signed releases")
	case c.Log == nil:
		return errors.New("log is missing; want a durable log, for instance from OpenFileLog")
	case c.Machine == nil:
		return errors.New("machine is missing; want the host that the agent acts on")
	case c.CompactAbove < 0:
		return fmt.Errorf("compact above is %d bytes; want more than 0", c.CompactAbove)
	case c.ProbeTimeout < 0:
		return fmt.Errorf("probe timeout is %v; want more than 0s", c.ProbeTimeout)
	}
	if c.TrustFile != "" {
		if _, err := readTrust(c.TrustFile); err != nil {
			return fmt.Errorf("trust file: %w; want the one that refrain release trust makes", err)
		}
	}
	return CheckURL(c.URL)
}

// CheckURL says what is wrong with the URL of a plane.
func CheckURL(text string) error {
	u, err := url.Parse(text)
	switch {
	case text == "":
		return errors.New("url is missing; want the plane's URL, for instance https://plane.example.com:8443")
	case err != nil:
		return fmt.Errorf("url: %w", err)
	case u.Scheme != "https" || u.Host == "" || u.Hostname() == "":
		return fmt.Errorf("url is %q; want https:// and a host, for instance https://plane.example.com:8443", text)
	case u.User != nil || (u.Path != "" && u.Path != "/") || u.RawQuery != "" || u.Fragment != "":
		return fmt.Errorf("url is %q; want only a host and a port after https://", text)
	}
	return nil
}
