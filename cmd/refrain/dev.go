package main

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/refrain-fleet/refrain/httpagent"
	"github.com/refrain-fleet/refrain/httpserver"
	"github.com/refrain-fleet/refrain/httpserver/pki"
	"github.com/refrain-fleet/refrain/internal/logging"
	"github.com/refrain-fleet/refrain/sim/repro"
)

// devCommand runs a demo control plane: with certificates of its own, a rollout
// over a few hosts that do not exist, requests to paste in their place, and
// another rollout over virtual hosts of this process. Its database and its
// directory have variables of their own, so that the demo does not open rollouts
// in the database of a plane that runs on the same machine.
type devCommand struct {
	Dir        string     `default:"var/dev" placeholder:"DIR" env:"REFRAIN_DEV_DIR" help:"The directory of the certificates; they are made if missing (${default})."`
	Listen     address    `default:"127.0.0.1:8443" placeholder:"HOST:PORT" help:"Address of the control plane (${default})."`
	OpsListen  opsAddress `default:"127.0.0.1:9090" placeholder:"HOST:PORT" help:"Address of /livez, /readyz and /metrics (${default})."`
	DB         string     `name:"db" env:"REFRAIN_DEV_DB" placeholder:"FILE" help:"The database that keeps the state; 'memory' for none (plane.db in --dir). REFRAIN_DB is ignored: the demo opens rollouts, which would supersede those of a production database."`
	NoFleet    bool       `help:"Run no virtual hosts, only the plane."`
	FleetSpeed int        `default:"12" placeholder:"N" help:"How many times as fast the virtual hosts' time runs (${default})."`
	logFlags
}

const (
	devSuffix   = "fleet.test"
	devOperator = "demo"
	// devStranger is the directory of a second CA, which the server does not
	// know.
	devStranger = "stranger"
)

// devHosts are the hosts of the demo rollout: the first two in the first wave,
// the last in the second.
var devHosts = []string{"web-1", "web-2", "db-1"}

// Run implements the command.
func (c *devCommand) Run(ctx context.Context, io stdio) error {
	if c.FleetSpeed < 1 || c.FleetSpeed > httpagent.MaxSpeed {
		return &commandError{
			err:  fmt.Errorf("--fleet-speed is %d; want 1 to %d", c.FleetSpeed, httpagent.MaxSpeed),
			code: exitUsage, hint: "refrain dev --help shows every flag; nothing was started",
		}
	}
	opened := c.openLog(io.Err)
	defer opened.Close(logging.CloseTimeout)
	log := opened.Logger
	if !c.NoFleet {
		log = slog.New(quietLog{log.Handler()})
	}
	if err := ensureDevPKI(c.Dir, func() {
		fmt.Fprintf(io.Out, "refrain dev: making certificates in %s, a few seconds …\n", c.Dir)
	}); err != nil {
		return err
	}
	if c.DB == "" {
		c.DB = filepath.Join(c.Dir, "plane.db")
	}
	db := new(database)
	server, err := httpserver.New(httpserver.Config{
		Listen:        string(c.Listen),
		OpsListen:     string(c.OpsListen),
		OpsPage:       c.OpsListen != opsOff,
		CertFile:      filepath.Join(c.Dir, "server.crt"),
		KeyFile:       filepath.Join(c.Dir, "server.key"),
		ClientCAFile:  filepath.Join(c.Dir, "ca.crt"),
		AgentCNSuffix: devSuffix,
		FlightDir:     filepath.Join(c.Dir, "flight"),
		Build:         repro.Build(),
		Logger:        log,
		LogLosses:     opened,
		Store:         db,
	})
	if err != nil {
		return &commandError{err: err, code: exitUsage, hint: "refrain dev --help shows every flag; nothing was started"}
	}
	if err := db.open(ctx, c.DB); err != nil {
		return err
	}
	if err := server.Start(ctx); err != nil {
		_ = server.Shutdown(context.WithoutCancel(ctx)) // the first error says why
		return startError(err)
	}
	demo := demo{dir: c.Dir, url: "https://" + server.Addr().String(), ops: opsURL(server), db: c.DB}
	if err := demo.begin(ctx); err != nil {
		_ = server.Shutdown(context.WithoutCancel(ctx)) // the first error says why
		return fmt.Errorf("open the demo rollout: %w", err)
	}
	demo.print(io.Out)
	if err := demo.keepContext(io.Out); err != nil {
		fmt.Fprintf(io.Err, "note: no context for the commands of operators: %v\n", err)
	}
	if c.NoFleet {
		return server.Wait(ctx)
	}
	return c.waitWithFleet(ctx, &demo, server, io.Out)
}

// waitWithFleet serves and runs the virtual hosts until ctx ends or one of them
// fails. The hosts stop first, so that the plane refuses none of them.
func (c *devCommand) waitWithFleet(ctx context.Context, demo *demo, server *httpserver.Server, out io.Writer) error {
	living, stopLiving := context.WithCancel(ctx)
	serving, stopServing := context.WithCancel(context.WithoutCancel(ctx))
	lived := make(chan error, 1)
	go func() {
		defer stopServing()
		lived <- demo.runHosts(living, out, c.FleetSpeed)
		// The server sees a little later that the hosts' polls have ended.
		// Other polls may wait too, for instance one of the commands above.
		for range 50 {
			if server.WaitingPolls() == 0 {
				return
			}
			time.Sleep(10 * time.Millisecond)
		}
	}()
	err := server.Wait(serving)
	stopLiving()
	return errors.Join(err, <-lived)
}

// devPairs are pairs of the demo's certificates that are issued together.
type devPairs struct {
	dir   string   // in the demo's directory
	names []string // of the files, without their endings
	issue func(dir string, names []string, o pki.Options) error
}

var devPKI = []devPairs{
	{"", []string{"ca"}, issueDevCA},
	{"", []string{"server"}, func(dir string, _ []string, o pki.Options) error {
		_, err := pki.Server(dir, []string{"localhost", "127.0.0.1", "::1"}, o)
		return err
	}},
	{"", []string{"operators/" + devOperator}, func(dir string, _ []string, o pki.Options) error {
		_, err := pki.Operator(dir, []string{devOperator}, o)
		return err
	}},
	{"", agentFiles(devHosts), issueDevAgents},
	{"", agentFiles(devFleetHosts), issueDevAgents},
	{devStranger, []string{"ca"}, issueDevCA},
	{devStranger, agentFiles(devHosts[:1]), issueDevAgents},
}

func agentFiles(hosts []string) []string {
	var files []string
	for _, host := range hosts {
		files = append(files, "agents/"+host)
	}
	return files
}

func issueDevCA(dir string, _ []string, o pki.Options) error {
	_, err := pki.Init(dir, devSuffix, o)
	return err
}

func issueDevAgents(dir string, names []string, o pki.Options) error {
	var hosts []string
	for _, name := range names {
		hosts = append(hosts, strings.TrimPrefix(name, "agents/"))
	}
	_, err := pki.Agent(dir, hosts, o)
	return err
}

// ensureDevPKI issues the demo's certificates that are missing, have expired or
// soon will. It calls tell before it does anything.
func ensureDevPKI(dir string, tell func()) error {
	told := false
	for _, pairs := range devPKI {
		at := filepath.Join(dir, pairs.dir)
		var missing, stale []string
		for _, name := range pairs.names {
			state, err := stateOfPair(filepath.Join(at, filepath.FromSlash(name)))
			switch {
			case err != nil:
				return err
			case state == pairMissing:
				missing = append(missing, name)
			case state == pairStale:
				stale = append(stale, name)
			}
		}
		for _, batch := range []struct {
			names []string
			force bool
		}{{missing, false}, {stale, true}} {
			if len(batch.names) == 0 {
				continue
			}
			if !told {
				told = true
				tell()
			}
			if err := os.MkdirAll(at, 0o700); err != nil {
				return fmt.Errorf("the demo's certificates: %w", err)
			}
			if err := pairs.issue(at, batch.names, pki.Options{Force: batch.force}); err != nil {
				return fmt.Errorf("the demo's certificates in %s: %w", at, err)
			}
		}
	}
	return nil
}

// pairState is what is found where a pair should be.
type pairState uint8

const (
	pairMissing pairState = iota
	pairStale             // expired, or half of a pair
	pairGood
)

// stateOfPair looks at path.crt and path.key. A pair that a user broke (a file
// that is no certificate) is an error: the demo does not delete what it did not
// make.
func stateOfPair(path string) (pairState, error) {
	_, keyErr := os.Stat(path + ".key")
	notAfter, err := notAfterOf(path + ".crt")
	switch {
	case os.IsNotExist(err) && os.IsNotExist(keyErr):
		return pairMissing, nil
	case os.IsNotExist(err) || os.IsNotExist(keyErr):
		return pairStale, nil
	case err != nil:
		return 0, err
	case time.Until(notAfter) < time.Hour:
		return pairStale, nil
	}
	return pairGood, nil
}

func notAfterOf(path string) (time.Time, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return time.Time{}, err
	}
	block, _ := pem.Decode(text)
	if block == nil {
		return time.Time{}, fmt.Errorf("%s has no certificate; want PEM, or no file at all", path)
	}
	certificate, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return time.Time{}, fmt.Errorf("%s: %w", path, err)
	}
	return certificate.NotAfter, nil
}
