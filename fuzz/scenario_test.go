package fuzz

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/refrain-fleet/refrain/sim"
	"github.com/refrain-fleet/refrain/sim/check"
	"github.com/refrain-fleet/refrain/sim/generate"
	"github.com/refrain-fleet/refrain/sim/scenario"
)

// scenarioSeeds adds scenarios to start from: one of every profile, and the
// corpus.
func scenarioSeeds(f *testing.F) {
	f.Helper()
	for _, p := range generate.Profiles() {
		f.Add(generate.Scenario(1, p).String())
	}
	files, err := filepath.Glob("../scenarios/testdata/*.scenario")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(text))
	}
}

// What is read as a scenario is written so that it reads back to the same, in
// the printed form and in the form of a file that people keep; what is not is
// refused with the places where it is wrong; and nothing panics.
func FuzzScenario(f *testing.F) {
	scenarioSeeds(f)
	f.Fuzz(func(t *testing.T, text string) {
		file, err := scenario.ParseFile("", text)
		if err != nil {
			checkPlaces(t, text, err)
			return
		}
		s := file.Scenario
		written := s.String()
		again, err := scenario.ParseScenario(written)
		if err != nil {
			t.Fatalf("what was written is refused: %v\n%s", err, written)
		}
		if rewritten := again.String(); rewritten != written {
			t.Fatalf("written differently:\n%s\nthen\n%s", written, rewritten)
		}
		formatted := file.String()
		kept, err := scenario.ParseFile("", formatted)
		if err != nil {
			t.Fatalf("the file's own form is refused: %v\n%s", err, formatted)
		}
		if !reflect.DeepEqual(kept.Scenario, s) {
			t.Fatalf("the file's own form says something else:\n%s\n%s", formatted, text)
		}
		if reformatted := kept.String(); reformatted != formatted {
			t.Fatalf("formatted differently:\n%s\nthen\n%s", formatted, reformatted)
		}
		if s.Fleet.Hosts > maxHosts {
			return // a million hosts are read in no time, and made in some
		}
		if _, err := sim.New(again, sim.Options{Checkers: []check.Checker{}}); err != nil {
			t.Fatalf("it is read, and no world can be made of it: %v\n%s", err, written)
		}
	})
}

// checkPlaces verifies that a refusal names places that the text has, each line
// once, and says something of each.
func checkPlaces(t *testing.T, text string, err error) {
	t.Helper()
	var wrong scenario.SyntaxErrors
	if !errors.As(err, &wrong) || len(wrong) == 0 {
		t.Fatalf("the refusal is no list of places: %T %v", err, err)
	}
	lines := slices.Collect(strings.Lines(text))
	last := 0
	for _, e := range wrong {
		switch {
		case e.Line < 1 || e.Line > max(1, len(lines)):
			t.Errorf("line %d of %d: %s", e.Line, len(lines), e.Problem)
		case e.Column < 1 || len(lines) > 0 && e.Column > utf8.RuneCountInString(lines[e.Line-1])+1:
			t.Errorf("line %d, column %d: %s", e.Line, e.Column, e.Problem)
		case e.Problem == "" || strings.ContainsAny(e.Problem, "\n\r") || utf8.ValidString(text) && !utf8.ValidString(e.Problem):
			t.Errorf("line %d, column %d: the problem is told as %q", e.Line, e.Column, e.Problem)
		case e.Line <= last:
			t.Errorf("line %d is told after line %d: %v", e.Line, last, err)
		}
		last = e.Line
	}
}
