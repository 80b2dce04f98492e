package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/refrain-fleet/refrain/internal/logging"
	"github.com/refrain-fleet/refrain/scenarios/gameday"
	"github.com/refrain-fleet/refrain/sim/repro"
	"github.com/refrain-fleet/refrain/sim/scenario"
)

// gamedayCommand plays a scenario with a real server and real agents.
type gamedayCommand struct {
	File  string `arg:"" help:"A scenario file."`
	Speed int    `default:"10" placeholder:"N" help:"How many times as fast time runs (${default}). It has to leave the heartbeat interval whole seconds."`
	Quiet bool   `short:"q" help:"Print the result only, not the progress."`
	JSON  bool   `name:"json" help:"Print one JSON object and nothing else."`
	logFlags
}

// gamedayReport is the result of a gameday as JSON.
type gamedayReport struct {
	Verdict    string                    `json:"verdict"` // passed, failed or interrupted
	File       string                    `json:"file"`
	Speed      int                       `json:"speed"`
	Hosts      int                       `json:"hosts"`
	SimSeconds float64                   `json:"sim_seconds"`
	Wall       float64                   `json:"wall_seconds"`
	Settled    bool                      `json:"settled"`
	Unsettled  string                    `json:"unsettled,omitempty"`
	Violations []gameday.Violation       `json:"violations"`
	Expects    []gameday.ExpectResult    `json:"expects"`
	Faults     []*gameday.Injection      `json:"faults"`
	NotPlayed  []gameday.NotPlayed       `json:"not_played"`
	Answers    map[string]map[string]int `json:"answers"`
	Build      string                    `json:"build"`
}

// Run implements the command.
func (c *gamedayCommand) Run(ctx context.Context, io stdio) error {
	text, err := os.ReadFile(c.File)
	if err != nil {
		return usageError(err.Error())
	}
	file, err := scenario.ParseFile(c.File, string(text))
	if err != nil {
		return usageError(err.Error())
	}
	cfg := gameday.Config{Scenario: file.Scenario, Speed: c.Speed}
	if !c.JSON && !c.Quiet {
		cfg.Progress = io.Out
	}
	if c.LogLevel != "info" { // the progress lines say what the log would
		log := c.openLog(io.Err)
		defer log.Close(logging.CloseTimeout)
		cfg.Logger = log.Logger
	}
	game, err := gameday.New(cfg)
	if err != nil {
		return &commandError{err: err, code: exitUsage, hint: "refrain gameday --help shows every flag; nothing was started"}
	}
	result, err := game.Play(ctx)
	if err != nil {
		return err
	}
	interruption := interrupted(ctx)
	if interruption != nil {
		result.Unsettled = interruption.Error()
	}
	if c.JSON {
		report := gamedayReport{
			Verdict: "passed", File: c.File, Speed: c.Speed, Hosts: result.Hosts, SimSeconds: result.Played.Seconds(), Wall: result.Wall.Seconds(),
			Settled: result.Settled, Unsettled: result.Unsettled, Violations: result.Violations, Expects: result.Expects,
			Faults: result.Injections, NotPlayed: result.NotPlayed, Answers: result.Answers, Build: repro.Build(),
		}
		switch {
		case interruption != nil:
			report.Verdict = verdictInterrupted
		case !result.Passed():
			report.Verdict = "failed"
		}
		if err := writeJSON(io.Out, report); err != nil {
			return err
		}
	} else {
		printGameday(io.Out, result, c, interruption)
	}
	switch {
	case interruption != nil:
		return interruption.failure()
	case !result.Passed():
		return errViolation
	}
	return nil
}

// printGameday says what happened against what was expected.
func printGameday(w io.Writer, r *gameday.Result, c *gamedayCommand, i *interruption) {
	fmt.Fprintln(w)
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, s := range r.Injections {
		fmt.Fprintf(table, "fault\t%s\t%s\n", s.Fault, seenOf(s))
	}
	for _, l := range r.NotPlayed {
		fmt.Fprintf(table, "not played\t%s\t%s\n", l.What, l.Why)
	}
	for _, m := range r.Expects {
		fmt.Fprintf(table, "%s\t%s\tsaw %s\n", m.Verdict, m.Expect, m.Saw)
	}
	for _, route := range slices.Sorted(maps.Keys(r.Answers)) {
		fmt.Fprintf(table, "answers\t%s\t%s\n", route, countsOf(r.Answers[route]))
	}
	_ = table.Flush()
	fmt.Fprintln(w)
	for _, v := range r.Violations {
		fmt.Fprintf(w, "VIOLATED %s at %v: %s\n", v.Rule, v.At.Round(100*time.Millisecond), v.Detail)
	}
	switch {
	case i != nil:
		fmt.Fprintf(w, "INTERRUPTED by %s\n", i.name())
	case r.Passed():
		fmt.Fprintf(w, "PASSED   at rest, and everything as expected\n")
	case !r.Settled:
		fmt.Fprintf(w, "FAILED   not at rest: %s\n", r.Unsettled)
	default:
		fmt.Fprintf(w, "FAILED   %d violations, %d expectations unmet\n", len(r.Violations), unmet(r))
	}
	fmt.Fprintf(w, "time     %v played in %v, %d times as fast\n", r.Played.Round(time.Second), r.Wall.Round(100*time.Millisecond), c.Speed)
	fmt.Fprintf(w, "build    %s\n", repro.Build())
	fmt.Fprintf(w, "again    %s gameday %s --speed %d   (a simulation of it: %s)\n", repro.Program(), shellWord(c.File), c.Speed, runFile(c.File))
}

func unmet(r *gameday.Result) (n int) {
	for _, m := range r.Expects {
		if m.Verdict == gameday.VerdictUnmet {
			n++
		}
	}
	return n
}

// seenOf says by what a fault shows, and how often that was seen.
func seenOf(s *gameday.Injection) string {
	if len(s.Expected) == 0 {
		return "shows in what follows"
	}
	if len(s.Seen) == 0 {
		return "expected " + strings.Join(s.Expected, " or ") + ": not seen"
	}
	return "seen " + countsOf(s.Seen)
}

func countsOf(counts map[string]int) string {
	var parts []string
	for _, word := range slices.Sorted(maps.Keys(counts)) {
		parts = append(parts, fmt.Sprintf("%s %d", word, counts[word]))
	}
	return strings.Join(parts, ", ")
}
