package record

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/refrain-fleet/refrain/internal/sample"
	"github.com/refrain-fleet/refrain/sim/check"
	"github.com/refrain-fleet/refrain/sim/generate"
	"github.com/refrain-fleet/refrain/sim/scenario"
	"github.com/refrain-fleet/refrain/sim/world"
)

// jsonTraceOf runs a scenario up to a step and returns its JSON trace from a step
// on.
func jsonTraceOf(t *testing.T, s scenario.Scenario, name string, from, until uint64) (string, check.Verdict) {
	t.Helper()
	return jsonTraceIn(t, s, false, name, from, until)
}

func jsonTraceIn(t *testing.T, s scenario.Scenario, wire bool, name string, from, until uint64) (string, check.Verdict) {
	t.Helper()
	w, err := world.New(s, world.Options{Wire: wire, Rest: check.Rest})
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	trace := JSON(w, &b, from, name)
	c := check.Attach(w, []check.Checker{})
	w.Run(until)
	v := c.Verdict()
	trace.End(&v)
	return b.String(), v
}

func TestJSONTrace_EveryEventKindHasAForm(t *testing.T) {
	for kind := world.EventKind(0); kind < world.EventKindCount; kind++ {
		if form := eventForms[kind]; form.fill == nil || form.about == "" {
			t.Errorf("%v has no form, or its form says nothing about it", kind)
		}
	}
}

// Every kind is emitted somewhere, and its line is a JSON object of the fields
// that every line has.
func TestJSONTrace_EveryEventKindIsSeen(t *testing.T) {
	missing := make(map[string]bool)
	for kind := world.EventKind(0); kind < world.EventKindCount; kind++ {
		missing[kind.String()] = true
	}
	// The rare kinds, and then a few drawn scenarios.
	scenarios := []scenario.Scenario{
		mustParse(t, "fleet 3\nrollout stable@r1 at=5s target=c1\nat 10s disk fail for=1m unreadable=yes\nat 3m plane clock each=-721h\nat 4m compact 1m\n"),
		mustParse(t, "fleet 6\nat 55s reducer wedge for=20s\nat 70s plane restart each=100ms for=5s\n"),
		mustParse(t, "fleet 2 field=1\nat 10s reply drop for=1m\n"),
		mustParse(t, "fleet 1 verify=yes\nrollout stable@1 at=5s target=c1 signed=yes\n"),
	}
	for seed := uint64(1); seed <= 6; seed++ {
		scenarios = append(scenarios, profiled(t, seed, "swarm"))
	}
	for _, s := range scenarios {
		trace, _ := jsonTraceOf(t, s, "", 0, 0)
		lines := strings.Split(strings.TrimSuffix(trace, "\n"), "\n")
		for _, line := range lines[1 : len(lines)-1] {
			var e struct {
				Step *uint64 `json:"step"`
				At   *int64  `json:"at_ns"`
				Kind string  `json:"kind"`
			}
			if err := json.Unmarshal([]byte(line), &e); err != nil || e.Step == nil || e.At == nil || e.Kind == "" {
				t.Fatalf("%v\n%s", err, line)
			}
			delete(missing, e.Kind)
		}
		if len(missing) == 0 {
			return
		}
	}
	t.Errorf("never seen: %v", missing)
}

func TestJSONTrace_TwoRunsGiveEqualBytes(t *testing.T) {
	for _, p := range generate.Profiles() {
		s := generate.Scenario(3, p)
		plain := unobserved(t, s)
		first, result := jsonTraceOf(t, s, "a <b> & c", 0, 0)
		if again, _ := jsonTraceIn(t, s, true, "a <b> & c", 0, 0); again != first {
			t.Errorf("%s: two traces differ", p.Name)
		}
		if result.Hash != plain.Hash {
			t.Errorf("%s: traced, the hash is %016x, want %016x", p.Name, result.Hash, plain.Hash)
		}
		lines := strings.Split(strings.TrimSuffix(first, "\n"), "\n")
		if want := `{"format":"refrain-trace","version":1,"scenario":"a <b> & c","seed":3,"build":"`; !strings.HasPrefix(lines[0], want) {
			t.Errorf("the first line is %s, want it to begin with %s", lines[0], want)
		}
		want := fmt.Sprintf(`{"kind":"result","verdict":"passed","hash":"%016x","steps":%d,"events":%d,`, plain.Hash, plain.Events, len(lines)-2)
		if last := lines[len(lines)-1]; !strings.HasPrefix(last, want) {
			t.Errorf("the last line is %s, want it to begin with %s", last, want)
		}
	}
}

func TestJSONTrace_BeginsAndStopsAtSteps(t *testing.T) {
	s := profiled(t, 3, "smoke")
	whole, _ := jsonTraceOf(t, s, "", 0, 0)
	part, _ := jsonTraceOf(t, s, "", 20, 30)
	var want []string
	for line := range strings.Lines(whole) {
		var e struct {
			Step uint64 `json:"step"`
		}
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Fatal(err)
		}
		if e.Step >= 20 && e.Step <= 30 {
			want = append(want, line)
		}
	}
	lines := strings.SplitAfter(part, "\n")
	if got := lines[1 : len(lines)-2]; !reflect.DeepEqual(got, want) {
		t.Errorf("steps 20 to 30 are\n%s\nwant\n%s", strings.Join(got, ""), strings.Join(want, ""))
	}
	if !strings.Contains(lines[0], `,"from_step":20}`) || !strings.HasPrefix(lines[len(lines)-2], `{"kind":"result","verdict":"stopped",`) {
		t.Errorf("the first line is %s, the last %s", lines[0], lines[len(lines)-2])
	}
}

func TestJSONTrace_ResultOfABrokenRunNamesTheViolation(t *testing.T) {
	trace, result := jsonTraceOf(t, mustParse(t, "seed 1\nfleet 1 activation=5m..5m\nrollout stable@r1 at=30s target=c2\nactive 1m\nconverge within=1m\n"), "", 0, 0)
	if result.Violation == nil {
		t.Fatal("nothing is violated")
	}
	lines := strings.Split(strings.TrimSuffix(trace, "\n"), "\n")
	var last struct {
		Verdict   string
		Violation struct {
			Checker, Detail string
			Step            uint64
		}
	}
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &last); err != nil {
		t.Fatal(err)
	}
	if v := result.Violation; last.Verdict != "violation" || last.Violation.Checker != v.Checker || last.Violation.Detail != v.Detail || last.Violation.Step != v.Step {
		t.Errorf("the last line is %s, want %v", lines[len(lines)-1], v)
	}
}

const simulationFile = "../../docs/simulation.md"

// buildOf is the part of a trace's first line that is another with each build.
var buildOf = regexp.MustCompile(`"build":"[^"]*"`)

// The tables and the sample of a JSON trace in the documentation are those of
// the code.
func TestJSONTrace_DocumentationIsMadeOfTheEvents(t *testing.T) {
	trace, _ := jsonTraceOf(t, profiled(t, 3, "smoke"), "seed 3 of profile smoke", 0, 0)
	lines := strings.SplitAfter(buildOf.ReplaceAllString(trace, `"build":"unknown go1.26 linux/amd64"`), "\n")
	var lifeOfOne bytes.Buffer
	for i, line := range lines {
		if i == 0 || i == len(lines)-2 || strings.Contains(line, `"message":1,`) {
			lifeOfOne.WriteString(line)
		}
	}
	var kinds strings.Builder
	kinds.WriteString("| kind | what happened |\n|---|---|\n")
	for kind, form := range eventForms {
		fmt.Fprintf(&kinds, "| `%s` | %s |\n", world.EventKind(kind), form.about)
	}
	sample.Check(t, simulationFile, "the events", map[string]string{"sample": sample.Block("json", lifeOfOne.String()), "kinds": kinds.String()})
	text, err := os.ReadFile(simulationFile)
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range []any{traceHeader{}, traceLine{}, traceResult{}} {
		for i := range reflect.TypeOf(line).NumField() {
			name, _, _ := strings.Cut(reflect.TypeOf(line).Field(i).Tag.Get("json"), ",")
			if !strings.Contains(string(text), "`"+name+"`") {
				t.Errorf("%s says nothing of the field %s", simulationFile, name)
			}
		}
	}
}
