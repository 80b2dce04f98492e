package generate

import (
	"fmt"
	"time"

	"github.com/refrain-fleet/refrain/core/wire"
	"github.com/refrain-fleet/refrain/sim/random"
	"github.com/refrain-fleet/refrain/sim/scenario"
)

// forgerKinds are the faults of the profile forger: what happens to hosts. What happens
// to the plane would only keep it from lying.
var forgerKinds = []scenario.FaultKind{
	scenario.AgentCrash, scenario.AgentAmnesia, scenario.AgentDisk, scenario.HostReboot, scenario.HostSuspend, scenario.ClockSkew, scenario.ClockDrift,
	scenario.ActivationFail, scenario.ActivationDefer, scenario.ActivationSlow, scenario.ProbeFail, scenario.NetDrop, scenario.NetDelay,
}

// forgerScenario draws a short run of few hosts, whose plane makes up many of its
// answers. Nothing comes to rest, so it ends with the last fault.
func forgerScenario(seed uint64, p Profile) scenario.Scenario {
	r := random.New(seed, "generate/"+p.Name, 0)
	s := scenario.Scenario{Seed: seed}
	s.Fleet.Hosts, s.Fleet.Verify = between(&r, p.Hosts), true
	s.Fleet.Probes = []int{-1, 1, 1}[r.IntN(3)]
	s.Fleet.Activation = scenario.Range{Min: time.Second, Max: r.Between(2*time.Second, 30*time.Second).Truncate(time.Second)}
	s.Fleet.Sustained = 30 * time.Second
	s.Plane.Hostile = 150 + r.IntN(700)
	span := r.Between(2*time.Minute, 6*time.Minute).Truncate(time.Second)
	split := s.Fleet.Hosts > 1 && r.Chance(400) // a second channel, of the first host
	targets := 1 + r.IntN(3)
	for i := range between(&r, p.Rollouts) {
		o := scenario.Rollout{
			At: r.Between(time.Second, span*2/3).Truncate(time.Second), ID: wire.RolloutID(fmt.Sprintf("stable@%d", i+1)), Signed: true,
			Targets: scenario.Hosts{First: 1, Last: s.Fleet.Hosts}, Target: wire.Closure(fmt.Sprintf("c%d", 1+r.IntN(targets))), Own: r.Chance(500),
			Policy: []wire.HealthPolicy{wire.Halt, wire.RollbackAndHalt}[r.IntN(2)], Waves: []time.Duration{time.Duration(r.IntN(2)) * time.Minute},
		}
		switch {
		case split && r.Chance(400):
			o.ID, o.Targets.Last = wire.RolloutID(fmt.Sprintf("edge@%d", i+1)), 1
		case split:
			o.Targets.First = 2
		}
		s.Rollouts = append(s.Rollouts, o)
	}
	drawFaults(&s, p, &r, span)
	s.Active = span
	return s
}
