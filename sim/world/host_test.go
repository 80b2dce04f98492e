package world

import (
	"slices"
	"testing"
	"time"

	"github.com/refrain-fleet/refrain/core/agent"
	"github.com/refrain-fleet/refrain/core/plane"
	"github.com/refrain-fleet/refrain/core/wire"
	"github.com/refrain-fleet/refrain/sim/scenario"
)

// What the faults of hosts do.

// lives notes when a host's agents were there.
type lives struct {
	up    bool
	turns []time.Duration // down, up, down, up …
}

func (l *lives) watch(r *rig, n int, until time.Duration) {
	l.up = r.host(n).up
	for r.w.queue.len() > 0 && r.w.queue.nextAt() <= until && r.w.Next() {
		if r.host(n).up != l.up {
			l.up = !l.up
			l.turns = append(l.turns, r.w.now)
		}
	}
}

// PROTOCOL A1, A9
func TestAnAgentThatCrashesGoesOnWhereItsLogEnds(t *testing.T) {
	r := play(t, oneHost+"at 35s agent crash for=7s\nat 80s agent crash for=11s")
	var l lives
	l.watch(r, 1, 2*time.Minute)
	want := []time.Duration{0, 35 * time.Second, 42 * time.Second, 80 * time.Second, 91 * time.Second}
	if !slices.Equal(l.turns, want) {
		t.Errorf("the process came and went at %v, want %v", l.turns, want)
	}
	r.finish()
	if rec := r.record(1); rec.State != wire.Converged {
		t.Errorf("the record is %v", rec.State)
	}
}

// What is kept is never the whole: the process that had it all on disk would
// send, and that is another crash. Any less may be.
//
// PROTOCOL A1
func TestACrashAtAnAppendKeepsAProperPrefixOfIt(t *testing.T) {
	kept := map[int]int{}
	for seed := range uint64(12) {
		s, err := scenario.ParseScenario(oneHost + "at 29s agent crash for=5s after=yes")
		if err != nil {
			t.Fatal(err)
		}
		s.Seed = seed
		r := playScenario(t, s)
		at := r.when("the agent crashed", func() bool { return r.w.effects[scenario.EffectAgentCrashAtAppend] > 0 })
		// Its first append is of the dispatch that it takes up, of the
		// acknowledgement and of the activation's start: three entries.
		h := r.host(1)
		if h.up || len(h.disk.appended) >= 3 {
			t.Errorf("seed %d: up %v, %d entries on the disk; want it down, with less than the three of the first append", seed, h.up, len(h.disk.appended))
		}
		for i, kind := range []agent.EntryKind{agent.EntryTaken, agent.EntryEvent}[:min(len(h.disk.appended), 2)] {
			if h.disk.appended[i].Kind != kind {
				t.Errorf("seed %d: entry %d on the disk is %v, want %v", seed, i, h.disk.appended[i], kind)
			}
		}
		kept[len(h.disk.appended)]++
		r.until(at + 5*time.Second - 1)
		if r.host(1).up {
			t.Errorf("seed %d: it is up again before its time", seed)
		}
		result := r.finish()
		if rec := r.record(1); rec.State != wire.Converged || result.Effects[scenario.EffectSwitch] != 1 {
			t.Errorf("seed %d: the record is %v after %d activations", seed, rec.State, result.Effects[scenario.EffectSwitch])
		}
	}
	if kept[0] == 0 || kept[1] == 0 || kept[2] == 0 {
		t.Errorf("by how many entries were kept: %v; want none, one and two, each of them sometimes", kept)
	}
}

func TestAProcessThatIsDownWaitsForItsAppendToo(t *testing.T) {
	r := play(t, oneHost+"at 20s agent crash for=8s\nat 25s agent crash for=5s after=yes")
	if got := r.finish().Effects[scenario.EffectAgentCrashAtAppend]; got != 1 {
		t.Errorf("it crashed %d times at an append, want once", got)
	}
}

// An activation that is cut off has taken effect or has not; the agent finds
// out, and ends it.
func TestAnActivationThatIsCutOffIsEnded(t *testing.T) {
	took := map[wire.Closure]int{}
	for seed := range uint64(12) {
		s, err := scenario.ParseScenario(oneHost + "at 1s net partition for=1ms")
		if err != nil {
			t.Fatal(err)
		}
		s.Seed = seed
		quiet := playScenario(t, s)
		at := quiet.when("an activation began", func() bool { return quiet.w.effects[scenario.EffectSwitch] > 0 })
		s.Faults = []scenario.Fault{{Kind: scenario.HostReboot, At: at + 5*time.Second, For: 30 * time.Second}}
		r := playScenario(t, s)
		r.until(at + 6*time.Second)
		if r.w.effects[scenario.EffectSwitchCut] != 1 {
			t.Fatalf("seed %d: %d activations were cut off, want one", seed, r.w.effects[scenario.EffectSwitchCut])
		}
		took[r.host(1).running]++
		r.finish()
		if rec := r.record(1); rec.State != wire.Converged || r.host(1).running != "c1" {
			t.Errorf("seed %d: the record is %v, the host runs %s", seed, rec.State, r.host(1).running)
		}
	}
	if took["c0"] == 0 || took["c1"] == 0 {
		t.Errorf("of 12 activations that were cut off %v; want both to happen", took)
	}
}

// PROTOCOL H3, A4
func TestAnAgentWithoutItsDiskIsToldWhatItWasDoing(t *testing.T) {
	r := play(t, oneHost+"at 80s agent amnesia for=5s")
	r.until(80 * time.Second)
	if r.record(1).State != wire.Soaking || !r.host(1).disk.empty() {
		t.Fatalf("the record is %v, %d bytes are on the disk; want it Soaking, and none", r.record(1).State, len(r.host(1).disk.all()))
	}
	last := r.record(1).LastEventSeq
	r.when("the agent took up what the plane told it", func() bool { return r.w.effects[scenario.EffectAgentRecovered] > 0 })
	v, has := r.view(1)
	if !has || v.Record.State != wire.Soaking || v.Record.LastEventSeq < last {
		t.Errorf("it knows %+v; want it Soaking, going on from event %d", v.Record, last)
	}
	result := r.finish()
	if rec := r.record(1); rec.State != wire.Converged || result.Effects[scenario.EffectSwitch] != 1 {
		t.Errorf("the record is %v after %d activations, want it Converged after one", rec.State, result.Effects[scenario.EffectSwitch])
	}
}

func TestADiskCanBeLostWhileTheHostIsDown(t *testing.T) {
	r := play(t, oneHost+"at 80s agent crash for=20s\nat 90s agent amnesia for=5s")
	r.until(90 * time.Second)
	if r.host(1).up || !r.host(1).disk.empty() || r.w.effects[scenario.EffectAmnesia] != 1 {
		t.Errorf("up %v, %d bytes, %d disks lost; want it down, with a disk lost", r.host(1).up, len(r.host(1).disk.all()), r.w.effects[scenario.EffectAmnesia])
	}
	r.until(100*time.Second - 1)
	if r.host(1).up {
		t.Error("it came up before its time")
	}
	if r.finish().Effects[scenario.EffectAgentRecovered] == 0 {
		t.Error("nothing was recovered")
	}
}

// PROTOCOL L1, H1
func TestAHostsClockLeavesLivenessAlone(t *testing.T) {
	for _, fault := range []string{"clock skew host=h1 for=3m each=-30h", "clock skew host=h1 for=3m each=700h", "clock drift host=h1 for=3m rate=-900000"} {
		t.Run(fault, func(t *testing.T) {
			r := play(t, busyFleet+"at 1m "+fault)
			r.until(4*time.Minute - time.Second)
			s := r.status(1)
			if off := s.LastHeartbeatAt.Std().Sub(scenario.Epoch.Std()) - r.w.now; off < time.Minute && off > -time.Minute {
				t.Errorf("its last heartbeat is of %v, which is hardly off: the clock was right", s.LastHeartbeatAt)
			}
			if s.Reachability != wire.Reachable || s.SilentSeconds > 12 {
				t.Errorf("it is %v, silent for %ds", s.Reachability, s.SilentSeconds)
			}
			r.finish()
			if n := r.noticesOf(plane.NoticeUnreachable); n != 0 {
				t.Errorf("%d hosts were called unreachable", n)
			}
		})
	}
}

func TestAClockIsOffByWhatItsFaultsSay(t *testing.T) {
	r := play(t, busyFleet+"at 1m clock drift host=h1 for=2m rate=10000\nat 90s clock skew host=h1..h2 for=30s each=5s")
	for _, c := range []struct {
		at     time.Duration
		h1, h2 time.Duration
	}{
		{59 * time.Second, 0, 0},
		{80 * time.Second, 200 * time.Millisecond, 0},
		{100 * time.Second, 5*time.Second + 400*time.Millisecond, 5 * time.Second},
		{130 * time.Second, 700 * time.Millisecond, 0},
		{181 * time.Second, 0, 0},
	} {
		r.until(c.at)
		r.w.now = c.at // the instant itself, and not that of the last event
		for n, want := range map[int]time.Duration{1: c.h1, 2: c.h2} {
			instant := r.host(n).instant(r.w)
			if off := instant.Wall.Std().Sub(scenario.Epoch.Std()) - c.at; off != want || instant.Mono != c.at {
				t.Errorf("at %v h%d is off by %v, want %v", c.at, n, off, want)
			}
		}
	}
}

// PROTOCOL T3
func TestWithAnothersCertificateNothingChanges(t *testing.T) {
	r := play(t, "seed 2\nfleet 2 interval=10s\nactive 4m\nrollout stable@r1 at=20s target=c1 waves=2m\nat 50s cert wrong host=h1 for=1m")
	r.until(50 * time.Second)
	was, wasRecord := r.status(1), r.record(1)
	r.until(110*time.Second - time.Millisecond)
	is, isRecord := r.status(1), r.record(1)
	if is.LastHeartbeatAt != was.LastHeartbeatAt || isRecord.State != wasRecord.State || isRecord.LastEventSeq != wasRecord.LastEventSeq {
		t.Errorf("h1 was %v with %v, and is %v with %v", was, wasRecord, is, isRecord)
	}
	if is.Reachability != wire.Unreachable {
		t.Errorf("after a minute h1 is %v: it was heard", is.Reachability)
	}
	refused := 0
	for _, q := range r.requests {
		if q.node != 0 || q.sentAt < 50*time.Second || q.kind == scenario.RoutePoll {
			continue // a poll names nobody: it is the other's
		}
		refused++
		if q.code.Status() != 403 {
			t.Errorf("a %v is answered %v", q.kind, q.code)
		}
	}
	if refused == 0 {
		t.Error("nothing was sent")
	}
	r.finish()
	if rec := r.record(1); rec.State != wire.Converged {
		t.Errorf("in the end the record is %v", rec.State)
	}
}

// PROTOCOL T5
func TestARevokedHostIsLockedOutUntilItHasANewCertificate(t *testing.T) {
	r := play(t, "seed 2\nfleet 2 interval=10s\nactive 4m\nat 1m revoke h1 reissue=90s")
	result := r.finish()
	if result.Effects[scenario.EffectRevoked] != 1 || result.Effects[scenario.EffectReissued] != 1 {
		t.Fatalf("%d revocations, %d new certificates; want one each", result.Effects[scenario.EffectRevoked], result.Effects[scenario.EffectReissued])
	}
	from, to := time.Minute+time.Second, time.Minute+90*time.Second
	locked := 0
	for _, q := range r.requests {
		if q.node != 0 {
			continue
		}
		switch {
		case q.arrivedAt > from && q.sentAt < to:
			locked++
			if q.code.Status() != 401 {
				t.Errorf("a %v that came at %v is answered %v, want 401", q.kind, q.arrivedAt, q.code)
			}
		case q.sentAt > to+2*time.Second && q.code.Status() == 401:
			t.Errorf("a %v that was sent at %v is answered %v: the certificate is new", q.kind, q.sentAt, q.code)
		}
	}
	if locked == 0 {
		t.Error("h1 asked for nothing while it was locked out")
	}
	if r.count(func(q *noted) bool { return q.node == 1 && q.code.Status() == 401 }) != 0 {
		t.Error("h2 was locked out too")
	}
}

// PROTOCOL T5
func TestARevocationIsCountedWithoutANewCertificateToo(t *testing.T) {
	r := play(t, "seed 2\nfleet 2 interval=10s\nactive 4m\nat 1m revoke h1")
	if result := r.finish(); result.Effects[scenario.EffectRevoked] != 1 || result.Effects[scenario.EffectReissued] != 0 {
		t.Errorf("%d revocations, %d new certificates; want one, and none", result.Effects[scenario.EffectRevoked], result.Effects[scenario.EffectReissued])
	}
}

// PROTOCOL R2
func TestAFailedActivationHaltsTheRollout(t *testing.T) {
	r := play(t, "seed 2\nfleet 2 interval=10s activation=10s..10s\nactive 10m\nrollout stable@r1 at=20s target=c1 waves=1m,1m\nat 10s activation fail host=h1 for=3m")
	result := r.finish()
	if rec := r.record(1); rec.State != wire.Failed || r.host(1).running != "c0" {
		t.Errorf("h1 is %v and runs %s; want it Failed, on c0", rec.State, r.host(1).running)
	}
	if rec := r.record(2); rec.State != wire.Pending || rec.DispatchedAt.IsSet() {
		t.Errorf("h2, of the second wave, is %v; want it Pending and not dispatched", rec.State)
	}
	if result.Effects[scenario.EffectHalted] != 1 {
		t.Errorf("halted %d times", result.Effects[scenario.EffectHalted])
	}
}

func TestASlowActivationTakesThatMuchLonger(t *testing.T) {
	r := play(t, oneHost+"at 10s activation slow for=3m each=50s")
	began := r.when("it began", func() bool { return r.host(1).switching.id != 0 })
	ended := r.when("it ended", func() bool { return r.host(1).switching.id == 0 })
	if took := ended - began; took != time.Minute { // 10s and 50s
		t.Errorf("it took %v, want a minute", took)
	}
	if got := r.finish().Effects[scenario.EffectActivationSlow]; got != 1 {
		t.Errorf("%d slow activations, want one", got)
	}
}

// rollbacks notes when agents roll back.
type rollbacks struct {
	began []time.Duration
	up    []bool // the plane, then
}

func (b *rollbacks) hostStepped(e *Event) {
	for _, effect := range e.AgentOutput.Effects {
		if effect.Kind == agent.EffectRollback {
			b.began, b.up = append(b.began, e.At), append(b.up, e.World.plane.up)
		}
	}
}

// PROTOCOL A7, R3
func TestAHostRollsBackByItselfWhileThePlaneIsDown(t *testing.T) {
	scene := "seed 2\nfleet 1 interval=20s activation=10s..10s probe-interval=10s sustained=60s\nactive 20m\n" +
		"rollout stable@r1 at=20s target=c1 waves=5m policy=rollback-and-halt\n"
	quiet := play(t, scene)
	soaking := quiet.when("the host soaked", func() bool { return slices.Contains(quiet.states[0], wire.Soaking) })
	down := soaking + 5*time.Second
	r := play(t, scene+"at "+down.String()+" plane crash for=10m\nat "+down.String()+" probe fail for=15m")
	b := &rollbacks{}
	r.w.Subscribe(EventHostStepped, b.hostStepped)
	r.until(down + 5*time.Minute)
	if len(b.began) != 1 || b.up[0] {
		t.Fatalf("it rolled back at %v, the plane being up: %v; want once, without the plane", b.began, b.up)
	}
	// The first failing round begins within a probe interval, and it has to go
	// on failing for a minute.
	if after := b.began[0] - down; after < time.Minute || after > 90*time.Second {
		t.Errorf("it rolled back after %v of failing, want a minute and a round or two", after)
	}
	if h := r.host(1); h.running != "c0" || r.w.plane.up {
		t.Errorf("it runs %s, and the plane is up: %v", h.running, r.w.plane.up)
	}
	r.finish()
	if want := []wire.State{wire.Failed, wire.Reverted}; !slices.Equal(r.states[0][len(r.states[0])-2:], want) {
		t.Errorf("the plane saw %v, want it to end with %v", r.states[0], want)
	}
	if !r.w.plane.worker.Plane().Quarantined("stable", "c1") {
		t.Error("the target is not quarantined")
	}
}

// PROTOCOL A7
func TestUnderThePolicyHaltNothingIsRolledBack(t *testing.T) {
	r := play(t, "seed 2\nfleet 1 interval=20s activation=10s..10s\nactive 20m\nrollout stable@r1 at=20s target=c1 waves=10m policy=halt\nat 30s probe fail for=15m")
	result := r.finish()
	if rec := r.record(1); rec.State != wire.Failed || r.host(1).running != "c1" {
		t.Errorf("it is %v and runs %s; want it Failed, on c1", rec.State, r.host(1).running)
	}
	if result.Effects[scenario.EffectAgentRollback] != 0 || result.Effects[scenario.EffectProbeFailed] == 0 {
		t.Errorf("%d rollbacks, %d failed rounds", result.Effects[scenario.EffectAgentRollback], result.Effects[scenario.EffectProbeFailed])
	}
}
