package sim

import (
	"testing"

	"github.com/refrain-fleet/refrain/sim/scenario"
)

// A suspension that ends just before the scenario is healed once planned two
// steps at a time, and the second ran into an output that was reset.
func TestWhateverHeldTheLoopUpOneStepIsPlanned(t *testing.T) {
	s, err := scenario.ParseScenario(`
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
`)
	if err != nil {
		t.Fatal(err)
	}
	r, err := Run(s, Options{})
	if err != nil || r.Violation != nil {
		t.Fatal(r.Violation, err)
	}
	if r.Effects[scenario.EffectSuspended] == 0 || r.Effects[scenario.EffectSlowStep] == 0 {
		t.Fatalf("no suspension or no slow step was seen: %v", r.Effects)
	}
}
