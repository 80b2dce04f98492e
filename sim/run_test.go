package sim

import (
	"os"
	"testing"
	"time"

	"github.com/refrain-fleet/refrain/sim/scenario"
)

func TestAQuietFleetConverges(t *testing.T) {
	s := scenario.Scenario{Seed: 1, Fleet: scenario.Fleet{Hosts: 10}, Rollouts: []scenario.Rollout{{At: 30 * time.Second, ID: "stable@r1", Target: "c1", Waves: []time.Duration{2 * time.Minute, 3 * time.Minute}}}}
	o := Options{}
	if os.Getenv("TRACE") != "" {
		o.Trace = os.Stderr
	}
	start := time.Now()
	r, err := Run(s, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%+v %v", r, time.Since(start))
	if r.Violation != nil {
		t.Fatal(r.Violation)
	}
	o.Wire = true
	r2, err := Run(s, o)
	if err != nil || r2.Hash != r.Hash || r2.Violation != nil {
		t.Fatal(r2, err)
	}
}
