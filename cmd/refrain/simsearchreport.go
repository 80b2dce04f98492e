package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/refrain-fleet/refrain/sim/check"
	"github.com/refrain-fleet/refrain/sim/repro"
	"github.com/refrain-fleet/refrain/sim/search"
)

// searchOutcome is everything that a search has found.
type searchOutcome struct {
	search.Summary
	// asked is how many runs were asked for; 0 if there was no end but --for.
	asked uint64
	// repeated is how many runs were repeated in a second process.
	repeated    int
	differences []simDifference
	// unseen are the probes that were not hit, the least likely absence first.
	unseen []search.Absence
	// failing says that one of them is a finding.
	failing bool
	// shrunk are the findings that were shrunk, by their places.
	shrunk      map[int]*shrinkReport
	interrupted *interruption
}

// judgeProbes lists the probes that were not hit. One is a finding if the runs
// were so many that it ought to have been, or if all are required.
func (o *searchOutcome) judgeProbes(probes []search.Probe, required bool) {
	for _, p := range probes {
		if !p.Hit(&o.Effects) {
			a := p.Absence(o.Made)
			a.Telling = a.Telling || required
			o.unseen = append(o.unseen, a)
			o.failing = o.failing || a.Telling
		}
	}
	slices.SortStableFunc(o.unseen, func(a, b search.Absence) int { return cmp.Compare(a.Chance, b.Chance) })
}

// The verdicts of a run and of a search; those of a run that ended are
// check.Verdict.Word. verdictPassed goes with exit code 0, and so does
// check.WordStopped, of a run with --until; verdictInterrupted goes with 130 and
// 143.
const (
	verdictPassed      = check.WordPassed
	verdictViolation   = check.WordViolation
	verdictUnended     = "unended"     // a run did not end within its limit
	verdictFailed      = "failed"      // what a seed drew is no scenario
	verdictDiffers     = "differs"     // a second process came to something else
	verdictUnseen      = "unseen"      // a probe that ought to have been hit was not
	verdictInterrupted = "interrupted" // by a signal
)

func (o *searchOutcome) verdict() string {
	switch {
	case o.interrupted != nil:
		return verdictInterrupted
	case len(o.differences) > 0:
		return verdictDiffers
	case len(o.Findings) > 0:
		return findingVerdict(&o.Findings[0])
	case o.failing:
		return verdictUnseen
	}
	return verdictPassed
}

func findingVerdict(f *search.Finding) string {
	_, unended := errors.AsType[*search.UnendedError](f.Err)
	switch {
	case unended:
		return verdictUnended
	case f.Err != nil:
		return verdictFailed
	}
	return verdictViolation
}

// simFinding is a run that broke a rule, or one that was under way.
type simFinding struct {
	Seed      uint64        `json:"seed"`
	Profile   string        `json:"profile"`
	Verdict   string        `json:"verdict"`
	Violation *simViolation `json:"violation,omitempty"`
	Error     string        `json:"error,omitempty"`
	Unended   *simUnended   `json:"unended,omitempty"`
	Again     string        `json:"again"`
}

// simUnended is a run that did not end.
type simUnended struct {
	LimitSeconds float64  `json:"limit_seconds"` // 0 if a signal ended it
	LastSteps    []string `json:"last_steps"`
	Stacks       string   `json:"stacks"`
}

// simUnseen is a probe that was not hit.
type simUnseen struct {
	Probe  string  `json:"probe"`
	OneIn  float64 `json:"one_in,omitempty"` // runs, usually, one shows it
	Chance float64 `json:"chance"`           // that a search of this size misses it
	Fails  bool    `json:"fails"`
}

func reportFindings(list []search.Finding, wire bool) []simFinding {
	var reports []simFinding
	for i := range list {
		f := &list[i]
		r := simFinding{Seed: f.Seed, Profile: f.Profile, Verdict: findingVerdict(f), Again: findingAgain(f, wire)}
		if f.Err != nil {
			r.Error = f.Err.Error()
			r.Unended = reportUnended(f.Err)
		} else {
			r.Violation = reportViolation(f.Result.Violation)
		}
		reports = append(reports, r)
	}
	return reports
}

// reportUnended describes a run that did not end; nil for any other error.
func reportUnended(err error) *simUnended {
	unended, is := errors.AsType[*search.UnendedError](err)
	if !is {
		return nil
	}
	r := &simUnended{LimitSeconds: unended.Limit.Seconds(), Stacks: unended.Stacks, LastSteps: []string{}}
	for _, step := range unended.Last {
		r.LastSteps = append(r.LastSteps, step.String())
	}
	return r
}

// findingAgain is the command that repeats a run that a search made. Of one that
// did not end it shows the last steps.
func findingAgain(f *search.Finding, wire bool) string {
	return repro.RunSeed(f.Seed, f.Profile) + wireFlag(wire) + traceFlags(f.Err)
}

// traceFlags trace a run that did not end, from the last steps on.
func traceFlags(err error) string {
	if unended, is := errors.AsType[*search.UnendedError](err); is && len(unended.Last) > 0 {
		return fmt.Sprintf(" --trace - --trace-from %d", unended.Last[0].Step)
	}
	return ""
}

// report is the result as JSON.
func (o *searchOutcome) report(c *simSearchCommand) *simReport {
	r := &simReport{
		Verdict: o.verdict(), Runs: o.Runs, Asked: o.asked, Seed: c.First, Profile: strings.Join(c.Profile, ","),
		Events: o.Events, SimSeconds: o.Simulated.Seconds(), WallSeconds: o.Wall.Seconds(),
		Findings: reportFindings(o.Findings, c.Wire), UnderWay: reportFindings(o.UnderWay, c.Wire),
		Repeated: o.repeated, Differences: o.differences, Again: c.again(),
	}
	r.rates()
	r.effects(&o.Effects)
	if o.interrupted != nil {
		r.Signal = o.interrupted.name()
	}
	for _, a := range o.unseen {
		u := simUnseen{Probe: a.Probe.Name, Chance: a.Chance, Fails: a.Telling}
		if !math.IsInf(a.OneIn, 1) { // JSON has no word for it
			u.OneIn = a.OneIn
		}
		r.NeverHit = append(r.NeverHit, u)
	}
	if len(r.Findings) > 0 {
		f := &r.Findings[0]
		r.Seed, r.Profile, r.Violation, r.Again = f.Seed, f.Profile, f.Violation, f.Again
	}
	r.Shrunk = slices.SortedFunc(maps.Values(o.shrunk), func(a, b *shrinkReport) int { return strings.Compare(a.File, b.File) })
	return r
}

// print prints the result of a search: the verdict comes last.
func (o *searchOutcome) print(w io.Writer, c *simSearchCommand, r *simReport) {
	of := ""
	if o.Runs < o.asked {
		of = fmt.Sprintf(" of %d", o.asked)
	}
	fmt.Fprintf(w, "runs     %d%s, %.0f/h\n", o.Runs, of, float64(o.Runs)/o.Wall.Hours())
	fmt.Fprintf(w, "time     %v simulated in %v, %.0f times as fast\n", roughly(o.Simulated), o.Wall.Round(time.Millisecond), r.Ratio)
	fmt.Fprintf(w, "events   %d, %.0f/s on %d processors\n", o.Events, r.EventsPerSecond, runtime.GOMAXPROCS(0))
	fmt.Fprintf(w, "repeated %d runs in a second process, %d differ\n", o.repeated, len(o.differences))
	fmt.Fprintf(w, "build    %s\n", r.Build)
	o.printUnseen(w, c)
	switch r.Verdict {
	case verdictPassed:
		fmt.Fprintf(w, "PASSED   (%d)\n", o.Runs)
	case verdictInterrupted:
		fmt.Fprintf(w, "INTERRUPTED by %s after %d%s runs\n", o.interrupted.name(), o.Runs, of)
		fmt.Fprintf(w, "again    %s\n", repro.Again(c.again()))
	}
	for i := range o.UnderWay {
		f := &o.UnderWay[i]
		fmt.Fprintf(w, "UNDERWAY seed %d of profile %s: %v\n", f.Seed, f.Profile, f.Err)
		printUnended(w, f.Err)
		fmt.Fprintf(w, "again    %s\n", repro.Again(findingAgain(f, c.Wire)))
	}
	for _, d := range o.differences {
		d.print(w)
	}
	printFindings(w, o.Findings, o.shrunk, c.Wire)
}

// notedProbes is how many probes are named that were not hit and need not be.
const notedProbes = 3

// printUnseen prints the probes that were not hit.
func (o *searchOutcome) printUnseen(w io.Writer, c *simSearchCommand) {
	noted := 0
	for _, a := range o.unseen {
		switch {
		case a.Telling:
			fmt.Fprintf(w, "NEVER    %v\n", a)
		case noted < notedProbes:
			fmt.Fprintf(w, "note     not seen: %v\n", a)
			noted++
		default:
			noted++
		}
	}
	if noted > notedProbes {
		fmt.Fprintf(w, "note     %d more probes were not seen, which are too rare for so few runs to mean anything; --json lists them\n", noted-notedProbes)
	}
	if o.failing {
		fmt.Fprintf(w, "again    %s\n", repro.Again(c.again()))
	}
}

// roughly rounds a duration to seconds, a long one to hours.
func roughly(d time.Duration) time.Duration {
	if d > 100*time.Hour {
		return d.Round(time.Hour)
	}
	return d.Round(time.Second)
}
