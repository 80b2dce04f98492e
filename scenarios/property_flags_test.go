package scenarios_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/refrain-fleet/refrain/sim/scenario"
)

// subject says what [TestSubject] is, in a process of its own: a property that
// fails, or one whose premise no scenario reaches.
const subject = "SCENARIOS_SUBJECT"

// TestSubject is run by the tests of what flags do to a property.
func TestSubject(t *testing.T) {
	what := os.Getenv(subject)
	if what == "" {
		t.Skip("is run by the other tests, in processes of their own")
	}
	property{
		draw: func(t *rapid.T) scenario.Scenario {
			return scenario.Scenario{Seed: rapid.Uint64().Draw(t, "seed"), Fleet: scenario.Fleet{Hosts: 1}}
		},
		judge: func(v *verdict, s scenario.Scenario) {
			if what == "fails" {
				v.errorf("no scenario is good enough")
			}
			fmt.Println("judged", s.Seed)
		},
		premises: []string{"what never is"},
	}.check(t)
}

// runTest runs a test of this package in a process of its own, and returns what it
// prints.
func runTest(t *testing.T, name string, args ...string) string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), self, append([]string{"-test.v", "-test.run=" + name}, args...)...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s fails: %v\n%s", name, err, out)
	}
	return string(out)
}

// runSubject runs the subject in a directory of its own, and returns what it
// printed and whether it passed.
func runSubject(t *testing.T, what, temporary string, args ...string) (out string, passed bool) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	command := exec.CommandContext(t.Context(), self, append([]string{"-test.run=^TestSubject$", "-test.v"}, args...)...)
	command.Dir = t.TempDir()
	command.Env = append(os.Environ(), subject+"="+what, "TMPDIR="+temporary)
	text, err := command.CombinedOutput()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	if entries, err := os.ReadDir(filepath.Join(command.Dir, "testdata")); !os.IsNotExist(err) {
		t.Errorf("it wrote into the source: %v, %v", entries, err)
	}
	return string(text), err == nil
}

// Absence tells something only if enough was drawn: few checks skip, the usual
// number fails, -short or not.
func TestPremise_AbsenceFailsOnlyIfItTells(t *testing.T) {
	for _, test := range []struct {
		args   []string
		passes bool
		says   string
	}{
		{[]string{"-rapid.checks=5"}, true, `it holds for 50 scenarios; none of them reached ["what never is"], for which 50 are too few: want -rapid.checks=20 or more`},
		{[]string{"-rapid.checks=5", "-rapid.seed=7"}, true, "it holds for 50 scenarios"},
		{[]string{"-rapid.checks=0"}, true, "it holds for 0 scenarios"},
		{[]string{"-rapid.checks=5", "-test.short"}, true, "want -rapid.checks=100 or more"},
		{[]string{"-rapid.checks=20"}, false, `none of 200 scenarios reached ["what never is"]`},
		{[]string{"-test.short"}, false, "none of 200 scenarios reached"},
		{nil, false, "none of 1000 scenarios reached"},
		{[]string{"-rapid.seed=7"}, false, "none of 1000 scenarios reached"},
	} {
		out, passed := runSubject(t, "absent", t.TempDir(), test.args...)
		if passed != test.passes || !strings.Contains(out, test.says) || passed != strings.Contains(out, "--- SKIP") {
			t.Errorf("with %q: passed %v, want %v and %q:\n%s", test.args, passed, test.passes, test.says, out[max(0, len(out)-2000):])
		}
	}
}

// A seed gives the same scenarios in all rounds of a property, and other ones in
// each.
func TestSeed_DrawsTheSameInEveryRun(t *testing.T) {
	judged := regexp.MustCompile(`judged \d+`)
	run := func() []string {
		out, _ := runSubject(t, "absent", t.TempDir(), "-rapid.seed=7", "-rapid.checks=3")
		return judged.FindAllString(out, -1)
	}
	first, second := run(), run()
	if strings.Join(first, ",") != strings.Join(second, ",") || len(first) != 30 {
		t.Errorf("the same seed drew\n%v\nand\n%v", first, second)
	}
	different := map[string]bool{}
	for _, line := range first {
		different[line] = true
	}
	if len(different) < 10 { // small numbers are drawn more than once
		t.Errorf("ten rounds of three checks judged %d different scenarios; want far more than one round's three", len(different))
	}
}

var judgeLine = regexp.MustCompile(`judge it .* -scenario (\S+)`)

// What a failing property leaves is of its run alone, and is where go test
// -artifacts wants it.
func TestFailure_ItsScenarioIsOfOneRun(t *testing.T) {
	paths := map[string]bool{}
	temporary, artifacts := t.TempDir(), t.TempDir()
	for _, args := range [][]string{nil, nil, {"-test.artifacts", "-test.outputdir=" + artifacts}} {
		out, passed := runSubject(t, "fails", temporary, args...)
		found := judgeLine.FindStringSubmatch(out)
		if passed || found == nil {
			t.Fatalf("it names no file:\n%s", out)
		}
		text, err := os.ReadFile(found[1])
		if err != nil || !strings.HasPrefix(string(text), "# TestSubject does not hold for this scenario.\n") {
			t.Errorf("%s has %q, %v", found[1], text, err)
		}
		if below := temporary; args == nil && !strings.HasPrefix(found[1], below) {
			t.Errorf("it is %s; want it below %s", found[1], below)
		}
		if below := filepath.Join(artifacts, "_artifacts"); args != nil && !strings.HasPrefix(found[1], below) {
			t.Errorf("it is %s; want it below %s", found[1], below)
		}
		if out, passed := runSubject(t, "fails", temporary, "-scenario="+found[1]); passed || !strings.Contains(out, "no scenario is good enough") {
			t.Errorf("it is not judged again:\n%s", out)
		}
		paths[found[1]] = true
	}
	if len(paths) != 3 {
		t.Errorf("three runs left %d files: %v", len(paths), paths)
	}
}
