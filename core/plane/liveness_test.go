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

// A driver that hands in an earlier instant is at fault; the plane's time stands
// still meanwhile and nobody was heard in the future.
func TestATimeThatRunsBackwardsStandsStill(t *testing.T) { // PROTOCOL L1
	b := started(t)
	b.tickFor(time.Minute)
	b.step(heartbeat("h1", "", "c1"))
	b.now -= 30 * time.Second
	b.step(heartbeat("h2", "", "c1"))
	b.step(&plane.Tick{})
	equal(t, "silence", b.hostStatus("h1").SilentSeconds, 0)
	equal(t, "notices until it has caught up", len(b.tickFor(30*time.Second)), 0)
	equal(t, "silence when it has caught up", b.hostStatus("h1").SilentSeconds, 0)
	equal(t, "notices of almost three intervals", len(b.tickFor(3*interval-1)), 0)
	equal(t, "notices of three intervals", len(b.tickFor(1)), 2)
}

func TestAHostOfAManifestCountsAsHeardWhenItBecomesKnown(t *testing.T) { // PROTOCOL L1
	b := started(t)
	b.step(heartbeat("h1", "", "c1"))
	b.tickFor(interval)
	b.step(open("stable@r1", "h1=c2 h2=c2"))
	equal(t, "silence of a host that was known", b.hostStatus("h1").SilentSeconds, 60)
	equal(t, "silence of a new host", b.hostStatus("h2").SilentSeconds, 0)
	equal(t, "a new host", b.hostStatus("h2").Reachability, wire.NeverSeen)
	b.tickFor(2 * interval)
	equal(t, "the host that was known", b.hostStatus("h1").Reachability, wire.Unreachable)
	equal(t, "the new host", b.hostStatus("h2").Reachability, wire.NeverSeen)
	b.tickFor(interval)
	equal(t, "the new host after three intervals", b.hostStatus("h2").Reachability, wire.Unreachable)
}

func TestAHostIsNeverSeenUntilAnythingOfItArrives(t *testing.T) { // PROTOCOL L1
	for name, first := range map[string]plane.Input{
		"a heartbeat": heartbeat("h1", "", "c1"), "a poll": &plane.Poll{Hostname: "h1"},
		"an event that is rejected": event("h1", "stable@r9", 1, wire.DispatchAck{CurrentClosureAtDispatch: "c1"}),
	} {
		b := started(t)
		b.step(open("stable@r1", "h1=c2 h2=c2"))
		equal(t, "before", b.hostStatus("h1").Reachability, wire.NeverSeen)
		equal(t, "never seen before", b.plane.Stats().HostsNeverSeen, 2)
		equal(t, "never seen in a snapshot", restored(t, plane.Config{}, b.plane.AppendState(nil)).Stats().HostsNeverSeen, 2)
		b.step(first)
		equal(t, "notices of "+name, b.kinds(), "")
		equal(t, "after "+name, b.hostStatus("h1").Reachability, wire.Reachable)
		stats := b.plane.Stats()
		equal(t, "never seen after "+name, stats.HostsNeverSeen, 1)
		equal(t, "reachable after "+name, stats.HostsReachable, 1)
	}
}

func TestAHostThatWasNeverSeenBecomesUnreachableLikeAnyOther(t *testing.T) { // PROTOCOL L1
	b := started(t)
	b.step(open("stable@r1", "h1=c2"))
	equal(t, "notices of almost three intervals", len(b.tickFor(3*interval-1)), 0)
	equal(t, "before", b.hostStatus("h1").Reachability, wire.NeverSeen)
	notices := b.tickFor(1)
	equal(t, "the notice", notices[0].String(), "unreachable h1")
	equal(t, "after", b.hostStatus("h1").Reachability, wire.Unreachable)
	equal(t, "never seen", b.plane.Stats().HostsNeverSeen, 0)
	b.step(heartbeat("h1", "", "c1"))
	equal(t, "the notice of its first heartbeat", b.out.Notices[0].String(), "reachable h1")
	equal(t, "when it has come", b.hostStatus("h1").Reachability, wire.Reachable)
}

// After a start the plane knows of a host what its records say.
func TestAStartKeepsWhoseRecordsShowThatTheyWereSeen(t *testing.T) { // PROTOCOL L1, L2
	for _, state := range wire.States {
		b := inState(t, state)
		p := restored(t, plane.Config{}, []byte(b.durable()))
		var out plane.Output
		p.Step(instant(0), &plane.Started{}, &out)
		out = plane.Output{}
		p.Step(instant(0), &plane.QueryHost{Hostname: "h1"}, &out)
		want := wire.Reachable
		if state == wire.Pending {
			want = wire.NeverSeen
		}
		status, _ := out.Replies[0].Outcome.Document.(*wire.HostStatus)
		equal(t, state.String(), status.Reachability, want)
		if err := p.Check(); err != nil {
			t.Error(err)
		}
	}
}

func TestOperatorsDoNotSpeakForHosts(t *testing.T) { // PROTOCOL L1
	b := started(t)
	b.step(open("stable@r1", "h1=c2"))
	b.tickFor(3*interval - 5*time.Second)
	for _, in := range []plane.Input{
		open("stable@r1", "h1=c2"), open("stable@r2", "h1=c2"), &plane.ResumeRollout{RolloutID: "stable@r2"},
		&plane.ClearQuarantine{Channel: "stable", Closure: "c2"}, &plane.Revoke{CommonName: "h1"},
		&plane.QueryHost{Hostname: "h1"}, &plane.QueryHosts{Limit: 1},
	} {
		b.step(in)
	}
	equal(t, "silence", b.hostStatus("h1").SilentSeconds, 175)
	equal(t, "reachability", b.hostStatus("h1").Reachability, wire.NeverSeen)
	equal(t, "notices of three intervals", len(b.tickFor(5*time.Second)), 1)
}

func TestACreditThatHelpsNobodyIsNotAnnounced(t *testing.T) { // PROTOCOL L2
	b := started(t)
	b.now = time.Hour
	b.step(&plane.Tick{})
	equal(t, "notices", b.kinds(), "")
	b.step(heartbeat("h1", "", "c1"))
	b.now = 2 * time.Hour
	b.step(&plane.Tick{})
	equal(t, "notices with a host", b.out.Notices[0].String(), "credited 3600")
}
