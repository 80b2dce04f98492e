package world

import (
	"fmt"
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
	// Many, since each is followed by a trial, during which nothing is logged.
	story := slowDisk
	for at := 2; at < 120; at += 5 {
		story += fmt.Sprintf("at %ds disk fail count=1 after=yes\n", at)
	}
	r := play(t, story)
	r.finish()
	for _, e := range []scenario.Effect{scenario.EffectDiscardedMore, scenario.EffectStoredAfterAll} {
		if r.w.effects[e] == 0 {
			t.Errorf("never %v: %v", e, r.w.effects)
		}
	}
}

// A suspension that ends just before the scenario is healed once planned two
// steps at a time, and the second ran into an output that was reset.
func TestWhateverHeldTheLoopUpOneStepIsPlanned(t *testing.T) {
	r := play(t, `
seed 2935
fleet 82 activation=2s..7s
plane capacity=15 service=14.001851ms
network delay=1ms..607ms
rollout stable@r1 at=22s target=c1 hosts=h28..h82 waves=2m policy=rollback-and-halt
at 2m10.9s plane crash for=17.3s phase=inside-commit
at 3m56.7s reducer slow for=1m55s each=1.923s
at 5m8.4s plane suspend for=42s
active 5m51.7s
converge within=3h
`).finish()
	if r.Effects[scenario.EffectSuspended] == 0 || r.Effects[scenario.EffectSlowStep] == 0 {
		t.Fatalf("no suspension or no slow step was seen: %v", r.Effects)
	}
}
