package main

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"path/filepath"
	"time"

	"github.com/refrain-fleet/refrain/core/agent"
	"github.com/refrain-fleet/refrain/core/wire"
	"github.com/refrain-fleet/refrain/httpagent"
	"github.com/refrain-fleet/refrain/internal/certfile"
	"github.com/refrain-fleet/refrain/internal/logging"
)

// loadCommand runs the agents of virtual hosts against a real plane, for
// demonstrations and load tests.
type loadCommand struct {
	URL       string         `name:"url" required:"" placeholder:"URL" help:"The plane's URL, for instance https://plane.example.com:8443."`
	CA        string         `name:"ca" placeholder:"FILE" help:"The CA that signed the plane's certificate, PEM. Default: ca.crt in --dir."`
	Dir       string         `default:"pki" env:"REFRAIN_PKI_DIR" placeholder:"DIR" help:"The directory of the hosts' certificates, as 'refrain pki' makes them; missing ones are issued if it has the CA's key (${default})."`
	Hosts     int            `default:"10" placeholder:"N" help:"How many hosts: host-0001 and so on (${default})."`
	Kind      string         `default:"full" enum:"full,legacy" help:"What runs on them: ${enum}. Legacy agents keep nothing and replay nothing."`
	Trust     string         `name:"trust" placeholder:"FILE" help:"The trust file of signed releases: the hosts act only on what these say. Default: they take every dispatch."`
	Interval  time.Duration  `default:"60s" placeholder:"DUR" help:"The time between two heartbeats of a host (${default})."`
	Speed     int            `default:"1" placeholder:"N" help:"How many times as fast the hosts' time runs: intervals, soak, switches, probes (${default}). They date heartbeats by the real time; the end of a soak is dated up to a soak ahead of it."`
	For       *time.Duration `placeholder:"DUR" help:"When to stop, by the real clock. Default: when interrupted."`
	Failing   int            `default:"0" placeholder:"N" help:"How many hosts have a probe that fails for ever after a switch (${default})."`
	Deferring int            `default:"0" placeholder:"N" help:"How many hosts have to reboot for a switch to take effect (${default})."`
	Seed      uint64         `default:"1" placeholder:"N" help:"Seeds all jitter and every draw of the hosts (${default})."`
	JSON      bool           `name:"json" help:"Print the summary as one JSON object."`
	Verbose   bool           `help:"Log what each agent does, to standard error."`
}

// maxFleetHosts bounds the hosts of one process, well below the number of its
// ports.
const maxFleetHosts = 20_000

// Run implements the command.
func (c *loadCommand) Run(ctx context.Context, io stdio) error {
	if err := c.validate(); err != nil {
		return &commandError{err: err, code: exitUsage, hint: "refrain load --help shows every flag; nothing was started"}
	}
	err := checkCAFile(c.caFile())
	if errors.Is(err, fs.ErrNotExist) && c.CA == "" {
		return &commandError{err: err, code: exitUsage, hint: makeHint(c.Dir, "") + "; --dir names another directory, --ca the CA that signed the plane's certificate; nothing was started"}
	}
	if err != nil {
		return &commandError{err: err, code: exitUsage, hint: "--ca names the CA that signed the plane's certificate; nothing was started"}
	}
	names := fleetNames(c.Hosts)
	if err := ensureFleetPKI(c.Dir, names, io.Err); err != nil {
		return err
	}
	log := slog.New(slog.DiscardHandler)
	if c.Verbose {
		opened := openLog(io.Err, logging.Options{Level: slog.LevelDebug})
		defer opened.Close(logging.CloseTimeout)
		log = opened.Logger
	}
	f, err := newFleet(fleetConfig{
		URL: c.URL, CAFile: c.caFile(), Dir: c.Dir, Names: names, Legacy: c.Kind == "legacy", TrustFile: c.Trust,
		Interval: c.Interval, Speed: c.Speed, Failing: c.Failing, Deferring: c.Deferring, Seed: c.Seed,
		Logger: log, Problems: io.Err,
	})
	if err != nil {
		return &commandError{err: err, code: exitUsage, hint: "refrain load --help shows every flag; nothing was started"}
	}
	if c.For != nil {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, *c.For)
		defer cancel()
	}
	if isTerminal(io.Err) {
		stop := f.watch(io.Err, time.Second)
		defer stop()
	}
	if err := f.run(ctx); err != nil {
		return err
	}
	summary := f.summary(c.Kind)
	if err := summary.print(io.Out, c.JSON); err != nil {
		return err
	}
	return summary.judge()
}

func (c *loadCommand) caFile() string {
	if c.CA != "" {
		return c.CA
	}
	return filepath.Join(c.Dir, "ca.crt")
}

func (c *loadCommand) validate() error {
	if err := httpagent.CheckURL(c.URL); err != nil {
		return fmt.Errorf("--url: %w", err)
	}
	switch {
	case c.Hosts < 1 || c.Hosts > maxFleetHosts:
		return fmt.Errorf("--hosts is %d; want 1 to %d", c.Hosts, maxFleetHosts)
	case c.Interval < time.Second:
		return fmt.Errorf("--interval is %v; want at least 1s", c.Interval)
	case c.Speed < 1 || c.Speed > httpagent.MaxSpeed:
		return fmt.Errorf("--speed is %d; want 1 to %d", c.Speed, httpagent.MaxSpeed)
	case c.For != nil && *c.For <= 0:
		return fmt.Errorf("--for is %v; want more than 0s, or no --for to run until interrupted", *c.For)
	case c.Failing < 0 || c.Deferring < 0 || c.Failing+c.Deferring > c.Hosts:
		return fmt.Errorf("--failing is %d and --deferring %d; want 0 or more, and not more than the %d hosts together",
			c.Failing, c.Deferring, c.Hosts)
	}
	return nil
}

// checkCAFile reads the file once, before anything else is done.
func checkCAFile(path string) error {
	texts, err := certfile.Read(nil, path)
	if err == nil {
		_, err = certfile.CAs(path, texts[0], x509.ExtKeyUsageServerAuth, time.Now())
	}
	if err != nil {
		return fmt.Errorf("ca: %w", err)
	}
	return nil
}

// errUnsound says that a fleet ran and found a problem.
var errUnsound = errors.New("the fleet found a problem")

// judge decides whether the command succeeds. Requests refused with 503, and a
// plane that was down for a while, are no failure: agents retry.
func (s *fleetSummary) judge() error {
	var problems []error
	problem := func(n int64, format string, args ...any) {
		if n > 0 {
			problems = append(problems, fmt.Errorf("%w: "+format, append([]any{errUnsound}, args...)...))
		}
	}
	problem(s.Unheard, "%d of %d hosts have sent requests, and the plane has accepted none of them", s.Unheard, s.Hosts)
	problem(s.Unauthorised, "%d requests were refused for their certificate", s.Unauthorised)
	problem(s.Defects, "%d requests or answers could not be read by the other side", s.Defects)
	if len(problems) == 0 {
		return nil
	}
	return &commandError{err: errors.Join(problems...), code: exitFailed, hint: "--verbose logs what each agent does"}
}

// fleetProbes are the probes of every virtual host.
var fleetProbes = []wire.ProbeDeclaration{
	{ProbeName: "disk", ProbeKind: "exec", Mode: wire.Observe},
	{ProbeName: "http", ProbeKind: "http", Mode: wire.Enforce},
}

// fleetScript is the script of host i of a fleet for every closure: the first
// ones fail, the next ones have to reboot, the others converge.
func (c *fleetConfig) script(i int) httpagent.Script {
	switch {
	case i < c.Failing:
		return httpagent.Script{Failing: -1}
	case i < c.Failing+c.Deferring:
		return httpagent.Script{Result: agent.ActivationDeferred}
	}
	return httpagent.Script{}
}
