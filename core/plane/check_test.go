package plane

import (
	"strings"
	"testing"
	"time"

	"github.com/refrain-fleet/refrain/core/wire"
)

// soundPlane is a plane with something of everything: two channels, two waves,
// a superseded rollout, a failed host that halts one rollout and an excused one
// in another, an unreachable host.
func soundPlane(t *testing.T) *Plane {
	t.Helper()
	p, err := New(Config{})
	if err != nil {
		t.Fatal(err)
	}
	var out Output
	start := wire.TimeOf(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC))
	now := wire.Instant{Wall: start}
	open := func(channel wire.Channel, ref wire.ChannelRef) {
		p.Step(now, &OpenRollout{Manifest: wire.Manifest{
			Channel: channel, ChannelRef: ref,
			Policy: wire.Policy{OnHealthFailure: wire.Halt, Waves: []wire.Wave{{}, {}}},
			Hosts: []wire.ManifestHost{
				{Hostname: "a", TargetClosure: "c2"}, {Hostname: "b", TargetClosure: "c2"}, {Hostname: "z", Wave: 1, TargetClosure: "c2"},
			},
		}}, &out)
	}
	tell := func(host wire.Hostname, id wire.RolloutID, bodies ...wire.EventBody) {
		for i, body := range bodies {
			p.Step(now, &Event{Envelope: wire.EventEnvelope{Hostname: host, RolloutID: id, Event: wire.Event{Seq: wire.Seq(i + 1), Body: body}}}, &out)
		}
	}
	acked := wire.DispatchAck{CurrentClosureAtDispatch: "c1", ReceivedAt: start}
	failed := wire.ActivationFailed{ExitCode: 1, FailedAt: start}
	p.Step(now, &Started{}, &out)
	open("stable", "r1")
	open("stable", "r2")
	open("edge", "r1")
	tell("a", "stable@r2", acked, failed)
	tell("a", "edge@r1", acked, failed)
	p.Step(now, &ResumeRollout{"edge@r1"}, &out)
	p.Step(now, &Poll{Hostname: "gone"}, &out)
	for range 36 {
		now.Mono += 5 * time.Second
		p.Step(now, &Tick{}, &out)
		p.Step(now, &Poll{Hostname: "a"}, &out)
		p.Step(now, &Poll{Hostname: "b"}, &out)
		p.Step(now, &Poll{Hostname: "z"}, &out)
	}
	if err := p.Check(); err != nil {
		t.Fatal(err)
	}
	if p.stats.HostsUnreachable != 1 || !p.byID["stable@r2"].halted() || p.byID["edge@r1"].excused == nil {
		t.Fatalf("the plane lacks something: %v", p)
	}
	return p
}

func TestCheckNamesEveryBrokenInvariant(t *testing.T) {
	host := func(p *Plane, name wire.Hostname) int {
		i, _ := p.table.find(name)
		return i
	}
	for _, c := range []struct {
		invariant, what string
		breakIt         func(p *Plane)
	}{
		{"P1", "a record without its closure", func(p *Plane) { p.rollouts[0].records[0].TargetClosure = "" }},
		{"P1", "a Pending record with a number", func(p *Plane) { p.rollouts[0].records[0].LastEventSeq = 1 }},
		{"P2", "a host under another name", func(p *Plane) { p.table.hosts[host(p, "b")].name = "q" }},
		{"P2", "a host with another host's record", func(p *Plane) { p.table.hosts[host(p, "b")].records[0].index = 0 }},
		{"P2", "a host's records out of order", func(p *Plane) {
			records := p.table.hosts[host(p, "b")].records
			records[0], records[1] = records[1], records[0]
		}},
		{"P2", "a host's record twice", func(p *Plane) {
			h := &p.table.hosts[host(p, "b")]
			h.records[1] = h.records[0]
		}},
		{"P2", "a record that its host does not know", func(p *Plane) {
			h := &p.table.hosts[host(p, "b")]
			h.records = h.records[:2]
		}},
		{"P2", "a host without vitals", func(p *Plane) { p.table.vitals = p.table.vitals[:len(p.table.vitals)-1] }},
		{"P2", "a record of another rollout", func(p *Plane) { p.rollouts[0].records[0].RolloutID = "edge@r1" }},
		{"P2", "a rollout's records out of order", func(p *Plane) {
			records := p.rollouts[0].records
			records[0], records[1] = records[1], records[0]
			for _, name := range []wire.Hostname{"a", "b"} {
				for k, ref := range p.table.hosts[host(p, name)].records {
					if ref.rollout == p.rollouts[0] {
						p.table.hosts[host(p, name)].records[k].index = 1 - ref.index
					}
				}
			}
		}},
		{"P3", "a channel kept as that of a rollout that is superseded", func(p *Plane) { p.inForce["stable"] = p.byID["stable@r1"] }},
		{"P3", "a channel whose rollout is not kept", func(p *Plane) { delete(p.inForce, "edge") }},
		{"P3", "a rollout that is held and superseded", func(p *Plane) { p.byID["stable@r1"].held = true }},
		{"P3", "a held rollout beside one in force", func(p *Plane) {
			p.byID["stable@r1"].held, p.byID["stable@r1"].supersededBy = true, ""
		}},
		{"P3", "a rollout that another channel's supersedes", func(p *Plane) { p.byID["stable@r1"].supersededBy = "edge@r1" }},
		{"P3", "an older rollout that is not superseded", func(p *Plane) { p.byID["stable@r1"].supersededBy = "" }},
		{"P3", "a newest rollout that is superseded", func(p *Plane) { p.byID["edge@r1"].supersededBy = "edge@r2" }},
		{"P3", "a rollout that is not found", func(p *Plane) { delete(p.byID, "edge@r1") }},
		{"P3", "a rollout out of its order", func(p *Plane) { p.byID["edge@r1"].order = 0 }},
		{"P4", "a wrong count of a rollout", func(p *Plane) { p.rollouts[0].counts[wire.Pending]-- }},
		{"P4", "a wrong count of records", func(p *Plane) { p.stats.Records[wire.Failed]++ }},
		{"P4", "a wrong count of a wave", func(p *Plane) { p.byID["edge@r1"].waves[0][wire.Pending]-- }},
		{"P4", "a wrong count of those that hold back a wave", func(p *Plane) { p.byID["edge@r1"].holding[0]++ }},
		{"P4", "a wrong count of active records", func(p *Plane) { p.table.vitals[host(p, "z")].active-- }},
		{"P4", "a wrong count of unreachable hosts", func(p *Plane) { p.stats.HostsUnreachable-- }},
		{"P4", "a wrong count of hosts never seen", func(p *Plane) { p.stats.HostsNeverSeen++ }},
		{"P5", "a dispatch in a later wave", func(p *Plane) {
			at := p.last.Wall
			p.byID["edge@r1"].records[2].DispatchedAt, p.byID["edge@r1"].records[2].SoakDueAt = at, at
		}},
		{"P6", "a host heard in the future", func(p *Plane) { p.table.vitals[host(p, "a")].heard = p.clock() + 1 }},
		{"P7", "a rollout without its first wave", func(p *Plane) {
			r := p.byID["edge@r1"]
			r.wavesDispatched = 0
		}},
		{"P7", "more waves than there are", func(p *Plane) { p.rollouts[0].wavesDispatched = 3 }},
		{"P8", "a failure that halts nothing", func(p *Plane) { p.byID["stable@r2"].haltedBy = "" }},
		{"P8", "a halt without a failure", func(p *Plane) { p.byID["edge@r1"].haltedBy = "a" }},
		{"P8", "a halt by a host that has not failed", func(p *Plane) { p.byID["stable@r2"].haltedBy = "b" }},
		{"P8", "a halt by a host that the rollout does not have", func(p *Plane) { p.byID["stable@r2"].haltedBy = "gone" }},
		{"P8", "a superseded rollout halted by a host that has not failed", func(p *Plane) { p.byID["stable@r1"].haltedBy = "b" }},
		{"P8", "an excused failure that is excused no more", func(p *Plane) {
			r := p.byID["edge@r1"]
			r.excused = nil
			r.recount()
		}},
	} {
		p := soundPlane(t)
		c.breakIt(p)
		if err := p.Check(); err == nil || !strings.HasPrefix(err.Error(), c.invariant+":") {
			t.Errorf("%s: %s: got %v", c.invariant, c.what, err)
		}
	}
}
