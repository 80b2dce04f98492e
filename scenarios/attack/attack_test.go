package attack

import (
	"os"
	"regexp"
	"testing"
	"time"
)

func TestMain(m *testing.M) {
	RunAttacker()
	os.Exit(m.Run())
}

// inShortMode are the attacks that are run with -short, so with the race detector as
// well: one of each kind.
var inShortMode = regexp.MustCompile(`^(chain|half-open|own-name|smuggling|revoked)$`)

// TestAttacks_AreSurvived runs every attack on the real binary with small numbers. What
// depends on the speed of the machine is not judged.
func TestAttacks_AreSurvived(t *testing.T) {
	binary, err := Build(t.Context(), t.TempDir(), os.Stderr)
	if err != nil {
		t.Fatal(err)
	}
	attacks := All()
	if testing.Short() {
		attacks = Matching(inShortMode)
		t.Logf("NOT RUN: %d of %d attacks, with -short", len(All())-len(attacks), len(All()))
	}
	for _, attack := range attacks {
		t.Run(attack.Name, func(t *testing.T) {
			t.Parallel()
			report, err := Run(t.Context(), Config{
				Binary: binary, Attacks: []Attack{attack}, Short: true, Quiet: 100 * time.Millisecond, Recovery: 5 * time.Minute,
				Limits: Limits{Failed: 1, Times: 1e9, Floor: time.Hour}, Stderr: os.Stderr,
			})
			if err != nil {
				t.Fatal(err)
			}
			r := report.Results[0]
			for _, problem := range r.Problems {
				t.Error(problem)
			}
			if r.During.Requests == 0 || r.During.Failed == r.During.Requests {
				t.Errorf("%d of %d honest requests failed during the attack: %v", r.During.Failed, r.During.Requests, r.Failures)
			}
			if r.DescriptorLimit > 0 && r.Descriptors > r.DescriptorLimit {
				t.Errorf("%d descriptors are open, want at most %d", r.Descriptors, r.DescriptorLimit)
			}
			for _, note := range r.Attackers.Notes {
				t.Log(note)
			}
			if len(r.Attackers.Counts) == 0 {
				t.Error("the attackers did nothing")
			}
		})
	}
}
