package main

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/refrain-fleet/refrain/sim"
	"github.com/refrain-fleet/refrain/sim/generate"
	"github.com/refrain-fleet/refrain/sim/repro"
	"github.com/refrain-fleet/refrain/sim/scenario"
	"github.com/refrain-fleet/refrain/sim/search"
)

// simSearchCommand runs many seeds.
type simSearchCommand struct {
	Seeds         uint64        `placeholder:"N" help:"How many seeds are run, each in every profile."`
	For           time.Duration `placeholder:"DUR" help:"How long to search at most; alone or with --seeds."`
	First         uint64        `default:"1" placeholder:"SEED" help:"The first seed (${default})."`
	Profile       []string      `placeholder:"NAME" help:"The profiles: ${profiles}. Default: all."`
	Workers       positive      `placeholder:"K" help:"How many run at a time. Default: one per processor."`
	GoOn          bool          `help:"Continue after a violation."`
	Wire          bool          `help:"Encode and decode every document on its way, strictly."`
	Limit         time.Duration `default:"1m" placeholder:"DUR" help:"How long a run may take, in wall time; one that takes longer is a finding. 0 means no limit (${default})."`
	Sample        int           `default:"8" placeholder:"N" help:"How many runs are repeated in a second process and compared (${default})."`
	RequireProbes bool          `help:"Fail if a probe was not hit, however few the runs were."`
	Shrink        bool          `default:"true" negatable:"" help:"Shrink what was found and write it to a file: one scenario for every kind of violation (the default)."`
	Out           string        `default:"var" placeholder:"DIR" help:"The directory of these files (${default})."`
	JSON          bool          `name:"json" help:"Print one JSON object and nothing else."`
}

// planted changes the options of every run of this process; tests plant bugs in
// it.
var planted = func(o sim.Options) sim.Options { return o }

// Run implements the command.
func (c *simSearchCommand) Run(ctx context.Context, io stdio) error {
	profiles, err := c.validate()
	if err != nil {
		return err
	}
	go repro.Build() // may hash the whole binary, and be wanted soon after a signal
	progress := &searchProgress{started: time.Now(), to: io.Err, total: c.Seeds * uint64(len(profiles)), probes: search.Probes(profiles), shown: isTerminal(io.Err)}
	var sample []search.Finding
	found := &searchOutcome{}
	found.Summary = search.Search{
		Profiles: profiles, First: c.First, Seeds: c.Seeds, For: c.For, Limit: c.Limit, Workers: int(c.Workers), GoOn: c.GoOn,
		Options: planted(sim.Options{Wire: c.Wire}),
		Each: func(f search.Finding) {
			if len(sample) < c.Sample && !f.Failed() {
				sample = append(sample, f)
			}
			progress.add(&f)
		},
	}.Run(ctx)
	progress.clear()
	found.asked = progress.total
	second := secondProcess{wire: c.Wire, limit: c.Limit}
	found.repeated, found.differences = second.compare(ctx, sample)
	if found.Runs > 0 && (len(found.Findings) == 0 || c.GoOn) { // a search that stopped early has not counted everything
		found.judgeProbes(progress.probes, c.RequireProbes)
	}
	unwritten := c.shrinkFindings(ctx, io, found)
	found.interrupted = interrupted(ctx)
	report := found.report(c)
	if c.JSON {
		if err := writeJSON(io.Out, report); err != nil {
			return err
		}
	} else {
		found.print(io.Out, c, report)
	}
	switch {
	case unwritten != nil:
		return unwritten
	case found.interrupted != nil:
		return found.interrupted.failure()
	case report.Verdict != verdictPassed:
		return errViolation
	}
	return nil
}

// validate refuses flags that are wrong, and returns the profiles.
func (c *simSearchCommand) validate() ([]generate.Profile, error) {
	switch {
	case c.For < 0:
		return nil, usageError(fmt.Sprintf("--for is %v; want more than 0s", c.For))
	case c.Limit < 0:
		return nil, usageError(fmt.Sprintf("--limit is %v; want more than 0s, or 0 for no limit", c.Limit))
	case c.Sample < 0:
		return nil, usageError(fmt.Sprintf("--sample is %d; want 0 or more", c.Sample))
	case c.Seeds == 0 && c.For == 0:
		return nil, usageError("want --seeds N or --for DUR")
	}
	if len(c.Profile) == 0 {
		return generate.Profiles(), nil
	}
	var list []generate.Profile
	for _, name := range c.Profile {
		p, err := generate.FindProfile(name)
		if err != nil {
			return nil, usageError("--profile: " + err.Error())
		}
		list = append(list, p)
	}
	return list, nil
}

// searchProgress shows the progress of a search on a terminal.
type searchProgress struct {
	to      io.Writer
	shown   bool
	started time.Time
	last    time.Time
	total   uint64
	runs    uint64
	events  uint64
	effects scenario.Effects
	probes  []search.Probe
}

func (p *searchProgress) add(f *search.Finding) {
	p.runs++
	p.events += f.Result.Events
	for i, n := range f.Result.Effects {
		p.effects[i] += n
	}
	if now := time.Now(); p.shown && now.Sub(p.last) > 200*time.Millisecond {
		p.last = now
		hit := 0
		for _, probe := range p.probes {
			if probe.Hit(&p.effects) {
				hit++
			}
		}
		took := now.Sub(p.started).Seconds()
		of := ""
		if p.total > 0 {
			of = fmt.Sprintf(" of %d", p.total)
		}
		fmt.Fprintf(p.to, "\r\033[K%d%s runs, %.0f/s, %.2f M events/s, %d of %d probes hit", p.runs, of,
			float64(p.runs)/took, float64(p.events)/took/1e6, hit, len(p.probes))
	}
}

func (p *searchProgress) clear() {
	if p.shown {
		fmt.Fprint(p.to, "\r\033[K")
	}
}

// again is the command that repeats the search.
func (c *simSearchCommand) again() string {
	words := []string{repro.Program(), "sim", "search"}
	if c.Seeds > 0 {
		words = append(words, "--seeds", strconv.FormatUint(c.Seeds, 10))
	}
	if c.For > 0 {
		words = append(words, "--for", c.For.String())
	}
	if c.First != 1 {
		words = append(words, "--first", strconv.FormatUint(c.First, 10))
	}
	for _, name := range c.Profile {
		words = append(words, "--profile", name)
	}
	if c.GoOn {
		words = append(words, "--go-on")
	}
	if c.RequireProbes {
		words = append(words, "--require-probes")
	}
	return strings.Join(words, " ") + wireFlag(c.Wire)
}

// wireFlag is what an again line of a run in wire fidelity ends with.
func wireFlag(wire bool) string {
	if wire {
		return " --wire"
	}
	return ""
}
