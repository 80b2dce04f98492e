package plane_test

import (
	"testing"

	"github.com/refrain-fleet/refrain/core/plane"
	"github.com/refrain-fleet/refrain/core/wire"
)

func TestALookShowsTheRecordsOfOneHostInTheOrderOfTheirRollouts(t *testing.T) {
	p, err := plane.New(plane.Config{})
	if err != nil {
		t.Fatal(err)
	}
	var out plane.Output
	now := wire.Instant{}
	p.Step(now, &plane.Started{}, &out)
	open := func(channel wire.Channel, hosts ...wire.Hostname) {
		m := wire.Manifest{Channel: channel, ChannelRef: "r1", Policy: wire.Policy{OnHealthFailure: wire.Halt, Waves: []wire.Wave{{}}}}
		for _, h := range hosts {
			m.Hosts = append(m.Hosts, wire.ManifestHost{Hostname: h, TargetClosure: "c1"})
		}
		p.Step(now, &plane.OpenRollout{Manifest: m}, &out)
	}
	open("stable", "h1", "h2")
	open("edge", "h2")
	open("late", "h2", "h3")
	got := ""
	for _, rec := range p.Look("h2", nil) {
		got += string(rec.Hostname) + " " + string(rec.RolloutID) + "\n"
	}
	if want := "h2 edge@r1\nh2 late@r1\nh2 stable@r1\n"; got != want {
		t.Errorf("it shows\n%swant\n%s", got, want)
	}
	if n := len(p.Look("h4", nil)); n != 0 {
		t.Errorf("it shows %d records of an unknown host", n)
	}
}
