package world

import (
	"testing"

	"github.com/refrain-fleet/refrain/sim/scenario"
)

// A story in which something waits everywhere.
func TestTheStateHasWhatWaitsAnywhere(t *testing.T) {
	s, err := scenario.ParseScenario("seed 1\nfleet 6\nrollout stable@r1 at=30s target=c1 waves=1m,1m\nat 40s reducer wedge for=25s\nactive 9m\nconverge within=1h\n")
	if err != nil {
		t.Fatal(err)
	}
	s.Faults = append(s.Faults, scenario.Fault{At: 0, Kind: scenario.ReplyDrop, Count: 3, For: 1}, scenario.Fault{At: 20e9, Kind: scenario.AgentCrash, Hosts: scenario.Hosts{First: 3, Last: 3}, For: 5e9}, scenario.Fault{At: 50e9, Kind: scenario.NetDrop, Rate: 500, For: 20e9}, scenario.Fault{At: 40, Kind: scenario.ClockSkew, Hosts: scenario.Hosts{First: 2, Last: 2}, Each: 90e9})
	w := checked(t, s)
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
