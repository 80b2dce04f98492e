package sim_test

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/refrain-fleet/refrain/sim"
	"github.com/refrain-fleet/refrain/sim/check"
	"github.com/refrain-fleet/refrain/sim/generate"
	"github.com/refrain-fleet/refrain/sim/repro"
	"github.com/refrain-fleet/refrain/sim/scenario"
	"github.com/refrain-fleet/refrain/sim/search"
)

// The same scenario gives the same run: however often, in whatever fidelity,
// whoever watches, whatever runs beside it, and in another process.

// comparedSeeds is how many seeds of each profile are compared.
func comparedSeeds() int {
	if testing.Short() {
		return 6
	}
	return 24
}

// drawn names a run that a profile draws.
type drawn struct {
	profile string
	seed    uint64
}

func (d drawn) scenario(t *testing.T) scenario.Scenario {
	return generate.Scenario(d.seed, profileNamed(d.profile))
}

// again is how the run is made once more.
func (d drawn) again() string { return repro.Again(repro.RunSeed(d.seed, d.profile)) }

// comparedRuns lists the runs to compare: seeds of each profile.
func comparedRuns(seeds int) []drawn {
	var list []drawn
	for _, p := range generate.Profiles() {
		for seed := range uint64(seeds) {
			list = append(list, drawn{p.Name, 1000 + seed})
		}
	}
	return list
}

// outcome is what has to be the same.
type outcome struct {
	events  uint64
	hash    uint64
	effects scenario.Effects
}

func runOnce(t *testing.T, d drawn, o sim.Options) outcome {
	t.Helper()
	r, err := sim.Run(d.scenario(t), o)
	if err != nil {
		t.Fatalf("%v: %v\n%s", d, err, d.again())
	}
	if r.Violation != nil {
		t.Errorf("%v: %v\n%s", d, r.Violation, d.again())
	}
	return outcome{r.Events, r.Hash, r.Effects}
}

// compareRun holds a run to the one before, and says where they part.
func compareRun(t *testing.T, d drawn, how string, o sim.Options, want outcome) {
	t.Helper()
	got := runOnce(t, d, o)
	if got == want {
		return
	}
	t.Errorf("%v, %s: %d events, hash %016x; want %d, %016x\n%s", d, how, got.events, got.hash, want.events, want.hash, d.again())
	s := d.scenario(t)
	a, err := sim.New(s, sim.Options{Checkers: []check.Checker{}})
	if err != nil {
		t.Fatal(err)
	}
	b, err := sim.New(s, o)
	if err != nil {
		t.Fatal(err)
	}
	if divergence := search.Diverge(a.World, b.World); divergence != nil {
		t.Error(divergence)
	}
}

func TestNothingButTheScenarioDecidesARun(t *testing.T) {
	hashes := make(map[uint64]drawn)
	for _, d := range comparedRuns(comparedSeeds()) {
		want := runOnce(t, d, sim.Options{Checkers: []check.Checker{}})
		if other, there := hashes[want.hash]; there {
			t.Errorf("%v and %v have the same hash: it tells nothing", d, other)
		}
		hashes[want.hash] = d
		compareRun(t, d, "again", sim.Options{Checkers: []check.Checker{}}, want)
		compareRun(t, d, "with the checkers", sim.Options{}, want)
		compareRun(t, d, "on the wire", sim.Options{Wire: true}, want)
		compareRun(t, d, "traced", sim.Options{Trace: io.Discard, Changes: io.Discard, Checkers: []check.Checker{}}, want)
		compareRun(t, d, "traced from half-way on", sim.Options{Trace: io.Discard, TraceFrom: want.events / 2, Checkers: []check.Checker{}}, want)
	}
}

// A run that is stopped has the hash that the whole run had there, and its
// trace is the beginning of the whole one's.
func TestAStepNumberMeansTheSameInEveryRun(t *testing.T) {
	for _, d := range comparedRuns(2) {
		var whole bytes.Buffer
		w, err := sim.New(d.scenario(t), sim.Options{Trace: &whole, Checkers: []check.Checker{}})
		if err != nil {
			t.Fatal(err)
		}
		const until = 300
		for w.Step() < until && w.Next() {
		}
		there, hash, length := w.Step(), w.Hash(), whole.Len()
		for w.Next() {
		}
		var part bytes.Buffer
		stopped, err := sim.New(d.scenario(t), sim.Options{Trace: &part})
		if err != nil {
			t.Fatal(err)
		}
		for stopped.Step() < until && stopped.Next() {
		}
		if stopped.Step() != there || stopped.Hash() != hash {
			t.Errorf("%v: at step %d the hash is %016x, and was %016x at step %d\n%s", d, stopped.Step(), stopped.Hash(), hash, there, d.again())
		}
		if part.String() != whole.String()[:length] {
			t.Errorf("%v: the trace of the first %d steps differs\n%s", d, until, d.again())
		}
	}
}

// Worlds share nothing: many side by side are what they are one by one, on one
// processor, on two and on eight.
func TestManyWorldsSideBySideAreWhatTheyAreOneByOne(t *testing.T) {
	runs := comparedRuns(8)
	want := make([]outcome, len(runs))
	for i, d := range runs {
		want[i] = runOnce(t, d, sim.Options{})
	}
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
	for _, processors := range []int{1, 2, 8} {
		runtime.GOMAXPROCS(processors)
		got := make([]outcome, len(runs))
		var each sync.WaitGroup
		for i, d := range runs {
			each.Go(func() {
				if r, err := sim.Run(generate.Scenario(d.seed, profileNamed(d.profile)), sim.Options{}); err == nil {
					got[i] = outcome{r.Events, r.Hash, r.Effects}
				}
			})
		}
		each.Wait()
		for i, d := range runs {
			if got[i] != want[i] {
				t.Errorf("%v on %d processors: %d events, hash %016x; want %d, %016x\n%s", d, processors, got[i].events, got[i].hash, want[i].events, want[i].hash, d.again())
			}
		}
	}
}

func profileNamed(name string) generate.Profile {
	p, _ := generate.FindProfile(name)
	return p
}

// hashesWanted makes this test binary print the hashes of the runs that it
// names, and nothing else: "profile seed until" separated by commas.
const hashesWanted = "SIM_HASHES_WANTED"

func TestMain(m *testing.M) {
	if wanted := os.Getenv(hashesWanted); wanted != "" {
		for run := range strings.SplitSeq(wanted, ",") {
			var d drawn
			var until uint64
			if _, err := fmt.Sscan(run, &d.profile, &d.seed, &until); err != nil {
				fmt.Fprintln(os.Stderr, run, err)
				os.Exit(2)
			}
			r, err := sim.Run(generate.Scenario(d.seed, profileNamed(d.profile)), sim.Options{Until: until})
			if err != nil {
				fmt.Fprintln(os.Stderr, run, err)
				os.Exit(2)
			}
			fmt.Printf("%d %016x\n", r.Events, r.Hash)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// hashesOf runs a test binary in a process of its own.
func hashesOf(t *testing.T, binary string, runs []drawn, until uint64, environment ...string) []string {
	t.Helper()
	var wanted []string
	for _, d := range runs {
		wanted = append(wanted, fmt.Sprintf("%s %d %d", d.profile, d.seed, until))
	}
	command := exec.CommandContext(t.Context(), binary)
	command.Env = append(slices.Clip(os.Environ()), hashesWanted+"="+strings.Join(wanted, ","))
	command.Env = append(command.Env, environment...)
	command.Stderr = os.Stderr
	out, err := command.Output()
	if err != nil {
		t.Fatalf("%s: %v", binary, err)
	}
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	if len(lines) != len(runs) {
		t.Fatalf("%d hashes of %d runs:\n%s", len(lines), len(runs), out)
	}
	return lines
}

// compareProcesses holds runs in another process to those in this one, and
// finds the step at which the first that differs parts.
func compareProcesses(t *testing.T, binary string, runs []drawn, environment ...string) {
	t.Helper()
	line := func(d drawn, until uint64) string {
		r, err := sim.Run(d.scenario(t), sim.Options{Until: until})
		if err != nil {
			t.Fatal(err)
		}
		return fmt.Sprintf("%d %016x", r.Events, r.Hash)
	}
	for i, there := range hashesOf(t, binary, runs, 0, environment...) {
		here := line(runs[i], 0)
		if here == there {
			continue
		}
		events, _, _ := strings.Cut(here, " ")
		last, err := strconv.Atoi(events)
		if err != nil {
			t.Fatal(err)
		}
		low, high := 1, last // the first difference is in low..high
		for low < high {
			middle := (low + high) / 2
			if line(runs[i], uint64(middle)) == hashesOf(t, binary, runs[i:i+1], uint64(middle), environment...)[0] {
				low = middle + 1
			} else {
				high = middle
			}
		}
		t.Errorf("%v with %v: %s in another process, want %s; they part at step %d\n%s", runs[i], environment, there, here, low, runs[i].again())
		return
	}
}

// TestAnotherProcessComesToTheSameHashes runs the same seeds in other
// processes, with other numbers of processors, and with a garbage collector
// that is always busy.
func TestAnotherProcessComesToTheSameHashes(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	runs := comparedRuns(6)
	for _, environment := range [][]string{{"GOMAXPROCS=1"}, {"GOMAXPROCS=2"}, {"GOMAXPROCS=8"}, {"GOGC=2"}, {"GOGC=off"}} {
		compareProcesses(t, self, runs, environment...)
	}
}

// raced reports whether this binary has the race detector in it.
func raced() bool {
	info, ok := debug.ReadBuildInfo()
	return ok && slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"})
}

// TestTheRaceDetectorChangesNoHash builds the other kind of this binary, with
// the race detector or without, and compares.
func TestTheRaceDetectorChangesNoHash(t *testing.T) {
	if testing.Short() {
		t.Skip("builds a second binary: not in short mode")
	}
	setting, err := exec.Command("go", "env", "CGO_ENABLED").Output()
	if err != nil || strings.TrimSpace(string(setting)) != "1" {
		t.Skipf("the race detector wants cgo: CGO_ENABLED is %q, %v", setting, err)
	}
	binary := filepath.Join(t.TempDir(), "sim.test")
	arguments := []string{"test", "-c", "-o", binary}
	if !raced() {
		arguments = append(arguments, "-race")
	}
	if out, err := exec.CommandContext(t.Context(), "go", append(arguments, ".")...).CombinedOutput(); err != nil {
		t.Fatalf("go %v: %v\n%s", arguments, err, out)
	}
	compareProcesses(t, binary, comparedRuns(2))
	if t.Failed() {
		t.Log("(a source file that was changed since this test was built makes a difference, too)")
	}
}
