package fuzz

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/refrain-fleet/refrain/sim"
)

// scenarioSeeds adds scenarios to start from: one of every profile, and the
// corpus.
func scenarioSeeds(f *testing.F) {
	f.Helper()
	for _, p := range sim.Profiles() {
		f.Add(sim.Generate(1, p).String())
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

// What is read as a scenario is written so that it reads back to the same; what
// is not is refused with a word about it; and nothing panics.
func FuzzScenario(f *testing.F) {
	scenarioSeeds(f)
	f.Fuzz(func(t *testing.T, text string) {
		s, err := sim.ParseScenario(text)
		if err != nil {
			if say := err.Error(); say == "" || strings.ContainsAny(say, "\n\r") || utf8.ValidString(text) && !utf8.ValidString(say) {
				t.Errorf("the refusal says %q", say)
			}
			return
		}
		written := s.String()
		again, err := sim.ParseScenario(written)
		if err != nil {
			t.Fatalf("what was written is refused: %v\n%s", err, written)
		}
		if rewritten := again.String(); rewritten != written {
			t.Fatalf("written differently:\n%s\nthen\n%s", written, rewritten)
		}
		if _, err := sim.New(again, sim.Options{Checkers: []sim.Checker{}}); err != nil && s.Fleet.Hosts <= maxHosts {
			t.Fatalf("it is read, and no world can be made of it: %v\n%s", err, written)
		}
	})
}
