package generate

import (
	"fmt"
	"time"

	"github.com/refrain-fleet/refrain/core/wire"
	"github.com/refrain-fleet/refrain/sim/random"
	"github.com/refrain-fleet/refrain/sim/scenario"
)

// drawFleet draws which host runs what: mostly every host has a target of its own,
// as on NixOS; waves of different sizes; what probes count; and hosts that are in
// two channels at once.
func drawFleet(s *scenario.Scenario, p Profile, span time.Duration) {
	r := random.New(s.Seed, "generate/"+p.Name+"/fleet", 0)
	if r.Chance(350) {
		for i := range max(s.Fleet.Probes, 0) {
			s.Fleet.Modes[i] = []wire.Mode{0, wire.Observe, wire.Observe, wire.Disabled}[r.IntN(4)]
		}
	}
	for i := range s.Rollouts {
		o := &s.Rollouts[i]
		o.Own = r.Chance(650)
		if r.Chance(400) {
			drawSizes(s, o, &r)
		}
	}
	if n := len(s.Rollouts); n > 1 && r.Chance(200) {
		s.Rollouts[n-1].Target, s.Rollouts[n-1].Own, s.Rollouts[0].Own = s.Rollouts[0].Target, false, false // one closure again, perhaps on another channel
	}
	switch {
	case !p.Channels:
	case r.Chance(250):
		secondChannel(s, &r, span)
	case r.Chance(60):
		s.Rollouts = nil // these instead
		oneClosureTwice(s, &r)
	}
}

// drawSizes draws how many hosts each wave has, none perhaps.
func drawSizes(s *scenario.Scenario, o *scenario.Rollout, r *random.Stream) {
	hosts := len(s.RolloutHosts(o))
	for range o.Waves[1:] {
		n := r.IntN(min(hosts, 3) + 1)
		o.Sizes = append(o.Sizes, n)
		hosts -= n
	}
}

// secondChannel puts hosts of a rollout into another channel too, which has the
// same target for them: with others the two would take the hosts from each other.
func secondChannel(s *scenario.Scenario, r *random.Stream, span time.Duration) {
	of := s.Rollouts[r.IntN(len(s.Rollouts))]
	o := scenario.Rollout{
		At: r.Between(time.Second, span*2/3).Truncate(time.Second),
		ID: wire.RolloutID(fmt.Sprintf("canary@r%d", len(s.Rollouts)+1)), Target: of.Target, Own: of.Own, Targets: of.Targets,
		Waves:  []time.Duration{time.Duration(r.IntN(5)) * time.Minute},
		Policy: []wire.HealthPolicy{wire.Halt, wire.RollbackAndHalt}[r.IntN(2)],
	}
	if o.Targets.First > 0 {
		o.Targets.Last = o.Targets.First + r.IntN(o.Targets.Last-o.Targets.First+1)
	}
	s.Rollouts = append(s.Rollouts, o)
}
