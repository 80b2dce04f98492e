package world

import (
	"testing"
	"time"

	"github.com/refrain-fleet/refrain/core/wire"
	"github.com/refrain-fleet/refrain/sim/scenario"
)

// scrubbed is a fleet that is compacted, loses power, and tears its appends.
const scrubbed = `
fleet 8 interval=15s activation=4s..9s
rollout stable@r1 at=10s target=c1 waves=1m
at 15s agent crash for=2s after=yes
at 40s host reboot host=h1..h4 for=5s
at 1m agent crash for=2s after=yes
at 1m20s host reboot host=h5..h8 for=5s
active 4m
`

// PROTOCOL A1
func TestAnAgentsLogIsCompactedTornAndReadAgain(t *testing.T) {
	var seen scenario.Effects
	for seed := range uint64(20) {
		s, err := scenario.ParseScenario(scrubbed)
		if err != nil {
			t.Fatal(err)
		}
		s.Seed = seed
		r := playScenario(t, s)
		result := r.finish()
		if result.Violation != nil {
			t.Fatalf("seed %d: %v", seed, result.Violation)
		}
		for e, n := range result.Effects {
			seen[e] += n
		}
		for n := 1; n <= 8; n++ {
			if rec := r.record(n); rec.State != wire.Converged {
				t.Errorf("seed %d: h%d is %v", seed, n, rec.State)
			}
		}
	}
	for _, e := range []scenario.Effect{scenario.EffectAgentCompacted, scenario.EffectAgentLogTorn, scenario.EffectAgentUnsynced} {
		if seen[e] == 0 {
			t.Errorf("never seen: %v", e)
		}
	}
}

// PROTOCOL A1
func TestAnAgentWhoseDiskIsFullSendsNoEventAndComesBack(t *testing.T) {
	r := play(t, "seed 5\nfleet 1 interval=20s activation=5s\nrollout stable@r1 at=30s target=c1 waves=1m\nat 10s agent disk-full for=2m\nactive 4m")
	r.until(2 * time.Minute)
	if r.host(1).up {
		t.Error("it is up; want it down while its log cannot be opened")
	}
	if rec := r.record(1); rec.State != wire.Pending {
		t.Errorf("the record is %v; want it Pending: nothing is sent that is not logged", rec.State)
	}
	r.until(3*time.Minute - time.Second)
	if !r.host(1).up {
		t.Error("it is down an interval after its disk has room again")
	}
	r.finish()
	if rec := r.record(1); rec.State != wire.Converged {
		t.Errorf("the record is %v; want it Converged", rec.State)
	}
}
