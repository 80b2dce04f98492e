package plane_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/refrain-fleet/refrain/core/plane"
	"github.com/refrain-fleet/refrain/core/wire"
)

// plan asks what an opening would do.
func (b *harness) plan(in *plane.OpenRollout) string {
	b.t.Helper()
	p := answered[*wire.OpeningPlan](b.t, b.plane, instant(b.now), &plane.PlanRollout{Manifest: in.Manifest})
	return string(p.AppendJSON(nil))
}

func TestPlan_SaysWhatAnOpeningWouldDo(t *testing.T) { // PROTOCOL R1
	b := started(t)
	b.step(open("edge@1", "h1=c1"))
	b.step(open("stable@1", "h1=c1 h2=c1 h3=c1"))
	b.step(heartbeat("h1", "", "c2"))
	b.step(heartbeat("h2", "", "c1"))
	got := b.plan(open("stable@2", "H1=c2 h1=c2 h2=c2", "h3=c2 h9=c2"))
	want := `{"rollout_id":"stable@2","supersedes":["stable@1"],"hosts":5,"waves":[{"hosts":3,"soak_minutes":0},{"hosts":2,"soak_minutes":0}],` +
		`"dispatched":{"count":3,"names":["H1","h1","h2"]},"running":{"count":1,"names":["h1"]},"never_seen":{"count":1,"names":["h3"]},` +
		`"unknown":{"count":2,"names":["H1","h9"]},"case_differs":[{"hostname":"H1","known":"h1"}]}`
	if strings.ReplaceAll(got, `"soak_minutes":1`, `"soak_minutes":0`) != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	equal(t, "of one that is open", b.plan(open("stable@1", "h1=c1 h2=c1 h3=c1")), `{"rollout_id":"stable@1","unchanged":true,"hosts":3}`)
}

// What is planned is what then happens.
func TestPlan_AgreesWithTheOpening(t *testing.T) { // PROTOCOL R1, R3
	b := inState(t, wire.Reverted) // c2, the target of stable@r1, is quarantined
	b.now += time.Second
	next := open("stable@r2", "h1=c2 h7=c3", "h8=c3")
	got := b.plan(next)
	if want := `"quarantined":[{"closure":"c2","hosts":1}]`; !strings.Contains(got, want) {
		t.Errorf("got %s, want %s", got, want)
	}
	if want := `"dispatched":{"count":1,"names":["h7"]}`; !strings.Contains(got, want) {
		t.Errorf("got %s, want %s", got, want)
	}
	b.step(next)
	for h, dispatched := range map[wire.Hostname]bool{"h1": false, "h7": true, "h8": false} {
		equal(t, "dispatched: "+string(h), b.plane.HasWork(h), dispatched)
	}
	for _, refused := range []*plane.OpenRollout{open("stable@r2", "h1=c9"), open("stable@r1", "h1=c9")} {
		var first, second plane.Output
		b.plane.Step(instant(b.now), &plane.PlanRollout{Manifest: refused.Manifest}, &first)
		b.plane.Step(instant(b.now), refused, &second)
		if p, o := first.Replies[0].Outcome, second.Replies[0].Outcome; p.Code != o.Code || p.Detail != o.Detail || p.Code == wire.OK {
			t.Errorf("%s: planned %v %s, opened %v %s", refused.Manifest.ID(), p.Code, p.Detail, o.Code, o.Detail)
		}
	}
}

// A dry run is one step, whatever the size of the manifest (decision 057).
func BenchmarkPlanOfAHundredThousandHosts(b *testing.B) {
	h := started(b)
	for i := range 1_000_000 {
		h.plane.Step(instant(0), heartbeat(wire.Hostname(fmt.Sprintf("h%07d", i)), "", "c1"), &h.out)
		h.out.Reset()
	}
	in := &plane.PlanRollout{Manifest: wire.Manifest{Channel: "stable", ChannelRef: "r1", Policy: wire.Policy{OnHealthFailure: wire.Halt, Waves: []wire.Wave{{}}}}}
	for i := range 100_000 {
		in.Manifest.Hosts = append(in.Manifest.Hosts, wire.ManifestHost{Hostname: wire.Hostname(fmt.Sprintf("h%07d", i*10)), TargetClosure: "c2"})
	}
	in.Manifest.Hosts[5].Hostname = "H0000050" // unknown: every known host is looked at
	for b.Loop() {
		h.plane.Step(instant(0), in, &h.out)
		h.out.Reset()
	}
}
