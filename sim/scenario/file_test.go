package scenario

import (
	"fmt"
	"testing"
	"time"

	"github.com/refrain-fleet/refrain/core/wire"
	"github.com/refrain-fleet/refrain/sim/random"
	"pgregory.net/rapid"
)

const messyFile = `

#   What it is about,
#in two lines.

fleet  3   probes=-1	interval=60s # at the end
# in between


plane manifests=no
at 90s  reply drop count=2   host=h1..h1
expect   answer  503  count>=2 host=*
expect effect   applied and not replied count=0
rollout stable@r1 waves=300s,0m target=c#1 hosts=h1..h2
at 5m revoke  h2 reissue=60s
expect record h2 stable@r1 Soaking   at=10m  seq=3..3
active   600s
`

const neatFile = `#   What it is about,
#in two lines.

fleet 3 interval=1m probes=-1  # at the end
# in between

plane manifests=no
at 1m30s reply drop host=h1 count=2
expect answer 503 count>=2
expect effect applied and not replied count=0
rollout stable@r1 target=c#1 hosts=h1..h2 waves=5m,0s
at 5m revoke h2 reissue=1m
expect record h2 stable@r1 Soaking seq=3 at=10m
active 10m
`

func TestAFileIsWrittenInItsCanonicalForm(t *testing.T) {
	f := mustParseFile(t, messyFile)
	if got := f.String(); got != neatFile {
		t.Errorf("got\n%s\nwant\n%s", got, neatFile)
	}
	if got := mustParseFile(t, neatFile).String(); got != neatFile {
		t.Errorf("the canonical form is changed:\n%s", got)
	}
	if want := "What it is about, in two lines."; f.Intent() != want {
		t.Errorf("the intent is %q, want %q", f.Intent(), want)
	}
	if got := mustParseFile(t, "fleet 1 # nothing\n# too late\n").Intent(); got != "" {
		t.Errorf("the intent is %q, want none", got)
	}
}

func TestAFileKnowsWhereItsExpectationsAndFaultsStand(t *testing.T) {
	f := mustParseFile(t, messyFile)
	for index, want := range []int{12, 13, 16} {
		if got := f.ExpectLine(index); got != want {
			t.Errorf("expectation %d is in line %d, want %d", index, got, want)
		}
	}
	if got := f.FaultLine(0); got != 11 {
		t.Errorf("the fault is in line %d, want 11", got)
	}
	if f.ExpectLine(3) != 0 || f.FaultLine(1) != 0 {
		t.Error("what is not there stands somewhere")
	}
}

func mustParseFile(t interface {
	Helper()
	Fatal(...any)
}, text string) *File {
	t.Helper()
	f, err := ParseFile("", text)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// drawScenario draws a scenario with faults of many kinds.
func drawScenario(seed uint64) Scenario {
	r := random.New(seed, "scenario", 0)
	s := Scenario{Seed: seed, Fleet: Fleet{Hosts: 2 + r.IntN(9)}, Active: 30 * time.Minute}
	for i := range 1 + r.IntN(3) {
		s.Rollouts = append(s.Rollouts, Rollout{
			At: r.Between(0, 10*time.Minute), ID: wire.RolloutID(fmt.Sprintf("stable@r%d", i+1)), Target: "c1",
			Targets: Hosts{1, 1 + r.IntN(s.Fleet.Hosts)}, Waves: []time.Duration{0, 5 * time.Minute},
		})
	}
	for _, k := range FaultKinds() {
		if r.Chance(300) {
			s.Faults = append(s.Faults, DrawFault(&r, k, s.Fleet.Hosts, 20*time.Minute))
		}
	}
	s.Acts = []Act{{At: time.Minute, Kind: ActRevoke, Hosts: Hosts{1, 1}, For: r.Between(0, time.Minute)}}
	return s
}

// What a file says is the same before and after it was formatted, whatever is
// in it and however it is written.
func TestFormattingChangesNothingOfWhatAFileSays(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := drawScenario(rapid.Uint64().Draw(t, "seed"))
		for range rapid.IntRange(0, 5).Draw(t, "expectations") {
			if e := drawExpect(t, &s); e.Kind != ExpectViolation || len(s.Expects) == 0 {
				s.Expects = append(s.Expects, e)
			}
		}
		f := mustParseFile(t, s.String())
		formatted := mustParseFile(t, f.String())
		if got, want := formatted.Scenario.String(), f.Scenario.String(); got != want {
			t.Fatalf("formatted:\n%s\nwant\n%s", got, want)
		}
		if again := formatted.String(); again != f.String() {
			t.Fatalf("formatted twice:\n%s\nwant\n%s", again, f)
		}
	})
}
