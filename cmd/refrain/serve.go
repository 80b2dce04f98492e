package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/alecthomas/kong"

	"github.com/refrain-fleet/refrain/core/flight"
	"github.com/refrain-fleet/refrain/core/plane"
	"github.com/refrain-fleet/refrain/httpserver"
	"github.com/refrain-fleet/refrain/internal/certfile"
	"github.com/refrain-fleet/refrain/internal/logging"
	"github.com/refrain-fleet/refrain/sim/repro"
)

// serveCommand runs the control plane.
type serveCommand struct {
	Listen            address       `default:"${listen}" placeholder:"HOST:PORT" help:"Address for agents and operators (${default})."`
	TLSCert           string        `name:"tls-cert" required:"" placeholder:"FILE" help:"The server's certificate, PEM."`
	TLSKey            string        `name:"tls-key" required:"" placeholder:"FILE" help:"The key of the server's certificate, PEM."`
	ClientCA          string        `name:"client-ca" required:"" placeholder:"FILE" help:"The CA of the agents' and operators' certificates, PEM."`
	AgentCNSuffix     string        `name:"agent-cn-suffix" required:"" placeholder:"SUFFIX" help:"The suffix of the names in these certificates: agent-<host>.SUFFIX."`
	DB                string        `name:"db" default:"${db}" placeholder:"FILE" help:"The database that keeps the state; 'memory' for none (${default})."`
	OpsListen         opsAddress    `default:"${opsListen}" placeholder:"HOST:PORT" help:"Address of /livez, /readyz, /metrics and /debug, plain HTTP; 'unix:PATH' for a unix socket, 'off' for none (${default})."`
	OpsSocketMode     socketMode    `default:"${opsSocketMode}" placeholder:"MODE" help:"The permissions of the ops listener's unix socket, in octal (${default})."`
	OpsHost           []string      `placeholder:"NAME" help:"A name by which /debug at the ops listener may be called, besides localhost and the listener's own address."`
	OpsPprof          bool          `help:"Serve profiles of the process at /debug/pprof/ of the ops listener."`
	OpsPage           bool          `help:"Serve the live page at /page/ of the ops listener, to every process that reaches it."`
	PageListen        address       `placeholder:"HOST:PORT" help:"Address of the live page for operators' browsers, with their certificates. Default: none."`
	MaxIntermediates  int           `default:"${maxIntermediates}" placeholder:"N" help:"How many certificates a client may send after its own, if a CA may have CAs below it (${default})."`
	MaxConnections    positive      `placeholder:"N" help:"How many connections of agents and operators may be open. Default: the limit of descriptors, less a reserve."`
	ExemptAddress     []network     `placeholder:"ADDRESS" help:"An address, or a network such as 10.0.0.0/8, that stands for many clients, such as a load balancer: its strangers are not bounded by address."`
	InboxCapacity     int           `default:"${inboxCapacity}" placeholder:"N" help:"Inbox capacity: how many requests are admitted at a time (${default})."`
	ReplyTimeout      time.Duration `default:"${replyTimeout}" placeholder:"DUR" help:"Reply timeout: when a request is answered at the latest (${default})."`
	HeartbeatInterval time.Duration `default:"${heartbeatInterval}" placeholder:"DUR" help:"The interval of the agents' heartbeats (${default})."`
	MaxReplays        int           `default:"${maxReplays}" placeholder:"N" help:"How many hosts replay their events at a time; others are asked later (${default})."`
	MaxBody           byteSize      `default:"${maxBody}" placeholder:"SIZE" help:"The largest body of a request, in bytes or with KiB, MiB, GiB (${default})."`
	MaxManifest       byteSize      `default:"${maxManifest}" placeholder:"SIZE" help:"The same for a manifest (${default}); a million hosts need about 128MiB, and the memory that docs/operations.md names."`
	EventBudgetBytes  byteSize      `default:"${eventBudgetBytes}" placeholder:"SIZE" help:"How much the events of one host in one rollout may add to the log at once, in bytes or with KiB, MiB, GiB (${default})."`
	EventBudgetEvents int           `default:"${eventBudgetEvents}" placeholder:"N" help:"How many events that may be (${default})."`
	EventBudgetPer    time.Duration `default:"${eventBudgetPer}" placeholder:"DUR" help:"In which time that budget is refilled, evenly (${default})."`
	DiskReserve       zeroableSize  `default:"${diskReserve}" placeholder:"SIZE" help:"How much of the database's disk is kept free: below that, events that only observe are refused; 0 for none (${default})."`
	StrictProtocol    bool          `help:"Refuse requests without the header X-Nixfleet-Protocol."`
	Manifests         string        `placeholder:"DIR" help:"A directory of manifests, opened at start and whenever it changes."`
	Releases          string        `placeholder:"DIR" help:"A directory with a signed release, which agents read and whose rollouts are opened; taken up whenever it changes."`
	Trust             string        `placeholder:"FILE" help:"With --releases or --revocations: the trust file, with the public keys whose signatures count."`
	Revocations       string        `placeholder:"FILE" help:"A signed list of revocations, with its signature in FILE.sig; carried out whenever it changes."`
	CAKey             string        `name:"ca-key" placeholder:"FILE" xor:"ca" help:"With --releases: the key of a CA of --client-ca. With it hosts of the signed fleet enrol by tokens, and renew their certificates. Default: neither is served."`
	CACommand         string        `name:"ca-command" placeholder:"COMMAND" xor:"ca" help:"The same with a shell command that issues: it reads the CSR on its standard input, the name and the period from REFRAIN_COMMON_NAME, REFRAIN_NOT_BEFORE and REFRAIN_NOT_AFTER, and writes the certificate in PEM."`
	CATimeout         time.Duration `name:"ca-timeout" default:"${caTimeout}" placeholder:"DUR" help:"How long --ca-command may take (${default})."`
	AgentValidity     lifetime      `default:"${agentValidity}" placeholder:"DUR" help:"How long the certificates are valid that are issued with --ca-key or --ca-command (${default})."`
	AllowUnsigned     bool          `name:"allow-unsigned-manifests" help:"With --releases: also open manifests of operators and of --manifests, which are not signed."`
	DrainTime         time.Duration `default:"${drainTime}" placeholder:"DUR" help:"Drain time: over how long connections are closed when stopping, before requests are refused; 0s for at once (${default})."`
	ShutdownTimeout   time.Duration `default:"${shutdownTimeout}" placeholder:"DUR" help:"Shutdown drain timeout: how long admitted requests may take when stopping (${default})."`
	CheckInvariants   bool          `help:"Verify every invariant after every step. Slow: for finding defects."`
	FlightDir         string        `placeholder:"DIR" help:"The directory of flight recordings, written at a wedge or a panic, on SIGUSR1 and on POST /debug/flight; 'off' for none. Default: the directory flight beside the database, or a temporary one without a database."`
	FlightSteps       int           `default:"${flightSteps}" placeholder:"N" help:"How many of the last steps are recorded (${default})."`
	logFlags
}

// serveVars are the defaults of the server's flags, from the packages that
// define them.
func serveVars() kong.Vars {
	return kong.Vars{
		"listen":            httpserver.DefaultListen,
		"db":                defaultDB,
		"opsListen":         httpserver.DefaultOpsListen,
		"opsSocketMode":     fmt.Sprintf("%04o", httpserver.DefaultOpsSocketMode),
		"maxIntermediates":  strconv.Itoa(httpserver.DefaultMaxIntermediates),
		"inboxCapacity":     strconv.Itoa(httpserver.DefaultInboxCapacity),
		"replyTimeout":      httpserver.DefaultReplyTimeout.String(),
		"heartbeatInterval": plane.DefaultHeartbeatInterval.String(),
		"maxReplays":        strconv.Itoa(plane.DefaultMaxReplays),
		"maxBody":           fmt.Sprintf("%dKiB", httpserver.DefaultMaxBody>>10),
		"maxManifest":       fmt.Sprintf("%dMiB", httpserver.DefaultMaxManifest>>20),
		"eventBudgetBytes":  fmt.Sprintf("%dMiB", plane.DefaultEventBudget.Bytes>>20),
		"eventBudgetEvents": strconv.Itoa(plane.DefaultEventBudget.Events),
		"eventBudgetPer":    plane.DefaultEventBudget.Per.String(),
		"diskReserve":       fmt.Sprintf("%dMiB", httpserver.DefaultDiskReserve>>20),
		"flightSteps":       strconv.Itoa(flight.DefaultSteps),
		"caTimeout":         httpserver.DefaultCATimeout.String(),
		"agentValidity":     fmt.Sprintf("%dd", httpserver.DefaultAgentValidity/(24*time.Hour)),
		"drainTime":         defaultDrainTime.String(),
		"shutdownTimeout":   httpserver.DefaultShutdownTimeout.String(),
	}
}

// defaultDrainTime leaves a load balancer time for a few probes. With the default
// of --shutdown-timeout it stays well below the time that deploy/refrain.service
// has for stopping.
const defaultDrainTime = 5 * time.Second

// validate checks the numbers that the server would take for "the default". On
// the command line 0 means 0, which none of them can be.
func (c *serveCommand) validate() error {
	for _, number := range []struct {
		flag  string
		value int
	}{{"--inbox-capacity", c.InboxCapacity}, {"--max-replays", c.MaxReplays}, {"--flight-steps", c.FlightSteps}, {"--max-intermediates", c.MaxIntermediates}, {"--event-budget-events", c.EventBudgetEvents}} {
		if number.value < 1 {
			return fmt.Errorf("%s is %d; want at least 1", number.flag, number.value)
		}
	}
	for _, duration := range []struct {
		flag  string
		value time.Duration
	}{{"--reply-timeout", c.ReplyTimeout}, {"--heartbeat-interval", c.HeartbeatInterval}, {"--shutdown-timeout", c.ShutdownTimeout}, {"--event-budget-per", c.EventBudgetPer}, {"--ca-timeout", c.CATimeout}} {
		if duration.value <= 0 {
			return fmt.Errorf("%s is %v; want more than 0s", duration.flag, duration.value)
		}
	}
	return nil
}

// Run implements the command.
func (c *serveCommand) Run(ctx context.Context, io stdio) error {
	if err := c.validate(); err != nil {
		return &commandError{err: err, code: exitUsage, hint: "refrain serve --help shows every flag with its default; nothing was started"}
	}
	if err := checkFiles(
		requiredFile{"--client-ca", c.ClientCA, ""},
		requiredFile{"--tls-cert", c.TLSCert, "server NAME..."},
		requiredFile{"--tls-key", c.TLSKey, "server NAME..."},
	); err != nil {
		return err
	}
	if err := c.checkReleases(); err != nil {
		return err
	}
	if c.CAKey != "" {
		if err := checkFiles(requiredFile{"--ca-key", c.CAKey, ""}); err != nil {
			return err
		}
	}
	outliveReaders()
	log := c.openLog(io.Err)
	defer log.Close(logging.CloseTimeout)
	db := new(database)
	server, err := httpserver.New(c.config(log, db))
	if errors.Is(err, fs.ErrNotExist) && c.Manifests != "" { // the other files were checked
		return &commandError{err: err, code: exitUsage, hint: "mkdir -p " + shellWord(c.Manifests) + " makes the directory of --manifests; nothing was started"}
	}
	if certfile.IsFileError(err) {
		return &commandError{err: err, code: exitUsage, hint: certificateHint(c)}
	}
	if err != nil {
		return &commandError{err: err, code: exitUsage, hint: "refrain serve --help shows every flag; nothing was started"}
	}
	if err := db.open(ctx, c.DB); err != nil {
		return err
	}
	if err := c.checkFlightDir(server, log.Logger); err != nil {
		_ = server.Shutdown(context.WithoutCancel(ctx)) // the first error says why
		return err
	}
	stop := serveSignals(server, log.Logger)
	defer stop()
	if err := server.Start(ctx); err != nil {
		_ = server.Shutdown(context.WithoutCancel(ctx)) // the first error says why
		return startError(err)
	}
	writeBounded(io.Out, fmt.Sprintf("refrain serves on https://%s for *.%s%s, ops on %s; %s\n",
		server.Addr(), c.AgentCNSuffix, pageText(server), opsURL(server), describeDB(c.DB)))
	return server.Wait(ctx)
}

// checkReleases checks that the flags of releases are both there, and what they name.
func (c *serveCommand) checkReleases() error {
	wrong := func(text, hint string) error {
		return &commandError{err: errors.New(text), code: exitUsage, hint: hint + "; nothing was started"}
	}
	switch {
	case c.CAKey != "" && c.CACommand != "": // one of them may be of the environment
		return wrong("--ca-key and --ca-command are both set; want one of them", "refrain serve --help says what each does")
	case (c.CAKey != "" || c.CACommand != "") && c.Releases == "":
		return wrong("--ca-key and --ca-command need --releases: hosts are enrolled by the signed fleet and its list of nonces", "docs/releases.md says how a release is made")
	case (c.Releases == "" && c.Revocations == "") != (c.Trust == ""):
		return wrong("--trust belongs to --releases and --revocations; want it with either of them, and not without", "refrain release trust KEY.pub --out FILE makes a trust file")
	case c.Trust == "":
		return nil
	}
	if _, err := os.Stat(c.Releases); c.Releases != "" && errors.Is(err, fs.ErrNotExist) {
		return wrong("--releases: "+err.Error(), "mkdir -p "+shellWord(c.Releases)+" makes the directory")
	}
	if _, err := os.Stat(c.Trust); errors.Is(err, fs.ErrNotExist) {
		return wrong("--trust: "+err.Error(), "refrain release trust KEY.pub --out "+shellWord(c.Trust)+" makes it")
	}
	return nil
}

// config is the server's configuration.
func (c *serveCommand) config(log *logging.Log, db *database) httpserver.Config {
	flightDir := c.FlightDir
	if flightDir == "" && c.DB != memoryDB {
		flightDir = filepath.Join(filepath.Dir(c.DB), "flight")
	}
	return httpserver.Config{
		Listen:            string(c.Listen),
		OpsListen:         string(c.OpsListen),
		OpsSocketMode:     fs.FileMode(c.OpsSocketMode),
		OpsHosts:          c.OpsHost,
		OpsPprof:          c.OpsPprof,
		OpsPage:           c.OpsPage,
		PageListen:        string(c.PageListen),
		CertFile:          c.TLSCert,
		KeyFile:           c.TLSKey,
		ClientCAFile:      c.ClientCA,
		AgentCNSuffix:     c.AgentCNSuffix,
		StrictProtocol:    c.StrictProtocol,
		MaxIntermediates:  c.MaxIntermediates,
		MaxConnections:    int(c.MaxConnections),
		ExemptAddresses:   prefixes(c.ExemptAddress),
		InboxCapacity:     c.InboxCapacity,
		ReplyTimeout:      c.ReplyTimeout,
		HeartbeatInterval: c.HeartbeatInterval,
		MaxReplays:        c.MaxReplays,
		MaxBody:           int64(c.MaxBody),
		MaxManifest:       int64(c.MaxManifest),
		EventBudget:       plane.EventBudget{Bytes: int64(c.EventBudgetBytes), Events: c.EventBudgetEvents, Per: c.EventBudgetPer},
		DiskReserve:       cmp.Or(int64(c.DiskReserve), httpserver.NoDiskReserve),
		ManifestDir:       c.Manifests,
		ReleaseDir:        c.Releases,
		TrustFile:         c.Trust,
		AllowUnsigned:     c.AllowUnsigned,
		RevocationsFile:   c.Revocations,
		CAKeyFile:         c.CAKey,
		CACommand:         c.CACommand,
		CATimeout:         c.CATimeout,
		AgentValidity:     time.Duration(c.AgentValidity),
		DrainTime:         c.DrainTime,
		ShutdownTimeout:   c.ShutdownTimeout,
		Logger:            log.Logger,
		LogLosses:         log,
		Store:             db,
		CheckInvariants:   c.CheckInvariants,
		FlightDir:         flightDir,
		FlightSteps:       c.FlightSteps,
		Build:             repro.Build(),
	}
}

// checkFlightDir finds out at the start that recordings cannot be written, and not
// in the incident. Who names a directory relies on it, so that is an error. A
// plane does not stay down for a debugging aid that nobody asked for.
func (c *serveCommand) checkFlightDir(server *httpserver.Server, log *slog.Logger) error {
	err := server.CheckFlightDir()
	switch {
	case err == nil:
		return nil
	case c.FlightDir != "":
		return &commandError{
			err: fmt.Errorf("--flight-dir: %w", err), code: exitFailed,
			hint: "--flight-dir names a directory that this user can write to; with --flight-dir off nothing is recorded; nothing was started",
		}
	}
	log.Warn("the plane runs without flight recordings; --flight-dir names another directory, or off", "error", err)
	return nil
}

// pageText says where the live page's own listener is; empty if there is none.
func pageText(server *httpserver.Server) string {
	if server.PageAddr() == nil {
		return ""
	}
	return fmt.Sprintf(", the live page on https://%s/", server.PageAddr())
}

// opsURL is the URL of the ops listener, for people.
func opsURL(server *httpserver.Server) string {
	if server.OpsAddr() == nil {
		return httpserver.OpsOff
	}
	if server.OpsAddr().Network() == "unix" {
		return httpserver.OpsUnix + server.OpsAddr().String()
	}
	return "http://" + server.OpsAddr().String()
}
