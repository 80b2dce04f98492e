package plane_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/refrain-fleet/refrain/core/plane"
	"github.com/refrain-fleet/refrain/core/wire"
)

func (b *harness) overview(from wire.Count) *plane.Overview {
	return answered[*plane.Overview](b.t, b.plane, instant(b.now), &plane.QueryOverview{From: from})
}

func idsOf(v *plane.Overview) string {
	var ids []string
	for i := range v.Rollouts {
		ids = append(ids, string(v.Rollouts[i].Status.RolloutID))
	}
	return strings.Join(ids, " ")
}

func TestAnOverviewCountsTheWavesOfEachRollout(t *testing.T) {
	b := started(t)
	b.step(open("stable@r1", "h1=c1"))
	b.step(open("stable@r2", "h1=c2 h2=c2", "h3=c2"))
	b.step(open("edge@r1", "e1=c2"))
	b.step(heartbeat("h1", "", "c2"))
	v := b.overview(0)
	equal(t, "the rollouts", idsOf(v), "edge@r1 stable@r2")
	equal(t, "the waves", fmt.Sprint(v.Rollouts[1].Waves), fmt.Sprint([]wire.StateCounts{{Pending: 1, Soaking: 1}, {Pending: 1}}))
	equal(t, "hosts", v.Fleet.Reachable+v.Fleet.NeverSeen, 4)
	if err := b.plane.Check(); err != nil {
		t.Error(err)
	}
}

func TestAnOverviewNamesWhatIsHaltedFirst(t *testing.T) {
	b := started(t)
	b.step(open("a@1", "h1=c1"))
	b.step(open("z@1", "h2=c1"))
	b.tell("h2", "z@1", acked, broken)
	v := b.overview(0)
	equal(t, "the rollouts", idsOf(v), "z@1 a@1")
	equal(t, "halted by", v.Rollouts[0].Status.HaltedBy, "h2")
}

func TestAnOverviewNamesSilentAndSlowHosts(t *testing.T) {
	b := started(t)
	b.step(open("stable@r1", "h1=c2 h2=c2 h3=c2", "h4=c2"))
	b.tickFor(30 * time.Second)
	b.step(open("edge@r1", "h3=c2"))
	b.step(heartbeat("h1", "", "c1"))
	b.tickFor(100 * time.Second)
	b.step(heartbeat("h2", "", "c1"))
	v := b.overview(0)
	// h1 was heard 100 s ago, so it has missed no heartbeat for sure.
	equal(t, "the silent", fmt.Sprint(v.Silent), "[{h3 never_seen 130} {h4 never_seen 130}]")
	var slow []string
	for _, h := range v.Slow {
		slow = append(slow, fmt.Sprintf("%s %s %v", h.Hostname, h.RolloutID, h.State))
	}
	// h4 is in a wave that is not dispatched.
	equal(t, "the slow", fmt.Sprint(slow), "[h1 stable@r1 Pending h2 stable@r1 Pending h3 stable@r1 Pending h3 edge@r1 Pending]")
	equal(t, "next", v.Next, 0)
}

// The table is looked at in pieces: together they name each host that the whole would.
func TestAnOverviewLooksAtSoManyRecordsAtATime(t *testing.T) {
	b := started(t)
	const hosts = 2*plane.MaxOverviewRecords + 5
	m := wire.Manifest{Channel: "stable", ChannelRef: "r1", Policy: wire.Policy{OnHealthFailure: wire.Halt, Waves: []wire.Wave{{}}}}
	for i := range hosts {
		m.Hosts = append(m.Hosts, wire.ManifestHost{Hostname: wire.Hostname(fmt.Sprintf("h%06d", i)), TargetClosure: "c"})
	}
	b.step(&plane.OpenRollout{Manifest: m})
	for r := b.out.Replies; r[len(r)-1].Unfinished; r = b.out.Replies {
		b.step(&plane.ContinueOpening{Durable: b.out.Sealed != nil})
	}
	b.tickFor(150 * time.Second)
	var froms []wire.Count
	top := 0
	for from := wire.Count(0); ; {
		v := b.overview(from)
		froms = append(froms, v.Next)
		top += len(v.Silent)
		equal(t, "the slow of a piece", len(v.Slow), len(v.Silent))
		if from = v.Next; from == 0 || len(froms) > 5 {
			break
		}
	}
	equal(t, "next", fmt.Sprint(froms), fmt.Sprint([]int{plane.MaxOverviewRecords, 2 * plane.MaxOverviewRecords, 0}))
	equal(t, "the silent of all pieces", top, 25)
	equal(t, "from a place that is not there", b.overview(hosts).Next, plane.MaxOverviewRecords)
}

func TestAnOverviewIsWrittenAndBounded(t *testing.T) {
	b := started(t)
	for i := range plane.MaxOverviewRollouts + 3 {
		b.step(open(wire.RolloutID(fmt.Sprintf("c%03d@r", i)), "h1=c"))
	}
	v := b.overview(0)
	equal(t, "rollouts", len(v.Rollouts), plane.MaxOverviewRollouts)
	equal(t, "left out", v.MoreRollouts, 3)
	small := b.overview(0)
	small.Rollouts, small.Slow = small.Rollouts[:1], small.Slow[:1]
	want := `{"at":"2026-01-01T00:00:00Z","fleet":` + string(v.Fleet.AppendJSON(nil)) +
		`,"rollouts":[{"status":` + string(v.Rollouts[0].Status.AppendJSON(nil)) + `,"waves":[{"pending":1,"activating":0,"deferred":0,"soaking":0,"converged":0,"failed":0,"reverted":0}]}],` +
		`"more_rollouts":3,"silent":[],"slow":[{"hostname":"h1","rollout_id":"c000@r","state":"Pending","since":"2026-01-01T00:00:00Z"}],"quarantine":[],"next":0}`
	equal(t, "the JSON", string(small.AppendJSON(nil)), want)
}
