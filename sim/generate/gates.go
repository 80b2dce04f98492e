package generate

import (
	"slices"
	"time"

	"github.com/refrain-fleet/refrain/core/wire"
	"github.com/refrain-fleet/refrain/sim/random"
	"github.com/refrain-fleet/refrain/sim/scenario"
)

// drawGates gives rollouts gates in some runs of the profiles that draw them (PROTOCOL
// W): budgets of a few hosts, orders between hosts, channels that come first. No edge
// makes a circle: hosts wait for those before them, and channels for those that come
// before them in this list.
func drawGates(s *scenario.Scenario, p Profile) {
	r := random.New(s.Seed, "gates/"+p.Name, 0)
	if !r.Chance(p.Gates) {
		return
	}
	order := []wire.Channel{"canary", "edge", "stable"}
	for i := range s.Rollouts {
		o := &s.Rollouts[i]
		hosts := s.RolloutHosts(o)
		if s.IsHostile(o) || !r.Chance(800) {
			continue
		}
		for range r.IntN(3) {
			of := scenario.Hosts{First: 1 + r.IntN(s.Fleet.Hosts)}
			of.Last = of.First + r.IntN(s.Fleet.Hosts-of.First+1)
			if r.Chance(300) {
				of = scenario.Hosts{}
			}
			b := scenario.Budget{Max: 1 + r.IntN(3), Hosts: of}
			if !slices.Contains(o.Budgets, b) {
				o.Budgets = append(o.Budgets, b)
			}
		}
		for range r.IntN(3) {
			if len(hosts) > 1 {
				first := r.IntN(len(hosts) - 1)
				o.Edges = append(o.Edges, scenario.Edge{Gates: hosts[first], Gated: hosts[first+1+r.IntN(len(hosts)-first-1)]})
			}
		}
		if at := slices.Index(order, o.ID.Channel()); at > 0 && r.Chance(400) {
			o.After = append(o.After, order[r.IntN(at)])
		}
		if o.Compliance = r.Chance(500); o.Compliance && r.Chance(700) {
			failsLate(s, &r, o, hosts)
		}
	}
}

// failsLate has the first host of a rollout deferred, so that it lets the next wave go,
// and boot into probes that fail, while the last host cannot ask: only then a probe of
// an earlier wave holds anything back. Chance alone brings this about too seldom.
func failsLate(s *scenario.Scenario, r *random.Stream, o *scenario.Rollout, hosts []int) {
	if len(hosts) < 2 || len(o.Waves) < 2 {
		return
	}
	one := func(n int) scenario.Hosts { return scenario.Hosts{First: n, Last: n} }
	first, boots := one(hosts[0]), r.Between(2*time.Minute, 4*time.Minute).Truncate(time.Second)
	o.Waves, o.Sizes = o.Waves[:2], []int{1}
	s.Faults = append(s.Faults,
		scenario.Fault{At: o.At, Kind: scenario.ActivationDefer, Hosts: first, For: 2 * time.Minute, Count: 1},
		scenario.Fault{At: o.At, Kind: scenario.NetPartition, Hosts: one(hosts[len(hosts)-1]), For: boots + 50*time.Second},
		scenario.Fault{At: o.At + boots, Kind: scenario.HostReboot, Hosts: first, For: 10 * time.Second},
		scenario.Fault{At: o.At + boots, Kind: scenario.ProbeFail, Hosts: first, For: r.Between(80*time.Second, 2*time.Minute).Truncate(time.Second)})
}
