package scenario

import (
	"testing"
	"time"

	"github.com/refrain-fleet/refrain/sim/random"
)

// A fault that is drawn with a field of zero, where zero means that there is
// none, would be refused: once in some ten thousand draws.
func TestEveryFaultThatIsDrawnIsRight(t *testing.T) {
	s := Scenario{Fleet: Fleet{Hosts: 5}, Active: longest}
	r := random.New(1, "faults", 0)
	for _, k := range FaultKinds() {
		draws := 5_000
		if k == PlaneClock || k == ClockSkew || k == ClockDrift {
			draws = 500_000
		}
		for range draws {
			f := DrawFault(&r, k, s.Fleet.Hosts, 10*time.Minute)
			if err := f.validate(&s); err != nil {
				t.Fatalf("%v: %v", f, err)
			}
		}
	}
}
