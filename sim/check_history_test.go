package sim

import (
	"testing"

	"github.com/refrain-fleet/refrain/core/wire"
)

// A wiped plane asks for everything again. A copy of an event that the network
// kept for long arrives before the one that comes before it, and is legal
// across the gap (PROTOCOL E4): what was jumped over is then a duplicate, and
// what it told is lost for good (docs/findings.md, F11).
func TestThePlaneMayLackAtRestWhatItJumpedOver(t *testing.T) {
	r := play(t, `
seed 13
fleet 1
network delay=1ms..3s dup=500
rollout stable@r1 at=1s target=c1
at 20s plane wipe for=1s
active 3m
`)
	r.finish() // under every checker
	planes := r.record(1)
	agents, there := r.view(1)
	if !there || planes.State != wire.Converged || agents.Record.State != wire.Converged {
		t.Fatalf("the plane has %v; want the host converged on both sides", &planes)
	}
	if planes.ActivationStartedAt.IsSet() || !agents.Record.ActivationStartedAt.IsSet() {
		t.Errorf("the activation started at %v by the plane and at %v by the agent; the scenario no longer shows what it is for",
			planes.ActivationStartedAt, agents.Record.ActivationStartedAt)
	}
}
