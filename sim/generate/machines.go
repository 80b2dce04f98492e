package generate

import (
	"fmt"
	"slices"
	"time"

	"github.com/refrain-fleet/refrain/core/wire"
	"github.com/refrain-fleet/refrain/sim/random"
	"github.com/refrain-fleet/refrain/sim/scenario"
)

// drawMachines has, now and then, a second machine use a host's name: it sends heartbeats
// from its own address and polls, most of all when a rollout is opened, so that newer
// polls of a host come while its older one asks (PROTOCOL D3, L4). And it has the
// connections of hosts leave by two addresses in turn, which makes no second machine of
// them.
func drawMachines(s *scenario.Scenario, p Profile, span time.Duration) {
	r := random.New(s.Seed, "generate/"+p.Name+"/machines", 0)
	honest := s.Fleet.Hosts - s.Fleet.Hostile - s.Fleet.Field
	if !p.Channels || honest < 1 {
		return
	}
	if r.Chance(150) {
		secondMachine(s, &r, 1+r.IntN(honest), span)
	}
	if r.Chance(120) {
		s.Faults = append(s.Faults, scenario.DrawFault(&r, scenario.NetRoam, s.Fleet.Hosts, span))
		slices.SortStableFunc(s.Faults, byInstant)
	}
}

func secondMachine(s *scenario.Scenario, r *random.Stream, n int, span time.Duration) {
	host := scenario.Hosts{First: n, Last: n}
	from := wire.Name(fmt.Sprintf("198.51.100.%d", n%250+1))
	if r.Chance(600) {
		at := r.Between(time.Second, span/2).Truncate(time.Second)
		for range 2 + r.IntN(9) {
			s.Acts = append(s.Acts, scenario.Act{At: at, Kind: scenario.ActSend, Route: scenario.RouteHeartbeat, Hosts: host, From: from})
			at += r.Between(54*time.Second, 66*time.Second).Truncate(time.Millisecond)
		}
	}
	for i := range s.Rollouts {
		for range r.IntN(7) {
			s.Acts = append(s.Acts, scenario.Act{
				At: s.Rollouts[i].At + r.Between(0, 4*time.Second).Truncate(time.Millisecond), Kind: scenario.ActSend, Route: scenario.RoutePoll,
				Hosts: host, Count: 1 + r.IntN(2), For: r.Between(time.Second, time.Minute).Truncate(time.Second),
			})
		}
	}
}

// drawLogs has agents' logs written anew, cut off and read again while the plane is down,
// so that nothing of them is acknowledged meanwhile and all of it has to be there
// afterwards (PROTOCOL A1). Chance alone brings this about too seldom: a plane is mostly
// back within seconds.
func drawLogs(s *scenario.Scenario, p Profile, span time.Duration) {
	r := random.New(s.Seed, "generate/"+p.Name+"/logs", 0)
	if !slices.Contains(p.Kinds, scenario.AgentAmnesia) || p.Field || !r.Chance(150) {
		return
	}
	down := scenario.Fault{Kind: scenario.PlaneCrash, At: r.Between(20*time.Second, span*2/3).Truncate(time.Second), For: r.Between(time.Minute, 5*time.Minute).Truncate(time.Second)}
	if r.Chance(300) {
		down.Kind = scenario.PlaneWipe
	}
	s.Faults = append(s.Faults, down)
	kinds := []scenario.FaultKind{scenario.AgentCompact, scenario.AgentCompact, scenario.AgentCrash, scenario.HostReboot, scenario.AgentDisk}
	for range 2 + r.IntN(4) {
		f := scenario.DrawFault(&r, kinds[r.IntN(len(kinds))], s.Fleet.Hosts, span)
		f.At = down.At + r.Between(0, down.For).Truncate(100*time.Millisecond)
		s.Faults = append(s.Faults, f)
	}
	slices.SortStableFunc(s.Faults, byInstant)
}
