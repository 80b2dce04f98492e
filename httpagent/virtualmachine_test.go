package httpagent

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/benbjohnson/clock"

	"github.com/refrain-fleet/refrain/core/agent"
	"github.com/refrain-fleet/refrain/core/wire"
)

// virtual is a virtual machine whose clock the test moves.
type virtual struct {
	*VirtualMachine
	t     *testing.T
	clock *clock.Mock
	boots chan time.Duration
}

func newVirtual(t *testing.T, edits ...func(*VirtualMachineConfig)) *virtual {
	t.Helper()
	v := &virtual{t: t, clock: clock.NewMock(), boots: make(chan time.Duration, 1)}
	cfg := VirtualMachineConfig{
		Closure: "c0", Seed: 7, Clock: NewClock(v.clock, 1), Probes: testProbes,
		Rebooted: func(down time.Duration) { v.boots <- down },
	}
	for _, edit := range edits {
		edit(&cfg)
	}
	v.VirtualMachine = must(NewVirtualMachine(cfg))(t)
	t.Cleanup(v.Close)
	return v
}

// during moves the clock until do has ended, and returns how long that took.
func (v *virtual) during(do func()) time.Duration {
	began := v.clock.Now()
	done := make(chan struct{})
	var ended time.Time
	go func() {
		defer close(done)
		do()
		ended = v.clock.Now()
	}()
	for {
		select {
		case <-done:
			return ended.Sub(began)
		default:
			v.clock.Add(time.Second)
		}
	}
}

func (v *virtual) activate(closure wire.Closure) (in agent.ActivationEnded) {
	v.during(func() { in = v.Activate(v.t.Context(), closure) })
	return in
}

func (v *virtual) probe() (status wire.ProbeStatus) {
	v.during(func() { status = v.Probe(v.t.Context(), testProbes[0]).Status })
	return status
}

func TestAVirtualSwitchTakesItsTime(t *testing.T) {
	v := newVirtual(t)
	var in agent.ActivationEnded
	// The clock moves in steps of a second, and may move on before the switch
	// has begun to wait.
	if took := v.during(func() { in = v.Activate(t.Context(), "c1") }); took < 10*time.Second {
		t.Errorf("it took %v, want half of 20s at least", took)
	}
	if want := (agent.ActivationEnded{Result: agent.ActivationCompleted, CurrentClosure: "c1"}); in != want {
		t.Errorf("it ended with %v, want %v", in, want)
	}
	if v.CurrentClosure() != "c1" || v.probe() != wire.Pass {
		t.Errorf("the host runs %s", v.CurrentClosure())
	}
	var back agent.RollbackEnded
	v.during(func() { back = v.RollBack(t.Context(), "c0") })
	if back.CurrentClosure != "c0" || back.ExitCode != 0 || v.CurrentClosure() != "c0" {
		t.Errorf("the rollback ended with %v, the host runs %s", back, v.CurrentClosure())
	}
}

func TestAVirtualMachineFollowsItsScript(t *testing.T) {
	v := newVirtual(t, func(c *VirtualMachineConfig) { c.Script = Script{Result: agent.ActivationFailed} })
	if in := v.activate("c1"); in.Result != agent.ActivationFailed || in.CurrentClosure != "c0" || in.ExitCode == 0 || in.StderrTail == "" {
		t.Errorf("a closure without a script of its own: %v", in)
	}
	v.Play("c2", Script{Failing: 90 * time.Second})
	if in := v.activate("c2"); in.Result != agent.ActivationCompleted {
		t.Fatalf("c2: %v", in)
	}
	if v.probe() != wire.Fail {
		t.Error("c2 passes at once")
	}
	observed := wire.ProbeDeclaration{ProbeName: "disk", ProbeKind: "exec", Mode: wire.Observe}
	v.during(func() {
		if in := v.Probe(t.Context(), observed); in.Status != wire.Pass {
			t.Errorf("an observed probe: %v", &in)
		}
	})
	v.clock.Add(90 * time.Second)
	if v.probe() != wire.Pass {
		t.Error("c2 fails for longer than its script says")
	}
	v.Play("c3", Script{Failing: -1})
	v.activate("c3")
	v.clock.Add(24 * time.Hour)
	if v.probe() != wire.Fail {
		t.Error("c3 does not fail for good")
	}
	v.Play("c0", Script{RollbackFails: true})
	v.during(func() {
		if in := v.RollBack(t.Context(), "c0"); in.ExitCode == 0 || in.CurrentClosure != "c3" {
			t.Errorf("the rollback: %v", &in)
		}
	})
}

func TestAVirtualHostBootsIntoWhatWasDeferred(t *testing.T) {
	v := newVirtual(t, func(c *VirtualMachineConfig) { c.Script = Script{Result: agent.ActivationDeferred} })
	if in := v.activate("c1"); in.Result != agent.ActivationDeferred || in.Component == "" || in.CurrentClosure != "c0" {
		t.Errorf("it ended with %v", &in)
	}
	if v.NextBoot() != "c1" {
		t.Errorf("it will boot %q, want c1", v.NextBoot())
	}
	v.clock.Add(2 * time.Minute)
	if down := <-v.boots; down < 0 || down > 30*time.Second {
		t.Errorf("it is down for %v, want a quarter of two minutes at most", down)
	}
	if v.CurrentClosure() != "c1" {
		t.Errorf("it runs %s", v.CurrentClosure())
	}
	// A switch before the boot takes the place of what was deferred.
	v.activate("c2")
	v.Play("c3", Script{})
	v.activate("c3")
	if v.NextBoot() != "" {
		t.Errorf("it will boot %s, want what it runs", v.NextBoot())
	}
	v.clock.Add(time.Hour)
	if v.CurrentClosure() != "c3" {
		t.Errorf("it runs %s", v.CurrentClosure())
	}
	v.activate("c4")
	v.Close()
	v.clock.Add(time.Hour)
	if len(v.boots) > 0 || v.CurrentClosure() != "c3" {
		t.Error("it booted after it was closed")
	}
}

func TestASwitchThatIsCutOffHasTakenEffectOrNot(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	seen := map[wire.Closure]int{}
	for seed := range uint64(64) {
		v := newVirtual(t, func(c *VirtualMachineConfig) { c.Seed = seed })
		in := v.Activate(ctx, "c1") // returns though the clock stands still
		if in.CurrentClosure != v.CurrentClosure() {
			t.Fatalf("it says %s and runs %s", in.CurrentClosure, v.CurrentClosure())
		}
		seen[v.CurrentClosure()]++
	}
	if seen["c0"] == 0 || seen["c1"] == 0 {
		t.Errorf("of 64 switches: %v", seen)
	}
}

func TestAVirtualMachineMayBeUsedFromManySides(t *testing.T) {
	v := newVirtual(t)
	var running sync.WaitGroup
	v.during(func() {
		for range 8 {
			running.Go(func() { v.Probe(t.Context(), testProbes[0]) })
			running.Go(func() { v.Activate(t.Context(), "c1") })
			running.Go(func() { v.Play("c1", Script{}); v.CurrentClosure() })
		}
		running.Wait()
	})
}

func TestAVirtualMachineSaysWhatIsWrong(t *testing.T) {
	for want, cfg := range map[string]VirtualMachineConfig{
		"closure is":      {},
		"switch time is":  {Closure: "c0", SwitchTime: -1},
		"probe time is":   {Closure: "c0", ProbeTime: -1},
		"reboot after is": {Closure: "c0", RebootAfter: -1},
		"script":          {Closure: "c0", Script: Script{Result: 9}},
	} {
		if _, err := NewVirtualMachine(cfg); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, want %q", cfg, err, want)
		}
	}
}
