package sim

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/refrain-fleet/refrain/sim/generate"
	"github.com/refrain-fleet/refrain/sim/scenario"
	"pgregory.net/rapid"
)

func dumpAt(t *testing.T, s scenario.Scenario, step uint64) (string, worldDump) {
	t.Helper()
	text, err := DumpState(s, Options{}, step)
	if err != nil {
		t.Fatal(err)
	}
	var d worldDump
	if err := json.Unmarshal(text, &d); err != nil {
		t.Fatal(err)
	}
	return string(text), d
}

func TestTheStateAtAStepIsTheSameInEveryRun(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := rapid.SampledFrom(generate.Profiles()).Draw(t, "profile")
		s := generate.Scenario(rapid.Uint64Range(1, 50).Draw(t, "seed"), p)
		step := rapid.Uint64Range(0, 400).Draw(t, "step")
		once, err := DumpState(s, Options{}, step)
		if err != nil {
			t.Skip(err) // the run is shorter
		}
		again, err := DumpState(s, Options{Wire: true, Checkers: []Checker{}}, step)
		if err != nil || !bytes.Equal(once, again) {
			t.Fatalf("%v\n%s\n%s", err, once, again)
		}
		if !json.Valid(once) || bytes.Count(once, []byte("\n")) < 50 {
			t.Fatalf("it is no indented JSON: %s", once)
		}
	})
}

// A story in which something waits everywhere.
func TestTheStateHasWhatWaitsAnywhere(t *testing.T) {
	s := wedgedStory()
	s.Faults = append(s.Faults, scenario.Fault{At: 0, Kind: scenario.ReplyDrop, Count: 3, For: 1}, scenario.Fault{At: 20e9, Kind: scenario.AgentCrash, Hosts: scenario.Hosts{First: 3, Last: 3}, For: 5e9}, scenario.Fault{At: 50e9, Kind: scenario.NetDrop, Rate: 500, For: 20e9}, scenario.Fault{At: 40, Kind: scenario.ClockSkew, Hosts: scenario.Hosts{First: 2, Last: 2}, Each: 90e9})
	s.Faults[0].For = 25e9
	w, err := New(s, Options{})
	if err != nil {
		t.Fatal(err)
	}
	seen := make(map[string]bool)
	for w.Next() {
		d := w.dump()
		if d.Step != w.step || d.At != w.now.String() || d.Plane.Gate.Depth != w.plane.front.Gate().Depth() || len(d.Plane.Disk) != len(w.plane.log) {
			t.Fatalf("step %d: %+v", w.step, d)
		}
		if waiting := len(d.Plane.Gate.Waiting); waiting > d.Plane.Gate.Depth {
			t.Errorf("step %d: %d wait of %d inside", w.step, waiting, d.Plane.Gate.Depth)
		}
		for _, m := range d.Plane.Gate.Waiting {
			seen["waiting in the gate"] = true
			if m.Deadline == "" || m.Answer != "" {
				t.Errorf("step %d: %+v waits", w.step, m)
			}
		}
		for _, f := range d.Network {
			seen[f.What] = true
			if f.What == "answer" && f.Message.Answer == "" {
				t.Errorf("step %d: an answer without one: %+v", w.step, f)
			}
		}
		for _, p := range d.Planned {
			seen["planned"] = true
			seen["stale"] = seen["stale"] || p.Stale
			seen["due"] = seen["due"] || !p.Stale
		}
		for _, m := range d.Plane.Loop.Batch {
			seen["stepped"] = seen["stepped"] || m.Stepped
			seen["not stepped"] = seen["not stepped"] || !m.Stepped
			if m.Stepped && d.Plane.Loop.Wedged {
				t.Errorf("step %d: a wedged reducer has stepped %+v", w.step, m)
			}
		}
		seen["record"] = seen["record"] || len(d.Plane.State["record"]) == 6
		seen["entries of a host"] = seen["entries of a host"] || len(d.Hosts[0].Disk) > 3 && len(d.Hosts[0].Agent["event"]) > 1
		seen["switch"] = seen["switch"] || d.Hosts[1].Switching != nil && d.Hosts[1].Switching.Closure == "c1"
		seen["wedged"] = seen["wedged"] || d.Plane.Loop.Wedged && len(d.Plane.Loop.Batch) > 0
		seen["fault"] = seen["fault"] || len(d.Faults) == 3 && d.Faults[0].Fault == "at 40s reducer wedge for=25s"
		seen["polls"] = seen["polls"] || len(d.Plane.Polls) > 1
		seen["committing"] = seen["committing"] || d.Plane.Loop.Committing && len(d.Plane.Loop.Uncommitted) > 0
		seen["clock"] = seen["clock"] || w.now > 40 && d.Hosts[1].Wall == w.wallAt(90e9).String() && d.Hosts[0].Wall == w.wallAt(0).String()
		seen["operator"] = seen["operator"] || len(d.Operator) == 1
	}
	for _, what := range []string{
		"waiting in the gate", "request", "answer", "no answer", "planned", "stale", "due", "stepped", "not stepped", "record", "entries of a host", "switch", "wedged", "fault", "polls",
		"committing", "clock", "operator",
	} {
		if !seen[what] {
			t.Errorf("never seen: %s", what)
		}
	}
}

func TestTheStateOfAStepThatNeverComesIsAnError(t *testing.T) {
	_, last := dumpAt(t, quietStory(), 0)
	if last.Step != 0 || last.At != "0s" || len(last.Hosts) != 3 {
		t.Errorf("before the first step it is %+v", last)
	}
	if _, err := DumpState(quietStory(), Options{}, 1_000_000); err == nil || !strings.HasPrefix(err.Error(), "the run ends at step ") {
		t.Errorf("the error is %v", err)
	}
	if _, err := DumpState(scenario.Scenario{}, Options{}, 1); err == nil || !strings.Contains(err.Error(), "fleet: hosts is 0") {
		t.Errorf("the error is %v", err)
	}
}
