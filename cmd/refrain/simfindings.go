package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/refrain-fleet/refrain/sim"
	"github.com/refrain-fleet/refrain/sim/repro"
	"github.com/refrain-fleet/refrain/sim/search"
)

// shrinkFindings shrinks the first finding of every kind, and returns the
// results by their places. The error is that of the first file that cannot be
// written.
func (c *simSearchCommand) shrinkFindings(ctx context.Context, io stdio, findings []search.Finding) (map[int]*shrinkReport, error) {
	shrunk := make(map[int]*shrinkReport)
	if !c.Shrink || len(findings) == 0 {
		return shrunk, nil
	}
	if err := os.MkdirAll(c.Out, 0o755); err != nil {
		return shrunk, outputError("--out", err)
	}
	var failed error
	seen := make(map[string]bool)
	for i := range findings {
		f := &findings[i]
		if f.Err != nil || seen[search.Kind(f.Result.Violation)] {
			continue
		}
		seen[search.Kind(f.Result.Violation)] = true
		file := filepath.Join(c.Out, fmt.Sprintf("%s-%s-%d.scenario", strings.ToLower(f.Result.Violation.Checker), f.Profile, f.Seed))
		shrink := search.Shrink{Workers: int(c.Workers), Options: sim.Options{Wire: c.Wire}}
		r, err := runShrink(ctx, io, shrink, f.Scenario, seedOrigin(f.Seed, f.Profile).from(), "--out", file)
		if err != nil {
			failed = cmp.Or(failed, err)
			continue
		}
		shrunk[i] = r
	}
	return shrunk, failed
}

// printFindings prints what was found, and what it was shrunk to.
func printFindings(w io.Writer, findings []search.Finding, shrunk map[int]*shrinkReport) {
	for i := range findings {
		f := &findings[i]
		if f.Err != nil {
			fmt.Fprintf(w, "FAILED   %v\n", f.Err)
		} else {
			fmt.Fprintf(w, "VIOLATED %v\n", f.Result.Violation)
		}
		fmt.Fprintf(w, "again    %s\n", repro.Again(repro.RunSeed(f.Seed, f.Profile)))
		if r := shrunk[i]; r != nil {
			r.printSize(w)
			fmt.Fprintf(w, "written  %s\n", r.File)
			fmt.Fprintf(w, "again    %s\n", r.Again)
		}
	}
}
