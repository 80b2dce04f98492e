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
	wedgedOut   = "a request came in during a wedge that outlasted its deadline"
	appliedLate = "an input whose sender was told timeout was applied after all"
	wedgeEvent  = "the event of a rollout was among them"
	toldLater   = "a host was told to come back later"
)

// A reducer that does nothing for longer than the reply timeout: everybody who
// came in meanwhile is told timeout exactly at the deadline, once, and hears it;
// no reply follows; whoever is not let in has four requests inside already; and
// once the wedge is over, the fleet goes on as if nothing had been.
// PROTOCOL G2, G3, G4, G6
func TestAWedgeIsATimeoutForEverybodyAtTheDeadlineAndNoHarm(t *testing.T) { wedgeContract.check(t) }

var wedgeContract = property{drawWedge, judgeWedge, []string{wedgedOut, wedgeEvent, appliedLate, toldLater}}

func drawWedge(t *rapid.T) scenario.Scenario {
	s := drawFleet(t, number(t, "hosts", 2, 8))
	// Below the 10 s that a host waits for an answer, or it never hears any.
	s.Plane.ReplyTimeout = between(t, "reply timeout", 500*time.Millisecond, 8*time.Second, time.Nanosecond)
	at := s.Rollouts[0].At + between(t, "wedge after", 0, 40*time.Second, time.Nanosecond)
	for range number(t, "wedges", 1, 2) {
		length := between(t, "wedge for", s.Plane.ReplyTimeout+time.Second, 30*time.Second, time.Nanosecond)
		s.Faults = append(s.Faults, scenario.Fault{At: at, Kind: scenario.ReducerWedge, For: length})
		at += length + between(t, "pause", 5*time.Second, time.Minute, time.Second)
	}
	return s
}

func judgeWedge(v *verdict, s scenario.Scenario) {
	r := observe(v, s, nil)
	if r == nil {
		return
	}
	s = *r.world.Scenario()
	timeout := s.Plane.ReplyTimeout
	// whole reports whether a wedge lasts from an instant for the reply timeout.
	whole := func(from time.Duration) bool {
		for _, f := range s.Faults {
			if f.At < from && from+timeout <= f.At+f.For {
				return true
			}
		}
		return false
	}
	var in inside
	for _, sight := range r.Sights {
		x := sight.Exchange
		if sight.Kind == record.SightRefused && in.of[x.Host] < 4 {
			v.errorf("at %v h%d was refused with %d of its requests inside", sight.At, x.Host, in.of[x.Host])
		}
		in.take(sight)
		switch {
		case sight.Kind == record.SightAdmitted && whole(sight.At):
			v.reach(wedgedOut)
			if x.Kind == scenario.RouteEvent {
				v.reach(wedgeEvent)
			}
			// An opening that the reducer has begun with may be applied later (R1).
			begun := x.Outcome.Code == wire.Accepted && x.Host <= 0 && x.SteppedAt != record.Never
			if x.AnsweredAt != sight.At+timeout || x.Outcome.Code != wire.Timeout && !begun {
				v.errorf("the %v of h%d that came in at %v, in a wedge, was answered %v at %v; want timeout at %v",
					x.Kind, x.Host, sight.At, x.Outcome.Code, x.AnsweredAt, sight.At+timeout)
			}
			if x.Host > 0 && (x.HeardAt <= x.AnsweredAt || x.Heard.Status != 503) {
				v.errorf("h%d heard %d of the %v that was answered timeout at %v", x.Host, x.Heard.Status, x.Kind, x.AnsweredAt)
			}
			if x.SteppedAt > x.AnsweredAt {
				v.reach(appliedLate)
			}
		case sight.Kind == record.SightAnswered && in.late(x, sight.At, timeout):
			v.errorf("the %v of h%d that came in at %v was answered %v at %v, after its deadline", x.Kind, x.Host, in.since[x], x.Outcome.Code, sight.At)
		case sight.Kind == record.SightAnswered && x.Outcome.Code.Unavailable() && x.Outcome.Code != wire.Timeout && x.Outcome.Code != wire.Saturated:
			v.errorf("at %v h%d was answered %v, in a scenario that has only wedges", sight.At, x.Host, x.Outcome.Code)
		}
	}
	last := s.Faults[len(s.Faults)-1]
	for _, x := range r.Exchanges {
		if x.ArrivedAt > last.At+last.For+time.Second && x.Outcome.Code.Unavailable() {
			v.errorf("the %v of h%d that came at %v, a second after the last wedge, was answered %v", x.Kind, x.Host, x.ArrivedAt, x.Outcome.Code)
		}
	}
	r.keepsContract(v)
}
