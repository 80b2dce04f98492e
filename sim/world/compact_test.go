package world

import (
	"testing"

	"github.com/refrain-fleet/refrain/sim/scenario"
)

// A copy of the database is compacted; the plane goes on with what it has.
func TestCompact_RetiresFromACopy(t *testing.T) {
	r := play(t, "fleet 2 probes=-1 activation=10s\nrollout stable@r1 at=30s target=c1\nrollout stable@r2 at=2m target=c2\nat 5m compact 10m\nat 6m compact 1m\nactive 10m\n")
	var counts []int
	r.w.Subscribe(EventCompacted, func(e *Event) { counts = append(counts, e.Count) })
	result := r.finish()
	if len(counts) != 2 || counts[0] != 0 || counts[1] != 1 {
		t.Errorf("the compactions retired %v rollouts; want none that was finished for 10m and one for 1m", counts)
	}
	if result.Effects[scenario.EffectRetired] != 1 {
		t.Errorf("%d rollouts retired; want 1", result.Effects[scenario.EffectRetired])
	}
	if _, known := r.w.CurrentPlane().Rollout("stable@r1"); !known {
		t.Error("the plane does not know stable@r1 any more; want its own database as it was")
	}
}
