package sim

import (
	"testing"

	"github.com/refrain-fleet/refrain/sim/scenario"
)

// A fleet whose disk is slow, so that the loop steps on while a group is
// committed, and whose loop is interrupted between its sections.
const slowDisk = "fleet 30 activation=5s\nplane commit=200ms..400ms pause=50ms capacity=64\n" +
	"rollout stable@r1 target=c1 waves=1m,1m\nactive 10m\n"

func TestPipeline_TheLoopStepsOnDuringACommitAndIsInterrupted(t *testing.T) {
	r := play(t, slowDisk)
	r.finish()
	for _, e := range []scenario.Effect{scenario.EffectSteppedMeanwhile, scenario.EffectInterrupted} {
		if r.w.effects[e] == 0 {
			t.Errorf("never %v", e)
		}
	}
}

func TestPipeline_AFailedCommitDiscardsWhatWasSteppedMeanwhile(t *testing.T) { // PROTOCOL G2
	r := play(t, slowDisk+"at 40s disk fail count=3\n")
	r.finish()
	if r.w.effects[scenario.EffectDiscardedMore] == 0 {
		t.Errorf("never %v: %v", scenario.EffectDiscardedMore, r.w.effects)
	}
}
