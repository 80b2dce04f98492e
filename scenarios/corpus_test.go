package scenarios

import (
	"fmt"
	"os"
	"path"
	"regexp"
	"strings"
	"testing"

	"github.com/refrain-fleet/refrain/internal/sample"
	"github.com/refrain-fleet/refrain/sim"
	"github.com/refrain-fleet/refrain/sim/check"
	"github.com/refrain-fleet/refrain/sim/repro"
	"github.com/refrain-fleet/refrain/sim/scenario"
)

// mostEvents is how many events a run of the corpus may have: a file that
// wants more is no longer one behaviour that a person can follow, and no
// longer takes milliseconds.
const mostEvents = 60_000

func corpus(t *testing.T) []*scenario.File {
	t.Helper()
	files, err := Corpus()
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func base(f *scenario.File) string { return strings.TrimSuffix(path.Base(f.Name), Suffix) }

func isRegression(f *scenario.File) bool { return path.Base(path.Dir(f.Name)) == "regressions" }

// local is where a file is, seen from this package.
func local(f *scenario.File) string { return strings.TrimPrefix(f.Name, "scenarios/") }

func TestEveryFileOfTheCorpusRunsAsItExpects(t *testing.T) {
	for _, f := range corpus(t) {
		t.Run(base(f), func(t *testing.T) {
			r := run(t, f.Scenario, sim.Options{})
			if sample.Rewriting() && (r.Violation == nil || r.Expected) {
				for i := range r.Unmet {
					if u := &r.Unmet[i]; u.Instead != nil {
						f.Rewrite(u.Index, *u.Instead)
					}
				}
				if err := os.WriteFile(local(f), []byte(f.String()), 0o644); err != nil {
					t.Fatal(err)
				}
				r = run(t, f.Scenario, sim.Options{})
			}
			for _, wrong := range Judge(f, &r) {
				t.Error(wrong)
			}
			if r.Events > mostEvents {
				t.Errorf("%s: %d events; want at most %d", f.Name, r.Events, mostEvents)
			}
			if t.Failed() {
				t.Log(repro.Again("refrain sim run " + f.Name))
			}
			if wired := run(t, f.Scenario, sim.Options{Wire: true}); wired.Hash != r.Hash {
				t.Errorf("hash %016x, on the wire %016x", r.Hash, wired.Hash)
			}
		})
	}
}

func run(t *testing.T, s scenario.Scenario, o sim.Options) check.Verdict {
	t.Helper()
	r, err := sim.Run(s, o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// A file that passes without one of its faults or acts does not show what
// comes of it. Those of a regression are what once led to the defect; without
// the defect nothing need come of them but that they take effect.
func TestWithoutAnyOfItsFaultsAndActsAFileOfTheCorpusFails(t *testing.T) {
	for _, f := range corpus(t) {
		t.Run(base(f), func(t *testing.T) {
			whole := f.Scenario
			if isRegression(f) {
				return
			}
			if len(whole.Faults)+len(whole.Acts) > 0 && whole.Active == 0 {
				t.Fatalf("%s: it does not say how long it is active, so that leaving a line out makes it shorter", f.Name)
			}
			for i := range whole.Faults {
				s := whole
				s.Faults = append(append([]scenario.Fault(nil), whole.Faults[:i]...), whole.Faults[i+1:]...)
				mustFail(t, f, s, whole.Faults[i].String())
			}
			for i := range whole.Acts {
				s := whole
				s.Acts = append(append([]scenario.Act(nil), whole.Acts[:i]...), whole.Acts[i+1:]...)
				mustFail(t, f, s, whole.Acts[i].String())
			}
		})
	}
}

// A file that no longer reaches its faults, or whose expectations are not met,
// says so with its place.
func TestAStaleFileOfTheCorpusFails(t *testing.T) {
	f, err := scenario.ParseFile("f", "fleet 1\nat 1m host reboot for=1m\nat 1m10s agent crash for=1s\nexpect effect reboot count=2\n")
	if err != nil {
		t.Fatal(err)
	}
	r := run(t, f.Scenario, sim.Options{})
	got := strings.Join(Judge(f, &r), "\n")
	want := "f:4: unmet: expect effect reboot count=2: saw 1\nf:3: stale: \"at 1m10s agent crash for=1s\" never took effect"
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func mustFail(t *testing.T, f *scenario.File, s scenario.Scenario, without string) {
	t.Helper()
	if r := run(t, s, sim.Options{}); !r.Failed() {
		t.Errorf("%s passes without %q: nothing that it expects depends on it", f.Name, without)
	}
}

var fileName = regexp.MustCompile(`^[a-z0-9]+(-[a-z0-9]+)*$`)

func TestEveryFileOfTheCorpusIsAReadableOne(t *testing.T) {
	for _, f := range corpus(t) {
		text, err := os.ReadFile(local(f))
		if err != nil {
			t.Fatal(err)
		}
		if got := f.String(); got != string(text) {
			t.Errorf("%s is not in its canonical form: run refrain sim fmt -w %s", f.Name, f.Name)
		}
		if !fileName.MatchString(base(f)) {
			t.Errorf("%s: want a name of lowercase words with hyphens between them", f.Name)
		}
		if !strings.HasPrefix(string(text), "# ") || !strings.HasSuffix(f.Intent(), ".") {
			t.Errorf("%s: want it to open with a sentence of what it is about", f.Name)
		}
		if len(f.Scenario.Expects) == 0 && !isRegression(f) {
			t.Errorf("%s expects nothing", f.Name)
		}
	}
}

func TestTheCorpusIsLargeAndNamesEveryBehaviourOnce(t *testing.T) {
	files := corpus(t)
	if len(files) < 40 {
		t.Errorf("%d files, want at least 40", len(files))
	}
	seen := make(map[string]string)
	for _, f := range files {
		for _, about := range []string{base(f), f.Intent()} {
			if other, twice := seen[about]; twice {
				t.Errorf("%s and %s are both about %q", other, f.Name, about)
			}
			seen[about] = f.Name
		}
	}
}

const indexFile = "testdata/README.md"

func TestTheIndexOfTheCorpusIsCurrent(t *testing.T) {
	want := index(corpus(t))
	if sample.Rewriting() {
		if err := os.WriteFile(indexFile, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(indexFile)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Errorf("%s is not what the files say: run go test ./scenarios -run Index -rewrite", indexFile)
	}
}

func index(files []*scenario.File) string {
	var b strings.Builder
	b.WriteString(`# The corpus

One behaviour each, in the language of [docs/scenarios.md](../../docs/scenarios.md). ` + "`go test ./scenarios -run Corpus`" + ` runs all of them, ` + "`refrain sim run FILE`" + ` one. This list is made of their opening sentences by ` + "`go test ./scenarios -run Index -rewrite`" + `.

`)
	regressions := false
	for _, f := range files {
		if isRegression(f) && !regressions {
			regressions = true
			b.WriteString("\n## Regressions\n\nWhat was found once and shrunk; it stays for good.\n\n")
		}
		name := strings.TrimPrefix(local(f), "testdata/")
		fmt.Fprintf(&b, "- [`%s`](%s): %s\n", base(f), name, f.Intent())
	}
	return b.String()
}
