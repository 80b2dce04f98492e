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

// secondChannel puts hosts of a rollout into another channel too, mostly with the same
// target for them. With another one the two take the hosts from each other, and each
// loses what it had of them (PROTOCOL A10).
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
	if r.Chance(300) {
		o.Target, o.Own = "c8", false
		if r.Chance(500) {
			refusedElsewhere(s, r, &of, &o)
		}
	}
	s.Rollouts = append(s.Rollouts, o)
}

// refusedElsewhere has hosts that another channel takes lose their disks before, and the
// plane its own afterwards: an agent that believes in a shorter soak than the plane then
// has a Converged refused after the other channel has taken its host (PROTOCOL A10, E7).
func refusedElsewhere(s *scenario.Scenario, r *random.Stream, of, o *scenario.Rollout) {
	o.At = max(of.At+r.Between(-time.Minute, time.Minute).Truncate(time.Second), 0)
	s.Faults = append(s.Faults,
		scenario.Fault{At: of.At + r.Between(20*time.Second, 90*time.Second).Truncate(time.Second), Kind: scenario.AgentAmnesia, Hosts: o.Targets, For: time.Second},
		scenario.Fault{At: max(of.At, o.At) + r.Between(90*time.Second, 4*time.Minute).Truncate(time.Second), Kind: scenario.PlaneWipe, For: time.Second})
	if r.Chance(300) {
		s.Faults = append(s.Faults, scenario.Fault{At: o.At + time.Minute, Kind: scenario.ProbeFail, Hosts: o.Targets, For: 4 * time.Minute})
	}
	if r.Chance(300) {
		s.Faults = append(s.Faults, scenario.Fault{At: max(of.At, o.At) + 4*time.Minute, Kind: scenario.AgentCrash, Hosts: o.Targets, For: time.Second, After: true})
	}
}

// drawBack has a channel go back, now and then, to what its hosts ran before, while the
// rollout in between is deferred to their next boot: what the boot would bring is then
// nothing that anything waits for (PROTOCOL A10).
func drawBack(s *scenario.Scenario, p Profile, span time.Duration) {
	r := random.New(s.Seed, "generate/"+p.Name+"/back", 0)
	if !p.Channels || !r.Chance(80) || len(s.Rollouts) == 0 {
		return
	}
	of := &s.Rollouts[r.IntN(len(s.Rollouts))]
	if of.Signed {
		return
	}
	back := scenario.Rollout{
		At: of.At + r.Between(20*time.Second, 3*time.Minute).Truncate(time.Second),
		ID: wire.RolloutID(fmt.Sprintf("%s@b1", of.ID.Channel())), Target: scenario.InitialClosure, Targets: of.Targets,
		Waves: []time.Duration{time.Duration(1+r.IntN(20)) * time.Minute}, Policy: of.Policy,
	}
	if back.At > span {
		return
	}
	s.Rollouts = append(s.Rollouts, back)
	s.Faults = append(s.Faults, scenario.Fault{At: max(of.At-time.Second, 0), Kind: scenario.ActivationDefer, For: 2 * time.Minute, Hosts: of.Targets})
}
