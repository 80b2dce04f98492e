package scenario

import (
	"strings"
	"testing"
	"time"

	"github.com/refrain-fleet/refrain/core/wire"
)

// smallScenario is a scenario with something of everything, and right.
func smallScenario() Scenario {
	return Scenario{
		Seed: 1, Fleet: Fleet{Hosts: 3},
		Rollouts: []Rollout{{At: time.Second, ID: "stable@r1", Target: "c1"}},
		Faults:   []Fault{{At: time.Minute, Kind: ReplyDrop, Hosts: Hosts{1, 1}, Count: 1, For: time.Minute}},
		Acts: []Act{
			{At: time.Minute, Kind: ActResume, Rollout: "stable@r1"},
			{At: time.Minute, Kind: ActClear, Channel: "stable", Closure: "c1"},
			{At: time.Minute, Kind: ActRevoke, Hosts: Hosts{2, 2}, For: time.Minute},
		},
	}
}

func TestAWrongScenarioIsRefusedWithTheFieldAndWhatWouldBeRight(t *testing.T) {
	right := smallScenario().Filled()
	if err := right.Validate(); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		spoil func(*Scenario)
		want  string
	}{
		{func(s *Scenario) { s.Fleet.Hosts = 0 }, "fleet: hosts is 0; want 1 to 1000000"},
		{func(s *Scenario) { s.Fleet.Hostile = 4 }, "fleet: 0 legacy and 4 hostile of 3 hosts"},
		{func(s *Scenario) { s.Fleet.Interval = 1500 * time.Millisecond }, "fleet: interval is 1.5s; want whole seconds"},
		{func(s *Scenario) { s.Fleet.Interval = 25 * time.Hour }, "gate: max retry after is 25h0m0s"},
		{func(s *Scenario) { s.Fleet.Probes = 5 }, "fleet: probes is 5; want at most 4"},
		{func(s *Scenario) { s.Fleet.ProbeInterval = time.Millisecond }, "agent: probe interval is 1ms; want at least 100ms"},
		{func(s *Scenario) { s.Fleet.Sustained = -1 }, "agent: sustained failure is -1ns; want more than 0"},
		{func(s *Scenario) { s.Fleet.Activation = Range{-time.Second, time.Second} }, "fleet: activation is -1s to 1s; want 0s or more"},
		{func(s *Scenario) { s.Plane.Capacity = -1 }, "gate: capacity is -1, want 1 to 1048576"},
		{func(s *Scenario) { s.Plane.ReplyTimeout = -time.Second }, "gate: reply timeout is -1s, want more than 0s"},
		{func(s *Scenario) { s.Plane.Batch = -1 }, "plane: batch is -1; want at least 1"},
		{func(s *Scenario) { s.Plane.Service = -time.Second }, "plane: service is -1s; want more than 0s"},
		{func(s *Scenario) { s.Plane.Start = -time.Second }, "plane: start is -1s; want more than 0s"},
		{func(s *Scenario) { s.Plane.Commit = Range{2, 1} }, "plane: commit is 2ns to 1ns; want 0s or more, and the smaller bound first"},
		{func(s *Scenario) { s.Network.Delay = Range{0, longest + 1} }, "network: delay is 0s to 8784h0m0.000000001s"},
		{func(s *Scenario) { s.Network.Loss = 1000 }, "network: loss is 1000 and dup is 0; want 0 to 999"},
		{func(s *Scenario) { s.Active = -1 }, "active is -1ns; want 0s to 8784h0m0s"},
		{func(s *Scenario) { s.Converge = -1 }, "converge is -1ns; want more than 0s"},

		{func(s *Scenario) { s.Rollouts[0].ID = "r1" }, `rollout "r1": want <channel>@<channel_ref>`},
		{func(s *Scenario) { s.Rollouts[0].Target = "" }, "rollout stable@r1 has no target; want the closure that its hosts shall run, for instance target=c1"},
		{func(s *Scenario) { s.Rollouts[0].At = -1 }, "rollout stable@r1: at is -1ns; want 0s to 8784h0m0s"},
		{func(s *Scenario) { s.Rollouts[0].Targets = Hosts{1, 4} }, "rollout stable@r1: hosts h1..h4; want hosts from h1 to h3"},
		{func(s *Scenario) { s.Rollouts[0].Waves = []time.Duration{time.Second} }, "rollout stable@r1: soak 1s; want whole minutes"},
		{func(s *Scenario) { s.Fleet.Hostile = 3 }, "rollout stable@r1: no host is left"},
		{func(s *Scenario) { s.Rollouts = append(s.Rollouts, s.Rollouts[0]) }, "rollout stable@r1: is there twice"},

		{func(s *Scenario) { s.Faults[0].Hosts = Hosts{4, 4} }, `fault "at 1m reply drop host=h4 for=1m count=1": host is h4; the fleet has h1 to h3`},
		{func(s *Scenario) { s.Faults[0].Rate = 3 }, `fault "at 1m reply drop host=h1 for=1m count=1 rate=3": reply drop has no rate`},
		{func(s *Scenario) { s.Active = time.Minute }, "it never strikes: the scenario is healed at 1m; want it to begin before"},
		{func(s *Scenario) {
			s.Faults[0] = Fault{At: 2 * time.Minute, Kind: PlaneSuspend}
			s.Active = 2 * time.Minute
		}, "it never strikes: the scenario is healed at 2m"},
		{func(s *Scenario) {
			s.Faults[0] = Fault{At: 2 * time.Minute, Kind: PlaneCrash, For: time.Second}
			s.Active = time.Minute
		}, "it never strikes: the scenario is healed at 1m"},
		{func(s *Scenario) {
			s.Fleet.Hosts, s.Acts = 1, nil
			s.Faults[0] = Fault{At: time.Minute, Kind: CertWrong, For: time.Minute}
		}, "the fleet has no other host whose certificate could be shown"},

		{func(s *Scenario) { s.Acts[0].At = -1 }, `act "at -1ns resume stable@r1": want times of 0s to 8784h0m0s`},
		{func(s *Scenario) { s.Acts[0].Rollout = "r1" }, `act "at 1m resume r1": rollout "r1": want <channel>@<channel_ref>`},
		{func(s *Scenario) { s.Acts[1].Channel = "a@b" }, `channel "a@b": want letters, digits`},
		{func(s *Scenario) { s.Acts[1].Closure = "" }, `closure "": want 1 to 512`},
		{func(s *Scenario) { s.Acts[2].Hosts = Hosts{1, 2} }, `act "at 1m revoke h1..h2 reissue=1m": want one host of h1 to h3`},
		{func(s *Scenario) { s.Acts[2].Hosts = Hosts{} }, `act "at 1m revoke * reissue=1m": want one host of h1 to h3`},
		{func(s *Scenario) { s.Acts[2].Kind = 0 }, "kind is 0; want one that there is"},
	} {
		s := smallScenario()
		c.spoil(&s)
		filled := s.Filled()
		err := filled.Validate()
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v, want %s", err, c.want)
		}
	}
}

func TestHostsAreSpreadOverTheWavesInOrder(t *testing.T) {
	s := Scenario{Fleet: Fleet{Hosts: 6, Hostile: 1}}
	m := s.Manifest(&Rollout{ID: "stable@r1", Target: "c1", Waves: []time.Duration{0, time.Minute}, Policy: wire.Halt})
	var waves []wire.Count
	for _, h := range m.Hosts {
		waves = append(waves, h.Wave)
	}
	want := []wire.Count{0, 0, 0, 1, 1} // the hostile host is in no rollout
	if len(waves) != len(want) {
		t.Fatalf("waves %v, want %v", waves, want)
	}
	for i := range want {
		if waves[i] != want[i] {
			t.Fatalf("waves %v, want %v", waves, want)
		}
	}
}

func TestARolloutOfHostileHostsNamesNobodyElse(t *testing.T) {
	s := Scenario{Fleet: Fleet{Hosts: 5, Hostile: 2}}
	for _, c := range []struct {
		targets Hosts
		want    []int
	}{
		{Hosts{First: 4, Last: 5}, []int{4, 5}},
		{Hosts{First: 5, Last: 5}, []int{5}},
		{Hosts{First: 3, Last: 5}, []int{3}},
		{Hosts{}, []int{1, 2, 3}},
	} {
		got := s.RolloutHosts(&Rollout{Targets: c.targets})
		if len(got) != len(c.want) || got[0] != c.want[0] {
			t.Errorf("%v is %v; want %v", c.targets, got, c.want)
		}
	}
}
