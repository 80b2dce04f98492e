package generate

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/refrain-fleet/refrain/core/wire"
	"github.com/refrain-fleet/refrain/sim/random"
	"github.com/refrain-fleet/refrain/sim/scenario"
)

// Profile is a way to draw scenarios: how large, and what goes wrong.
type Profile struct {
	// Name is the word for it on the command line; About says what it is for.
	Name, About string
	// Hosts, Rollouts and Faults are how many there are, at least and at most.
	Hosts, Rollouts, Faults [2]int
	// Kinds are the faults that may be drawn. Each seed takes every second of
	// them, by chance (swarm testing: Groce et al., ISSTA 2012): a run without
	// a kind finds what the kind would have hidden.
	Kinds []scenario.FaultKind
	// Legacy and Hostile mix in hosts of those kinds.
	Legacy, Hostile, Field bool
	// Channels puts hosts into two channels at once, now and then.
	Channels bool
	// Gates is in how many runs of a thousand rollouts have gates (PROTOCOL W).
	Gates int
	// Steer is in how many runs of a thousand operators steer (PROTOCOL O).
	Steer int
	// Shape, if set, changes the sizes before the rest is drawn; Finish adds to
	// what was drawn.
	Shape, Finish func(*scenario.Scenario, *random.Stream)
	// draw, if set, draws all of the scenario in place of the rest.
	draw func(seed uint64, p Profile) scenario.Scenario
}

// Profiles lists every profile.
func Profiles() []Profile { return slices.Clone(profiles) }

// FindProfile returns a profile by its name. The error lists the names.
func FindProfile(name string) (Profile, error) {
	var names []string
	for _, p := range profiles {
		if p.Name == name {
			return p, nil
		}
		names = append(names, p.Name)
	}
	return Profile{}, fmt.Errorf("no profile %q; want one of %s", name, strings.Join(names, ", "))
}

var profiles = []Profile{
	{Name: "smoke", About: "few hosts, few faults of every kind",
		Hosts: [2]int{2, 6}, Rollouts: [2]int{1, 2}, Faults: [2]int{0, 4}, Kinds: drawnKinds(), Channels: true},
	{Name: "swarm", About: "every second kind of fault, many at a time",
		Hosts: [2]int{3, 14}, Rollouts: [2]int{1, 3}, Faults: [2]int{4, 24}, Kinds: drawnKinds(), Channels: true, Gates: 200, Steer: 300},
	{Name: "storm", About: "many hosts, a small inbox, outages after which all return at once",
		Hosts: [2]int{30, 90}, Rollouts: [2]int{1, 1}, Faults: [2]int{2, 6},
		Kinds: []scenario.FaultKind{scenario.ReducerWedge, scenario.ReducerSlow, scenario.GateCapacity, scenario.PlaneCrash, scenario.PlaneRestart, scenario.PlaneSuspend, scenario.PlaneLate, scenario.DiskSlow, scenario.DiskFail, scenario.NetPartition, scenario.NetDrop},
		Shape: func(s *scenario.Scenario, r *random.Stream) {
			s.Plane.Capacity = 4 + r.IntN(28)
			s.Plane.Service = r.Between(time.Millisecond, 30*time.Millisecond)
		}},
	{Name: "amnesia", About: "planes and agents that lose their disks, again and again",
		Hosts: [2]int{2, 8}, Rollouts: [2]int{1, 2}, Faults: [2]int{4, 14},
		Kinds:  []scenario.FaultKind{scenario.PlaneWipe, scenario.PlaneCrash, scenario.AgentAmnesia, scenario.AgentCrash, scenario.HostReboot, scenario.NetDrop, scenario.NetDelay, scenario.NetReorder, scenario.ReplyDrop, scenario.ActivationDefer, scenario.ActivationSlow},
		Finish: earlierLife, Channels: true},
	{Name: "legacy", About: "agents as they are deployed today among full ones",
		Hosts: [2]int{3, 10}, Rollouts: [2]int{1, 2}, Faults: [2]int{0, 8}, Kinds: drawnKinds(), Legacy: true},
	{Name: "field", About: "deployed agents of NixFleet among our own: a queue that stops, snapshots that overwrite, restarts in a switch",
		Hosts: [2]int{2, 8}, Rollouts: [2]int{1, 3}, Faults: [2]int{0, 10}, Kinds: drawnKinds(), Field: true, Gates: 150, Steer: 200},
	{Name: "hostile", About: "hosts with good certificates and bad intentions",
		Hosts: [2]int{3, 10}, Rollouts: [2]int{1, 2}, Faults: [2]int{0, 8}, Kinds: drawnKinds(), Hostile: true,
		Finish: hostileRollout},
	{Name: "forger", About: "a plane that lies, replays and forges to agents that act only on signed intent; short runs",
		Hosts: [2]int{1, 3}, Rollouts: [2]int{1, 3}, Faults: [2]int{0, 6}, Kinds: forgerKinds, draw: forgerScenario},
}

// Scenario draws the scenario of a seed in a profile. The same seed gives the
// same scenario.
func Scenario(seed uint64, p Profile) scenario.Scenario {
	if p.draw != nil {
		return p.draw(seed, p)
	}
	r := random.New(seed, "generate/"+p.Name, 0)
	s := scenario.Scenario{Seed: seed}
	s.Fleet.Hosts = between(&r, p.Hosts)
	if p.Legacy {
		s.Fleet.Legacy = 1 + r.IntN(s.Fleet.Hosts)
	}
	if p.Field {
		s.Fleet.Field = 1 + r.IntN(s.Fleet.Hosts)
	}
	if p.Hostile {
		s.Fleet.Hostile = 1 + r.IntN(max(1, s.Fleet.Hosts/2))
	}
	s.Fleet.Probes = []int{-1, 1, 1, 2}[r.IntN(4)]
	s.Fleet.Activation = scenario.Range{Min: 2 * time.Second, Max: r.Between(5*time.Second, 2*time.Minute).Truncate(time.Second)}
	if r.Chance(300) {
		s.Network.Loss = r.IntN(60)
	}
	if r.Chance(300) {
		s.Network.Dup = r.IntN(60)
	}
	if r.Chance(300) {
		s.Network.Delay = scenario.Range{Min: time.Millisecond, Max: r.Between(20*time.Millisecond, 2*time.Second).Truncate(time.Millisecond)}
	}
	if r.Chance(300) {
		s.Plane.Capacity = 4 + r.IntN(12)
	}
	if r.Chance(200) {
		s.Plane.Service = r.Between(100*time.Microsecond, 200*time.Millisecond).Truncate(time.Microsecond)
	}
	if p.Shape != nil {
		p.Shape(&s, &r)
	}
	drawPipeline(&s, p)
	drawReplays(&s, p)
	drawSlice(&s, p)
	span := r.Between(4*time.Minute, 25*time.Minute).Truncate(time.Second)
	for i := range between(&r, p.Rollouts) {
		s.Rollouts = append(s.Rollouts, drawRollout(&s, &r, i, span))
	}
	drawFleet(&s, p, span)
	drawSerials(&s, p, span)
	drawFaults(&s, p, &r, span)
	drawRestores(&s, p, span)
	drawCertificates(&s, p, span)
	drawActs(&s, &r, span)
	if p.Finish != nil {
		p.Finish(&s, &r)
	}
	drawOperators(&s, p, span)
	drawGates(&s, p)
	drawPlans(&s, p, span)
	drawBack(&s, p, span)
	drawMachines(&s, p, span)
	drawLogs(&s, p, span)
	drawSigned(&s, p)
	drawSteering(&s, p, span)
	s.Active = span
	for _, f := range s.Faults {
		s.Active = max(s.Active, f.At+f.For)
	}
	s.Converge = 3 * time.Hour
	if p.Field {
		s.Converge = fieldConverge(&s)
	}
	return s
}

// fieldConverge is how long a fleet with field agents may take: they soak until an
// instant of the plane's clock, so that every wave, and with a budget every host, waits
// for as long as that clock is fast (docs/findings.md, F38).
func fieldConverge(s *scenario.Scenario) time.Duration {
	var fast time.Duration
	for _, f := range s.Faults {
		if f.Kind == scenario.PlaneClock && f.Each > 0 {
			fast += f.Each
		}
	}
	soaks := 0
	for i := range s.Rollouts {
		if o := &s.Rollouts[i]; len(o.Budgets) == 0 {
			soaks += len(o.Waves)
		} else {
			soaks += len(o.Waves) + o.Targets.Last - o.Targets.First
		}
	}
	return 9*time.Hour + time.Duration(soaks)*fast
}

// drawSlice has manifests opened in slices, now and then (PROTOCOL R1), in some runs
// with steps so slow that a request is answered before. It has a stream of its own.
func drawSlice(s *scenario.Scenario, p Profile) {
	r := random.New(s.Seed, "slice/"+p.Name, 0)
	if !r.Chance(250) {
		return
	}
	s.Plane.Slice = 1 + r.IntN(3)
	if r.Chance(300) && s.Fleet.Hosts < 20 { // more would never be served
		slow := r.Between(200*time.Millisecond, time.Second).Truncate(time.Millisecond)
		if herd := s.Fleet.Legacy + s.Fleet.Field; herd > 0 {
			// Hosts that ignore Retry-After and have no jitter stay together once they
			// are: whoever is last of them would be late at each round, for ever.
			slow = min(slow, (s.Plane.ReplyTimeout / time.Duration(2*herd)).Truncate(time.Millisecond))
		}
		s.Plane.Service = max(s.Plane.Service, slow)
	}
}

// earlierLife lets, now and then, an event of a host that then loses its disk
// arrive after the host has come up again and asked where it stood: the plane
// has then used a number for something that the new life does not know of
// (PROTOCOL A4). Chance alone brings this about too seldom.
func earlierLife(s *scenario.Scenario, r *random.Stream) {
	if !r.Chance(300) {
		return
	}
	o := &s.Rollouts[0]
	o.At = max(o.At, 70*time.Second)
	host := scenario.Hosts{First: o.Targets.First, Last: o.Targets.First}
	s.Faults = append(s.Faults,
		scenario.Fault{At: o.At + time.Second, Kind: scenario.NetReorder, Hosts: host, For: 3 * time.Minute, Each: 9 * time.Second},
		scenario.Fault{At: o.At + time.Second, Kind: scenario.ActivationDefer, Hosts: host, For: 5 * time.Minute, Count: 1},
		scenario.Fault{At: o.At + r.Between(4*time.Second, 20*time.Second).Truncate(time.Millisecond), Kind: scenario.AgentAmnesia, Hosts: host, For: 100 * time.Millisecond})
}

// hostileRollout gives the hostile hosts a rollout of their own, most of the
// time, so that they have something to tell lies about.
func hostileRollout(s *scenario.Scenario, r *random.Stream) {
	if s.Fleet.Hostile == 0 || !r.Chance(700) {
		return
	}
	first := s.Fleet.Hosts - s.Fleet.Hostile + 1
	o := scenario.Rollout{
		At: r.Between(time.Second, time.Minute).Truncate(time.Second), ID: "hostile@r1",
		Targets: scenario.Hosts{First: first, Last: s.Fleet.Hosts}, Target: "c9", Policy: wire.Halt,
	}
	for range 1 + r.IntN(2) {
		o.Waves = append(o.Waves, time.Duration(r.IntN(3))*time.Minute)
	}
	s.Rollouts = append(s.Rollouts, o)
	s.Acts = append(s.Acts, scenario.Act{At: o.At + r.Between(time.Minute, 4*time.Minute).Truncate(time.Second), Kind: scenario.ActResume, Rollout: o.ID})
}

func between(r *random.Stream, bounds [2]int) int { return bounds[0] + r.IntN(bounds[1]-bounds[0]+1) }

func drawRollout(s *scenario.Scenario, r *random.Stream, i int, span time.Duration) scenario.Rollout {
	// A host follows one channel: two with different targets would take turns
	// on it for ever. The first third follows edge, if the fleet has one.
	honest := s.Fleet.Hosts - s.Fleet.Hostile
	edge := honest / 3
	channel, first, last := "stable", edge+1, honest
	if edge > 0 && r.Chance(300) {
		channel, first, last = "edge", 1, edge
	}
	out := scenario.Rollout{
		At:      r.Between(time.Second, span/2).Truncate(time.Second),
		ID:      wire.RolloutID(fmt.Sprintf("%s@r%d", channel, i+1)),
		Targets: scenario.Hosts{First: first, Last: last},
		Target:  wire.Closure(fmt.Sprintf("c%d", i+1)),
		Policy:  wire.Halt,
	}
	if r.Chance(500) {
		out.Policy = wire.RollbackAndHalt
	}
	for range 1 + r.IntN(3) {
		out.Waves = append(out.Waves, time.Duration(r.IntN(5))*time.Minute)
	}
	if r.Chance(300) {
		out.Targets.First += r.IntN(last - first + 1)
	}
	return out
}

func drawFaults(s *scenario.Scenario, p Profile, r *random.Stream, span time.Duration) {
	var kinds []scenario.FaultKind
	for _, k := range p.Kinds {
		if r.Chance(500) {
			kinds = append(kinds, k)
		}
	}
	if len(kinds) == 0 {
		return
	}
	for range between(r, p.Faults) {
		s.Faults = append(s.Faults, scenario.DrawFault(r, kinds[r.IntN(len(kinds))], s.Fleet.Hosts, span))
	}
	slices.SortStableFunc(s.Faults, byInstant)
}

func byInstant(a, b scenario.Fault) int { return cmp.Compare(a.At, b.At) }

// drawnKinds are the kinds of faults that drawFaults draws from. The others have
// streams of their own, in drawRestores, drawCertificates, drawMachines and drawLogs.
func drawnKinds() []scenario.FaultKind {
	return slices.DeleteFunc(scenario.FaultKinds(), func(k scenario.FaultKind) bool {
		return k == scenario.PlaneRestore || k == scenario.CertExpire || k == scenario.CertUntrust || k == scenario.NetRoam || k == scenario.AgentCompact
	})
}

// drawCertificates has the certificates of hosts expire now and then, or their CA
// trusted no more, in the profiles in which hosts may have the wrong one (PROTOCOL T1).
func drawCertificates(s *scenario.Scenario, p Profile, span time.Duration) {
	r := random.New(s.Seed, "generate/"+p.Name+"/certificates", 0)
	if !slices.Contains(p.Kinds, scenario.CertWrong) || !r.Chance(200) {
		return
	}
	for range 1 + r.IntN(2) {
		kind := []scenario.FaultKind{scenario.CertExpire, scenario.CertUntrust}[r.IntN(2)]
		s.Faults = append(s.Faults, scenario.DrawFault(&r, kind, s.Fleet.Hosts, span))
	}
	slices.SortStableFunc(s.Faults, byInstant)
}

// drawRestores puts the plane's disk back to a backup now and then, in the profiles in
// which it may also be lost (PROTOCOL H8).
func drawRestores(s *scenario.Scenario, p Profile, span time.Duration) {
	r := random.New(s.Seed, "generate/"+p.Name+"/restores", 0)
	if !slices.Contains(p.Kinds, scenario.PlaneWipe) || !r.Chance(250) {
		return
	}
	for range 1 + r.IntN(2) {
		s.Faults = append(s.Faults, scenario.DrawFault(&r, scenario.PlaneRestore, s.Fleet.Hosts, span))
	}
	slices.SortStableFunc(s.Faults, byInstant)
}

// drawActs lets an operator look after what went wrong.
func drawActs(s *scenario.Scenario, r *random.Stream, span time.Duration) {
	for i := range s.Rollouts {
		o := &s.Rollouts[i]
		resumes, clears := 400, 200
		if o.Policy == wire.RollbackAndHalt { // there may be something to look after
			resumes, clears = 700, 500
		}
		if r.Chance(resumes) {
			s.Acts = append(s.Acts, scenario.Act{At: span - r.Between(0, span/2).Truncate(time.Second), Kind: scenario.ActResume, Rollout: o.ID})
		}
		if r.Chance(clears) {
			s.Acts = append(s.Acts, scenario.Act{At: span - r.Between(0, span/4).Truncate(time.Second), Kind: scenario.ActClear, Channel: o.ID.Channel(), Closure: o.TargetOf(o.Targets.First + r.IntN(o.Targets.Last-o.Targets.First+1))})
		}
	}
	if r.Chance(200) {
		n := 1 + r.IntN(s.Fleet.Hosts)
		s.Acts = append(s.Acts, scenario.Act{
			At: r.Between(time.Second, span).Truncate(time.Second), Kind: scenario.ActRevoke, Hosts: scenario.Hosts{First: n, Last: n},
			For: r.Between(time.Second, 5*time.Minute).Truncate(time.Second),
		})
	}
}

// drawSerials takes the serials of some manifests, or of all: a plane that lost its
// disk then waits for an operator's word (PROTOCOL R6). The operator means the
// newest: what becomes of one who goes back is F20 (docs/findings.md).
func drawSerials(s *scenario.Scenario, p Profile, span time.Duration) {
	r := random.New(s.Seed, "generate/"+p.Name+"/serials", 0)
	without := 0
	if r.Chance(200) {
		without = []int{1000, 500}[r.IntN(2)]
	}
	for i := range s.Rollouts {
		o := &s.Rollouts[i]
		if o.Unordered = r.Chance(without); without > 0 && newest(s, o) && r.Chance(700) {
			s.Acts = append(s.Acts, scenario.Act{At: span - r.Between(0, span/3).Truncate(time.Second), Kind: scenario.ActChoose, Rollout: o.ID})
		}
	}
}

// newest reports whether a rollout is opened last of its channel.
func newest(s *scenario.Scenario, o *scenario.Rollout) bool {
	return !slices.ContainsFunc(s.Rollouts, func(other scenario.Rollout) bool {
		return other.ID.Channel() == o.ID.Channel() && other.At > o.At
	})
}

// drawPipeline draws what the loop and the disk do beside each other: for how
// long the loop is interrupted, how long commits take, and how much is stepped
// at once.
func drawPipeline(s *scenario.Scenario, p Profile) {
	r := random.New(s.Seed, "generate/"+p.Name+"/pipeline", 0)
	if r.Chance(750) {
		longest := []time.Duration{time.Millisecond, 20 * time.Millisecond, 300 * time.Millisecond, 2 * time.Second}
		s.Plane.Pause = longest[r.IntN(len(longest))]
	}
	if r.Chance(400) {
		s.Plane.Commit = scenario.Range{Min: time.Millisecond, Max: r.Between(10*time.Millisecond, 3*time.Second).Truncate(time.Millisecond)}
	}
	if r.Chance(300) {
		s.Plane.Batch = 1 + r.IntN(8)
	}
}

// drawReplays draws how many replays may be under way: often so few that hosts
// are put off.
func drawReplays(s *scenario.Scenario, p Profile) {
	r := random.New(s.Seed, "generate/"+p.Name+"/replays", 0)
	if r.Chance(500) {
		s.Plane.Replays = 1 + r.IntN(3)
	}
}
