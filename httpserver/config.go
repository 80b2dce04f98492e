package httpserver

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"strings"
	"time"

	"github.com/benbjohnson/clock"

	"github.com/refrain-fleet/refrain/core/flight"
	"github.com/refrain-fleet/refrain/core/gate"
	"github.com/refrain-fleet/refrain/core/plane"
	"github.com/refrain-fleet/refrain/httpserver/store"
)

// Config is everything a server has to be told. Zero values mean the defaults;
// the fields that have none are AgentCNSuffix, Store, the certificate and the
// client CAs.
type Config struct {
	// Listen is the TCP address of the control plane. Port 0 picks a free one,
	// see [Server.Addr]. Default ":8443".
	Listen string
	// Listener is used in place of Listen if it is set. The server closes it.
	Listener net.Listener
	// OpsListen is the TCP address of /livez, /readyz and /metrics: plain HTTP
	// for this machine only, so an address that is not loopback is warned
	// about. "off" means none. Default "127.0.0.1:9090".
	OpsListen string

	// CertFile and KeyFile are PEM files with the server's certificate chain
	// and key. They are read at start and by [Server.ReloadCertificate].
	CertFile, KeyFile string
	// Certificate is used in place of the files if it is set.
	Certificate *tls.Certificate
	// ClientCAFile is a PEM file with the fleet CA, or several.
	ClientCAFile string
	// ClientCAs is used in place of the file if it is set.
	ClientCAs *x509.CertPool
	// AgentCNSuffix is what the names in client certificates end in, without
	// the leading dot: agent-<id>.<suffix> is the agent <id> (PROTOCOL T2).
	// It is required.
	AgentCNSuffix string
	// StrictProtocol refuses requests without the protocol header (T6).
	// Default false.
	StrictProtocol bool

	// InboxCapacity is how many requests may be inside at a time (G1).
	// Default 1,024.
	InboxCapacity int
	// BatchSize is how many requests the loop steps between two commits, at
	// most. Default 256.
	BatchSize int
	// ReplyTimeout is when a request is answered at the latest (G2).
	// Default 5 s.
	ReplyTimeout time.Duration
	// HeartbeatInterval is the interval of the agents (A5), the unit of
	// liveness (L1), and the longest Retry-After (G4). Whole seconds, at most
	// 24 h. Default 60 s.
	HeartbeatInterval time.Duration
	// MaxBody is the largest body in bytes, of every route but the one that
	// takes manifests (T7). Default 64 KiB.
	MaxBody int64
	// MaxManifest is the largest manifest in bytes, as a body or as a file.
	// Default 8 MiB.
	MaxManifest int64
	// ManifestDir is a directory of manifests that are opened at start and
	// whenever they change (R6). Default none.
	ManifestDir string
	// ShutdownTimeout is how long the loop may take to work off what is inside
	// when the server shuts down. Default 10 s.
	ShutdownTimeout time.Duration

	// FlightDir is where the flight recorder writes its recordings: when the
	// plane is wedged or a step panics, and when it is asked to. The newest
	// few are kept. [FlightOff] means no recorder. Default a directory that is
	// made under the temporary one for the first recording.
	FlightDir string
	// FlightSteps is how many of the reducer's last steps the recorder keeps.
	// Default 16,384.
	FlightSteps int
	// Build names the build in recordings. Default "unknown".
	Build string

	// Logger takes the log lines. Default [slog.Default].
	Logger *slog.Logger
	// Clock is the time. Default the real one.
	Clock clock.Clock
	// Store keeps the log; the server closes it at shutdown. It is required.
	Store store.Store
	// Faults makes the loop misbehave, for tests. Default nil: it does not.
	Faults *Faults
	// CheckInvariants verifies the invariants of gate and plane after every
	// step. A violation is treated as a panic of the step: it is logged, and
	// the plane is built again from the store. It costs time in proportion to
	// the fleet. Default false.
	CheckInvariants bool
}

// Defaults of [Config].
const (
	DefaultListen          = ":8443"
	DefaultOpsListen       = "127.0.0.1:9090"
	DefaultInboxCapacity   = 1024
	DefaultBatchSize       = 256
	DefaultReplyTimeout    = 5 * time.Second
	DefaultMaxBody         = 64 << 10
	DefaultMaxManifest     = 8 << 20
	DefaultShutdownTimeout = 10 * time.Second

	// OpsOff is the value of Config.OpsListen for no ops listener.
	OpsOff = "off"
	// FlightOff is the value of Config.FlightDir for no flight recorder.
	FlightOff = "off"
)

func (c Config) withDefaults() Config {
	setDefault(&c.Listen, DefaultListen)
	setDefault(&c.OpsListen, DefaultOpsListen)
	setDefault(&c.InboxCapacity, DefaultInboxCapacity)
	setDefault(&c.BatchSize, DefaultBatchSize)
	setDefault(&c.ReplyTimeout, DefaultReplyTimeout)
	setDefault(&c.HeartbeatInterval, plane.DefaultHeartbeatInterval)
	setDefault(&c.MaxBody, DefaultMaxBody)
	setDefault(&c.MaxManifest, DefaultMaxManifest)
	setDefault(&c.ShutdownTimeout, DefaultShutdownTimeout)
	setDefault(&c.FlightSteps, flight.DefaultSteps)
	setDefault(&c.Build, "unknown")
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	if c.Clock == nil {
		c.Clock = clock.New()
	}
	return c
}

func setDefault[T comparable](field *T, value T) {
	if *field == *new(T) {
		*field = value
	}
}

// validate judges a configuration whose defaults are filled in. What gate and
// plane have an opinion on, they judge themselves.
func (c *Config) validate() error {
	switch {
	case c.Certificate == nil && (c.CertFile == "" || c.KeyFile == ""):
		return errors.New("certificate is missing; want a certificate file and a key file")
	case c.ClientCAs == nil && c.ClientCAFile == "":
		return errors.New("client ca is missing; want a file with the certificate of the fleet's CA")
	case c.AgentCNSuffix == "":
		return errors.New("agent cn suffix is empty; want what the names in agents' certificates end in, for instance fleet.example")
	case strings.HasPrefix(c.AgentCNSuffix, "."):
		return fmt.Errorf("agent cn suffix is %q; want it without the leading dot", c.AgentCNSuffix)
	case c.Store == nil:
		return errors.New("store is missing; want somewhere to keep the log, for instance memory.New")
	case c.BatchSize < 1:
		return fmt.Errorf("batch size is %d; want at least 1", c.BatchSize)
	case c.HeartbeatInterval%time.Second != 0:
		return fmt.Errorf("heartbeat interval is %v; want whole seconds", c.HeartbeatInterval)
	case c.MaxBody < 1<<10:
		return fmt.Errorf("max body is %d bytes; want at least 1024", c.MaxBody)
	case c.MaxManifest < c.MaxBody:
		return fmt.Errorf("max manifest is %d bytes; want at least max body, %d", c.MaxManifest, c.MaxBody)
	case c.ShutdownTimeout <= 0:
		return fmt.Errorf("shutdown timeout is %v; want more than 0s", c.ShutdownTimeout)
	}
	if c.ManifestDir != "" {
		info, err := os.Stat(c.ManifestDir)
		if err != nil {
			return fmt.Errorf("manifest dir: %w", err)
		}
		if !info.IsDir() {
			return fmt.Errorf("manifest dir is %s, which is not a directory", c.ManifestDir)
		}
	}
	return nil
}

// wall is what the wall clock shows.
func (c *Config) wall() time.Time { return c.Faults.wall(c.Clock.Now()) }

func (c *Config) gate() gate.Config {
	return gate.Config{
		Capacity:      c.InboxCapacity,
		ReplyTimeout:  c.ReplyTimeout,
		MaxRetryAfter: c.HeartbeatInterval,
	}
}

func (c *Config) plane() plane.Config {
	return plane.Config{HeartbeatInterval: c.HeartbeatInterval}
}

// loadCertificate returns the server's certificate, from the files if there is
// no other.
func (c *Config) loadCertificate() (*tls.Certificate, error) {
	if c.Certificate != nil {
		return c.Certificate, nil
	}
	cert, err := tls.LoadX509KeyPair(c.CertFile, c.KeyFile)
	if err != nil {
		return nil, fmt.Errorf("certificate: %w", err)
	}
	return &cert, nil
}

func (c *Config) loadClientCAs() (*x509.CertPool, error) {
	if c.ClientCAs != nil {
		return c.ClientCAs, nil
	}
	pem, err := os.ReadFile(c.ClientCAFile)
	if err != nil {
		return nil, fmt.Errorf("client ca: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("client ca: %s has no certificate; want PEM", c.ClientCAFile)
	}
	return pool, nil
}
