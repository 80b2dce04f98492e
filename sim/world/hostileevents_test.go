package world

import (
	"testing"
	"time"

	"github.com/refrain-fleet/refrain/core/wire"
	"github.com/refrain-fleet/refrain/sim/scenario"
)

// The events that hostile hosts make up have to lead to every end, or they do not
// test the rules about events (PROTOCOL E1, E3 to E7).
func TestHostileEvents_ReachEveryEndAndAreRejectedOnTheWay(t *testing.T) {
	var ends [len(wire.States) + 1]int
	var rejected, absorbed, overBudget uint64
	for seed := range uint64(12) {
		s := scenario.Scenario{
			Seed: seed, Fleet: scenario.Fleet{Hosts: 6, Hostile: 5}, Active: 20 * time.Minute, Converge: time.Hour,
			Rollouts: []scenario.Rollout{{At: time.Second, ID: "hostile@r1", Target: "c9", Targets: scenario.Hosts{First: 2, Last: 6}, Waves: []time.Duration{0, time.Minute}}},
			Acts:     []scenario.Act{{At: 5 * time.Minute, Kind: scenario.ActResume, Rollout: "hostile@r1"}},
		}
		w := checked(t, s)
		for w.Next() {
		}
		if w.violation != nil {
			t.Fatalf("seed %d: %v", seed, w.violation)
		}
		for n := 2; n <= 6; n++ {
			rec, known := w.plane.worker.Plane().Record("hostile@r1", scenario.HostName(n))
			if !known {
				t.Fatalf("h%d is not in the rollout", n)
			}
			ends[rec.State]++
		}
		rejected += w.effects[scenario.EffectRejected]
		absorbed += w.effects[scenario.EffectAbsorbed]
		overBudget += w.effects[scenario.EffectOverBudget]
	}
	for _, state := range []wire.State{wire.Converged, wire.Reverted} {
		if ends[state] == 0 {
			t.Errorf("no made-up record ends in %v", state)
		}
	}
	if rejected == 0 || absorbed == 0 || overBudget == 0 {
		t.Errorf("%d events are rejected, %d absorbed, %d over budget (G10); want some of each", rejected, absorbed, overBudget)
	}
}
