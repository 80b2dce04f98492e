package world

import (
	"testing"

	"github.com/refrain-fleet/refrain/sim/scenario"
)

// PROTOCOL R1: an opening in slices that takes longer than the reply timeout is
// answered 202, and the rollout is open later.
func TestAnOpeningInSlicesIsAcceptedAndFinished(t *testing.T) {
	r := play(t, "fleet 6 probes=-1 activation=10s\nplane slice=1 service=500ms\nrollout stable@r1 at=30s target=c1\nactive 10m\n")
	result := r.finish()
	for _, e := range []scenario.Effect{scenario.EffectOpeningSlice, scenario.EffectOpeningAccepted, scenario.EffectSwitch} {
		if result.Effects[e] == 0 {
			t.Errorf("%v: never; want it", e)
		}
	}
}
