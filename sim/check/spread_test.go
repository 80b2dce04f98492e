package check

import (
	"testing"

	"github.com/refrain-fleet/refrain/sim/scenario"
)

// Of requests that time out at one instant the first is a poll: its answer lets
// another come in and be turned away, with a later slot than the ones that were
// given already and have still to be told.
func TestThoseWhoTimeOutTogetherAreInOrderAmongThemselves(t *testing.T) { // PROTOCOL G4
	_, v := judgedRun(t, parsed(t, `
fleet 8 hostile=1
plane capacity=10
rollout stable@r1 target=c1
at 0s disk fail count=3
at 1s reducer slow each=1s
`), nil)
	if v.Violation != nil {
		t.Fatal(v.Violation)
	}
	if v.Effects[scenario.EffectTimeout] < 2 || v.Effects[scenario.EffectSaturated] < 1 {
		t.Errorf("%d timeouts and %d turned away; want some of both", v.Effects[scenario.EffectTimeout], v.Effects[scenario.EffectSaturated])
	}
}
