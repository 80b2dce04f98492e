package scenarios_test

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/refrain-fleet/refrain/core/wire"
	"github.com/refrain-fleet/refrain/sim/record"
	"github.com/refrain-fleet/refrain/sim/scenario"
	"github.com/refrain-fleet/refrain/sim/world"
)

const (
	fromStart  = "a replay was asked for from the start"
	fromMiddle = "a replay was asked for from a number above 0"
	fromGap    = "an event was answered with a gap"
	noDrift    = "a heartbeat named its rollout, and there was no drift"
	toldAgain  = "an event that had been taken before was told again"
)

// A plane that knows less than its hosts: a heartbeat that names its rollout
// and what it runs is answered with Replay-From exactly if the record is there
// and says something else, with the number of the record's last event; an
// event that finds a gap likewise. Everything above that number is then told
// again, and in the end the plane is a mirror of every host, which has done
// nothing twice. PROTOCOL H2, E6, A3, A9
func TestDriftIsAnsweredWithReplayFromAndThePlaneBecomesAMirror(t *testing.T) { driftContract.check(t) }

var driftContract = property{drawWipe, judgeDrift, []string{fromStart, fromMiddle, fromGap, noDrift, toldAgain, laterWave}}

// drawWipe draws a plane that loses its disk while its hosts are at work.
func drawWipe(t *rapid.T) scenario.Scenario {
	s := drawFleet(t, number(t, "hosts", 1, 6))
	first := s.Rollouts[0].At
	at := first
	wipe := func(early, late time.Duration) {
		at += between(t, "wipe after", early, late, time.Millisecond)
		down := between(t, "down", 100*time.Millisecond, 10*time.Second, time.Millisecond)
		s.Faults = append(s.Faults, scenario.Fault{Kind: scenario.PlaneWipe, At: at, For: down})
		at += down
	}
	if rapid.Bool().Draw(t, "twins") {
		// What is told again meets twins of what was told before the wipe.
		s.Fleet.Activation = scenario.Range{Min: time.Second, Max: 2 * time.Second}
		s.Plane.Start = 10 * time.Millisecond
		wipe(4*time.Second, 20*time.Second)
		hosts, long := scenario.Hosts{First: 1, Last: s.Fleet.Hosts}, at-first+30*time.Second
		s.Faults = append(s.Faults,
			scenario.Fault{Kind: scenario.NetReorder, At: first, For: long, Hosts: hosts, Each: between(t, "by up to", 5*time.Second, 20*time.Second, time.Millisecond)},
			scenario.Fault{Kind: scenario.NetDup, At: first, For: long, Hosts: hosts, Rate: 1000})
		return s
	}
	for range number(t, "wipes", 1, 3) {
		wipe(2*time.Second, 90*time.Second)
	}
	return s
}

// asked is a replay that a host heard of.
type asked struct {
	place
	from wire.Seq
	// since is when the plane stood there.
	since time.Duration
}

// has reports whether a host has something to tell again of what it was asked
// for. It is given an interval for it, the longest backoff there is (A5).
func has(w *world.World, x *record.Exchange) bool {
	events := w.Agent(x.Host).History(x.Rollout, nil)
	return len(events) > 0 && events[len(events)-1].Seq > x.Heard.ReplayFrom
}

func judgeDrift(v *verdict, s scenario.Scenario) {
	type want struct {
		replay bool
		from   wire.Seq
	}
	wants := make(map[*record.Exchange]want)
	var replays []asked
	// Until when something has to be told again. Where messages overtake one
	// another, what a host hears may be long past, and so is not judged.
	owing := make(map[place]time.Duration)
	// An event that arrives after the plane asked is told again, even if its host
	// hears the question later: it was at it already.
	arrived := make(map[place]time.Duration)
	var wiped time.Duration // when the plane went down last: what it had asked is void
	steady := !slices.ContainsFunc(s.Faults, func(f scenario.Fault) bool { return f.Kind == scenario.NetReorder })
	taken := make(map[key]time.Duration) // when it was last heard to be taken
	var met standings
	r := observe(v, s, func(w *world.World, sights []record.Sight) {
		met.look(v, w, sights)
		for _, sight := range sights {
			x := sight.Exchange
			switch {
			case x == nil || x.Host <= 0:
			case sight.Kind == record.SightStepped:
				// Neither a heartbeat that names a rollout nor an event that is
				// refused moves the record, so this is what it stood at.
				rec := recordOf(w, x.Rollout, x.Host)
				drifted := x.Kind == scenario.RouteHeartbeat && x.Rollout != "" && x.Closure != "" && rec != nil &&
					(rec.CurrentClosure == "" || rec.CurrentClosure != x.Closure)
				if drifted {
					wants[x] = want{true, rec.LastEventSeq}
				}
				if x.Kind == scenario.RouteHeartbeat && x.Rollout != "" && rec != nil && !drifted {
					v.reach(noDrift)
				}
				if x.Kind == scenario.RouteEvent && rec != nil {
					wants[x] = want{false, rec.LastEventSeq}
				}
			case sight.Kind == record.SightAnswered:
				wanted := wants[x]
				if x.Kind == scenario.RouteEvent {
					wanted.replay = x.Outcome.Code == wire.Gap
				}
				if x.Outcome.Replay != wanted.replay || wanted.replay && x.Outcome.ReplayFrom != wanted.from {
					v.errorf("at %v the %v of h%d about %s that runs %q was answered %v with Replay-From %v (%d); want %v (%d)", sight.At,
						x.Kind, x.Host, x.Rollout, x.Closure, x.Outcome.Code, x.Outcome.Replay, x.Outcome.ReplayFrom, wanted.replay, wanted.from)
				}
				switch {
				case !x.Outcome.Replay:
				case x.Kind == scenario.RouteEvent:
					v.reach(fromGap)
				case x.Outcome.ReplayFrom == 0:
					v.reach(fromStart)
				default:
					v.reach(fromMiddle)
				}
			case sight.Kind == record.SightHeard:
				if x.Heard.Status != 0 && (x.Heard.Replay != x.Outcome.Replay || x.Heard.ReplayFrom != x.Outcome.ReplayFrom) {
					v.errorf("h%d heard Replay-From %v (%d), the plane said %v (%d)", x.Host, x.Heard.Replay, x.Heard.ReplayFrom, x.Outcome.Replay, x.Outcome.ReplayFrom)
				}
				if at := (place{x.Rollout, x.Host}); steady && x.Heard.Replay && x.Kind == scenario.RouteHeartbeat && has(w, x) && owing[at] == 0 && arrived[at] <= x.SteppedAt && x.AnsweredAt > wiped {
					owing[at] = sight.At + w.Scenario().Fleet.Interval + time.Second
				}
				if x.Heard.Replay {
					replays = append(replays, asked{place{x.Rollout, x.Host}, x.Heard.ReplayFrom, x.SteppedAt})
				}
				if x.Kind == scenario.RouteEvent && x.Heard.Status == 204 {
					if _, before := taken[keyOf(x)]; before {
						v.reach(toldAgain)
					}
					taken[keyOf(x)] = sight.At
				}
			}
			switch {
			case sight.Kind == record.SightWiped:
				wiped = sight.At
				clear(owing) // nobody is there to tell it to
			case sight.Kind == record.SightArrived && x.Kind == scenario.RouteEvent:
				at := place{x.Rollout, x.Host}
				arrived[at] = sight.At
				delete(owing, at)
			}
		}
		var found unordered
		for at, until := range owing {
			if w.Now() > until {
				found.errorf("h%d heard a Replay-From about %s, and told nothing of it until %v", at.host, at.rollout, until)
			}
		}
		found.tell(v)
	})
	if r == nil || r.result.Violation != nil {
		return
	}
	for _, a := range replays {
		for _, e := range r.world.Agent(a.host).History(a.rollout, nil) {
			if at, was := taken[key{a.place, e.Seq}]; e.Seq > a.from && (!was || at < a.since) {
				v.errorf("the plane asked h%d at %v to tell again from %d on; event %d, a %v, was not heard to be taken after that", a.host, a.since, a.from, e.Seq, e.Body.Kind())
			}
		}
	}
	met.compare(v, r.world)
	r.allReached(v)
	r.activatedOnce(v)
}
