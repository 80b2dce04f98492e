// Run attacks a plane on this machine and prints what honest hosts feel of it.
// `make attack` runs it. Exit codes: 0 every attack was withstood, 1 a limit is
// broken, 2 wrong use or something that could not be run.
//
// It refuses to attack anything but a server that it starts itself, on an address
// of the loopback.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"regexp"
	"syscall"
	"text/tabwriter"
	"time"

	"github.com/mattn/go-isatty"

	"github.com/refrain-fleet/refrain/scenarios/attack"
)

func main() {
	attack.RunAttacker()
	os.Exit(command())
}

// flags are what is asked for besides the configuration of the attacks.
type flags struct {
	only, from           string
	list, json, markdown bool
}

// command reads the flags and returns the exit code.
func command() int {
	cfg := attack.Config{Limits: attack.DefaultLimits(), Stderr: os.Stderr}
	var f flags
	flag.StringVar(&cfg.Binary, "binary", "", "the program refrain that is attacked, to compare builds; default: it is built from the source around")
	flag.StringVar(&cfg.Listen, "listen", "127.0.0.1:0", "the address that the server listens on, of the loopback")
	flag.StringVar(&f.only, "only", "", "a pattern: only the attacks whose names it matches")
	flag.StringVar(&f.from, "from", "", "print the report in this file, which --json has written, and attack nothing")
	flag.BoolVar(&f.list, "list", false, "list the attacks and end")
	flag.DurationVar(&cfg.For, "for", 0, "how long each attack takes (default 10s, 2s with --short)")
	flag.DurationVar(&cfg.Quiet, "quiet", 0, "how long the hosts are measured before each attack (default 4s, 1s with --short)")
	flag.DurationVar(&cfg.Recovery, "recovery", 0, "how long the hosts are waited for after it (default 30s)")
	flag.DurationVar(&cfg.Limits.Floor, "floor", cfg.Limits.Floor, "a p99 below it is within the limit, whatever the quiet one is")
	flag.BoolVar(&cfg.Short, "short", false, "small numbers, and little time for each attack")
	flag.BoolVar(&f.json, "json", false, "print one JSON object and nothing else")
	flag.BoolVar(&f.markdown, "markdown", false, "print the table for a document")
	flag.Usage = func() {
		fmt.Fprintln(os.Stderr, "usage: run [flags]")
		flag.PrintDefaults()
	}
	flag.Parse()
	if flag.NArg() > 0 {
		fmt.Fprintf(os.Stderr, "attack: %q is no flag; want flags only\n", flag.Arg(0))
		flag.Usage()
		return 2
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	code, err := measure(ctx, cfg, f, os.Stdout)
	if err != nil && ctx.Err() != nil {
		err = errors.New("interrupted")
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "attack:", err)
		return 2
	}
	return code
}

// measure does what the flags ask for, and returns the exit code unless it fails. After a
// failure or an interruption it prints what was measured until then.
func measure(ctx context.Context, cfg attack.Config, f flags, out io.Writer) (code int, err error) {
	pattern, err := regexp.Compile(f.only)
	if err != nil {
		return 0, fmt.Errorf("--only: %w", err)
	}
	if cfg.Attacks = attack.Matching(pattern); len(cfg.Attacks) == 0 {
		return 0, fmt.Errorf("--only: no attack is called like %q; --list lists them", f.only)
	}
	if f.list {
		return 0, list(cfg.Attacks, out)
	}
	var report *attack.Report
	if f.from != "" {
		report, err = read(f.from)
	} else {
		report, err = run(ctx, cfg)
	}
	if report == nil || err != nil && len(report.Results) == 0 {
		return 0, err
	}
	write := report.Write
	switch {
	case f.json:
		write = report.WriteJSON
	case f.markdown:
		write = report.WriteMarkdown
	}
	if err := errors.Join(err, write(out)); err != nil {
		return 0, err
	}
	if !report.Withstood() {
		return 1, nil
	}
	return 0, nil
}

// run runs the attacks, with progress on a terminal.
func run(ctx context.Context, cfg attack.Config) (*attack.Report, error) {
	began := time.Now()
	if isatty.IsTerminal(os.Stderr.Fd()) {
		cfg.Progress = func(line string) { fmt.Fprintf(os.Stderr, "%4.0fs  %s\n", time.Since(began).Seconds(), line) }
	}
	return attack.Run(ctx, cfg)
}

// read reads a report.
func read(path string) (*attack.Report, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("--from: %w", err)
	}
	report := new(attack.Report)
	if err := json.Unmarshal(text, report); err != nil {
		return nil, fmt.Errorf("--from: %s is no report that --json has written: %w", path, err)
	}
	return report, nil
}

// list prints the attacks.
func list(attacks []attack.Attack, out io.Writer) error {
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, a := range attacks {
		fmt.Fprintf(table, "%s\t%s\n", a.Name, a.Does)
	}
	return table.Flush()
}
