package world

import (
	"testing"

	"github.com/refrain-fleet/refrain/core/wire"
	"github.com/refrain-fleet/refrain/sim/scenario"
)

// The manifests of a plane that lost its disk (PROTOCOL R6).
func TestAWipedPlaneReadsItsManifestsByTheirSerials(t *testing.T) {
	for _, c := range []struct {
		name, serials string
		want          [2]wire.RolloutState
		held          uint64
	}{
		{"by default in the order of at", "", [2]wire.RolloutState{wire.Superseded, wire.Terminal}, 0},
		{"without an order", "serial=none", [2]wire.RolloutState{wire.Held, wire.Held}, 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := play(t, "fleet 2\nrollout stable@r1 target=c1 "+c.serials+"\nrollout stable@r2 at=1m target=c2 "+c.serials+"\nat 20m plane wipe for=1s\nactive 30m\n")
			result := r.finish()
			for i, id := range []wire.RolloutID{"stable@r1", "stable@r2"} {
				if status, known := r.w.CurrentPlane().Rollout(id); !known || status.State != c.want[i] {
					t.Errorf("%s: known %v, %+v; want %v", id, known, status, c.want[i])
				}
			}
			if got := result.Effects[scenario.EffectHeld]; got != c.held {
				t.Errorf("%d times held; want %d", got, c.held)
			}
		})
	}
}
