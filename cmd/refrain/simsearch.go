package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"runtime"
	"slices"
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
	Seeds   uint64        `placeholder:"N" help:"How many seeds are run, each in every profile."`
	For     time.Duration `placeholder:"DUR" help:"How long to search, in place of --seeds."`
	First   uint64        `default:"1" placeholder:"SEED" help:"The first seed (${default})."`
	Profile []string      `placeholder:"NAME" help:"The profiles: ${profiles}. Default: all."`
	Workers workerCount   `placeholder:"K" help:"How many run at a time. Default: one per processor."`
	GoOn    bool          `help:"Continue after a violation."`
	Wire    bool          `help:"Encode and decode every document on its way, strictly."`
	Sample  int           `default:"8" placeholder:"N" help:"How many runs are repeated in a second process and compared (${default})."`
	Shrink  bool          `default:"true" negatable:"" help:"Shrink what was found and write it to a file: one scenario for every kind of violation (the default)."`
	Out     string        `default:"var" placeholder:"DIR" help:"The directory of these files (${default})."`
	JSON    bool          `name:"json" help:"Print one JSON object and nothing else."`
}

// Run implements the command.
func (c *simSearchCommand) Run(ctx context.Context, io stdio) error {
	profiles, err := c.profiles()
	if err != nil {
		return err
	}
	if c.For < 0 {
		return usageError(fmt.Sprintf("--for is %v; want more than 0s", c.For))
	}
	if c.Seeds == 0 && c.For == 0 {
		return usageError("want --seeds N or --for DUR")
	}
	searching := ctx
	if c.For > 0 {
		var stop context.CancelFunc
		searching, stop = context.WithTimeout(ctx, c.For)
		defer stop()
	}
	progress := &searchProgress{started: time.Now(), to: io.Err, total: c.Seeds * uint64(len(profiles)), probes: search.Probes(profiles), shown: isTerminal(io.Err)}
	var sample []search.Finding
	summary := search.Search{
		Profiles: profiles, First: c.First, Seeds: c.Seeds, Workers: int(c.Workers), GoOn: c.GoOn,
		Options: sim.Options{Wire: c.Wire},
		Each: func(f search.Finding) {
			if len(sample) < c.Sample && !f.Failed() {
				sample = append(sample, f)
			}
			progress.add(&f)
		},
	}.Run(searching)
	progress.clear()

	differing, err := c.compare(sample)
	if err != nil {
		return err
	}
	report := &simReport{Runs: summary.Runs, Seed: c.First, Profile: strings.Join(c.Profile, ","),
		Events: summary.Events, SimSeconds: summary.Simulated.Seconds(), WallSeconds: summary.Wall.Seconds()}
	report.judge(nil)
	report.rates()
	report.effects(&summary.Effects)
	for _, p := range progress.probes {
		if !p.Hit(&summary.Effects) && (len(summary.Findings) == 0 || c.GoOn) { // a search that stopped early has not counted everything
			report.NeverHit = append(report.NeverHit, p.Name)
		}
	}
	if len(summary.Findings) > 0 {
		f := &summary.Findings[0]
		report.Seed, report.Profile, report.Again = f.Seed, f.Profile, repro.RunSeed(f.Seed, f.Profile)
		report.judge(f.Result.Violation)
	}
	shrunk, unwritten := c.shrinkFindings(ctx, io, summary.Findings)
	if c.JSON {
		report.Shrunk = slices.Collect(maps.Values(shrunk))
		slices.SortFunc(report.Shrunk, func(a, b *shrinkReport) int { return strings.Compare(a.File, b.File) })
		if err := writeJSON(io.Out, report); err != nil {
			return err
		}
	} else {
		c.print(io.Out, report, &summary, shrunk, differing, len(sample))
	}
	if unwritten != nil {
		return unwritten
	}
	if len(summary.Findings) > 0 || len(differing) > 0 || len(report.NeverHit) > 0 {
		return errViolation
	}
	return nil
}

func (c *simSearchCommand) profiles() ([]generate.Profile, error) {
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

// difference is a run with another result in a second process, and the command
// that repeats it.
type difference struct{ what, again string }

// compare repeats a sample in a second process, with another number of
// processors, and returns what differs.
func (c *simSearchCommand) compare(sample []search.Finding) ([]difference, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	var differing []difference
	for i, f := range sample {
		command := exec.Command(self, "sim", "run", "--json", "--seed", strconv.FormatUint(f.Seed, 10), "--profile", f.Profile)
		processors := []int{1, 2, 8}[i%3]
		command.Env = append(os.Environ(), "GOMAXPROCS="+strconv.Itoa(processors))
		out, err := command.Output()
		if err != nil {
			return nil, fmt.Errorf("the second process, %s: %w", repro.RunSeed(f.Seed, f.Profile), err)
		}
		var second simReport
		if err := json.Unmarshal(out, &second); err != nil {
			return nil, fmt.Errorf("the second process, %s: %w", repro.RunSeed(f.Seed, f.Profile), err)
		}
		if first := fmt.Sprintf("%016x", f.Result.Hash); first != second.Hash || f.Result.Events != second.Events {
			differing = append(differing, difference{
				what: fmt.Sprintf("%d events, hash %s; with GOMAXPROCS=%d in a second process %d, %s",
					f.Result.Events, first, processors, second.Events, second.Hash),
				again: repro.RunSeed(f.Seed, f.Profile),
			})
		}
	}
	return differing, nil
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

// print prints the result of a search: the verdict comes last.
func (c *simSearchCommand) print(w io.Writer, r *simReport, s *search.Summary, shrunk map[int]*shrinkReport, differing []difference, sampled int) {
	fmt.Fprintf(w, "runs     %d, %.0f/h\n", s.Runs, float64(s.Runs)/s.Wall.Hours())
	fmt.Fprintf(w, "time     %v simulated in %v, %.0f times as fast\n", roughly(s.Simulated), s.Wall.Round(time.Millisecond), r.Ratio)
	fmt.Fprintf(w, "events   %d, %.0f/s on %d processors\n", s.Events, r.EventsPerSecond, runtime.GOMAXPROCS(0))
	fmt.Fprintf(w, "repeated %d runs in a second process, %d differ\n", sampled, len(differing))
	fmt.Fprintf(w, "build    %s\n", r.Build)
	if len(s.Findings)+len(differing)+len(r.NeverHit) == 0 {
		fmt.Fprintf(w, "PASSED   (%d)\n", s.Runs)
	}
	for _, d := range differing {
		fmt.Fprintf(w, "DIFFERS  %s\n", d.what)
		fmt.Fprintf(w, "again    %s\n", repro.Again(d.again))
	}
	if len(r.NeverHit) > 0 {
		fmt.Fprintf(w, "NEVER    %s\n", strings.Join(r.NeverHit, ", "))
		fmt.Fprintf(w, "again    %s\n", repro.Again(c.again()))
	}
	printFindings(w, s.Findings, shrunk)
}

// roughly rounds a duration to seconds, a long one to hours.
func roughly(d time.Duration) time.Duration {
	if d > 100*time.Hour {
		return d.Round(time.Hour)
	}
	return d.Round(time.Second)
}

// again is the command that repeats the search.
func (c *simSearchCommand) again() string {
	words := []string{"refrain sim search --seeds", strconv.FormatUint(c.Seeds, 10)}
	if c.Seeds == 0 {
		words = []string{"refrain sim search --for", c.For.String()}
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
	if c.Wire {
		words = append(words, "--wire")
	}
	return strings.Join(words, " ")
}
