package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/refrain-fleet/refrain/sim"
	"github.com/refrain-fleet/refrain/sim/repro"
	"github.com/refrain-fleet/refrain/sim/search"
)

// shrinkFindings shrinks the first finding of every kind. The error is that of
// the first file that cannot be written.
func (c *simSearchCommand) shrinkFindings(ctx context.Context, io stdio, found *searchOutcome) error {
	found.shrunk = make(map[int]*shrinkReport)
	if !c.Shrink || len(found.Findings) == 0 {
		return nil
	}
	if err := os.MkdirAll(c.Out, 0o755); err != nil {
		return outputError("--out", err)
	}
	var failed error
	seen := make(map[string]bool)
	for i := range found.Findings {
		f := &found.Findings[i]
		if f.Err != nil || ctx.Err() != nil || seen[search.Kind(f.Result.Violation)] {
			continue
		}
		seen[search.Kind(f.Result.Violation)] = true
		file := filepath.Join(c.Out, fmt.Sprintf("%s-%s-%d.scenario", strings.ToLower(f.Result.Violation.Checker), f.Profile, f.Seed))
		shrink := search.Shrink{Workers: int(c.Workers), Limit: c.Limit, Options: planted(sim.Options{Wire: c.Wire})}
		r, err := runShrink(ctx, io, shrink, f.Scenario, seedOrigin(f.Seed, f.Profile).from(), "--out", file)
		if err != nil {
			failed = cmp.Or(failed, err)
			continue
		}
		found.shrunk[i] = r
	}
	return failed
}

// printFindings prints what was found, and what it was shrunk to.
func printFindings(w io.Writer, findings []search.Finding, shrunk map[int]*shrinkReport, wire bool) {
	for i := range findings {
		f := &findings[i]
		switch findingVerdict(f) {
		case verdictUnended:
			fmt.Fprintf(w, "UNENDED  seed %d of profile %s: %v\n", f.Seed, f.Profile, f.Err)
			printUnended(w, f.Err)
		case verdictFailed:
			fmt.Fprintf(w, "FAILED   %v\n", f.Err)
		default:
			fmt.Fprintf(w, "VIOLATED %v\n", f.Result.Violation)
		}
		fmt.Fprintf(w, "again    %s\n", repro.Again(findingAgain(f, wire)))
		if r := shrunk[i]; r != nil {
			r.printSize(w)
			fmt.Fprintf(w, "written  %s\n", r.File)
			fmt.Fprintf(w, "again    %s\n", r.Again)
		}
	}
}

// printUnended prints the last steps and the stacks of a run that did not end.
func printUnended(w io.Writer, err error) {
	unended, is := errors.AsType[*search.UnendedError](err)
	if !is {
		return
	}
	fmt.Fprintf(w, "the last steps that it began:\n")
	for _, step := range unended.Last {
		fmt.Fprintf(w, "%s\n", step)
	}
	fmt.Fprintf(w, "the goroutines that run worlds:\n%s\n", unended.Stacks)
}
