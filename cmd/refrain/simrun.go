package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/refrain-fleet/refrain/sim"
	"github.com/refrain-fleet/refrain/sim/check"
	"github.com/refrain-fleet/refrain/sim/generate"
	"github.com/refrain-fleet/refrain/sim/repro"
	"github.com/refrain-fleet/refrain/sim/scenario"
	"github.com/refrain-fleet/refrain/sim/search"
)

// simRunCommand runs one scenario.
type simRunCommand struct {
	File        string        `arg:"" optional:"" help:"A scenario file; or give --seed."`
	Seed        *uint64       `placeholder:"N" help:"Draw the scenario from this seed."`
	Profile     string        `default:"swarm" placeholder:"NAME" help:"How it is drawn: ${profiles} (${default})."`
	Until       uint64        `placeholder:"STEP" help:"Stop after this step."`
	Limit       time.Duration `default:"10m" placeholder:"DUR" help:"How long the run may take, in wall time. 0 means no limit (${default})."`
	Trace       string        `placeholder:"FILE" help:"Write one line for everything that happens; - is standard output."`
	TraceFrom   uint64        `placeholder:"STEP" help:"Begin the trace at this step."`
	TraceFormat string        `default:"text" enum:"text,json" placeholder:"FORMAT" help:"The form of the trace: ${enum} (${default}). json is one object for each event; to standard output it prints nothing else."`
	DumpState   *uint64       `placeholder:"STEP" help:"Print the whole state after this step as JSON, and nothing else. 0 is the state before the first."`
	Wire        bool          `help:"Encode and decode every document on its way, strictly. The hash stays the same."`
	Verbose     bool          `short:"v" help:"Print every change of a record's, a rollout's or a host's state."`
	JSON        bool          `name:"json" help:"Print one JSON object and nothing else."`

	simPictureFlags `embed:""`
}

// Run implements the command.
func (c *simRunCommand) Run(ctx context.Context, io stdio) error {
	if c.Limit < 0 {
		return usageError(fmt.Sprintf("--limit is %v; want more than 0s, or 0 for no limit", c.Limit))
	}
	scenario, from, err := scenarioOf(c.File, c.Seed, c.Profile)
	if err != nil {
		return err
	}
	if c.DumpState != nil {
		defer endSoon(ctx, io.Err)()
		state, err := sim.DumpState(scenario, planted(sim.Options{Wire: c.Wire}), *c.DumpState)
		if err != nil {
			return usageError("--dump-state: " + err.Error())
		}
		_, err = io.Out.Write(state)
		return err
	}
	options, trace, err := c.options(io, from)
	if err != nil {
		return err
	}
	drawing, err := c.simPictureFlags.begin(io.Out)
	if err != nil {
		return err
	}
	options.Record = drawing.recorder
	if !c.JSON && !c.traceOnly() {
		fmt.Fprintf(io.Out, "%s\n", scenario)
	}
	started := time.Now()
	result, err := search.Run(ctx, scenario, options, c.Limit)
	report := &simReport{
		File: from.file, Profile: from.profile, Again: c.again(from), source: from.source,
		Seed: scenario.Seed, WallSeconds: time.Since(started).Seconds(),
	}
	if trace != nil {
		if err := trace.Close(); err != nil {
			return err
		}
	}
	if _, unended := errors.AsType[*search.UnendedError](err); unended {
		return c.unended(ctx, io, report, err)
	}
	if err != nil {
		return usageError(err.Error())
	}
	report.take(&result)
	if err := drawing.finish(result, report); err != nil {
		return err
	}
	switch {
	case c.JSON:
		if err := writeJSON(io.Out, report); err != nil {
			return err
		}
	case !c.traceOnly():
		printRun(io.Out, report, &result)
	}
	if result.Failed() {
		return errViolation
	}
	return nil
}

// traceOnly reports whether the trace is all of standard output.
func (c *simRunCommand) traceOnly() bool { return c.Trace == "-" && c.TraceFormat == "json" }

// options are those of the run. trace is nil unless one is wanted.
func (c *simRunCommand) options(io stdio, from *origin) (o sim.Options, trace *outputFile, err error) {
	o = planted(sim.Options{Wire: c.Wire, Until: c.Until, TraceFrom: c.TraceFrom, TraceName: from.from()})
	switch {
	case c.TraceFormat == "json" && c.Trace == "":
		return o, nil, usageError("--trace-format json wants --trace FILE; - is standard output")
	case c.Trace == "-" && c.JSON:
		return o, nil, usageError("--trace - and --json both use standard output; give --trace a file")
	}
	if c.TraceFormat == "json" {
		o.TraceFormat = sim.TraceJSON
	}
	if c.Verbose && !c.JSON && !c.traceOnly() {
		o.Changes = io.Out
	}
	if c.Trace != "" {
		if trace, err = createOutput("--trace", c.Trace, io.Out); err != nil {
			return o, nil, err
		}
		o.Trace = trace
	}
	return o, trace, nil
}

// take takes in the result of a run.
func (r *simReport) take(result *check.Verdict) {
	r.ended(result)
	r.Seed, r.Events, r.Hash = result.Seed, result.Events, fmt.Sprintf("%016x", result.Hash)
	r.SimSeconds = result.Simulated.Seconds()
	r.rates()
	r.effects(&result.Effects)
}

// again is the command that repeats the run.
func (c *simRunCommand) again(from *origin) string {
	again := from.again
	if c.Until > 0 {
		again += fmt.Sprintf(" --until %d", c.Until)
	}
	return again + wireFlag(c.Wire)
}

// unended reports a run that did not end within its limit, or before a signal.
func (c *simRunCommand) unended(ctx context.Context, io stdio, report *simReport, err error) error {
	failure := error(errViolation)
	report.Verdict, report.Error, report.Unended = verdictUnended, err.Error(), reportUnended(err)
	word := "UNENDED  "
	if i := interrupted(ctx); i != nil {
		failure, report.Verdict, report.Signal = i.failure(), verdictInterrupted, i.name()
		word = "INTERRUPTED by " + i.name() + ": "
	}
	report.Again += traceFlags(err)
	report.rates()
	switch {
	case c.JSON:
		if err := writeJSON(io.Out, report); err != nil {
			return err
		}
	case c.traceOnly():
		fmt.Fprintf(io.Err, "%s%v\n", word, err)
		printUnended(io.Err, err)
	default:
		fmt.Fprintf(io.Out, "%s%v\n", word, err)
		printUnended(io.Out, err)
		fmt.Fprintf(io.Out, "again    %s\n", repro.Again(report.Again))
	}
	return failure
}

// errViolation says that a run found a violation, which has been printed.
var errViolation = &commandError{code: exitFailed, reported: true}

func usageError(text string) error {
	return &commandError{err: fmt.Errorf("%s", text), code: exitUsage}
}

// origin is where a scenario is from.
type origin struct {
	file    string
	seed    uint64
	profile string
	// again is the command that runs it.
	again string
	// source is the file with its lines; nil if there is none.
	source *scenario.File
}

// from describes where a scenario is from.
func (o *origin) from() string {
	if o.file != "" {
		return filepath.Base(o.file)
	}
	return fmt.Sprintf("seed %d of profile %s", o.seed, o.profile)
}

// scenarioOf returns the scenario of a file or of a seed.
func scenarioOf(file string, seed *uint64, profile string) (scenario.Scenario, *origin, error) {
	switch {
	case file != "" && seed != nil:
		return scenario.Scenario{}, nil, usageError("a file and --seed exclude each other")
	case file != "":
		text, err := os.ReadFile(file)
		if err != nil {
			return scenario.Scenario{}, nil, usageError(err.Error())
		}
		f, err := scenario.ParseFile(file, string(text))
		if err != nil {
			return scenario.Scenario{}, nil, usageError(err.Error())
		}
		return f.Scenario, &origin{file: file, source: f, seed: f.Scenario.Seed, again: runFile(file)}, nil
	case seed == nil:
		return scenario.Scenario{}, nil, usageError("want a scenario file or --seed N")
	}
	p, err := generate.FindProfile(profile)
	if err != nil {
		return scenario.Scenario{}, nil, usageError("--profile: " + err.Error())
	}
	return generate.Scenario(*seed, p), seedOrigin(*seed, p.Name), nil
}

// runFile is the command that runs a scenario file.
func runFile(file string) string { return repro.Program() + " sim run " + shellWord(file) }

func seedOrigin(seed uint64, profile string) *origin {
	return &origin{seed: seed, profile: profile, again: repro.RunSeed(seed, profile)}
}

// printRun prints the result of a run.
func printRun(w io.Writer, r *simReport, result *check.Verdict) {
	for _, u := range r.Unmet {
		fmt.Fprintf(w, "UNMET    %s (line %d): saw %s\n", u.Expect, u.Line, u.Saw)
	}
	word, why := result.Headline()
	fmt.Fprintf(w, "%-8s %s\n", word, why)
	var effects []string
	for e, n := range result.Effects {
		if n > 0 && scenario.Effect(e) != scenario.EffectNone {
			effects = append(effects, fmt.Sprintf("%s %d", scenario.Effect(e), n))
		}
	}
	fmt.Fprintf(w, "seen     %s\n", strings.Join(effects, ", "))
	fmt.Fprintf(w, "time     %v simulated in %v, %.0f times as fast\n",
		result.Simulated.Round(time.Second), time.Duration(r.WallSeconds*float64(time.Second)).Round(10*time.Microsecond), r.Ratio)
	fmt.Fprintf(w, "events   %d, %.0f/s\n", r.Events, r.EventsPerSecond)
	fmt.Fprintf(w, "hash     %s\n", r.Hash)
	fmt.Fprintf(w, "again    %s\n", repro.Again(r.Again))
}
