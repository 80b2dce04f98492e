package main

import (
	"encoding/json"
	"io"
	"os"
	"runtime/debug"
	"strconv"
	"strings"

	"github.com/alecthomas/kong"
	"github.com/mattn/go-isatty"

	"github.com/refrain-fleet/refrain/scenarios/conform"
	"github.com/refrain-fleet/refrain/sim/check"
	"github.com/refrain-fleet/refrain/sim/generate"
	"github.com/refrain-fleet/refrain/sim/repro"
	"github.com/refrain-fleet/refrain/sim/scenario"
	"github.com/refrain-fleet/refrain/sim/world"
)

// simCommand has the commands of the simulator.
type simCommand struct {
	Run     simRunCommand     `cmd:"" help:"Run one scenario, from a seed or a file."`
	Search  simSearchCommand  `cmd:"" help:"Run many seeds and search for a violated rule."`
	Shrink  simShrinkCommand  `cmd:"" help:"Shrink a scenario that violates a rule."`
	Diff    simDiffCommand    `cmd:"" help:"Run two scenarios and show where they diverge, side by side."`
	Conform simConformCommand `cmd:"" help:"Replay a simulated run against a real server, and compare every answer."`
	Fmt     simFmtCommand     `cmd:"" help:"Write scenario files in their canonical form; comments stay."`
	Replay  simReplayCommand  `cmd:"" name:"replay-recording" help:"Replay a server's flight recording through the reducer, and compare every answer."`
}

// AfterApply makes the garbage collector run less often: a world is small and
// short, and by default the collector would run all the time. GOGC, if set, is
// kept.
func (*simCommand) AfterApply() error {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(400)
	}
	return nil
}

// simReport is the result of a run or a search as JSON.
type simReport struct {
	Verdict         string            `json:"verdict"` // verdictPassed and so on
	Error           string            `json:"error,omitempty"`
	Signal          string            `json:"signal,omitempty"` // that interrupted it
	Violation       *simViolation     `json:"violation,omitempty"`
	Unmet           []simUnmet        `json:"unmet,omitempty"`
	Seed            uint64            `json:"seed"`
	Profile         string            `json:"profile,omitempty"`
	File            string            `json:"file,omitempty"`
	Runs            uint64            `json:"runs,omitempty"`
	Asked           uint64            `json:"runs_asked,omitempty"` // 0 if only --for bounds them
	Events          uint64            `json:"events"`
	SimSeconds      float64           `json:"sim_seconds"`
	WallSeconds     float64           `json:"wall_seconds"`
	Ratio           float64           `json:"ratio"`
	EventsPerSecond float64           `json:"events_per_second"`
	Hash            string            `json:"hash,omitempty"`
	NeverHit        []simUnseen       `json:"never_hit,omitempty"`
	Findings        []simFinding      `json:"findings,omitempty"`
	UnderWay        []simFinding      `json:"under_way,omitempty"`
	Unended         *simUnended       `json:"unended,omitempty"` // of a single run
	Repeated        int               `json:"repeated,omitempty"`
	Differences     []simDifference   `json:"differences,omitempty"`
	Effects         map[string]uint64 `json:"effects"`
	Shrunk          []*shrinkReport   `json:"shrunk,omitempty"`
	Build           string            `json:"build"`
	Again           string            `json:"again"`

	source *scenario.File // nil if there is no file
}

type simViolation struct {
	Checker    string  `json:"checker"`
	Step       uint64  `json:"step"`
	SimSeconds float64 `json:"sim_seconds"`
	Detail     string  `json:"detail"`
}

func reportViolation(v *world.Violation) *simViolation {
	return &simViolation{v.Checker, v.Step, v.At.Seconds(), v.Detail}
}

// simUnmet is an expectation of a file that the run did not meet.
type simUnmet struct {
	Line   int    `json:"line"`
	Expect string `json:"expect"`
	Saw    string `json:"saw"`
}

// ended takes in how a run ended.
func (r *simReport) ended(result *check.Verdict) {
	r.Verdict = result.Word()
	if v := result.Violation; v != nil {
		r.Violation = reportViolation(v)
	}
	for i := range result.Unmet {
		u := &result.Unmet[i]
		line := 0
		if r.source != nil {
			line = r.source.ExpectLine(u.Index)
		}
		r.Unmet = append(r.Unmet, simUnmet{line, u.Expect.String(), u.Saw})
	}
}

func (r *simReport) rates() {
	if r.WallSeconds > 0 {
		r.Ratio = r.SimSeconds / r.WallSeconds
		r.EventsPerSecond = float64(r.Events) / r.WallSeconds
	}
	r.Build = repro.Build()
}

func (r *simReport) effects(e *scenario.Effects) {
	r.Effects = make(map[string]uint64)
	for effect, n := range e {
		if n > 0 && scenario.Effect(effect) != scenario.EffectNone {
			r.Effects[scenario.Effect(effect).String()] = n
		}
	}
}

func writeJSON(w io.Writer, doc any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	return e.Encode(doc)
}

// isTerminal reports whether a writer is a terminal: whether progress is shown
// at all.
func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && isatty.IsTerminal(f.Fd()) // a character device need not be one
}

// simVars are what the help of the simulator's flags names.
func simVars() kong.Vars {
	var names []string
	for _, p := range generate.Profiles() {
		names = append(names, p.Name)
	}
	return kong.Vars{"profiles": strings.Join(names, ", "), "conform_requests": strconv.Itoa(conform.DefaultRequests)}
}
