package picture

import (
	"bytes"
	"encoding/json"
	"fmt"
	"testing"
)

// The shape that Perfetto and chrome://tracing read: every event has a phase, a
// process and a time; complete slices have a duration; asynchronous slices
// begin and end in pairs, one inside the other; counters are numbers.
func TestATraceHasTheShapeOfTheFormat(t *testing.T) {
	run := recorded(t, scenarioText)
	var b bytes.Buffer
	if err := WritePerfetto(&b, run); err != nil {
		t.Fatal(err)
	}
	var trace struct {
		DisplayTimeUnit string            `json:"displayTimeUnit"`
		OtherData       map[string]string `json:"otherData"`
		TraceEvents     []struct {
			Name, Cat, Ph, ID, S string
			Ts                   *float64
			Dur                  *float64
			Pid                  int
			Tid                  int
			Args                 map[string]any
		} `json:"traceEvents"`
	}
	if err := json.Unmarshal(b.Bytes(), &trace); err != nil {
		t.Fatal(err)
	}
	if trace.DisplayTimeUnit != "ms" || trace.OtherData["verdict"] != "violation" || trace.OtherData["seed"] != "5" {
		t.Errorf("unit %q, other data %v", trace.DisplayTimeUnit, trace.OtherData)
	}
	named, open := map[int]string{}, map[string][]string{}
	phases, lastSlice, lastCount := map[string]int{}, map[[2]int]float64{}, map[string]float64{}
	for i, e := range trace.TraceEvents {
		phases[e.Ph]++
		if e.Name == "" || e.Pid == 0 || e.Ts == nil || *e.Ts < 0 {
			t.Fatalf("event %d lacks a name, a process or a time: %+v", i, e)
		}
		async := fmt.Sprint(e.Pid, e.Cat, e.ID)
		switch e.Ph {
		case "M":
			if e.Name == "process_name" {
				named[e.Pid] = e.Args["name"].(string)
			}
		case "X":
			lane := [2]int{e.Pid, e.Tid}
			if e.Dur == nil || *e.Dur < 0 || *e.Ts+0.0005 < lastSlice[lane] {
				t.Errorf("event %d: a slice overlaps the one before it in its lane, or has no length: %+v", i, e)
			} else {
				lastSlice[lane] = *e.Ts + *e.Dur
			}
		case "b":
			open[async] = append(open[async], e.Name)
		case "n":
			if len(open[async]) == 0 {
				t.Errorf("event %d is inside nothing: %+v", i, e)
			}
		case "e":
			if n := len(open[async]); n == 0 || open[async][n-1] != e.Name {
				t.Errorf("event %d ends %q, open is %v", i, e.Name, open[async])
			} else {
				open[async] = open[async][:n-1]
			}
		case "C":
			for key, v := range e.Args {
				if _, number := v.(float64); !number {
					t.Errorf("event %d counts %s as %v", i, key, v)
				}
			}
			if *e.Ts < lastCount[e.Name] {
				t.Errorf("event %d: the counter %s goes back in time", i, e.Name)
			}
			lastCount[e.Name] = *e.Ts
		case "i":
			if e.S != "g" {
				t.Errorf("event %d has scope %q", i, e.S)
			}
		default:
			t.Errorf("event %d has phase %q", i, e.Ph)
		}
		if e.Ph != "M" && named[e.Pid] == "" {
			t.Errorf("event %d is of process %d, which has no name yet", i, e.Pid)
		}
	}
	for id, names := range open {
		if len(names) > 0 {
			t.Errorf("%s never ends: %v", id, names)
		}
	}
	for _, phase := range []string{"M", "X", "b", "n", "e", "C", "i"} {
		if phases[phase] == 0 {
			t.Errorf("no event has phase %s", phase)
		}
	}
	for pid, want := range map[int]string{pidScenario: "scenario", pidPlane: "plane", pidHosts + 1: "h1", pidHosts + 4: "h4"} {
		if named[pid] != want {
			t.Errorf("process %d is %q, want %q", pid, named[pid], want)
		}
	}
}
