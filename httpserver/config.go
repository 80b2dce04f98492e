package httpserver

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/benbjohnson/clock"

	"github.com/refrain-fleet/refrain/core/artifact"
	"github.com/refrain-fleet/refrain/core/flight"
	"github.com/refrain-fleet/refrain/core/gate"
	"github.com/refrain-fleet/refrain/core/plane"
	"github.com/refrain-fleet/refrain/httpserver/mtls"
	"github.com/refrain-fleet/refrain/httpserver/store"
	"github.com/refrain-fleet/refrain/internal/releasefile"
)

// Config configures a server. Zero values mean the defaults. AgentCNSuffix, Store,
// the certificate and the client CAs have no default.
type Config struct {
	// Listen is the TCP address of the control plane. Port 0 picks a free one,
	// see [Server.Addr]. Default ":8443".
	Listen string
	// Listener replaces Listen if it is set. The server closes it.
	Listener net.Listener
	// OpsListen is the address of /livez, /readyz, /metrics and /debug: plain HTTP
	// for this machine only. It is a TCP address, of which one that is not
	// loopback causes a warning, or [OpsUnix] and the path of a unix socket.
	// [OpsOff] means none. Default "127.0.0.1:9090".
	OpsListen string
	// OpsSocketMode are the permissions of the unix socket. Default 0600.
	OpsSocketMode fs.FileMode
	// OpsHosts are names by which the ops listener may be called, besides
	// localhost and its own address, where the name matters: a page in a browser
	// on this machine can call it by a name of its own. Default none.
	OpsHosts []string
	// OpsPprof serves the profiles of net/http/pprof below /debug/pprof/ of the
	// ops listener. Default false.
	OpsPprof bool

	// PageListen is the TCP address of the live page: HTTPS with the certificates of the
	// control plane, for operators. Port 0 picks a free one, see [Server.PageAddr].
	// Default none.
	PageListen string
	// OpsPage serves the live page at /page/ of the ops listener, to every process that
	// reaches it. Default false.
	OpsPage bool

	// CertFile and KeyFile are PEM files with the server's certificate chain
	// and key. They are read at start, and again when they change, together with
	// ClientCAFile and as one set; see [Server.ReloadCertificates].
	CertFile, KeyFile string
	// Certificate replaces the files if it is set.
	Certificate *tls.Certificate
	// ClientCAFile is a PEM file with one or more CAs of the fleet.
	ClientCAFile string
	// ClientCAs replaces the file if it is set.
	ClientCAs *x509.CertPool
	// AgentCNSuffix is the end of the common names in client certificates,
	// without the leading dot: agent-<id>.<suffix> is the agent <id> (PROTOCOL
	// T2). It is required.
	AgentCNSuffix string
	// MaxIntermediates is how many certificates a client may send after its own
	// (PROTOCOL T1). It holds if a client CA may have CAs below it; with CAs of path
	// length 0 alone none may be sent. Default 2.
	MaxIntermediates int
	// MaxConnections is how many connections of the control plane may be open.
	// Default: as many as the process may have descriptors, less those that are kept
	// for the ops listener, the store and files.
	MaxConnections int
	// ExemptAddresses are networks whose addresses stand for many clients, such as
	// load balancers. Connections of strangers are bounded by address, those from
	// these networks are not. Default none.
	ExemptAddresses []netip.Prefix
	// StrictProtocol refuses requests without the protocol header (PROTOCOL T6).
	// Default false.
	StrictProtocol bool

	// InboxCapacity is how many requests the inbox holds, including those being
	// processed (PROTOCOL G1).
	// Default 1,024.
	InboxCapacity int
	// BatchSize is the maximal number of requests that the loop steps between two
	// commits. Default 256.
	BatchSize int
	// OpeningSlice is how many hosts of a manifest with more are prepared between
	// other requests (PROTOCOL R1). Default [plane.DefaultSlice].
	OpeningSlice int
	// ReplyTimeout is the longest time from admission to an answer (PROTOCOL G2).
	// Default 5 s.
	ReplyTimeout time.Duration
	// HeartbeatInterval is the interval of the agents (PROTOCOL A5), the unit of
	// liveness (L1), and the longest Retry-After (G4). Whole seconds, at most
	// 24 h. Default 60 s.
	HeartbeatInterval time.Duration
	// MaxReplays is how many replays may be under way at a time (PROTOCOL H9), 1 to
	// 65,536. Default 256.
	MaxReplays int
	// MaxBody is the largest body in bytes, on every route except the one for
	// manifests (PROTOCOL T7). Default 64 KiB.
	MaxBody int64
	// MaxManifest is the largest manifest in bytes, as a body or as a file.
	// Default 8 MiB.
	MaxManifest int64
	// EventBudget bounds what the events of one host in one rollout may add to the log
	// (PROTOCOL G10). Its Bytes must be at least MaxBody. Default
	// [plane.DefaultEventBudget].
	EventBudget plane.EventBudget
	// DiskReserve is how many bytes are kept free on the file system of the database:
	// below it events that only observe are refused (PROTOCOL G11). A store that does
	// not report its free space has none. [NoDiskReserve] means none. Default 256 MiB.
	DiskReserve int64
	// ManifestDir is a directory of manifests that are opened at start and
	// whenever they change (PROTOCOL R6). Default none.
	ManifestDir string
	// ReleaseDir is a directory with a signed release, which agents read (PROTOCOL V).
	// It is read at start and whenever it changes. Default none.
	ReleaseDir string
	// TrustFile has the public keys whose signatures on releases count. It is read
	// again with what is signed. It is required with ReleaseDir and RevocationsFile.
	TrustFile string
	// RevocationsFile is a signed list of revocations, with its signature in a file
	// beside it whose name ends in .sig (PROTOCOL V8). It is read at start and whenever
	// it changes. Default none.
	RevocationsFile string
	// CAKeyFile is the key, in PEM, of one of the CAs of ClientCAFile, which is then
	// required. With it the plane enrols hosts of a signed release and renews their
	// certificates (PROTOCOL N). It is read at start and for each certificate. Default
	// none: the routes do not exist.
	CAKeyFile string
	// CACommand is a shell command that issues certificates instead: see [commandIssuer].
	// Default none.
	CACommand string
	// CATimeout is how long CACommand may take. Default 10 s.
	CATimeout time.Duration
	// AgentValidity is how long the certificates are valid that the plane issues. Whole
	// seconds. Default 30 days.
	AgentValidity time.Duration
	// AllowUnsigned opens manifests of operators and of ManifestDir although there is a
	// ReleaseDir, and dispatches them (PROTOCOL V7). Without one it has no effect.
	AllowUnsigned bool
	// DrainTime is over how long a shutdown closes the connections, before it
	// closes the inbox. Meanwhile /readyz fails and requests are answered.
	// Default 0: at once.
	DrainTime time.Duration
	// ShutdownTimeout is the shutdown drain timeout: how long the loop may take to
	// answer the requests in the inbox. Default 10 s.
	ShutdownTimeout time.Duration

	// FlightDir is where the flight recorder writes its recordings: when the
	// plane is wedged, when a step panics, and on request. The newest few of each
	// cause are kept. [FlightOff] means no recorder. Default: a new directory below the
	// system's temporary directory, created for the first recording.
	FlightDir string
	// FlightSteps is how many of the reducer's last steps the recorder keeps.
	// Default 16,384.
	FlightSteps int
	// Build names the build in recordings. Default "unknown".
	Build string

	// Logger takes the log lines. The reducer's loop and the shutdown log too, so
	// it must not block: [logging.New] makes one that does not. Default
	// [slog.Default].
	Logger *slog.Logger
	// LogLosses counts the lines that Logger did not write, for the metrics.
	// Default none.
	LogLosses LogLosses
	// Clock is the source of time. Default: the system clock.
	Clock clock.Clock
	// Store keeps the event log. The server closes it at shutdown. It is required.
	Store store.Store
	// Faults injects faults into the loop, for tests. Default nil: none.
	Faults *Faults
	// CheckInvariants verifies the invariants of gate and plane after every
	// step. A violation is handled like a panic of the step: it is logged, and
	// the plane is rebuilt from the store. Each check takes time in proportion to
	// the fleet. Default false.
	CheckInvariants bool
}

// LogLosses counts log lines that were not written. [logging.Log] is one.
type LogLosses interface {
	// Dropped counts those that were lost, Suppressed those that were left out of
	// a flood.
	Dropped() uint64
	Suppressed() uint64
}

// Defaults of [Config].
const (
	DefaultListen          = ":8443"
	DefaultOpsListen       = "127.0.0.1:9090"
	DefaultOpsSocketMode   = fs.FileMode(0o600)
	DefaultInboxCapacity   = 1024
	DefaultBatchSize       = 256
	DefaultReplyTimeout    = 5 * time.Second
	DefaultMaxBody         = 64 << 10
	DefaultMaxManifest     = 8 << 20
	DefaultShutdownTimeout = 10 * time.Second

	DefaultMaxIntermediates = mtls.DefaultMaxIntermediates

	DefaultDiskReserve = 256 << 20

	DefaultCATimeout     = 10 * time.Second
	DefaultAgentValidity = 30 * 24 * time.Hour

	// NoDiskReserve is the value of Config.DiskReserve for no reserve.
	NoDiskReserve = -1
	// OpsOff is the value of Config.OpsListen for no ops listener.
	OpsOff = "off"
	// FlightOff is the value of Config.FlightDir for no flight recorder.
	FlightOff = "off"
)

func (c Config) withDefaults() Config {
	setDefault(&c.Listen, DefaultListen)
	setDefault(&c.OpsListen, DefaultOpsListen)
	setDefault(&c.OpsSocketMode, DefaultOpsSocketMode)
	setDefault(&c.MaxIntermediates, DefaultMaxIntermediates)
	setDefault(&c.MaxConnections, connectionsWithin(descriptorLimit()))
	setDefault(&c.InboxCapacity, DefaultInboxCapacity)
	setDefault(&c.BatchSize, DefaultBatchSize)
	setDefault(&c.ReplyTimeout, DefaultReplyTimeout)
	setDefault(&c.HeartbeatInterval, plane.DefaultHeartbeatInterval)
	setDefault(&c.MaxReplays, plane.DefaultMaxReplays)
	setDefault(&c.MaxBody, DefaultMaxBody)
	setDefault(&c.MaxManifest, DefaultMaxManifest)
	setDefault(&c.ShutdownTimeout, DefaultShutdownTimeout)
	setDefault(&c.DiskReserve, DefaultDiskReserve)
	setDefault(&c.CATimeout, DefaultCATimeout)
	setDefault(&c.AgentValidity, DefaultAgentValidity)
	setDefault(&c.EventBudget.Bytes, plane.DefaultEventBudget.Bytes)
	setDefault(&c.EventBudget.Events, plane.DefaultEventBudget.Events)
	setDefault(&c.EventBudget.Per, plane.DefaultEventBudget.Per)
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

// validate checks a configuration whose defaults are filled in. Gate and plane
// check their own fields.
func (c *Config) validate() error {
	switch {
	case c.Certificate == nil && (c.CertFile == "" || c.KeyFile == ""):
		return errors.New("certificate is missing; want a certificate file and a key file")
	case c.ClientCAs == nil && c.ClientCAFile == "":
		return errors.New("client ca is missing; want a file with the certificate of the fleet's CA")
	case c.AgentCNSuffix == "":
		return errors.New("agent cn suffix is empty; want the end of the common names in agents' certificates, such as fleet.example")
	case strings.HasPrefix(c.AgentCNSuffix, "."):
		return fmt.Errorf("agent cn suffix is %q; want no leading dot", c.AgentCNSuffix)
	case c.Store == nil:
		return errors.New("store is missing; want a store for the event log, such as a memory.Log")
	case c.MaxIntermediates < 1:
		return fmt.Errorf("max intermediates is %d; want at least 1", c.MaxIntermediates)
	case c.MaxConnections < 0:
		return fmt.Errorf("max connections is %d; want at least 1", c.MaxConnections)
	case c.MaxConnections > connectionsWithin(descriptorLimit()) && connectionsWithin(descriptorLimit()) > 0:
		return fmt.Errorf("max connections is %d; want at most %d: the process may have %d descriptors, of which some are kept for the ops listener and files; raise that limit (LimitNOFILE of the service, ulimit -n)",
			c.MaxConnections, connectionsWithin(descriptorLimit()), descriptorLimit())
	case c.BatchSize < 1:
		return fmt.Errorf("batch size is %d; want at least 1", c.BatchSize)
	case c.HeartbeatInterval%time.Second != 0:
		return fmt.Errorf("heartbeat interval is %v; want whole seconds", c.HeartbeatInterval)
	case c.MaxBody < 1<<10:
		return fmt.Errorf("max body is %d bytes; want at least 1024", c.MaxBody)
	case c.MaxManifest < c.MaxBody:
		return fmt.Errorf("max manifest is %d bytes; want at least max body, %d", c.MaxManifest, c.MaxBody)
	case c.EventBudget.Bytes < c.MaxBody:
		return fmt.Errorf("event budget is %d bytes; want at least max body, %d", c.EventBudget.Bytes, c.MaxBody)
	case c.DiskReserve < NoDiskReserve:
		return fmt.Errorf("disk reserve is %d bytes; want at least 1, or NoDiskReserve", c.DiskReserve)
	case c.DrainTime < 0:
		return fmt.Errorf("drain time is %v; want 0s or more", c.DrainTime)
	case c.ShutdownTimeout <= 0:
		return fmt.Errorf("shutdown timeout is %v; want more than 0s", c.ShutdownTimeout)
	}
	if err := c.validateReleases(); err != nil {
		return err
	}
	if err := c.validatePage(); err != nil {
		return err
	}
	if err := c.validateIssuing(); err != nil {
		return err
	}
	if c.ManifestDir != "" {
		info, err := os.Stat(c.ManifestDir)
		if err != nil {
			return fmt.Errorf("manifest dir: %w", err)
		}
		if !info.IsDir() {
			return fmt.Errorf("manifest dir is %s, which is not a directory; want one", c.ManifestDir)
		}
	}
	return nil
}

func (c *Config) validateReleases() error {
	if (c.ReleaseDir == "" && c.RevocationsFile == "") != (c.TrustFile == "") {
		return errors.New("trust file belongs to release dir and revocations file; want it with either of them, and not without")
	}
	if c.TrustFile == "" {
		return nil
	}
	for _, dir := range []struct{ what, path string }{{"release dir", c.ReleaseDir}, {"directory of the revocations file", filepath.Dir(c.RevocationsFile)}} {
		if dir.path == "" {
			continue
		}
		info, err := os.Stat(dir.path)
		if err != nil {
			return fmt.Errorf("%s: %w", dir.what, err)
		}
		if !info.IsDir() {
			return fmt.Errorf("%s is %s, which is not a directory; want one", dir.what, dir.path)
		}
	}
	text, err := releasefile.ReadRegular(c.TrustFile)
	if err != nil {
		return fmt.Errorf("trust file: %w", err)
	}
	if _, err := artifact.ParseTrust(text); err != nil {
		return fmt.Errorf("trust file %s: %w", c.TrustFile, err)
	}
	return nil
}

// wall is the wall clock's time.
func (c *Config) wall() time.Time { return c.Faults.wall(c.Clock.Now()) }

func (c *Config) gate() gate.Config {
	return gate.Config{
		Capacity:      c.InboxCapacity,
		ReplyTimeout:  c.ReplyTimeout,
		MaxRetryAfter: c.HeartbeatInterval,
	}
}

func (c *Config) plane() plane.Config {
	return plane.Config{HeartbeatInterval: c.HeartbeatInterval, Slice: c.OpeningSlice, EventBudget: c.EventBudget, MaxReplays: c.MaxReplays,
		SignedOnly: c.ReleaseDir != "" && !c.AllowUnsigned}
}

func (c *Config) limits() mtls.Limits {
	return mtls.Limits{MaxConnections: c.MaxConnections, MaxIntermediates: c.MaxIntermediates, ExemptAddresses: c.ExemptAddresses}
}

func (c *Config) credentials() mtls.Config {
	return mtls.Config{
		CertFile: c.CertFile, KeyFile: c.KeyFile, ClientCAFile: c.ClientCAFile,
		Certificate: c.Certificate, ClientCAs: c.ClientCAs, Suffix: c.AgentCNSuffix,
		Now: c.wall, Clock: c.Clock, Logger: c.Logger,
	}
}
