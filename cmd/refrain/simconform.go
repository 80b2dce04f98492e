package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/refrain-fleet/refrain/scenarios/conform"
	"github.com/refrain-fleet/refrain/sim/generate"
	"github.com/refrain-fleet/refrain/sim/repro"
	"github.com/refrain-fleet/refrain/sim/scenario"
)

// simConformCommand compares the simulator with a real server.
type simConformCommand struct {
	File     string   `arg:"" optional:"" help:"A scenario file; or give --seed or --seeds."`
	Seed     *uint64  `placeholder:"N" help:"Draw the scenario from this seed, in each profile."`
	Seeds    uint64   `placeholder:"N" help:"Draw as many seeds, each in each profile."`
	First    uint64   `default:"1" placeholder:"SEED" help:"The first seed of --seeds (${default})."`
	Profile  []string `placeholder:"NAME" help:"The profiles: ${profiles}. Default: swarm with --seed, all with --seeds."`
	Requests int      `default:"${conform_requests}" placeholder:"N" help:"How many requests of a scenario are compared; 0 means all (${default})."`
	DB       bool     `name:"db" help:"Give the server a database on disk in place of memory."`
	Workers  int      `default:"8" placeholder:"K" help:"How many scenarios are compared at a time; they mostly wait (${default})."`
	GoOn     bool     `help:"Continue after a difference."`
	JSON     bool     `name:"json" help:"Print one JSON object and nothing else."`
}

// conformReport is the result of a comparison as JSON.
type conformReport struct {
	Verdict     string              `json:"verdict"` // equal, different, unplayable or interrupted
	Scenarios   int                 `json:"scenarios"`
	Requests    int                 `json:"requests"`
	Steps       int                 `json:"steps"`
	Restarts    int                 `json:"restarts"`
	Releases    int                 `json:"releases"` // signed ones that were taken up
	Answers     map[int]int         `json:"answers"`  // by status
	SimSeconds  float64             `json:"sim_seconds"`
	WallSeconds float64             `json:"wall_seconds"`
	Differences []conformDifference `json:"differences,omitempty"`
	Build       string              `json:"build"`
}

type conformDifference struct {
	Scenario   string  `json:"scenario"`
	Problem    string  `json:"problem"`
	SimSeconds float64 `json:"sim_seconds,omitempty"`
	TapeStep   int     `json:"tape_step,omitempty"`
	Simulator  string  `json:"simulator,omitempty"`
	Server     string  `json:"server,omitempty"`
	Again      string  `json:"again"`
}

// Run implements the command.
func (c *simConformCommand) Run(ctx context.Context, io stdio) error {
	cases, err := c.cases()
	if err != nil {
		return err
	}
	if c.Requests < 0 || c.Workers < 1 {
		return usageError("want --requests of 0 or more and --workers of 1 or more")
	}
	report := conformReport{Verdict: "equal", Answers: make(map[int]int), Build: repro.Build()}
	var failed []conform.Outcome
	started, shown, last := time.Now(), isTerminal(io.Err), time.Time{}
	batch := conform.Batch{
		Cases: cases, Requests: c.Requests, Workers: c.Workers, GoOn: c.GoOn,
		Each: func(o conform.Outcome) {
			report.add(&o)
			if o.Failed() {
				failed = append(failed, o)
			}
			if shown && time.Since(last) > 200*time.Millisecond {
				last = time.Now()
				fmt.Fprintf(io.Err, "\r\033[K%d of %d scenarios, %d requests, %d failed", report.Scenarios, len(cases), report.Requests, len(failed))
			}
		},
	}
	if c.DB {
		batch.Stores = func() (conform.Stores, error) { return conform.NewFileStores("") }
	}
	err = batch.Run(ctx)
	if shown {
		fmt.Fprint(io.Err, "\r\033[K")
	}
	if err != nil {
		return err
	}
	report.WallSeconds = time.Since(started).Seconds()
	interruption := interrupted(ctx)
	if interruption != nil {
		report.Verdict = verdictInterrupted
	}
	if c.JSON {
		if err := writeJSON(io.Out, &report); err != nil {
			return err
		}
	} else {
		report.print(io.Out, failed, len(cases))
	}
	switch {
	case interruption != nil:
		return interruption.failure()
	case len(failed) > 0:
		return errViolation
	}
	return nil
}

// cases are what was asked for.
func (c *simConformCommand) cases() ([]conform.Case, error) {
	asked := 0
	for _, yes := range []bool{c.File != "", c.Seed != nil, c.Seeds > 0} {
		if yes {
			asked++
		}
	}
	if asked != 1 {
		return nil, usageError("want one of a scenario file, --seed N and --seeds N")
	}
	if c.File != "" {
		text, err := os.ReadFile(c.File)
		if err != nil {
			return nil, usageError(err.Error())
		}
		s, err := scenario.ParseScenario(string(text))
		if err != nil {
			return nil, usageError(c.File + ": " + err.Error())
		}
		return []conform.Case{{Name: c.File, Scenario: s, Again: repro.Program() + " sim conform " + shellWord(c.File)}}, nil
	}
	first, seeds, profiles := c.First, c.Seeds, generate.Profiles()
	if c.Seed != nil {
		first, seeds = *c.Seed, 1
		if len(c.Profile) == 0 {
			c.Profile = []string{"swarm"}
		}
	}
	if len(c.Profile) > 0 {
		profiles = profiles[:0]
		for _, name := range c.Profile {
			p, err := generate.FindProfile(name)
			if err != nil {
				return nil, usageError("--profile: " + err.Error())
			}
			profiles = append(profiles, p)
		}
	}
	var cases []conform.Case
	for seed := first; seed < first+seeds; seed++ {
		for _, p := range profiles {
			cases = append(cases, conform.SeedCase(seed, p))
		}
	}
	return cases, nil
}

// add counts an outcome.
func (r *conformReport) add(o *conform.Outcome) {
	r.Scenarios++
	r.Requests += o.Requests
	r.Steps += o.Steps
	r.Restarts += o.Restarts
	r.Releases += o.Releases
	r.SimSeconds += o.Virtual.Seconds()
	for code, n := range o.Codes {
		r.Answers[code] += n
	}
	if !o.Failed() {
		return
	}
	d := conformDifference{Scenario: o.Name, Again: o.Again}
	if o.Err != nil {
		if r.Verdict == "equal" {
			r.Verdict = "unplayable"
		}
		d.Problem = o.Err.Error()
	} else {
		r.Verdict = "different"
		d.Problem, d.Simulator, d.Server = o.Difference.What, o.Difference.Simulator, o.Difference.Server
		d.SimSeconds, d.TapeStep = o.Difference.Step().At.Seconds(), o.Difference.At
	}
	r.Differences = append(r.Differences, d)
}

// print prints the result: the verdict comes last.
func (r *conformReport) print(w io.Writer, failed []conform.Outcome, asked int) {
	for i := range failed {
		o := &failed[i]
		if o.Err != nil {
			fmt.Fprintf(w, "%s cannot be compared: %v\n", o.Name, o.Err)
		} else {
			fmt.Fprintf(w, "%s: simulator and server differ\n\n%v\n\n", o.Name, o.Difference)
		}
		fmt.Fprintf(w, "again    %s\n\n", repro.Again(o.Again))
	}
	var answers []string
	for status := 100; status < 600; status++ {
		if n := r.Answers[status]; n > 0 {
			answers = append(answers, fmt.Sprintf("%d of %d", n, status))
		}
	}
	fmt.Fprintf(w, "compared %d of %d scenarios, %d requests, %d restarts, %d releases, %d steps\n", r.Scenarios, asked, r.Requests, r.Restarts, r.Releases, r.Steps)
	fmt.Fprintf(w, "answers  %s\n", strings.Join(answers, ", "))
	fmt.Fprintf(w, "time     %v simulated in %v\n", time.Duration(r.SimSeconds*float64(time.Second)).Round(time.Second), time.Duration(r.WallSeconds*float64(time.Second)).Round(time.Millisecond))
	fmt.Fprintf(w, "build    %s\n", r.Build)
	if len(failed) > 0 {
		fmt.Fprintf(w, "DIFFERENT (%d of %d)\n", len(failed), r.Scenarios)
	}
	switch r.Verdict {
	case verdictInterrupted:
		fmt.Fprintf(w, "INTERRUPTED after %d of %d scenarios\n", r.Scenarios, asked)
	case "equal":
		fmt.Fprintf(w, "EQUAL    (%d)\n", r.Scenarios)
	}
}
