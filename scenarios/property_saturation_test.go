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
	fullInbox   = "a request was refused since the inbox was full"
	fullShare   = "an event or a poll was refused since only the heartbeats' reserve was free"
	fullCap     = "a request was refused since its host had four inside"
	tooQuick    = "a poll was refused since its host had polled ten times at once, and then once a second"
	reserveUsed = "a heartbeat came in where an event would have been refused"
	keptSlot    = "a host that came before its slot was held to it"
	nextSlot    = "a host was given a slot after somebody else's"
	newSweep    = "the slots reached their end and began again at the front"
	amidExpired = "a host was turned away while others that had their slots since their deadline were still to be told"
)

// A reducer that is too slow for what comes: a request is refused exactly if
// the inbox is full, or a bulk request finds only the reserve of the heartbeats
// free, or its host has four inside or polls too often; nothing of what was refused is applied;
// each refused host is given a slot of its own after those given before, and
// holds to it; and once the reducer is quick again, everything gets through.
// PROTOCOL D3, G1, G4, G5, G6
func TestSaturationRefusesWhomItMayAndSpreadsThem(t *testing.T) { saturationContract.check(t) }

var saturationContract = property{drawSaturation, judgeSaturation, []string{fullInbox, fullShare, fullCap, reserveUsed, keptSlot, nextSlot, newSweep, toldLater}}

// The answer to the first of three polls whose deadline has come lets two others
// in, which are turned away before the second is told its slot. Too few draws
// come to that for it to be a premise.
func TestThoseWhoTimeOutTogetherHaveTheirSlotsBeforeAnyIsTold(t *testing.T) { // PROTOCOL G4
	s, err := scenario.ParseScenario(`
fleet 8 interval=5s probes=-1
plane capacity=12 reply-timeout=2s
network delay=1ms
rollout stable@r1 at=1s target=c1 waves=0s
at 1.002s reducer wedge for=10s
at 1.002s net dup for=10s rate=1000
active 11.002s
`)
	if err != nil {
		t.Fatal(err)
	}
	reached := make(map[string]int)
	if complaint := saturationContract.complaint(t, s, reached); complaint != "" {
		t.Fatal(complaint)
	}
	if reached[amidExpired] == 0 {
		t.Errorf("it was not reached that %s", amidExpired)
	}
}

func drawSaturation(t *rapid.T) scenario.Scenario {
	s := drawFleet(t, number(t, "hosts", 8, 30))
	s.Plane.Capacity = number(t, "capacity", 1, 10)
	if rapid.Bool().Draw(t, "larger") { // where one host's cap is met before the room is
		s.Plane.Capacity *= 6
	}
	s.Plane.ReplyTimeout = between(t, "reply timeout", 2*time.Second, 8*time.Second, time.Millisecond)
	at := between(t, "slow at", 0, firstRollout, time.Millisecond)
	long := between(t, "slow for", 10*time.Second, time.Minute, time.Second)
	if rapid.Bool().Draw(t, "wedged") {
		s.Faults = append(s.Faults, scenario.Fault{Kind: scenario.ReducerWedge, At: at, For: min(long, 20*time.Second)})
	} else {
		s.Faults = append(s.Faults, scenario.Fault{Kind: scenario.ReducerSlow, At: at, For: long, Each: between(t, "each", 50*time.Millisecond, 3*time.Second, time.Millisecond)})
	}
	// A flood from some hosts: the network doubles what they send.
	s.Faults = append(s.Faults, scenario.Fault{Kind: scenario.NetDup, At: at, For: long, Rate: 1000, Hosts: someHosts(t, "flooding", s.Fleet.Hosts)})
	return s
}

// admission is the inbox, as the rules say how it is shared out.
type admission struct {
	inside
	capacity, reserve int
	// polled is, of each host, until when its polls have used up some of the ten that
	// may come at once, at one a second.
	polled map[int]time.Duration
	asked  map[*record.Exchange]bool // polls that have come; one that waited comes back
}

// came counts a request that was let in.
func (a *admission) came(x *record.Exchange, now time.Duration) {
	if x.Kind == scenario.RoutePoll && !a.asked[x] {
		a.asked[x] = true
		a.polled[x.Host] = max(a.polled[x.Host], now) + time.Second
	}
}

// refuses says why a request has to be refused now; nothing if it has to be let
// in.
func (a *admission) refuses(x *record.Exchange, now time.Duration) string {
	switch {
	case x.Kind == scenario.RoutePoll && !a.asked[x] && a.polled[x.Host]-now > 9*time.Second:
		return tooQuick
	case a.of[x.Host] >= 4:
		return fullCap
	case a.all >= a.capacity:
		return fullInbox
	case x.Kind != scenario.RouteHeartbeat && a.bulk >= a.capacity-a.reserve:
		return fullShare
	}
	return ""
}

func judgeSaturation(v *verdict, s scenario.Scenario) {
	r := observe(v, s, nil)
	if r == nil {
		return
	}
	s = *r.world.Scenario()
	capacity := s.Plane.Capacity
	a := admission{
		capacity: capacity, reserve: min((capacity+3)/4, capacity-1),
		polled: make(map[int]time.Duration), asked: make(map[*record.Exchange]bool),
	}
	slots := slots{
		promised: make(map[int]time.Duration), widest: s.Fleet.Interval,
		quickest: time.Second / time.Duration(capacity),
		slowest:  min(s.Fleet.Interval/time.Duration(capacity), time.Second),
	}
	for i, sight := range r.Sights {
		x := sight.Exchange
		switch sight.Kind {
		case record.SightAdmitted:
			if why := a.refuses(x, sight.At); why != "" {
				v.errorf("at %v a %v of h%d was let in with %d inside, %d of them bulk, %d its own; the rule is: %s",
					sight.At, x.Kind, x.Host, a.all, a.bulk, a.of[x.Host], why)
			}
			if x.Kind == scenario.RouteHeartbeat && a.bulk >= capacity-a.reserve {
				v.reach(reserveUsed)
			}
			a.came(x, sight.At)
			slots.release(x)
		case record.SightRefused:
			why := a.refuses(x, sight.At)
			if why == "" || x.Outcome.Code != wire.Saturated {
				v.errorf("at %v a %v of h%d was refused as %v with %d inside of %d, %d of them bulk, %d its own",
					sight.At, x.Kind, x.Host, x.Outcome.Code, a.all, capacity, a.bulk, a.of[x.Host])
			}
			v.reach(why)
			if x.SteppedAt != record.Never && x.Kind != scenario.RoutePoll {
				v.errorf("a %v of h%d that was refused at %v was stepped at %v", x.Kind, x.Host, sight.At, x.SteppedAt)
			}
		case record.SightAnswered:
			_, within := a.since[x]
			switch {
			case x.Outcome.Code == wire.Timeout && within:
				slots.expire(v, r.Sights[i:])
			case x.Outcome.Code.Unavailable():
				slots.promise(v, sight.At, x)
			}
			if a.late(x, sight.At, s.Plane.ReplyTimeout) {
				v.errorf("the %v of h%d that came in at %v was answered at %v, after its deadline", x.Kind, x.Host, a.since[x], sight.At)
			}
		}
		a.take(sight)
	}
	r.keepsContract(v)
}

// slots judges the Retry-Afters of one plane from outside. They are whole
// seconds, rounded up, so that a slot is known to a second only: within the
// second before the instant that is told.
//
// The slots given to different callers follow each other at a distance of at
// least quickest, an inbox-full a second, and at most slowest. One that would
// be further away than widest starts again at the front, a second from now.
type slots struct {
	widest, quickest, slowest time.Duration
	promised                  map[int]time.Duration // what each host was told, as an instant
	atLeast, atMost           time.Duration         // bounds of the next free slot
	expired                   uint64                // the step that answered deadlines last
}

// release takes a promise back: the host has been let in.
func (s *slots) release(x *record.Exchange) { delete(s.promised, x.Host) }

// expire judges the 503s of everybody whose deadline has come, when the first of
// them is answered. All of them are given their slots before any is answered,
// and an answer may let others come in, who are turned away with later slots
// and told so at once: the order of the answers is not that of the slots.
func (s *slots) expire(v *verdict, sights []record.Sight) {
	step := sights[0].Step
	if s.expired == step {
		return
	}
	s.expired = step
	refused := false
	for _, sight := range sights {
		switch {
		case sight.Step != step:
			return
		case sight.Kind == record.SightRefused:
			refused = true
		case sight.Kind == record.SightAnswered && sight.Exchange.Outcome.Code == wire.Timeout:
			if refused {
				v.reach(amidExpired)
			}
			s.promise(v, sight.At, sight.Exchange)
		}
	}
}

// promise judges a 503.
func (s *slots) promise(v *verdict, now time.Duration, x *record.Exchange) {
	after := x.Outcome.RetryAfter
	if after < time.Second || after > s.widest || after%time.Second != 0 {
		v.errorf("at %v h%d was told Retry-After %v, want whole seconds from 1s to %v", now, x.Host, after, s.widest)
	}
	told := now + after
	front := now + time.Second
	before, known := s.promised[x.Host]
	if known && before-time.Second < now && now < before {
		// A new slot, or the one it has: nobody can tell from outside.
		if max(s.atMost, front) > now+s.widest {
			s.atLeast = min(s.atLeast, front+s.quickest)
		}
		s.atMost = max(s.atMost, front) + s.slowest
		s.promised[x.Host] = told
		return
	}
	if known && now <= before-time.Second {
		v.reach(keptSlot)
		if told <= before-time.Second || told >= before+time.Second {
			v.errorf("at %v h%d was told to come at %v, but it had been told %v", now, x.Host, told, before)
		}
		return
	}
	s.promised[x.Host] = told
	switch {
	case told >= s.atLeast:
		if s.atLeast > front {
			v.reach(nextSlot)
		}
	case after == time.Second && max(s.atMost, front) > now+s.widest:
		v.reach(newSweep)
		s.atLeast, s.atMost = front+s.quickest, front+s.slowest
		return
	default:
		v.errorf("at %v h%d was told to come at %v; the slots up to %v are others'", now, x.Host, told, s.atLeast)
	}
	s.atLeast = max(s.atLeast, told-time.Second) + s.quickest
	s.atMost = told + s.slowest
}
