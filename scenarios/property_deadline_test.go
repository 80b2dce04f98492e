package scenarios_test

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/refrain-fleet/refrain/core/wire"
	"github.com/refrain-fleet/refrain/sim"
	"github.com/refrain-fleet/refrain/sim/check"
	"github.com/refrain-fleet/refrain/sim/record"
	"github.com/refrain-fleet/refrain/sim/scenario"
)

const (
	atDeadline   = "the reducer was done with an event at its deadline"
	justInTime   = "the reducer was done with an event a nanosecond before its deadline"
	justTooLate  = "the reducer was done with an event a nanosecond after its deadline"
	timedOutThen = "an event that was told timeout was told again, and taken"
)

// The deadline is exact: a reply that is there a nanosecond before it is
// delivered, one that is there at the deadline or after it never is. To meet
// it, a commit of a run is slowed down by just so much that an event's reply is
// there when it is wanted. PROTOCOL G2, G3, E3
func TestAReplyAtTheDeadlineIsLateAndOneANanosecondEarlierIsNot(t *testing.T) {
	deadlineContract.check(t)
}

var deadlineContract = property{drawDeadline, judgeDeadline, []string{atDeadline, justInTime, justTooLate, timedOutThen}}

func drawDeadline(t *rapid.T) scenario.Scenario {
	s := drawFleet(t, number(t, "hosts", 1, 4))
	s.Plane.ReplyTimeout = between(t, "reply timeout", 500*time.Millisecond, 8*time.Second, time.Nanosecond)
	off := time.Duration(number(t, "nanoseconds off", -1, 1))
	which := number(t, "which event", 0, 5)
	witness := &record.Witness{}
	if _, err := sim.Run(s, sim.Options{Witness: witness, Checkers: []check.Checker{}}); err != nil {
		t.Fatal(err)
	}
	for _, x := range witness.Exchanges {
		if x.Kind != scenario.RouteEvent || x.FinishedAt <= x.SteppedAt {
			continue // not one that waits for the disk
		}
		if which--; which < 0 {
			s.Faults = []scenario.Fault{{
				Kind: scenario.DiskSlow, At: x.SteppedAt, For: time.Nanosecond,
				Each: x.AdmittedAt + s.Plane.ReplyTimeout + off - x.FinishedAt,
			}}
			// What is delayed comes soon once the faults are over.
			s.Active = x.AdmittedAt + s.Plane.ReplyTimeout + time.Second
			break
		}
	}
	return s
}

func judgeDeadline(v *verdict, s scenario.Scenario) {
	r := observe(v, s, nil)
	if r == nil {
		return
	}
	timeout := r.world.Scenario().Plane.ReplyTimeout
	late := make(map[key]bool)
	for _, x := range r.Exchanges {
		if x.Kind != scenario.RouteEvent || x.FinishedAt == record.Never {
			continue
		}
		deadline := x.AdmittedAt + timeout
		switch x.FinishedAt - deadline {
		case -1:
			v.reach(justInTime)
		case 0:
			v.reach(atDeadline)
		case 1:
			v.reach(justTooLate)
		}
		if x.FinishedAt < deadline && (x.AnsweredAt != x.FinishedAt || x.Outcome.Code == wire.Timeout) ||
			x.FinishedAt >= deadline && (x.AnsweredAt != deadline || x.Outcome.Code != wire.Timeout) {
			v.errorf("event %d of h%d, with its deadline at %v, was done with at %v and answered %v at %v",
				x.Seq, x.Host, deadline, x.FinishedAt, x.Outcome.Code, x.AnsweredAt)
		}
		switch {
		case x.Outcome.Code == wire.Timeout:
			late[keyOf(x)] = true
		case x.Outcome.Code == wire.NoContent && late[keyOf(x)]:
			delete(late, keyOf(x))
			v.reach(timedOutThen)
		}
	}
	var found unordered
	for k := range late {
		found.errorf("event %d of h%d was told timeout, and never taken", k.seq, k.host)
	}
	found.tell(v)
	r.keepsContract(v)
}
