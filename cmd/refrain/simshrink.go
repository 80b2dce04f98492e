package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/refrain-fleet/refrain/sim"
	"github.com/refrain-fleet/refrain/sim/repro"
	"github.com/refrain-fleet/refrain/sim/scenario"
	"github.com/refrain-fleet/refrain/sim/search"
)

// simShrinkCommand shrinks a failing scenario.
type simShrinkCommand struct {
	File       string        `arg:"" optional:"" help:"A scenario file; or give --seed."`
	Seed       *uint64       `placeholder:"N" help:"Draw the scenario from this seed."`
	Profile    string        `default:"swarm" placeholder:"NAME" help:"How it is drawn: ${profiles} (${default})."`
	Output     string        `short:"o" placeholder:"FILE" help:"Write the scenario to this file; - is standard output, and then nothing else is written there."`
	Executions int           `default:"2000" placeholder:"N" help:"How many worlds are run at most (${default})."`
	Limit      time.Duration `default:"1m" placeholder:"DUR" help:"How long a run may take, in wall time; 0 means no limit (${default})."`
	Workers    positive      `placeholder:"K" help:"How many run at a time. Default: one per processor. The result does not depend on it."`
	Wire       bool          `help:"Encode and decode every document on its way, strictly."`
	JSON       bool          `name:"json" help:"Print one JSON object and nothing else."`
}

// shrinkReport is the result of a shrink as JSON.
type shrinkReport struct {
	Violation   *simViolation `json:"violation"`
	LinesBefore int           `json:"lines_before"`
	LinesAfter  int           `json:"lines_after"`
	HostsBefore int           `json:"hosts_before"`
	HostsAfter  int           `json:"hosts_after"`
	Executions  int           `json:"executions"`
	// Exhausted says that the executions were used up before nothing more
	// could be left out.
	Exhausted bool `json:"exhausted"`
	// Interrupted says that a signal ended it.
	Interrupted bool `json:"interrupted,omitempty"`
	// Unended is a candidate that did not end within the limit, and its text.
	Unended         *simUnended `json:"unended,omitempty"`
	UnendedScenario string      `json:"unended_scenario,omitempty"`
	WallSeconds     float64     `json:"wall_seconds"`
	Scenario        string      `json:"scenario"`
	File            string      `json:"file,omitempty"`
	Build           string      `json:"build"`
	Again           string      `json:"again"`
}

// Run implements the command.
func (c *simShrinkCommand) Run(ctx context.Context, io stdio) error {
	if c.Output == "-" && c.JSON {
		return usageError("--output - and --json both use standard output; give --output a file")
	}
	if c.Executions < 1 {
		return usageError(fmt.Sprintf("--executions is %d; want at least 1", c.Executions))
	}
	scenario, origin, err := scenarioOf(c.File, c.Seed, c.Profile)
	if err != nil {
		return err
	}
	if c.Limit < 0 {
		return usageError(fmt.Sprintf("--limit is %v; want more than 0s, or 0 for no limit", c.Limit))
	}
	shrink := search.Shrink{Executions: c.Executions, Workers: int(c.Workers), Limit: c.Limit, Options: planted(sim.Options{Wire: c.Wire})}
	report, err := runShrink(ctx, io, shrink, scenario, origin.from(), "--output", c.Output)
	if err != nil {
		return err
	}
	switch {
	case c.JSON:
		err = writeJSON(io.Out, report)
	case c.Output == "-":
		_, err = fmt.Fprint(io.Out, report.Scenario)
	case c.Output == "":
		fmt.Fprintf(io.Out, "%s\n", report.Scenario)
		report.Again = repro.Again(origin.again + wireFlag(c.Wire))
		report.print(io.Out)
	default:
		report.print(io.Out)
	}
	switch i := interrupted(ctx); {
	case err != nil:
		return err
	case i != nil:
		return i.failure()
	case report.Unended != nil:
		return errViolation
	}
	return nil
}

// runShrink shrinks a scenario and writes the result to a file, which a flag
// names, unless it is empty or "-". Progress is shown on a terminal.
func runShrink(ctx context.Context, io stdio, shrink search.Shrink, s scenario.Scenario, from, flag, file string) (*shrinkReport, error) {
	if isTerminal(io.Err) {
		var last time.Time
		shrink.Each = func(p search.ShrinkProgress) {
			if now := time.Now(); now.Sub(last) > 100*time.Millisecond {
				last = now
				fmt.Fprintf(io.Err, "\r\033[Kshrinking: lines %d, hosts %d, executions %d of at most %d", p.Lines, p.Hosts, p.Executions, p.Limit)
			}
		}
		defer fmt.Fprint(io.Err, "\r\033[K")
	}
	started := time.Now()
	shrunk, err := shrink.Run(ctx, s)
	if _, unended := errors.AsType[*search.UnendedError](err); unended {
		printUnended(io.Err, err)
		if i := interrupted(ctx); i != nil {
			return nil, &commandError{err: i, code: i.code()}
		}
		return nil, err
	}
	if err != nil {
		return nil, usageError(err.Error())
	}
	r := &shrinkReport{
		Violation:   reportViolation(shrunk.Violation),
		LinesBefore: shrunk.Before, LinesAfter: shrunk.After,
		HostsBefore: s.Fleet.Hosts, HostsAfter: shrunk.Scenario.Fleet.Hosts,
		Executions: shrunk.Executions, Exhausted: shrunk.Exhausted, WallSeconds: time.Since(started).Seconds(),
		Scenario: shrunk.Text(from), Build: repro.Build(),
	}
	r.Interrupted = interrupted(ctx) != nil
	if shrunk.Unended != nil {
		r.Unended, r.UnendedScenario = reportUnended(shrunk.Unended), shrunk.Unended.Scenario.Brief()
	}
	if file == "" || file == "-" {
		return r, nil
	}
	if err := writeOutput(flag, file, []byte(r.Scenario), 0o644); err != nil {
		return nil, err
	}
	r.File, r.Again = file, repro.Again(runFile(file)+wireFlag(shrink.Options.Wire))
	return r, nil
}

// print prints the result of a shrink.
func (r *shrinkReport) print(w io.Writer) {
	v := r.Violation
	at := time.Duration(v.SimSeconds * float64(time.Second))
	fmt.Fprintf(w, "VIOLATED %s at step %d, %v: %s\n", v.Checker, v.Step, at, v.Detail)
	r.printSize(w)
	if r.File != "" {
		fmt.Fprintf(w, "written  %s\n", r.File)
	}
	fmt.Fprintf(w, "again    %s\n", r.Again)
}

// printSize prints how much was left out, and the effort.
func (r *shrinkReport) printSize(w io.Writer) {
	took := time.Duration(r.WallSeconds * float64(time.Second)).Round(time.Millisecond)
	fmt.Fprintf(w, "shrunk   %s, %s, in %d executions, %v\n",
		fromTo(r.LinesBefore, r.LinesAfter, "line"), fromTo(r.HostsBefore, r.HostsAfter, "host"), r.Executions, took)
	switch {
	case r.Interrupted:
		fmt.Fprintf(w, "         it was interrupted, and may become smaller\n")
	case r.Unended != nil:
		fmt.Fprintf(w, "         it ended at a candidate that did not end within %vs:\n%s%s\n", r.Unended.LimitSeconds, r.UnendedScenario, r.Unended.Stacks)
	case r.Exhausted:
		fmt.Fprintf(w, "         the bound was reached; with more --executions it may become smaller\n")
	}
}

// fromTo writes "12 lines to 1".
func fromTo(before, after int, what string) string {
	if before != 1 {
		what += "s"
	}
	return fmt.Sprintf("%d %s to %d", before, what, after)
}
