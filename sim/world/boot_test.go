package world

import (
	"slices"
	"testing"

	"github.com/refrain-fleet/refrain/core/wire"
	"github.com/refrain-fleet/refrain/sim/scenario"
)

// PROTOCOL E5, A8
func TestADeferredActivationTakesEffectWithTheNextBoot(t *testing.T) {
	r := play(t, oneHost+"at 10s activation defer count=1")
	r.when("the record was Deferred", func() bool { return slices.Contains(r.states[0], wire.Deferred) })
	if h := r.host(1); h.running != "c0" || h.nextBoot != "c1" {
		t.Errorf("the host runs %s and will boot %s; want c0, and c1", h.running, h.nextBoot)
	}
	r.when("the host rebooted", func() bool { return r.w.effects[scenario.EffectReboot] > 0 })
	if r.host(1).running != "c1" {
		t.Errorf("after the boot it runs %s", r.host(1).running)
	}
	if got := r.record(1).State; got != wire.Deferred {
		t.Errorf("while it boots the record is %v", got)
	}
	r.finish()
	want := []wire.State{wire.Activating, wire.Deferred, wire.Soaking, wire.Converged}
	if !slices.Equal(r.states[0], want) {
		t.Errorf("the record went through %v, want %v", r.states[0], want)
	}
	if r.w.effects[scenario.EffectSwitch] != 1 {
		t.Errorf("%d activations, want one: the boot did it", r.w.effects[scenario.EffectSwitch])
	}
}

// The closure that r1 left for the next boot must not take the host away from
// the one that it runs, soaks and has been told to run by r2 (docs/findings.md,
// F12).
func TestAHostDoesNotBootIntoWhatASupersededRolloutLeft(t *testing.T) {
	r := play(t, `
fleet 1
rollout stable@r1 at=10s target=c1
rollout stable@r2 at=1m target=c0 waves=20m
at 0s activation defer count=1
active 2m
`)
	r.finish()
	if h := r.host(1); h.running != "c0" || h.nextBoot != "" {
		t.Errorf("the host runs %s and will boot %s; want c0, and nothing else", h.running, h.nextBoot)
	}
	if r.w.effects[scenario.EffectReboot] != 0 {
		t.Error("the host booted; nothing waits for that any more")
	}
}
