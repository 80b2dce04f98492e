package sim

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/refrain-fleet/refrain/sim/check"
	"github.com/refrain-fleet/refrain/sim/generate"
	"github.com/refrain-fleet/refrain/sim/sabotage"
	"github.com/refrain-fleet/refrain/sim/scenario"
	"pgregory.net/rapid"
)

func TestTheStateAtAStepIsTheSameInEveryRun(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := rapid.SampledFrom(generate.Profiles()).Draw(t, "profile")
		s := generate.Scenario(rapid.Uint64Range(1, 50).Draw(t, "seed"), p)
		step := rapid.Uint64Range(0, 400).Draw(t, "step")
		once, err := DumpState(s, Options{}, step)
		if err != nil {
			t.Skip(err) // the run is shorter
		}
		again, err := DumpState(s, Options{Wire: true, Checkers: []check.Checker{}}, step)
		if err != nil || !bytes.Equal(once, again) {
			t.Fatalf("%v\n%s\n%s", err, once, again)
		}
		if !json.Valid(once) || bytes.Count(once, []byte("\n")) < 50 {
			t.Fatalf("it is no indented JSON: %s", once)
		}
	})
}

func TestTheStateOfAStepThatNeverComesIsAnError(t *testing.T) {
	text, err := DumpState(sabotage.QuietStory(), Options{}, 0)
	if err != nil {
		t.Fatal(err)
	}
	var d struct {
		Step  uint64
		At    string
		Hosts []struct{}
	}
	if err := json.Unmarshal(text, &d); err != nil || d.Step != 0 || d.At != "0s" || len(d.Hosts) != 3 {
		t.Errorf("before the first step it is %+v, %v", d, err)
	}
	if _, err := DumpState(sabotage.QuietStory(), Options{}, 1_000_000); err == nil || !strings.HasPrefix(err.Error(), "the run ends at step ") {
		t.Errorf("the error is %v", err)
	}
	if _, err := DumpState(scenario.Scenario{}, Options{}, 1); err == nil || !strings.Contains(err.Error(), "fleet: hosts is 0") {
		t.Errorf("the error is %v", err)
	}
}
