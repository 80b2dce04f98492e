package scenarios_test

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/refrain-fleet/refrain/core/agent"
	"github.com/refrain-fleet/refrain/core/wire"
	"github.com/refrain-fleet/refrain/sim/record"
	"github.com/refrain-fleet/refrain/sim/scenario"
	"github.com/refrain-fleet/refrain/sim/world"
)

const (
	survived    = "an event that was answered 204 was there after a crash"
	takenBack   = "an event that nobody was told of was lost in a crash, and told again"
	durableOnly = "an event was there after a crash, and its sender had not been told"
	tornCommit  = "a crash came inside a commit"
	failedDisk  = "a commit failed, and the plane was built again"
	seenDown    = "a host was seen again after a wipe"
)

// A plane that dies at any moment, before, inside and after a commit, or whose
// disk fails to commit: what it has answered 204 to is there when it comes up
// again; so are the rollout that it said was open, the dispatch that it handed
// out, and what its snapshots told; the record never stands where the host's
// history does not lead; and the fleet reaches its targets, each host by one
// activation. PROTOCOL E2, D2, H3, A9
func TestACrashTakesNothingBackThatAnybodyWasTold(t *testing.T) { crashContract.check(t) }

var crashContract = property{drawCrash, judgeCrash, []string{survived, takenBack, durableOnly, tornCommit, failedDisk, laterWave}}

func drawCrash(t *rapid.T) scenario.Scenario {
	s := drawFleet(t, number(t, "hosts", 1, 6))
	at := s.Rollouts[0].At
	for range number(t, "crashes", 1, 4) {
		f := scenario.Fault{At: at + between(t, "crash after", 0, 40*time.Second, time.Millisecond)}
		if rapid.IntRange(0, 3).Draw(t, "disk") == 0 {
			f.Kind, f.Count, f.For = scenario.DiskFail, number(t, "failures", 1, 3), time.Minute
		} else {
			f.Kind, f.Phase = scenario.PlaneCrash, scenario.Phase(number(t, "phase", 0, 3))
			f.For = between(t, "down", 100*time.Millisecond, 10*time.Second, time.Millisecond)
		}
		s.Faults = append(s.Faults, f)
		at = f.At + f.For
	}
	if rapid.Bool().Draw(t, "slow disk") {
		s.Faults = append(s.Faults, scenario.Fault{Kind: scenario.DiskSlow, At: s.Rollouts[0].At, For: busy, Each: between(t, "slower by", 10*time.Millisecond, 3*time.Second, time.Millisecond)})
	}
	return s
}

// told is what the plane has said of a place to anybody.
type told struct {
	seq        wire.Seq
	state      wire.State
	dispatched bool
}

// further reports whether a state is on the way from another, or is it.
func further(state, than wire.State) bool {
	rank := map[wire.State]int{wire.Pending: 0, wire.Activating: 1, wire.Deferred: 2, wire.Soaking: 3, wire.Converged: 4, wire.Failed: 4, wire.Reverted: 5}
	return rank[state] >= rank[than]
}

// ledger is everything that the plane has told.
type ledger struct {
	places map[place]told
	open   bool // the rollout
}

func (l *ledger) take(x *record.Exchange) {
	at := place{x.Rollout, x.Host}
	switch {
	case x.Host == 0 && x.Kind == scenario.RouteOperator && (x.Outcome.Code == wire.Created || x.Outcome.Code == wire.OK):
		l.open = true
	case x.Kind == scenario.RouteEvent && x.Outcome.Code == wire.NoContent:
		t := l.places[at]
		t.seq = max(t.seq, x.Seq)
		if state, moves := leadsTo[x.Event]; moves && further(state, t.state) {
			t.state = state
		}
		l.places[at] = t
	case x.Kind == scenario.RoutePoll && x.Outcome.Code == wire.OK:
		at.rollout = x.Outcome.Document.(*wire.Dispatch).RolloutID
		t := l.places[at]
		t.dispatched = true
		l.places[at] = t
	case x.Kind == scenario.RouteHeartbeat && x.Outcome.Code == wire.OK:
		for _, shown := range x.Outcome.Heartbeat.Bootstrap {
			at.rollout = shown.RolloutID
			t := l.places[at]
			t.seq = max(t.seq, shown.LastEventSeq)
			if further(shown.State, t.state) {
				t.state = shown.State
			}
			t.dispatched = t.dispatched || shown.DispatchedAt.IsSet()
			l.places[at] = t
		}
	}
}

// compare verifies that the plane still knows what it has told.
func (l *ledger) compare(v *verdict, w *world.World) {
	s := *w.Scenario()
	if _, known := w.Plane().Rollout(s.Rollouts[0].ID); l.open && !known {
		v.errorf("at %v the plane does not know %s, which it said was open", w.Now(), s.Rollouts[0].ID)
	}
	var found unordered
	defer func() { found.tell(v) }()
	for at, t := range l.places {
		switch rec := recordOf(w, at.rollout, at.host); {
		case rec == nil:
			found.errorf("at %v the plane has no record of h%d in %s, of which it has told %+v", w.Now(), at.host, at.rollout, t)
		case rec.LastEventSeq < t.seq, !further(rec.State, t.state), t.dispatched && !rec.DispatchedAt.IsSet():
			found.errorf("at %v the plane says %v of h%d in %s (dispatched at %v), but it has told %+v", w.Now(), rec, at.host, at.rollout, rec.DispatchedAt, t)
		}
	}
}

func judgeCrash(v *verdict, s scenario.Scenario) {
	l := ledger{places: make(map[place]told)}
	var met standings
	untold := make(map[key]bool) // stepped, and not answered when the plane died
	inHand := make(map[*record.Exchange]bool)
	r := observe(v, s, func(w *world.World, sights []record.Sight) {
		met.look(v, w, sights)
		for _, sight := range sights {
			x := sight.Exchange
			switch sight.Kind {
			case record.SightStepped:
				inHand[x] = x.Kind == scenario.RouteEvent
			case record.SightAnswered:
				delete(inHand, x)
				l.take(x)
			case record.SightDown:
				for x, event := range inHand {
					if event {
						untold[keyOf(x)] = true
					}
				}
				clear(inHand)
			case record.SightStarted:
				if w.Plane() == nil {
					continue // it died in the same step, and has told nobody anything
				}
				if l.compare(v, w); len(l.places) > 0 {
					v.reach(survived)
				}
				for k := range untold {
					if rec := recordOf(w, k.rollout, k.host); rec != nil && rec.LastEventSeq >= k.seq {
						v.reach(durableOnly)
					} else {
						v.reach(takenBack)
					}
				}
				clear(untold)
			}
			if w.Plane() != nil {
				l.compare(v, w)
			}
		}
	})
	if r == nil {
		return
	}
	if r.result.Effects[scenario.EffectCrashInsideCommit] > 0 {
		v.reach(tornCommit)
	}
	if r.result.Effects[scenario.EffectRebuilt] > 0 {
		v.reach(failedDisk)
	}
	met.compare(v, r.world)
	r.keepsContract(v)
}

// A plane that lost its disk, apart from what it lost: two and a half intervals
// after it is up again, and as long as the network holds up a request, every host is
// known and reachable, and no operator had
// to do anything. PROTOCOL R6, H1, A5
func TestAPlaneThatLostItsDiskSeesItsFleetAgainByItself(t *testing.T) { wipeContract.check(t) }

var wipeContract = property{drawWipe, judgeWipe, []string{seenDown}}

func judgeWipe(v *verdict, s scenario.Scenario) {
	due := record.Never // when everybody has to have been seen
	wiped, asked := false, 0
	r := observe(v, s, func(w *world.World, sights []record.Sight) {
		for _, sight := range sights {
			switch {
			case sight.Kind == record.SightWiped:
				wiped, due = true, record.Never
			case sight.Kind == record.SightStarted && wiped:
				due = sight.At + w.Scenario().Fleet.Interval*5/2
				for _, f := range w.Scenario().Faults {
					if f.Kind == scenario.NetReorder { // a host waits until it gives up (A6), and what it sends then is as late
						due += agent.DefaultRequestTimeout + f.Each
					}
				}
			case sight.Kind == record.SightArrived && wiped && sight.Exchange.Host == 0:
				asked++
			}
		}
		if due == record.Never || w.Now() < due {
			return
		}
		due = record.Never
		for n := 1; n <= s.Fleet.Hosts; n++ {
			status, known := w.Plane().Host(scenario.HostName(n))
			if !known || status.Reachability != wire.Reachable {
				v.errorf("at %v, two and a half intervals after the wiped plane came up, h%d is not seen", w.Now(), n)
			}
			v.reach(seenDown)
		}
	})
	if r == nil {
		return
	}
	if asked > 0 {
		v.errorf("an operator had to ask %d times", asked)
	}
	r.allReached(v)
}
