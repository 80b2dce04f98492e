package generate

import (
	"time"

	"github.com/refrain-fleet/refrain/core/wire"
	"github.com/refrain-fleet/refrain/sim/random"
	"github.com/refrain-fleet/refrain/sim/scenario"
)

// drawOperators draws what several operators do beside each other: reading lists
// page by page, sending a manifest again, with other soak times perhaps, and
// revoking a name more than once, also from before what is in force.
func drawOperators(s *scenario.Scenario, p Profile, span time.Duration) {
	r := random.New(s.Seed, "generate/"+p.Name+"/operators", 0)
	later := func(from time.Duration) time.Duration {
		return r.Between(from, max(span, from+time.Minute)).Truncate(time.Second)
	}
	if r.Chance(400) {
		for range 1 + r.IntN(4) {
			s.Acts = append(s.Acts, drawRead(s, &r, later(time.Second)))
		}
	}
	if r.Chance(150) {
		o := &s.Rollouts[r.IntN(len(s.Rollouts))]
		s.Acts = append(s.Acts, scenario.Act{At: later(o.At + time.Minute), Kind: scenario.ActOpen, Rollout: o.ID, Soak: time.Duration(r.IntN(3)) * time.Minute})
	}
	if r.Chance(120) {
		for range 1 + r.IntN(2) {
			n := 1 + r.IntN(s.Fleet.Hosts)
			for range 1 + r.IntN(3) {
				s.Acts = append(s.Acts, scenario.Act{
					At: later(time.Second), Kind: scenario.ActRevoke, Hosts: scenario.Hosts{First: n, Last: n},
					For:    r.Between(time.Second, 3*time.Minute).Truncate(time.Second),
					Before: time.Duration(r.IntN(2)) * r.Between(time.Second, 20*time.Minute).Truncate(time.Second),
				})
			}
		}
	}
	for i := range s.Acts {
		if r.Chance(300) {
			s.Acts[i].By = 2 + r.IntN(2)
		}
	}
	if r.Chance(300) {
		for range 1 + r.IntN(2) {
			s.Acts = append(s.Acts, scenario.Act{At: later(span / 2), Kind: scenario.ActCompact, For: r.Between(0, 8*time.Minute).Truncate(time.Second)})
		}
	}
}

// drawPlans draws what operators ask of manifests before they are opened and after, and
// of hosts by state.
func drawPlans(s *scenario.Scenario, p Profile, span time.Duration) {
	r := random.New(s.Seed, "generate/"+p.Name+"/plans", 0)
	if !r.Chance(100) || len(s.Rollouts) == 0 {
		return
	}
	for range 1 + r.IntN(2) {
		o := &s.Rollouts[r.IntN(len(s.Rollouts))]
		at := r.Between(time.Second, max(span, o.At+time.Minute)).Truncate(time.Second)
		if r.Chance(500) {
			s.Acts = append(s.Acts, scenario.Act{At: at, Kind: scenario.ActRead, Rollout: o.ID, List: "plan"})
			continue
		}
		s.Acts = append(s.Acts, scenario.Act{At: at, Kind: scenario.ActRead, List: "hosts", Count: 1 + r.IntN(4), State: wire.States[r.IntN(len(wire.States))]})
	}
}

func drawRead(s *scenario.Scenario, r *random.Stream, at time.Duration) scenario.Act {
	a := scenario.Act{At: at, Kind: scenario.ActRead}
	switch r.IntN(7) {
	case 0:
		a.List, a.Count = "hosts", 1+r.IntN(4)
	case 1:
		a.List, a.Count = "rollouts", 1+r.IntN(2)
	case 2:
		a.Rollout, a.Count = s.Rollouts[r.IntN(len(s.Rollouts))].ID, 1+r.IntN(4)
	case 3:
		a.List = "quarantine"
	case 4:
		a.List = "revocations"
	case 5:
		a.Rollout, a.List, a.Count = s.Rollouts[r.IntN(len(s.Rollouts))].ID, "events", 1+r.IntN(6)
	default:
		n := 1 + r.IntN(s.Fleet.Hosts)
		a.Hosts = scenario.Hosts{First: n, Last: n}
	}
	return a
}

// oneClosureTwice lets a closure be rolled back on two channels, and cleared on one
// of them: chance alone brings this about too seldom.
func oneClosureTwice(s *scenario.Scenario, r *random.Stream) {
	honest := s.Fleet.Hosts - s.Fleet.Hostile
	if honest < 2 {
		return
	}
	s.Fleet.Probes = 1
	at := r.Between(time.Second, 2*time.Minute).Truncate(time.Second)
	for i, channel := range []string{"stable", "edge", "stable", "edge"} {
		o := scenario.Rollout{At: at, ID: wire.RolloutID(channel + "@t" + string(rune('1'+i))), Target: "c1", Policy: wire.RollbackAndHalt, Waves: []time.Duration{5 * time.Minute}}
		o.Targets = scenario.Hosts{First: 1, Last: honest / 2}
		if channel == "stable" {
			o.Targets = scenario.Hosts{First: honest/2 + 1, Last: honest}
		}
		if i > 1 {
			o.At += r.Between(6*time.Minute, 9*time.Minute).Truncate(time.Second)
		}
		s.Rollouts = append(s.Rollouts, o)
	}
	clear(s.Fleet.Modes[:])
	s.Faults = append(s.Faults, scenario.Fault{At: at, Kind: scenario.ProbeFail, For: 5 * time.Minute})
	s.Acts = append(s.Acts,
		scenario.Act{At: at + r.Between(6*time.Minute, 10*time.Minute).Truncate(time.Second), Kind: scenario.ActClear, Channel: []wire.Channel{"stable", "edge"}[r.IntN(2)], Closure: "c1"},
		scenario.Act{At: at + r.Between(6*time.Minute, 12*time.Minute).Truncate(time.Second), Kind: scenario.ActRead, List: "quarantine"})
}
