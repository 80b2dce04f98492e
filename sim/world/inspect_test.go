package world

import (
	"testing"
	"time"

	"github.com/refrain-fleet/refrain/sim/scenario"
)

func TestOnlyALivingPlaneAndALivingAgentCanBeLookedAt(t *testing.T) {
	s, err := scenario.ParseScenario("fleet 2\nat 1m plane crash for=5s\nat 1m agent crash host=h1 for=5s\nactive 2m\n")
	if err != nil {
		t.Fatal(err)
	}
	w := checked(t, s)
	down := 0
	for w.Next() {
		died := time.Minute <= w.Now() && w.Now() < time.Minute+5*time.Second
		if (w.Agent(1) == nil) != died && w.Now() > 0 && w.Now() != time.Minute && w.Now() != time.Minute+5*time.Second {
			t.Fatalf("at %v there is an agent: %v", w.Now(), w.Agent(1) != nil)
		}
		if w.Plane() == nil && w.Now() > 0 {
			down++
		}
	}
	if down == 0 || w.Agent(2) == nil || w.Plane() == nil || w.Runs(1) != "c0" {
		t.Errorf("%d steps without a plane; at the end h1 runs %s", down, w.Runs(1))
	}
}
