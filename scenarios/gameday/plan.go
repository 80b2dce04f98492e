package gameday

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/refrain-fleet/refrain/httpagent"
	"github.com/refrain-fleet/refrain/sim/scenario"
)

// maxHosts bounds the fleet of a gameday: each host has a proxy, a driver and
// several connections in this process.
const maxHosts = 200

// NotPlayed is a part of a scenario that is not played, and why.
type NotPlayed struct {
	What string `json:"what"`
	Why  string `json:"why"`
}

// reasons say why faults of a kind cannot be played.
var reasons = map[scenario.FaultKind]string{
	scenario.PlaneSuspend:   "the plane shares a process with the hosts, which would be suspended with it",
	scenario.PlaneClock:     "the plane's clock is the machine's",
	scenario.PlaneRestore:   "a gameday takes no backups; conformance restores one with the real store",
	scenario.NetDup:         "TCP delivers what it is given once",
	scenario.NetReorder:     "TCP delivers what it is given in order",
	scenario.NetRoam:        "the hosts of a gameday share one address",
	scenario.AgentCompact:   "from outside, the end of a process cannot be timed to a compaction",
	scenario.HostSuspend:    "the hosts of a gameday share one clock",
	scenario.AgentDisk:      "the hosts of a gameday keep their logs in memory",
	scenario.ClockSkew:      "the hosts of a gameday share one clock",
	scenario.ClockDrift:     "the hosts of a gameday share one clock",
	scenario.CertWrong:      "an agent's driver sends no certificate but its own",
	scenario.CertExpire:     "the certificates of a gameday are good until its end",
	scenario.CertUntrust:    "a gameday has one CA",
	scenario.DiskScarce:     "how much is free is the real disk's to say",
	scenario.ActivationSlow: "a virtual machine draws the time of a switch before it begins",
}

// plan is what is played of a scenario.
type plan struct {
	scenario  scenario.Scenario // with its defaults
	speed     int
	faults    []scenario.Fault
	acts      []scenario.Act
	notPlayed []NotPlayed
}

// newPlan validates a scenario at a speed. The error says what would be right.
func newPlan(s scenario.Scenario, speed int) (*plan, error) {
	s = s.Filled()
	p := &plan{scenario: s, speed: speed}
	switch {
	case speed < 1 || speed > httpagent.MaxSpeed:
		return nil, fmt.Errorf("speed is %d; want 1 to %d", speed, httpagent.MaxSpeed)
	case s.Fleet.Hosts > maxHosts:
		return nil, fmt.Errorf("the fleet has %d hosts; a gameday plays at most %d", s.Fleet.Hosts, maxHosts)
	case s.Fleet.Interval%(time.Duration(speed)*time.Second) != 0:
		return nil, fmt.Errorf("speed is %d, and %v of the fleet's interval would be no whole seconds; want a speed that divides it, for instance %d",
			speed, s.Fleet.Interval, divisor(s.Fleet.Interval, speed))
	case s.Plane.SignedOnly || slices.ContainsFunc(s.Rollouts, func(r scenario.Rollout) bool { return r.Signed }):
		return nil, errors.New("the scenario has signed releases; a gameday's plane has none")
	case len(s.Start.State) > 0:
		return nil, fmt.Errorf("the scenario starts from a recorded state; a gameday starts with a plane that knows nothing")
	}
	if s.Fleet.Field > 0 {
		p.notPlayed = append(p.notPlayed, NotPlayed{fmt.Sprintf("%d field hosts", s.Fleet.Field), "agents of ours take their place: they act on no signed release"})
	}
	if s.Fleet.Hostile > 0 {
		p.notPlayed = append(p.notPlayed, NotPlayed{fmt.Sprintf("%d hostile hosts", s.Fleet.Hostile), "they have no agent"})
	}
	for _, f := range s.Faults {
		if _, played := injectors[f.Kind]; !played {
			p.notPlayed = append(p.notPlayed, NotPlayed{f.String(), cmp.Or(reasons[f.Kind], "nothing injects it yet")})
			continue
		}
		if f.Phase != scenario.AtOnce {
			p.notPlayed = append(p.notPlayed, NotPlayed{"the phase of " + f.String(), "from outside, a crash cannot be timed to a commit; it is injected at once"})
			f.Phase = scenario.AtOnce
		}
		if f.Kind == scenario.DiskFail && f.After {
			p.notPlayed = append(p.notPlayed, NotPlayed{"after=yes of " + f.String(), "a real disk keeps of a failed commit what it likes; nothing of it is kept"})
			f.After = false
		}
		p.faults = append(p.faults, f)
	}
	for _, a := range s.Acts {
		if a.Kind == scenario.ActSend {
			p.notPlayed = append(p.notPlayed, NotPlayed{a.String(), "beside an agent's driver nothing has the host's certificate"})
			continue
		}
		if a.Kind == scenario.ActCompact {
			p.notPlayed = append(p.notPlayed, NotPlayed{a.String(), "a database is compacted while its plane is stopped, and here on a copy"})
			continue
		}
		if a.Kind == scenario.ActRead {
			p.notPlayed = append(p.notPlayed, NotPlayed{a.String(), "what an operator reads is judged in simulation and by conformance"})
			continue
		}
		p.acts = append(p.acts, a)
	}
	slices.SortStableFunc(p.faults, func(a, b scenario.Fault) int { return cmp.Compare(a.At, b.At) })
	return p, nil
}

// divisor is the largest speed up to a given one that leaves whole seconds.
func divisor(interval time.Duration, wish int) int {
	for ; wish > 1; wish-- {
		if interval%(time.Duration(wish)*time.Second) == 0 {
			break
		}
	}
	return wish
}

// real is a time of the scenario on the real clock.
func (p *plan) real(d time.Duration) time.Duration { return d / time.Duration(p.speed) }

// played is how many hosts have an agent.
func (p *plan) played() int { return p.scenario.Fleet.Hosts - p.scenario.Fleet.Hostile }
