package mutants

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const planted = `The answer is one too many.

family: slip
caught by: simulation
-- answer.go --
	return 42
=>
	return 43
-- answer.go --
// end
=>
`

func TestAMutantIsReadFromItsFile(t *testing.T) {
	m, err := Parse("answer", []byte(planted))
	if err != nil {
		t.Fatal(err)
	}
	want := []Edit{{"answer.go", "\treturn 42\n", "\treturn 43\n"}, {"answer.go", "// end\n", ""}}
	if m.Name != "answer" || m.Imitates != "The answer is one too many." || m.Family != Slip || m.CaughtBy != Simulation || len(m.Edits) != 2 ||
		m.Edits[0] != want[0] || m.Edits[1] != want[1] {
		t.Errorf("it is read as %+v", m)
	}
}

func TestABadMutantIsRefusedAndToldWhatWouldBeRight(t *testing.T) {
	for _, c := range []struct{ name, old, new, want string }{
		{"no sentence", "The answer is one too many.", "", "want a sentence at the top"},
		{"no such family", "family: slip", "family: typo", `family is "typo"; want deployed or slip`},
		{"no such layer", "caught by: simulation", "caught by: luck", `caught by is "luck"`},
		{"no separator", "=>\n\treturn 43\n", "", "want a line =>"},
		{"nothing replaced", "return 42", "return 43", "old and new lines are the same"},
		{"no old lines", "\treturn 42\n", "", "the old lines are empty"},
		{"a test", "answer.go --\n\t", "answer_test.go --\n\t", "that is no test"},
		{"outside", "answer.go --\n\t", "../answer.go --\n\t", "want a Go file of the module"},
		{"no edit", planted[strings.Index(planted, "--"):], "", "it replaces nothing"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if !strings.Contains(planted, c.old) {
				t.Fatalf("the case replaces nothing")
			}
			_, err := Parse("answer", []byte(strings.Replace(planted, c.old, c.new, 1)))
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("the error is %v; want one with %q", err, c.want)
			}
		})
	}
}

func TestWhatIsReplacedMustOccurExactlyOnceAsWholeLines(t *testing.T) {
	m, err := Parse("answer", []byte(planted))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, source string
		times        int // 1 means that it applies
	}{
		{"once", "package answer\n\nfunc a() int {\n\treturn 42\n}\n// end\n", 1},
		{"gone", "package answer\n// end\n", 0},
		{"twice", "\treturn 42\n\treturn 42\n// end\n", 2},
		{"deeper in", "\t\treturn 42\n// end\n", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			root := t.TempDir()
			if err := os.WriteFile(filepath.Join(root, "answer.go"), []byte(c.source), 0o600); err != nil {
				t.Fatal(err)
			}
			changed, err := m.Apply(root)
			stale := new(StaleError)
			switch {
			case c.times == 1 && err != nil:
				t.Fatal(err)
			case c.times == 1:
				want := strings.NewReplacer("42", "43", "// end\n", "").Replace(c.source)
				if changed["answer.go"] != want {
					t.Errorf("it gives %q; want %q", changed["answer.go"], want)
				}
			case !errors.As(err, &stale) || stale.Times != c.times:
				t.Errorf("the error is %v; want stale, %d times", err, c.times)
			}
		})
	}
}

func sighting(runs uint64, checker string) Sighting {
	return Sighting{Runs: runs, Events: 1000 * runs, Checker: checker}
}

func TestTheMedianCountsStartsThatSawNothingAsTheSlowest(t *testing.T) {
	for _, c := range []struct {
		seen []Sighting
		want uint64
	}{
		{[]Sighting{sighting(5, "S1"), sighting(1, "S1"), sighting(3, "S1")}, 3},
		{[]Sighting{sighting(60, ""), sighting(9, "S1"), sighting(3, "S1")}, 9},
		{[]Sighting{sighting(60, ""), sighting(60, ""), sighting(3, "S1")}, unseen},
		{nil, unseen},
	} {
		h := Hunt{Sightings: c.seen}
		if got := h.MedianRuns(); got != c.want {
			t.Errorf("the median of %+v is %d; want %d", c.seen, got, c.want)
		}
		if got := h.MedianEvents(); c.want != unseen && got != 1000*c.want {
			t.Errorf("the median of the events of %+v is %d; want %d", c.seen, got, 1000*c.want)
		}
	}
}

func TestASearchCatchesByViolationByHangingOrByWhatItNeverBringsAbout(t *testing.T) {
	control := Hunt{Seen: map[string]uint64{"rare": 3, "absorbed": 400}}
	for _, c := range []struct {
		h    Hunt
		want string
	}{
		{Hunt{Sightings: []Sighting{sighting(1, "S2"), sighting(1, "S1"), sighting(1, "S1")}}, "S1 S2"},
		{Hunt{Hangs: true}, "HANGS"},
		{Hunt{Sightings: []Sighting{sighting(60, "")}, Seen: map[string]uint64{"rare": 1}}, "never absorbed"},
		{Hunt{Sightings: []Sighting{sighting(60, "")}, Seen: map[string]uint64{"absorbed": 1}}, ""},
	} {
		if got := c.h.caughtBy(&control); got != c.want {
			t.Errorf("%+v is caught by %q; want %q", c.h, got, c.want)
		}
	}
}

func TestAScorecardIsGoodOnlyIfEverythingIsCaughtAndTheControlSeesNothing(t *testing.T) {
	caught := Result{Mutant: &Mutant{Name: "a", Family: Slip, CaughtBy: Simulation}, Verdict: Caught, Layer: Simulation, By: "S6",
		Hunt: &Hunt{Sightings: []Sighting{sighting(12, "S6")}}, Took: time.Second}
	for _, c := range []struct {
		name string
		card Scorecard
		good bool
		says string
	}{
		{"all caught", Scorecard{Results: []Result{caught}}, true, "12000"},
		{"late", Scorecard{Results: []Result{{Mutant: caught.Mutant, Verdict: Late, Layer: Unit, By: "TestA"}}}, false, "unit: TestA, expected simulation"},
		{"interrupted", Scorecard{Results: []Result{caught}, Left: 3}, false, "INTERRUPTED: 3 mutants were not tried"},
		{"survivor", Scorecard{Results: []Result{{Mutant: caught.Mutant, Verdict: Survived}}}, false, "survived"},
		{"stale", Scorecard{Results: []Result{{Mutant: caught.Mutant, Verdict: Stale, Err: &StaleError{"a.go", 2}}}}, false, "STALE: a: stale: the old lines occur 2 times in a.go"},
		{"bug of the source", Scorecard{Results: []Result{caught}, Control: Hunt{Sightings: []Sighting{sighting(3, "S9")}}}, false, "WITHOUT A MUTANT: S9"},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.card.Config.Seeds = 1
			if c.card.Good() != c.good {
				t.Errorf("good is %v; want %v", c.card.Good(), c.good)
			}
			var table, list strings.Builder
			if err := errors.Join(c.card.Write(&table), c.card.WriteJSON(&list)); err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(table.String(), c.says) {
				t.Errorf("the table does not say %q:\n%s", c.says, table.String())
			}
			if !strings.Contains(list.String(), `"good": `+map[bool]string{true: "true", false: "false"}[c.good]) {
				t.Errorf("the JSON says:\n%s", list.String())
			}
		})
	}
}

func TestAConfigThatTriesNothingIsRefused(t *testing.T) {
	for _, c := range []Config{{Workers: 0, Starts: 1, Seeds: 1}, {Workers: 1, Starts: 0, Seeds: 1}, {Workers: 1, Starts: 1, Seeds: 0}} {
		if _, err := Run(t.Context(), ".", nil, c); err == nil || !strings.Contains(err.Error(), "want at least 1") {
			t.Errorf("%+v: the error is %v", c, err)
		}
	}
}

func TestACatchOfASuiteThatFailsWithoutAMutantIsNotBelieved(t *testing.T) {
	ran := func(by string, err error) *control {
		c := &control{by: by, err: err}
		c.once.Do(func() {})
		return c
	}
	c := controls{runs: map[string]*control{
		"unit ./sound": ran("", nil), "unit ./ill": ran("TestOfItsOwn", nil), "unit ./gone": ran("", errors.New("no such directory")),
	}}
	for pkg, want := range map[string]string{
		"./sound": "", "./ill": "TestOfItsOwn of ./ill fails without a mutant as well", "./gone": "no such directory",
	} {
		err := c.check(t.Context(), &suite{layer: Unit}, pkg)
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: the error is %v; want %q", pkg, err, want)
		}
	}
}
