package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/refrain-fleet/refrain/core/flight"
	"github.com/refrain-fleet/refrain/sim/repro"
)

// simReplayCommand replays a server's recording through the reducer.
type simReplayCommand struct {
	File            string `arg:"" help:"A recording of the flight recorder."`
	Verbose         bool   `short:"v" help:"Print every step with its instant, its input and its answer."`
	CheckInvariants bool   `help:"Verify every invariant of the plane after every step."`
	ToScenario      string `placeholder:"FILE" help:"Write a scenario that starts from the recorded state; - is standard output."`
	AtStep          *int   `placeholder:"N" help:"With --to-scenario: the state after this step, 0 for the one before the first. Default: after the last, or before the one that fails."`
	JSON            bool   `name:"json" help:"Print one JSON object and nothing else."`
}

// replayReport is the result of a replay as JSON.
type replayReport struct {
	Verdict  string       `json:"verdict"` // same, or differs
	File     string       `json:"file"`
	Reason   string       `json:"reason"`
	Recorded string       `json:"recorded"`
	Build    string       `json:"build"` // the one that recorded
	Steps    int          `json:"steps"`
	Before   int64        `json:"before"`
	Compared int          `json:"compared"`
	Rebuilt  int          `json:"rebuilt"`
	Differs  int          `json:"differs"`
	First    *replayMiss  `json:"first,omitempty"`
	Hung     []replayMiss `json:"unanswered,omitempty"`
	Wall     float64      `json:"wall_seconds"`
	With     string       `json:"replayed_by"` // this build
	Scenario string       `json:"scenario,omitempty"`
}

// replayMiss is a step with another answer than the recorded one, or with none.
type replayMiss struct {
	Line   int    `json:"line"`
	At     string `json:"at"`
	Input  string `json:"input"`
	Then   string `json:"then,omitempty"`
	Now    string `json:"now,omitempty"`
	Panic  string `json:"panic,omitempty"`
	Broken string `json:"broken_invariant,omitempty"`
}

// Run implements the command.
func (c *simReplayCommand) Run(ctx context.Context, io stdio) error {
	defer endSoon(ctx, io.Err)()
	switch {
	case c.ToScenario == "-" && (c.JSON || c.Verbose):
		return usageError("--to-scenario - and --json or --verbose both use standard output; give --to-scenario a file")
	case c.AtStep != nil && c.ToScenario == "":
		return usageError("--at-step says which state --to-scenario starts from; want both")
	}
	data, err := os.ReadFile(c.File)
	if err != nil {
		return usageError(err.Error())
	}
	rec, err := flight.Parse(data)
	if err != nil {
		return usageError(c.File + ": " + err.Error())
	}
	player, err := rec.Play()
	if err != nil {
		return usageError(c.File + ": " + err.Error())
	}
	h := &rec.Header
	report := replayReport{
		Verdict: "same", File: c.File, Reason: string(h.Reason), Recorded: h.At.String(), Build: string(h.Build),
		Before: int64(h.Before), With: repro.Build(),
	}
	verbose := io.Out
	if !c.Verbose || c.JSON {
		verbose = nil
	}
	if n := c.AtStep; n != nil && (*n < 0 || *n > int(h.Steps)) {
		return usageError(fmt.Sprintf("--at-step is %d; want 0 to %d", *n, h.Steps))
	}
	started := time.Now()
	for {
		s, more := player.Peek()
		if !more {
			break
		}
		if !c.step(player, s, &report, verbose) {
			break
		}
	}
	report.Wall = time.Since(started).Seconds()
	if c.ToScenario != "" {
		if err := c.toScenario(rec, &report, io.Out); err != nil {
			return err
		}
		if c.ToScenario == "-" {
			return nil
		}
	}
	if c.JSON {
		if err := writeJSON(io.Out, &report); err != nil {
			return err
		}
	} else {
		report.print(io.Out)
	}
	if report.Verdict != "same" {
		return errViolation
	}
	return nil
}

// step makes one step and notes what to report. It is false when the replay
// cannot go on.
func (c *simReplayCommand) step(player *flight.Player, s *flight.Step, report *replayReport, verbose io.Writer) (goOn bool) {
	if s.Input == nil {
		report.Rebuilt++
		if err := player.Next(); err != nil {
			report.miss(replayMiss{Line: s.Line, Broken: err.Error()})
			return false
		}
		if verbose != nil {
			fmt.Fprintf(verbose, "%8d  the plane was rebuilt\n", s.Line)
		}
		return true
	}
	report.Steps++
	m := replayMiss{Line: s.Line, At: s.At.Wall.String(), Input: s.Input.String(), Then: string(s.Answer)}
	m.Panic = guarded(func() { _ = player.Next() }) // only a rebuilt plane gives an error
	m.Now = string(player.Got())
	if m.Panic == "" && c.CheckInvariants {
		if err := player.Plane().Check(); err != nil {
			m.Broken = err.Error()
		}
	}
	switch {
	case m.Panic != "" || m.Broken != "":
		report.miss(m)
	case !s.Returned:
		report.Hung = append(report.Hung, m)
	case !player.Same():
		report.miss(m)
	case s.Answer != nil:
		report.Compared++
	}
	if verbose != nil {
		fmt.Fprintf(verbose, "%8d  %s  %s", s.Line, m.At, m.Input)
		if m.Now != "" {
			fmt.Fprintf(verbose, " → %s", m.Now)
		}
		fmt.Fprintln(verbose)
	}
	return m.Panic == ""
}

// guarded calls a function and returns the panic that it ended with, and where;
// empty if it did not panic.
func guarded(do func()) (panicked string) {
	defer func() {
		if r := recover(); r != nil {
			panicked = fmt.Sprintf("%v\n%s", r, debug.Stack())
		}
	}()
	do()
	return ""
}

func (r *replayReport) miss(m replayMiss) {
	r.Verdict = "differs"
	r.Differs++
	if r.First == nil {
		r.First = &m
	}
}

func (r *replayReport) print(w io.Writer) {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	row := func(name, format string, args ...any) {
		fmt.Fprintf(table, "%s\t%s\n", name, fmt.Sprintf(format, args...))
	}
	row("recorded", "%s at %s", r.Reason, r.Recorded)
	row("by", "%s", r.Build)
	if r.With != r.Build {
		row("replayed by", "%s, another build, whose answers may differ", r.With)
	}
	row("steps", "%d, after %d that are not in it", r.Steps, r.Before)
	if r.Rebuilt > 0 {
		row("rebuilt", "%d times", r.Rebuilt)
	}
	row("answers", "%d compared and equal", r.Compared)
	row("time", "%v", time.Duration(r.Wall*float64(time.Second)).Round(time.Microsecond))
	_ = table.Flush()
	if r.Scenario != "" {
		defer fmt.Fprintf(w, "scenario %s starts from the recorded state; refrain sim run %s runs it\n", r.Scenario, shellWord(r.Scenario))
	}
	for _, m := range r.Hung {
		fmt.Fprintf(w, "\nNOT RETURNED in production, line %d at %s\n", m.Line, m.At)
		m.print(w)
	}
	if m := r.First; m != nil {
		what := "DIFFERS"
		switch {
		case m.Panic != "":
			what = "PANICKED"
		case m.Broken != "":
			what = "BROKEN"
		}
		fmt.Fprintf(w, "\n%s first at line %d, %s (%d in all)\n", what, m.Line, m.At, r.Differs)
		m.print(w)
		return
	}
	fmt.Fprintln(w, "\nSAME     every answer is equal to the recorded one")
}

func (m *replayMiss) print(w io.Writer) {
	line := func(name, text string) {
		if text != "" {
			fmt.Fprintf(w, "  %-6s %s\n", name, strings.ReplaceAll(strings.TrimSpace(text), "\n", "\n         "))
		}
	}
	line("input", m.Input)
	line("then", m.Then)
	line("now", m.Now)
	line("broken", m.Broken)
	line("panic", m.Panic)
}
