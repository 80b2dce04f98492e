package scenarios_test

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/refrain-fleet/refrain/core/wire"
	"github.com/refrain-fleet/refrain/sim/record"
	"github.com/refrain-fleet/refrain/sim/scenario"
)

const (
	doubleEvent = "an event arrived twice, and the reducer took both"
	doubleBeat  = "a heartbeat arrived twice"
	decided     = "a rollout ended with a host that failed, reverted or was deferred"
	allWell     = "a rollout ended with every host converged"
	laterAll    = "an event arrived later than without the delay"
	idleSeen    = "the plane knew the idle host, and had no record of it"
	otherOrder  = "two events of different hosts arrived within a microsecond, in the other order than without the change"
)

// fates counts what the rollouts came to.
func (r *run) fates(v *verdict) {
	s := *r.world.Scenario()
	for i := range s.Rollouts {
		status, known := r.world.Plane().Rollout(s.Rollouts[i].ID)
		switch c := &status.Counts; {
		case !known:
		case c.Failed+c.Reverted+c.Deferred > 0 || r.result.Effects[scenario.EffectActivationDeferred] > 0:
			v.reach(decided)
		case int(c.Converged) == len(hostsOf(&s, &s.Rollouts[i])):
			v.reach(allWell)
		}
	}
}

// both runs the plain and the changed scenario.
func both(v *verdict, plain, changed scenario.Scenario) (p, c *run) {
	if p = observe(v, plain, nil); p == nil {
		return nil, nil
	}
	if c = observe(v, changed, nil); c != nil && p.result.Violation == nil && c.result.Violation == nil {
		c.fates(v)
		return p, c
	}
	return nil, nil
}

// A heartbeat or an event that the network doubles changes nothing: the hosts run and have
// told the same, and the plane says the same of them.
//
// It is about requests, since an answer belongs to a connection and cannot
// arrive twice. A twin draws its delay from its sender's stream, so that the
// times of the two runs differ; this is why the fate of the fleet may not hang
// on times (drawDecided). PROTOCOL H7, E3, A9
func TestADuplicatedMessageChangesNothing(t *testing.T) {
	property{
		draw: func(t *rapid.T) scenario.Scenario {
			s := drawDecided(t, number(t, "hosts", 1, 6))
			// A doubled poll is two polls, and the dispatch goes to one of them: the host may
			// have it 15 s later (D2), when another has halted the rollout.
			rate, hosts := number(t, "of a thousand", 100, 1000), someHosts(t, "doubled", s.Fleet.Hosts)
			for _, route := range []scenario.Route{scenario.RouteHeartbeat, scenario.RouteEvent} {
				s.Faults = append(s.Faults, scenario.Fault{Kind: scenario.NetDup, For: s.Active, Rate: rate, Hosts: hosts, Route: route})
			}
			return s
		},
		judge: func(v *verdict, s scenario.Scenario) {
			plain, changed := both(v, without(s, scenario.NetDup), s)
			if changed == nil {
				return
			}
			stepped := make(map[key]int)
			for _, x := range changed.Exchanges {
				switch {
				case x.Duplicate && x.Kind != scenario.RouteEvent:
					v.reach(doubleBeat)
				case x.Kind == scenario.RouteEvent && x.SteppedAt != record.Never:
					if stepped[keyOf(x)]++; stepped[keyOf(x)] == 2 {
						v.reach(doubleEvent)
					}
				}
			}
			same(v, plain, changed, s.Fleet.Hosts)
			changed.loggedOnce(v)
		},
		premises: []string{doubleEvent, doubleBeat, decided, allWell},
	}.check(t)
}

// A network that is slower for everybody by the same time changes nothing but
// times, as long as an answer still comes before its sender has given up: 4 s
// each way are below the 10 s of A6. Liveness is told at the end only, when the
// fleet is at rest. PROTOCOL A6, E1, H1
func TestDelayingEverythingEquallyChangesNothingButTimes(t *testing.T) {
	property{
		draw: func(t *rapid.T) scenario.Scenario {
			s := drawDecided(t, number(t, "hosts", 1, 6))
			s.Faults = append(s.Faults, scenario.Fault{Kind: scenario.NetDelay, For: s.Active, Each: between(t, "delay everything by", time.Millisecond, 4*time.Second, time.Nanosecond)})
			return s
		},
		judge: func(v *verdict, s scenario.Scenario) {
			plain, changed := both(v, without(s, scenario.NetDelay), s)
			if changed == nil {
				return
			}
			arrived := firstArrivals(plain)
			for k, at := range firstArrivals(changed) {
				if at > arrived[k] {
					v.reach(laterAll)
				}
			}
			same(v, plain, changed, s.Fleet.Hosts)
		},
		premises: []string{laterAll, decided, allWell},
	}.check(t)
}

// firstArrivals is when each event arrived first.
func firstArrivals(r *run) map[key]time.Duration {
	first := make(map[key]time.Duration)
	for _, x := range r.Exchanges {
		if _, before := first[keyOf(x)]; x.Kind == scenario.RouteEvent && !before {
			first[keyOf(x)] = x.ArrivedAt
		}
	}
	return first
}

// A host more, that is in no rollout, changes nobody else's outcome.
//
// Random streams belong to nodes, so that the others draw what they drew
// before; but the idle host's requests take the reducer's and the disk's time,
// so that instants may differ. The suspicion of L3 counts hosts, and is left
// out: nothing here makes a host unreachable. PROTOCOL R2, L3
func TestAnIdleHostChangesNobodyElsesOutcome(t *testing.T) {
	property{
		draw: func(t *rapid.T) scenario.Scenario {
			s := drawDecided(t, number(t, "hosts", 1, 6))
			s.Fleet.Hosts++ // the last one is in no rollout
			return s
		},
		judge: func(v *verdict, s scenario.Scenario) {
			fewer := s
			fewer.Fleet.Hosts--
			plain, changed := both(v, fewer, s)
			if changed == nil {
				return
			}
			status, known := changed.world.Plane().Host(scenario.HostName(s.Fleet.Hosts))
			if known && len(status.Records) == 0 && status.Reachability == wire.Reachable {
				v.reach(idleSeen)
			} else {
				v.errorf("the idle host is known: %v, and its status is %+v", known, status)
			}
			same(v, plain, changed, fewer.Fleet.Hosts)
		},
		premises: []string{idleSeen, decided, allWell},
	}.check(t)
}

// The order in which simultaneous requests arrive changes no final state.
//
// A fleet in lockstep, with no jitter in activations and links, sends its
// events at the same instants, or nanoseconds apart. Each host is then put off
// by a number of nanoseconds of its own, which changes the order and, within
// what a single commit takes, nothing else. Events of one host are never
// simultaneous (A2). PROTOCOL R2, A2
func TestTheOrderOfSimultaneousArrivalsChangesNoFinalState(t *testing.T) {
	property{
		draw: func(t *rapid.T) scenario.Scenario {
			s := drawDecided(t, number(t, "hosts", 2, 6))
			s.Network.Delay.Max = s.Network.Delay.Min
			s.Fleet.Activation.Max = s.Fleet.Activation.Min
			s.Plane.Service = time.Nanosecond
			s.Plane.Commit = scenario.Range{Min: time.Millisecond, Max: time.Millisecond}
			for n := 1; n <= s.Fleet.Hosts; n++ {
				s.Faults = append(s.Faults, scenario.Fault{Kind: scenario.NetDelay, For: s.Active, Hosts: scenario.Hosts{First: n, Last: n}, Each: between(t, "put off by", 1, 900, 1)})
			}
			return s
		},
		judge: func(v *verdict, s scenario.Scenario) {
			plain, changed := both(v, without(s, scenario.NetDelay), s)
			if changed == nil {
				return
			}
			var before []*record.Exchange
			then := firstArrivals(changed)
			for _, x := range plain.Exchanges {
				if x.Kind != scenario.RouteEvent {
					continue
				}
				for i := len(before) - 1; i >= 0 && x.ArrivedAt-before[i].ArrivedAt <= time.Microsecond; i-- {
					if y := before[i]; x.Host != y.Host && then[keyOf(x)] < then[keyOf(y)] {
						v.reach(otherOrder)
					}
				}
				before = append(before, x)
			}
			same(v, plain, changed, s.Fleet.Hosts)
		},
		premises: []string{otherOrder, decided, allWell},
	}.check(t)
}
