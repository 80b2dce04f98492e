package plane_test

import (
	"testing"
	"time"

	"github.com/refrain-fleet/refrain/core/plane"
	"github.com/refrain-fleet/refrain/core/wire"
)

func TestADownTimeIsCredited(t *testing.T) { // PROTOCOL L2
	b := started(t)
	b.step(heartbeat("h1", "", "c1"))
	b.tickFor(2*interval + 30*time.Second)
	b.step(&plane.Started{})
	equal(t, "notices of a start", b.kinds(), "")
	equal(t, "notices of almost three intervals", len(b.tickFor(3*interval-1)), 0)
	equal(t, "silence", b.hostStatus("h1").SilentSeconds, 179)
	notices := b.tickFor(1)
	equal(t, "notices of three intervals", len(notices), 1)
	equal(t, "the notice", notices[0].String(), "unreachable h1")
}

func TestAnUnreachableHostIsReachableAfterAStart(t *testing.T) { // PROTOCOL L2
	b := started(t)
	b.step(heartbeat("h1", "", "c1"))
	b.tickFor(3 * interval)
	equal(t, "before", b.hostStatus("h1").Reachability, wire.Unreachable)
	b.step(&plane.Started{})
	equal(t, "after", b.hostStatus("h1").Reachability, wire.Reachable)
	equal(t, "hosts counted as unreachable", b.plane.Stats().HostsUnreachable, 0)
}

// A snapshot has instants of the clock of the process that wrote it. The clock
// of the next process starts anywhere, mostly earlier.
func TestAPlaneRestoredFromASnapshotFollowsTheClockOfItsNewProcess(t *testing.T) { // PROTOCOL L2
	for _, uptime := range []time.Duration{0, time.Minute, 24 * time.Hour, 72 * time.Hour} {
		b := started(t)
		b.now = 24 * time.Hour
		b.step(&plane.Started{})
		b.step(heartbeat("h1", "", "c1"))
		b.tickFor(time.Minute)
		b.plane = restored(t, plane.Config{}, b.plane.AppendState(nil))
		b.now = uptime
		b.step(&plane.Started{})
		equal(t, "notices of the start", b.kinds(), "")
		equal(t, "notices of almost three intervals", len(b.tickFor(3*interval-1)), 0)
		equal(t, "notices of three intervals", len(b.tickFor(1)), 1)
		equal(t, "reachability", b.hostStatus("h1").Reachability, wire.Unreachable)
	}
}
