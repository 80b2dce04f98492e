package scenario

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/refrain-fleet/refrain/core/plane"
	"github.com/refrain-fleet/refrain/core/wire"
)

// recordedPlane is a plane that has opened a rollout over hosts with names of
// production, of which one has converged.
func recordedPlane(t *testing.T, hosts int) *plane.Plane {
	t.Helper()
	p, err := plane.New(plane.Config{})
	if err != nil {
		t.Fatal(err)
	}
	now := wire.Instant{Wall: wire.TimeOf(time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC))}
	var out plane.Output
	step := func(in plane.Input) {
		now = wire.Instant{Mono: now.Mono + time.Second, Wall: now.Wall.Add(time.Second)}
		p.Step(now, in, &out)
	}
	step(&plane.Started{})
	m := wire.Manifest{Channel: "stable", ChannelRef: "r1", Policy: wire.Policy{OnHealthFailure: wire.Halt, Waves: []wire.Wave{{}}}}
	for i := range hosts {
		name := wire.Hostname(fmt.Sprintf("web-%02d.example", i))
		m.Hosts = append(m.Hosts, wire.ManifestHost{Hostname: name, TargetClosure: wire.Closure(fmt.Sprintf("target-%02d", i))})
	}
	step(&plane.OpenRollout{Manifest: m})
	// The text of an event cannot pass for a member.
	step(&plane.Event{Envelope: wire.EventEnvelope{Hostname: "web-03.example", RolloutID: "stable@r1", Event: wire.Event{
		Seq: 1, Body: wire.DispatchAck{CurrentClosureAtDispatch: `"hostname":"web-04.example"#`, ReceivedAt: now.Wall},
	}}})
	step(&plane.Heartbeat{Request: wire.HeartbeatRequest{Hostname: "web-05.example", CurrentClosure: "found", At: now.Wall}})
	return p
}

func TestHostsOfAStateKeepTheirRecordsWhenTheyAreRenamed(t *testing.T) {
	p := recordedPlane(t, 12)
	s, names, err := StartFrom(p, wire.TimeOf(time.Date(2026, 7, 1, 13, 0, 0, 0, time.UTC)))
	if err != nil {
		t.Fatal(err)
	}
	a, err := s.Start.Read(s.PlaneConfig())
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	for _, r := range a.Rollouts[0].Records {
		n, _ := HostNumber(r.Record.Hostname)
		before, _ := p.Record("stable@r1", names[n-1])
		if before.TargetClosure != r.Record.TargetClosure || before.State != r.Record.State || before.CurrentClosureAtDispatch != r.Record.CurrentClosureAtDispatch {
			t.Errorf("%s was %s: %+v; want %+v", r.Record.Hostname, names[n-1], r.Record, before)
		}
		if want := wire.Closure("found"); names[n-1] == "web-05.example" && a.Running[r.Record.Hostname] != want {
			t.Errorf("%s runs %q; want %q", r.Record.Hostname, a.Running[r.Record.Hostname], want)
		}
		seen++
	}
	if seen != 12 || len(names) != 12 {
		t.Errorf("%d records of %d names; want 12", seen, len(names))
	}
	for _, text := range []string{s.String(), s.Brief()} {
		read, err := ParseScenario(text)
		if err != nil {
			t.Fatal(err)
		}
		if read.String() != s.String() {
			t.Errorf("reads back to\n%s\nwant\n%s", read, s)
		}
	}
}

func TestHostsInGatesAreRenamed(t *testing.T) {
	p := recordedPlane(t, 3)
	m := wire.Manifest{Channel: "edge", ChannelRef: "r1", Policy: wire.Policy{OnHealthFailure: wire.Halt, Waves: []wire.Wave{{}}},
		Hosts: []wire.ManifestHost{{Hostname: "web-01.example", TargetClosure: "c"}, {Hostname: "web-02.example", TargetClosure: "c"}},
		Gates: wire.Gates{
			Budgets: []wire.DisruptionBudget{{Name: "one", Hosts: wire.Names{"web-02.example", "elsewhere"}, MaxInFlight: 1}},
			Edges:   []wire.HostEdge{{Gates: "web-01.example", Gated: "web-02.example"}},
		}}
	var out plane.Output
	p.Step(wire.Instant{Mono: time.Minute, Wall: Epoch}, &plane.OpenRollout{Manifest: m}, &out)
	s, names, err := StartFrom(p, Epoch)
	if err != nil {
		t.Fatal(err)
	}
	a, err := s.Start.Read(s.PlaneConfig())
	if err != nil {
		t.Fatal(err)
	}
	gates := a.Rollouts[1].Gates
	number := func(name wire.Hostname) wire.Hostname { return HostName(slices.Index(names, name) + 1) }
	if e := gates.Edges[0]; e.Gates != number("web-01.example") || e.Gated != number("web-02.example") {
		t.Errorf("the edge is %v", e)
	}
	if got, want := gates.Budgets[0].Hosts, (wire.Names{wire.Name(number("web-02.example"))}); !slices.Equal(got, want) {
		t.Errorf("the budget is of %v; want %v", got, want)
	}
}

func TestAStartIsJudged(t *testing.T) {
	good, _, err := StartFrom(recordedPlane(t, 3), Epoch)
	if err != nil {
		t.Fatal(err)
	}
	with := func(edit func(*Scenario)) Scenario {
		s := good
		s.Start.State = slices.Clone(good.Start.State)
		edit(&s)
		return s
	}
	for want, s := range map[string]Scenario{
		"state line 2 (rollout)":                   with(func(s *Scenario) { s.Start.State[1] = "rollout {}" }),
		"state: host h3; want hosts from h1 to h2": with(func(s *Scenario) { s.Fleet.Hosts = 2 }),
		"stable@r1: the state has it already":      with(func(s *Scenario) { s.Rollouts = []Rollout{{ID: "stable@r1", Target: "c1"}} }),
		"state line 1 (chorus): unknown word":      with(func(s *Scenario) { s.Start.State[0] = "chorus {}" }),
	} {
		filled := s.Filled()
		if err := filled.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v; want %q in it", err, want)
		}
	}
	empty, err := plane.New(plane.Config{})
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := StartFrom(empty, Epoch); err == nil || !strings.Contains(err.Error(), "knows no host") {
		t.Errorf("a state without hosts: %v", err)
	}
}

func TestLinesOfAStartAreJudgedWhereTheyStand(t *testing.T) {
	for text, want := range map[string]string{
		"fleet 1\nepoch soon\n": `x:2:7: "soon": `,
		"fleet 1\nepoch\n":      `x:2:1: "epoch": want a value after it`,
		"epoch 2026-01-01T00:00:00Z\nfleet 1\nepoch 2026-01-01T00:00:00Z\n": `x:3:1: "epoch": is given twice, first in line 1`,
		"fleet 1\n# what was recorded\nstate \n":                            `x:3:1: "state": want a line`,
		"fleet 1\nstate chorus {}\n":                                        "x:2:1: state line 1 (chorus): unknown word",
	} {
		if _, err := ParseFile("x", text); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%q: %v; want %s", text, err, want)
		}
	}
}
