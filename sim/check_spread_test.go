package sim

import "testing"

// Of requests that time out at one instant the first is a poll: its answer lets
// another come in and be turned away, with a later slot than the ones that were
// given already and have still to be told.
func TestThoseWhoTimeOutTogetherAreInOrderAmongThemselves(t *testing.T) { // PROTOCOL G4
	r := play(t, `
fleet 8 hostile=1
plane capacity=10
rollout stable@r1 target=c1
at 0s disk fail count=3
at 1s reducer slow each=1s
`)
	r.finish() // under every checker
	if r.w.effects[EffectTimeout] < 2 || r.w.effects[EffectSaturated] < 1 {
		t.Errorf("%d timeouts and %d turned away; want some of both", r.w.effects[EffectTimeout], r.w.effects[EffectSaturated])
	}
}
