package check

import (
	"testing"

	"github.com/refrain-fleet/refrain/core/wire"
	"github.com/refrain-fleet/refrain/sim/scenario"
)

// A wiped plane asks for everything again. A copy of an event that the network
// kept for long arrives before the one that comes before it, and is legal
// across the gap (PROTOCOL E4): what was jumped over is then a duplicate, and
// what it told is lost for good (docs/findings.md, F11).
func TestThePlaneMayLackAtRestWhatItJumpedOver(t *testing.T) {
	w, v := judgedRun(t, parsed(t, `
seed 277
fleet 1
network delay=1ms..3s dup=500
rollout stable@r1 at=1s target=c1
at 20s plane wipe for=1s
active 3m
`), nil)
	if v.Violation != nil {
		t.Fatal(v.Violation)
	}
	planes, _ := w.Plane().Record("stable@r1", "h1")
	views := w.Agent(1).Views(nil)
	if len(views) != 1 {
		t.Fatalf("the agent has %d records, want 1", len(views))
	}
	agents := &views[0]
	if planes.State != wire.Converged || agents.Record.State != wire.Converged {
		t.Fatalf("the plane has %v; want the host converged on both sides", &planes)
	}
	if planes.ActivationStartedAt.IsSet() || !agents.Record.ActivationStartedAt.IsSet() {
		t.Errorf("the activation started at %v by the plane and at %v by the agent; the scenario no longer shows what it is for",
			planes.ActivationStartedAt, agents.Record.ActivationStartedAt)
	}
}

func parsed(t *testing.T, text string) scenario.Scenario {
	t.Helper()
	s, err := scenario.ParseScenario(text)
	if err != nil {
		t.Fatal(err)
	}
	return s
}
