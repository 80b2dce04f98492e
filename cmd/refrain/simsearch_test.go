package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/refrain-fleet/refrain/sim"
	"github.com/refrain-fleet/refrain/sim/scenario"
	"github.com/refrain-fleet/refrain/sim/search"
)

// impatientFinding is what a search would find if it gave fleets no time.
func impatientFinding(t *testing.T, seed uint64) search.Finding {
	t.Helper()
	f := search.Finding{Seed: seed, Profile: "smoke", Scenario: scenario.Scenario{
		Seed: seed, Fleet: scenario.Fleet{Hosts: 3}, Active: 2 * time.Minute, Converge: time.Minute,
		Rollouts: []scenario.Rollout{{ID: "stable@r1", Target: "c1"}},
		Faults:   []scenario.Fault{{At: time.Minute, Kind: scenario.PlaneCrash, For: 3 * time.Second}},
	}}
	var err error
	if f.Result, err = sim.Run(f.Scenario, sim.Options{}); err != nil || f.Result.Violation == nil {
		t.Fatalf("%v, %v", f.Result.Violation, err)
	}
	return f
}

func TestASearchWritesWhatItFindsAsSmallScenarios(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new")
	findings := []search.Finding{impatientFinding(t, 7), impatientFinding(t, 8), {Seed: 9, Profile: "smoke", Err: os.ErrInvalid}}
	command := simSearchCommand{Shrink: true, Out: dir}
	found := &searchOutcome{Summary: search.Summary{Findings: findings}}
	if err := command.shrinkFindings(t.Context(), stdio{Out: t.Output(), Err: t.Output()}, found); err != nil {
		t.Fatal(err)
	}
	shrunk := found.shrunk
	if len(shrunk) != 1 || shrunk[0] == nil {
		t.Fatalf("%d are shrunk, want the first of the two that are alike", len(shrunk))
	}
	file := filepath.Join(dir, "l1-smoke-7.scenario")
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	s, err := scenario.ParseScenario(string(text))
	if err != nil {
		t.Fatal(err)
	}
	result, err := sim.Run(s, sim.Options{})
	if err != nil || result.Violation == nil || search.Kind(result.Violation) != search.Kind(findings[0].Result.Violation) {
		t.Errorf("the file runs to %v, %v; want %v", result.Violation, err, findings[0].Result.Violation)
	}
	if len(s.Faults) > 0 || s.Fleet.Hosts != 1 {
		t.Errorf("it is not small:\n%s", text)
	}

	var out bytes.Buffer
	printFindings(&out, findings, shrunk, false)
	words := make([]string, 0, 8)
	for line := range strings.Lines(out.String()) {
		words = append(words, strings.Fields(line)[0])
	}
	if got, want := strings.Join(words, " "), "VIOLATED again shrunk written again VIOLATED again FAILED again"; got != want {
		t.Errorf("the lines begin with %s, want %s\n%s", got, want, out.String())
	}
	for _, want := range []string{
		"again    refrain sim run --seed 7 --profile smoke  # build ", "again    refrain sim run " + file + "  # build ", "written  " + file + "\n",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("there is no %q in\n%s", want, out.String())
		}
	}
}

func TestASearchShrinksNothingIfItIsToldSo(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new")
	command := simSearchCommand{Out: dir}
	found := &searchOutcome{Summary: search.Summary{Findings: []search.Finding{impatientFinding(t, 7)}}}
	if err := command.shrinkFindings(t.Context(), stdio{Out: t.Output(), Err: t.Output()}, found); err != nil || len(found.shrunk) > 0 {
		t.Errorf("%d are shrunk, %v", len(found.shrunk), err)
	}
	if _, err := os.Stat(dir); !os.IsNotExist(err) {
		t.Errorf("%s: %v; want none", dir, err)
	}
}

func TestASearchThatCannotWriteSaysWhere(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	command := simSearchCommand{Shrink: true, Out: file}
	found := &searchOutcome{Summary: search.Summary{Findings: []search.Finding{impatientFinding(t, 7)}}}
	err := command.shrinkFindings(t.Context(), stdio{Out: t.Output(), Err: t.Output()}, found)
	if err == nil || !strings.HasPrefix(err.Error(), "--out: ") || !strings.Contains(err.Error(), file) {
		t.Errorf("the error is %v", err)
	}
}

func TestASearchSaysHowItIsMadeAgain(t *testing.T) {
	for _, c := range []struct {
		of   simSearchCommand
		want string
	}{
		{simSearchCommand{Seeds: 30, First: 1}, "refrain sim search --seeds 30"},
		{simSearchCommand{Seeds: 30, For: time.Minute, First: 1, RequireProbes: true}, "refrain sim search --seeds 30 --for 1m0s --require-probes"},
		{simSearchCommand{For: time.Minute, First: 9, Profile: []string{"smoke", "storm"}, GoOn: true, Wire: true},
			"refrain sim search --for 1m0s --first 9 --profile smoke --profile storm --go-on --wire"},
	} {
		if got := c.of.again(); got != c.want {
			t.Errorf("%s, want %s", got, c.want)
		}
	}
}
