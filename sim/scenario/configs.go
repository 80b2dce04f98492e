package scenario

import (
	"slices"
	"time"

	"github.com/refrain-fleet/refrain/core/agent"
	"github.com/refrain-fleet/refrain/core/gate"
	"github.com/refrain-fleet/refrain/core/plane"
	"github.com/refrain-fleet/refrain/core/wire"
)

// GateConfig is the gate's, with an inbox of a capacity.
func (s *Scenario) GateConfig(capacity int) gate.Config {
	return gate.Config{Capacity: capacity, ReplyTimeout: s.Plane.ReplyTimeout, MaxRetryAfter: s.Fleet.Interval}
}

// EventBudget is the event budget of simulated planes (PROTOCOL G10): small, so that
// some twenty large events use it up, and more than an agent of a run needs.
var EventBudget = plane.EventBudget{Bytes: 1 << 20, Events: 4096, Per: time.Hour}

// PlaneConfig is the reducer's.
func (s *Scenario) PlaneConfig() plane.Config {
	return plane.Config{HeartbeatInterval: s.Fleet.Interval, Slice: s.Plane.Slice, EventBudget: EventBudget, MaxReplays: s.Plane.Replays, SignedOnly: s.Plane.SignedOnly}
}

// AgentConfig is that of host number n, without what differs between hosts.
func (s *Scenario) AgentConfig(n int) agent.Config {
	return agent.Config{
		Hostname: HostName(n), HeartbeatInterval: s.Fleet.Interval,
		ProbeInterval: s.Fleet.ProbeInterval, SustainedFailure: s.Fleet.Sustained,
		SignedOnly: s.Fleet.Verify,
	}
}

// RolloutHosts lists a rollout's hosts; hostile ones only if all it names are.
func (s *Scenario) RolloutHosts(r *Rollout) []int {
	last := s.Fleet.Hosts - s.Fleet.Hostile
	if s.IsHostile(r) {
		last = s.Fleet.Hosts
	}
	var list []int
	for n := 1; n <= last; n++ {
		if r.Targets.Has(n) {
			list = append(list, n)
		}
	}
	return list
}

// Manifest returns the manifest of a rollout.
func (s *Scenario) Manifest(r *Rollout) wire.Manifest {
	m := wire.Manifest{
		Channel:    r.ID.Channel(),
		ChannelRef: wire.ChannelRef(string(r.ID)[len(r.ID.Channel())+1:]),
		Serial:     s.serial(r),
		Policy:     wire.Policy{OnHealthFailure: r.Policy},
	}
	for _, soak := range r.Waves {
		m.Policy.Waves = append(m.Policy.Waves, wire.Wave{SoakMinutes: wire.Count(soak / time.Minute)})
	}
	hosts := s.RolloutHosts(r)
	for i, n := range hosts {
		m.Hosts = append(m.Hosts, wire.ManifestHost{
			Hostname: HostName(n), Wave: wire.Count(r.waveOf(i, len(hosts))), TargetClosure: r.TargetOf(n),
		})
	}
	m.Gates = s.gatesOf(r)
	return m
}

// TargetOf is the closure that host number n shall run by its line of the
// manifest: with Own the rollout's target with the host's name after it, c1-h3.
func (r *Rollout) TargetOf(n int) wire.Closure {
	if r.Own {
		return r.Target + "-" + wire.Closure(HostName(n))
	}
	return r.Target
}

// waveOf is the wave of the i-th of so many hosts, from 0.
func (r *Rollout) waveOf(i, hosts int) int {
	if len(r.Sizes) == 0 {
		return i * len(r.Waves) / hosts
	}
	wave := 0
	for wave < len(r.Sizes) && i >= r.Sizes[wave] {
		i -= r.Sizes[wave]
		wave++
	}
	return wave
}

// serial is the serial of a rollout's manifest; zero if it has none.
func (s *Scenario) serial(r *Rollout) wire.Serial {
	switch {
	case r.Unordered, r.Signed:
		return 0
	case r.Serial != 0:
		return r.Serial
	}
	place, at := wire.Serial(1), s.RolloutIndex(r.ID)
	for i := range s.Rollouts {
		if other := &s.Rollouts[i]; other.At < r.At || other.At == r.At && i < at {
			place++
		}
	}
	return place
}

// RolloutIndex finds a rollout of the scenario, or returns -1.
func (s *Scenario) RolloutIndex(id wire.RolloutID) int {
	return slices.IndexFunc(s.Rollouts, func(r Rollout) bool { return r.ID == id })
}

// IsHostile reports whether a rollout is one of hostile hosts: all that it names
// are.
func (s *Scenario) IsHostile(r *Rollout) bool { return r.Targets.First > s.Fleet.Hosts-s.Fleet.Hostile }

// InitialClosure is what every host runs before its first rollout.
const InitialClosure wire.Closure = "c0"

// maxProbes is how many probes a host has, at most.
const maxProbes = 4

var probeNames = [maxProbes]wire.Name{"http", "disk", "dns", "load"}

// ProbeName is the name of a probe that a host may have, from 0 on.
func ProbeName(i int) wire.Name { return probeNames[i] }

// DeclaredProbes are those of every host of a fleet.
func (f *Fleet) DeclaredProbes() []wire.ProbeDeclaration {
	var list []wire.ProbeDeclaration
	for i := range max(f.Probes, 0) {
		list = append(list, wire.ProbeDeclaration{
			ProbeName: probeNames[i], ProbeKind: "sim", Mode: max(f.Modes[i], wire.Enforce),
		})
	}
	return list
}

// Runs reports whether any probe runs: a disabled one does not.
func (f *Fleet) Runs() bool {
	return slices.ContainsFunc(f.DeclaredProbes(), func(p wire.ProbeDeclaration) bool { return p.Mode != wire.Disabled })
}

// Enforces reports whether a probe counts: it can hold a host back, or fail it.
func (f *Fleet) Enforces() bool {
	return slices.ContainsFunc(f.DeclaredProbes(), func(p wire.ProbeDeclaration) bool { return p.Mode == wire.Enforce })
}
