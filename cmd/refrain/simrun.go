package main

import (
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
)

// simRunCommand runs one scenario.
type simRunCommand struct {
	File        string  `arg:"" optional:"" help:"A scenario file; or give --seed."`
	Seed        *uint64 `placeholder:"N" help:"Draw the scenario from this seed."`
	Profile     string  `default:"swarm" placeholder:"NAME" help:"How it is drawn: ${profiles} (${default})."`
	Until       uint64  `placeholder:"STEP" help:"Stop after this step."`
	Trace       string  `placeholder:"FILE" help:"Write one line for everything that happens; - is standard output."`
	TraceFrom   uint64  `placeholder:"STEP" help:"Begin the trace at this step."`
	TraceFormat string  `default:"text" enum:"text,json" placeholder:"FORMAT" help:"The form of the trace: ${enum} (${default}). json is one object for each event; to standard output it prints nothing else."`
	DumpState   *uint64 `placeholder:"STEP" help:"Print the whole state after this step as JSON, and nothing else. 0 is the state before the first."`
	Wire        bool    `help:"Encode and decode every document on its way, strictly. The hash stays the same."`
	Verbose     bool    `short:"v" help:"Print every change of a record's, a rollout's or a host's state."`
	JSON        bool    `name:"json" help:"Print one JSON object and nothing else."`

	simPictureFlags `embed:""`
}

// Run implements the command.
func (c *simRunCommand) Run(io stdio) error {
	scenario, from, err := scenarioOf(c.File, c.Seed, c.Profile)
	if err != nil {
		return err
	}
	if c.DumpState != nil {
		state, err := sim.DumpState(scenario, sim.Options{Wire: c.Wire}, *c.DumpState)
		if err != nil {
			return usageError("--dump-state: " + err.Error())
		}
		_, err = io.Out.Write(state)
		return err
	}
	report := &simReport{File: from.file, Profile: from.profile, Again: from.again, source: from.source}
	if c.Wire {
		report.Again += " --wire"
	}
	options := sim.Options{Wire: c.Wire, Until: c.Until, TraceFrom: c.TraceFrom, TraceName: from.from()}
	if c.TraceFormat == "json" {
		if c.Trace == "" {
			return usageError("--trace-format json wants --trace FILE; - is standard output")
		}
		options.TraceFormat = sim.TraceJSON
	}
	events := c.Trace == "-" && options.TraceFormat == sim.TraceJSON // are all of standard output
	if c.Verbose && !c.JSON && !events {
		options.Changes = io.Out
	}
	var trace *outputFile
	if c.Trace != "" {
		if c.Trace == "-" && c.JSON {
			return usageError("--trace - and --json both use standard output; give --trace a file")
		}
		if trace, err = createOutput("--trace", c.Trace, io.Out); err != nil {
			return err
		}
		options.Trace = trace
	}
	drawing, err := c.simPictureFlags.begin(io.Out)
	if err != nil {
		return err
	}
	options.Record = drawing.recorder
	if !c.JSON && !events {
		fmt.Fprintf(io.Out, "%s\n", scenario)
	}
	started := time.Now()
	result, err := sim.Run(scenario, options)
	wall := time.Since(started)
	if err != nil {
		return usageError(err.Error())
	}
	if trace != nil {
		if err := trace.Close(); err != nil {
			return err
		}
	}
	report.judge(result.Violation)
	report.expectations(&result)
	report.Seed, report.Events, report.Hash = result.Seed, result.Events, fmt.Sprintf("%016x", result.Hash)
	report.SimSeconds, report.WallSeconds = result.Simulated.Seconds(), wall.Seconds()
	report.rates()
	report.effects(&result.Effects)
	if err := drawing.finish(result, report); err != nil {
		return err
	}
	switch {
	case c.JSON:
		if err := writeJSON(io.Out, report); err != nil {
			return err
		}
	case !events:
		printRun(io.Out, report, &result)
	}
	if result.Failed() {
		return errViolation
	}
	return nil
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
	switch {
	case result.Violation != nil && !result.Expected:
		fmt.Fprintf(w, "VIOLATED %v\n", result.Violation)
	case len(r.Unmet) > 0:
		fmt.Fprintf(w, "FAILED   %d of %d expectations unmet\n", len(r.Unmet), len(r.source.Scenario.Expects))
	case result.Violation != nil:
		fmt.Fprintf(w, "PASSED   as expected, %v\n", result.Violation)
	case result.Ended:
		fmt.Fprintf(w, "PASSED   at rest %v after healing\n", result.Settled.Round(time.Second))
	default:
		fmt.Fprintf(w, "STOPPED  after step %d, with nothing violated\n", result.Events)
	}
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
