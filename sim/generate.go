package sim

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/refrain-fleet/refrain/core/wire"
)

// Profile is a way to draw scenarios: how large, and what goes wrong.
type Profile struct {
	Name, About string
	hosts       [2]int // bounds
	rollouts    [2]int
	faults      [2]int
	// kinds are the faults that may be drawn. Each seed takes every second of
	// them, by chance (swarm testing: Groce et al., ISSTA 2012): a run without
	// a kind finds what the kind would have hidden.
	kinds           []FaultKind
	legacy, hostile bool
	// shape changes the sizes before the rest is drawn, finish adds to what was
	// drawn.
	shape, finish func(*Scenario, *Stream)
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
		hosts: [2]int{2, 6}, rollouts: [2]int{1, 2}, faults: [2]int{0, 4}, kinds: FaultKinds()},
	{Name: "swarm", About: "every second kind of fault, many at a time",
		hosts: [2]int{3, 14}, rollouts: [2]int{1, 3}, faults: [2]int{4, 24}, kinds: FaultKinds()},
	{Name: "storm", About: "many hosts, a small inbox, outages after which all return at once",
		hosts: [2]int{30, 90}, rollouts: [2]int{1, 1}, faults: [2]int{2, 6},
		kinds: []FaultKind{ReducerWedge, ReducerSlow, GateCapacity, PlaneCrash, PlaneRestart, PlaneSuspend, PlaneLate, DiskSlow, DiskFail, NetPartition, NetDrop},
		shape: func(s *Scenario, r *Stream) {
			s.Plane.Capacity = 4 + r.IntN(28)
			s.Plane.Service = r.Between(time.Millisecond, 30*time.Millisecond)
		}},
	{Name: "amnesia", About: "planes and agents that lose their disks, again and again",
		hosts: [2]int{2, 8}, rollouts: [2]int{1, 2}, faults: [2]int{4, 14},
		kinds:  []FaultKind{PlaneWipe, PlaneCrash, AgentAmnesia, AgentCrash, HostReboot, NetDrop, NetDelay, NetReorder, ReplyDrop, ActivationDefer, ActivationSlow},
		finish: earlierLife},
	{Name: "legacy", About: "agents as they are deployed today among full ones",
		hosts: [2]int{3, 10}, rollouts: [2]int{1, 2}, faults: [2]int{0, 8}, kinds: FaultKinds(), legacy: true},
	{Name: "hostile", About: "hosts with good certificates and bad intentions",
		hosts: [2]int{3, 10}, rollouts: [2]int{1, 2}, faults: [2]int{0, 8}, kinds: FaultKinds(), hostile: true,
		finish: hostileRollout},
}

// Generate draws the scenario of a seed in a profile. The same seed gives the
// same scenario.
func Generate(seed uint64, p Profile) Scenario {
	r := NewStream(seed, "generate/"+p.Name, 0)
	s := Scenario{Seed: seed}
	s.Fleet.Hosts = between(&r, p.hosts)
	if p.legacy {
		s.Fleet.Legacy = 1 + r.IntN(s.Fleet.Hosts)
	}
	if p.hostile {
		s.Fleet.Hostile = 1 + r.IntN(max(1, s.Fleet.Hosts/2))
	}
	s.Fleet.Probes = []int{-1, 1, 1, 2}[r.IntN(4)]
	s.Fleet.Activation = Range{2 * time.Second, r.Between(5*time.Second, 2*time.Minute).Truncate(time.Second)}
	if r.Chance(300) {
		s.Network.Loss = r.IntN(60)
	}
	if r.Chance(300) {
		s.Network.Dup = r.IntN(60)
	}
	if r.Chance(300) {
		s.Network.Delay = Range{time.Millisecond, r.Between(20*time.Millisecond, 2*time.Second).Truncate(time.Millisecond)}
	}
	if r.Chance(300) {
		s.Plane.Capacity = 4 + r.IntN(12)
	}
	if r.Chance(200) {
		s.Plane.Service = r.Between(100*time.Microsecond, 200*time.Millisecond).Truncate(time.Microsecond)
	}
	if p.shape != nil {
		p.shape(&s, &r)
	}
	s.drawPipeline(p)
	span := r.Between(4*time.Minute, 25*time.Minute).Truncate(time.Second)
	for i := range between(&r, p.rollouts) {
		s.Rollouts = append(s.Rollouts, drawRollout(&s, &r, i, span))
	}
	s.drawFaults(p, &r, span)
	s.drawActs(&r, span)
	if p.finish != nil {
		p.finish(&s, &r)
	}
	s.Active = span
	for _, f := range s.Faults {
		s.Active = max(s.Active, f.At+f.For)
	}
	s.Converge = 3 * time.Hour
	return s
}

// earlierLife lets, now and then, an event of a host that then loses its disk
// arrive after the host has come up again and asked where it stood: the plane
// has then used a number for something that the new life does not know of
// (PROTOCOL A4). Chance alone brings this about too seldom.
func earlierLife(s *Scenario, r *Stream) {
	if !r.Chance(300) {
		return
	}
	o := &s.Rollouts[0]
	o.At = max(o.At, 70*time.Second)
	host := Hosts{o.Targets.First, o.Targets.First}
	s.Faults = append(s.Faults,
		Fault{At: o.At + time.Second, Kind: NetReorder, Hosts: host, For: 3 * time.Minute, Each: 9 * time.Second},
		Fault{At: o.At + time.Second, Kind: ActivationDefer, Hosts: host, For: 5 * time.Minute, Count: 1},
		Fault{At: o.At + r.Between(4*time.Second, 20*time.Second).Truncate(time.Millisecond), Kind: AgentAmnesia, Hosts: host, For: 100 * time.Millisecond})
}

// hostileRollout gives the hostile hosts a rollout of their own, most of the
// time, so that they have something to tell lies about.
func hostileRollout(s *Scenario, r *Stream) {
	if s.Fleet.Hostile == 0 || !r.Chance(700) {
		return
	}
	first := s.Fleet.Hosts - s.Fleet.Hostile + 1
	o := Rollout{
		At: r.Between(time.Second, time.Minute).Truncate(time.Second), ID: "hostile@r1",
		Targets: Hosts{first, s.Fleet.Hosts}, Target: "c9", Policy: wire.Halt,
	}
	for range 1 + r.IntN(2) {
		o.Waves = append(o.Waves, time.Duration(r.IntN(3))*time.Minute)
	}
	s.Rollouts = append(s.Rollouts, o)
	s.Acts = append(s.Acts, Act{At: o.At + r.Between(time.Minute, 4*time.Minute).Truncate(time.Second), Kind: ActResume, Rollout: o.ID})
}

func between(r *Stream, bounds [2]int) int { return bounds[0] + r.IntN(bounds[1]-bounds[0]+1) }

func drawRollout(s *Scenario, r *Stream, i int, span time.Duration) Rollout {
	// A host follows one channel: two with different targets would take turns
	// on it for ever. The first third follows edge, if the fleet has one.
	honest := s.Fleet.Hosts - s.Fleet.Hostile
	edge := honest / 3
	channel, first, last := "stable", edge+1, honest
	if edge > 0 && r.Chance(300) {
		channel, first, last = "edge", 1, edge
	}
	out := Rollout{
		At:      r.Between(time.Second, span/2).Truncate(time.Second),
		ID:      wire.RolloutID(fmt.Sprintf("%s@r%d", channel, i+1)),
		Targets: Hosts{first, last},
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

func (s *Scenario) drawFaults(p Profile, r *Stream, span time.Duration) {
	var kinds []FaultKind
	for _, k := range p.kinds {
		if r.Chance(500) {
			kinds = append(kinds, k)
		}
	}
	if len(kinds) == 0 {
		return
	}
	for range between(r, p.faults) {
		s.Faults = append(s.Faults, drawFault(s, r, kinds[r.IntN(len(kinds))], span))
	}
	slices.SortStableFunc(s.Faults, func(a, b Fault) int { return cmp.Compare(a.At, b.At) })
}

// drawFault draws the fields that the kind uses.
func drawFault(s *Scenario, r *Stream, k FaultKind, span time.Duration) Fault {
	f := Fault{Kind: k, At: r.Between(time.Second, span).Truncate(100 * time.Millisecond)}
	long := r.Between(time.Second, 4*time.Minute).Truncate(time.Second)
	short := r.Between(100*time.Millisecond, 20*time.Second).Truncate(100 * time.Millisecond)
	hosts := Hosts{}
	if n := s.Fleet.Hosts; r.Chance(700) {
		first := 1 + r.IntN(n)
		hosts = Hosts{first, first + r.IntN(n-first+1)}
	}
	one := Hosts{1 + r.IntN(s.Fleet.Hosts), 0}
	one.Last = one.First
	switch k {
	case ReducerWedge:
		f.For = short
	case ReducerSlow:
		f.For, f.Each = long, r.Between(10*time.Millisecond, 3*time.Second).Truncate(time.Millisecond)
	case ReplyDrop:
		f.Hosts, f.Count, f.For, f.After = hosts, 1+r.IntN(6), long, r.Chance(500)
	case GateCapacity:
		f.For, f.Size = long, 1+r.IntN(8)
	case PlaneRestart:
		f.For, f.Each = short, r.Between(0, 3*time.Second).Truncate(time.Millisecond)
	case PlaneCrash:
		f.For, f.Phase = short, Phase(r.IntN(4))
	case PlaneWipe:
		f.For = short
	case PlaneSuspend:
		f.For = long
	case PlaneClock:
		f.Each = cmp.Or(r.Between(-2*time.Hour, 2*time.Hour).Truncate(time.Second), time.Second)
	case PlaneLate:
		f.For = short
	case DiskSlow:
		f.For, f.Each = long, r.Between(10*time.Millisecond, 6*time.Second).Truncate(time.Millisecond)
	case DiskFail:
		if f.For = short; r.Chance(500) {
			f.Count = 1 + r.IntN(3)
		}
		f.After = r.Chance(400)
	case NetDrop, NetDup:
		f.Hosts, f.For, f.Rate = hosts, long, 50+r.IntN(900)
	case NetDelay, NetReorder:
		f.Hosts, f.For, f.Each = hosts, long, r.Between(50*time.Millisecond, 15*time.Second).Truncate(time.Millisecond)
	case NetPartition:
		f.Hosts, f.For, f.Dir = hosts, long, Dir(r.IntN(3))
	case NetReset:
		f.Hosts, f.For, f.Count, f.After = hosts, long, 1+r.IntN(5), r.Chance(500)
	case AgentCrash:
		f.Hosts, f.For, f.After = one, short, r.Chance(500)
	case HostReboot, AgentAmnesia:
		f.Hosts, f.For = one, short
	case ClockSkew:
		f.Hosts, f.For, f.Each = hosts, long, cmp.Or(r.Between(-30*time.Hour, 90*time.Minute).Truncate(time.Second), time.Second)
	case ClockDrift:
		f.Hosts, f.For, f.Rate = hosts, long, cmp.Or(r.IntN(20001)-10000, 1)
	case CertWrong:
		f.Hosts, f.For, f.Count = one, long, 1+r.IntN(6)
	case ActivationFail, ActivationDefer:
		f.Hosts, f.For, f.Count = hosts, long, 1+r.IntN(3)
	case ActivationSlow:
		f.Hosts, f.For, f.Each = hosts, long, long
	case ProbeFail:
		f.Hosts, f.For = hosts, long
	}
	return f
}

// drawActs lets an operator look after what went wrong.
func (s *Scenario) drawActs(r *Stream, span time.Duration) {
	for i := range s.Rollouts {
		o := &s.Rollouts[i]
		resumes, clears := 400, 200
		if o.Policy == wire.RollbackAndHalt { // there may be something to look after
			resumes, clears = 700, 500
		}
		if r.Chance(resumes) {
			s.Acts = append(s.Acts, Act{At: span - r.Between(0, span/2).Truncate(time.Second), Kind: ActResume, Rollout: o.ID})
		}
		if r.Chance(clears) {
			s.Acts = append(s.Acts, Act{At: span - r.Between(0, span/4).Truncate(time.Second), Kind: ActClear, Channel: o.ID.Channel(), Closure: o.Target})
		}
	}
	if r.Chance(200) {
		n := 1 + r.IntN(s.Fleet.Hosts)
		s.Acts = append(s.Acts, Act{
			At: r.Between(time.Second, span).Truncate(time.Second), Kind: ActRevoke, Hosts: Hosts{n, n},
			For: r.Between(time.Second, 5*time.Minute).Truncate(time.Second),
		})
	}
}

// drawPipeline draws what the loop and the disk do beside each other: for how
// long the loop is interrupted, how long commits take, and how much is stepped
// at once.
func (s *Scenario) drawPipeline(p Profile) {
	r := NewStream(s.Seed, "generate/"+p.Name+"/pipeline", 0)
	if r.Chance(750) {
		longest := []time.Duration{time.Millisecond, 20 * time.Millisecond, 300 * time.Millisecond, 2 * time.Second}
		s.Plane.Pause = longest[r.IntN(len(longest))]
	}
	if r.Chance(400) {
		s.Plane.Commit = Range{time.Millisecond, r.Between(10*time.Millisecond, 3*time.Second).Truncate(time.Millisecond)}
	}
	if r.Chance(300) {
		s.Plane.Batch = 1 + r.IntN(8)
	}
}
