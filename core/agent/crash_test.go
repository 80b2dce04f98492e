package agent_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/refrain-fleet/refrain/core/agent"
	"github.com/refrain-fleet/refrain/core/wire"
)

// TestACrashAfterAnyStepWithAnyPrefixOfItsAppendsLosesNothing runs a whole
// rollout of every fate again and again, and lets the agent's process go down
// after its first step, its second, and so on; each time with none, some and
// all of that step's appends on disk. Plane and agent have to agree in the end,
// and the oracle has to be content all the way.
func TestACrashAfterAnyStepWithAnyPrefixOfItsAppendsLosesNothing(t *testing.T) { // PROTOCOL A1, A9
	for f := range fate(fateCount) {
		t.Run(fmt.Sprintf("fate %d", f), func(t *testing.T) {
			crashes := 0
			for step := 1; ; step++ {
				appends := -1
				for prefix := 0; prefix <= max(appends, 0); prefix++ {
					w := newWorld(t, 3, 1)
					m := w.hosts[0]
					m.fates["c1"] = f
					left := step
					w.crashing = func(m *machine) (int, bool) {
						left--
						if left == 0 {
							appends = len(m.out.Appends)
							return prefix, true
						}
						return 0, false
					}
					m.start(agent.ProcessStart)
					w.after(time.Minute, func() {
						w.open(manifest(r1, wire.RollbackAndHalt, 1, toClosure("c1"), "h1"))
					})
					w.run(2*time.Minute, nil)
					if !w.run(time.Hour, func() bool { return w.disagreement() == "" }) {
						t.Fatalf("after a crash in step %d with %d of %d appends: %s", step, prefix, appends, w.disagreement())
					}
					if left > 0 { // the story has fewer steps
						if crashes < 20 {
							t.Fatalf("%d crashes were tried; want more", crashes)
						}
						return
					}
					crashes++
				}
			}
		})
	}
}

func TestALegacyAgentConvergesWhenNothingIsLost(t *testing.T) { // PROTOCOL E
	for f := range fate(fateCount) {
		w := newWorld(t, 5, 1)
		m := w.hosts[0]
		m.cfg.Legacy = true
		m.fates["c1"] = f
		m.start(agent.ProcessStart)
		w.after(time.Minute, func() {
			w.open(manifest(r1, wire.RollbackAndHalt, 1, toClosure("c1"), "h1"))
		})
		w.run(2*time.Minute, nil)
		if !w.run(time.Hour, func() bool { return w.disagreement() == "" }) {
			t.Errorf("fate %d: %s", f, w.disagreement())
		}
	}
}

func TestALegacyAgentLeavesAWipedPlaneInTheDark(t *testing.T) { // PROTOCOL A1: why it is there
	w := newWorld(t, 5, 1)
	m := w.hosts[0]
	m.cfg.Legacy = true
	m.start(agent.ProcessStart)
	w.open(manifest(r1, wire.RollbackAndHalt, 1, toClosure("c1"), "h1"))
	if !w.run(time.Hour, func() bool { return w.disagreement() == "" }) {
		t.Fatal(w.disagreement())
	}
	w.losePlane(0, time.Minute)
	w.run(10*time.Hour, nil)
	rec := w.planeRecords()["h1"][r1]
	equal(t, "state", rec.State, wire.Soaking) // confirmed by a heartbeat, and no further
}
