package world

import (
	"cmp"
	"slices"
	"testing"
	"time"

	"github.com/refrain-fleet/refrain/core/plane"
	"github.com/refrain-fleet/refrain/core/wire"
	"github.com/refrain-fleet/refrain/sim/scenario"
)

// What the faults of the plane do, exactly. Those of the network are in
// network_test.go, those of the hosts in host_test.go.

// busyFleet is a fleet without rollouts that always has something to ask.
const busyFleet = `
seed 3
fleet 20 interval=10s
active 5m
`

// oneHost is a host with one rollout, on a network that keeps time.
const oneHost = `
seed 5
fleet 1 interval=20s activation=10s..10s
network delay=10ms..10ms
plane commit=4ms..4ms
rollout stable@r1 at=30s target=c1 waves=2m policy=rollback-and-halt
active 6m
`

// PROTOCOL G2, G3, G7
func TestAWedgeIsAnsweredAfterExactlyTheReplyTimeout(t *testing.T) {
	r := play(t, busyFleet+"at 2m reducer wedge for=12s")
	from, to := 2*time.Minute, 2*time.Minute+12*time.Second

	r.until(from + 3*time.Second)
	if g := r.w.plane.front.Gate(); g.Depth() == 0 || g.Wedged(r.w.now) {
		t.Errorf("3s in: %d inside, wedged %v; want some, and not wedged yet", g.Depth(), g.Wedged(r.w.now))
	}
	r.until(to - time.Millisecond)
	if !r.w.plane.front.Gate().Wedged(r.w.now) {
		t.Error("just before its end: not wedged")
	}
	r.until(to + time.Second)
	if g := r.w.plane.front.Gate(); g.Wedged(r.w.now) || g.Depth() > 0 {
		t.Errorf("a second after its end: %d inside, wedged %v; want it empty, and not wedged", g.Depth(), g.Wedged(r.w.now))
	}
	result := r.finish()

	timeouts, stepped := 0, 0
	for _, q := range r.requests {
		// A poll that waits leaves the inbox; its wait ends when it ends.
		if q.kind == scenario.RoutePoll || q.node < 0 {
			continue
		}
		switch inTime := q.arrivedAt < from || q.arrivedAt >= to-5*time.Second; {
		case inTime && q.code.Unavailable():
			t.Errorf("a %v that came at %v is answered %v", q.kind, q.arrivedAt, q.code)
		case !inTime && (q.code != wire.Timeout || q.answeredAt != q.arrivedAt+5*time.Second):
			t.Errorf("a %v that came at %v is answered %v at %v; want timeout 5s later", q.kind, q.arrivedAt, q.code, q.answeredAt)
		case !inTime:
			timeouts++
			if q.steppedAt > 0 {
				stepped++
				if q.steppedAt < to {
					t.Errorf("request %d was stepped at %v, in the wedge", q.id, q.steppedAt)
				}
			}
		}
	}
	// The one that was being worked on was stepped afterwards, and that reply went
	// nowhere; the others were skipped.
	if timeouts < 2 || stepped > 1 || result.Effects[scenario.EffectLateReply] != 1 {
		t.Errorf("%d timeouts, %d of them stepped, %d late replies; want some, at most one and one", timeouts, stepped, result.Effects[scenario.EffectLateReply])
	}
}

// PROTOCOL G7, G4
func TestASlowReducerIsBusyAndNotWedged(t *testing.T) {
	r := play(t, busyFleet+"plane capacity=8\nat 2m reducer slow for=2m each=3s")
	for r.w.Next() {
		if r.w.plane.front.Gate().Wedged(r.w.now) {
			t.Fatalf("wedged at %v, and every step takes 3s", r.w.now)
		}
	}
	result := r.finish()
	if result.Effects[scenario.EffectSlowStep] == 0 || result.Effects[scenario.EffectSaturated] == 0 {
		t.Errorf("%d slow steps, %d saturated; want both", result.Effects[scenario.EffectSlowStep], result.Effects[scenario.EffectSaturated])
	}
	steps := slices.DeleteFunc(slices.Clone(r.requests), func(q noted) bool { return q.steppedAt < 2*time.Minute || q.steppedAt > 4*time.Minute })
	slices.SortFunc(steps, func(a, b noted) int { return cmp.Compare(a.steppedAt, b.steppedAt) })
	for i := 1; i < len(steps); i++ {
		if gap := steps[i].steppedAt - steps[i-1].steppedAt; gap != 0 && gap < 3*time.Second {
			t.Errorf("two steps %v apart, want 3s or more", gap)
		}
	}
}

// justBefore runs a scene without its fault to find out when something happens, and
// returns the same scene with the fault a microsecond before. What comes before
// the fault is the same in both.
func justBefore(t *testing.T, scene string, event wire.EventKind, fault string) *rig {
	t.Helper()
	at := play(t, scene).arrival(1, event) - time.Microsecond
	return play(t, scene+"at "+at.String()+" "+fault)
}

// first is the first event of a kind that arrived.
func (r *rig) first(event wire.EventKind) *noted {
	r.t.Helper()
	at := slices.IndexFunc(r.requests, func(q noted) bool { return q.event == event })
	if at < 0 {
		r.t.Fatalf("no %v arrived", event)
	}
	return &r.requests[at]
}

// PROTOCOL G2, E3, E9
func TestADroppedReplyLeavesTheStateUntouchedOrWhole(t *testing.T) {
	for _, c := range []struct {
		fault string
		seq   wire.Seq
		state wire.State
	}{
		{"reply drop count=1", 0, wire.Pending},
		{"reply drop count=1 after=yes", 1, wire.Activating},
	} {
		t.Run(c.fault, func(t *testing.T) {
			r := justBefore(t, oneHost, wire.KindDispatchAck, c.fault)
			r.when("the event was answered", func() bool { return r.w.effects[scenario.EffectDroppedReply] > 0 })
			ack := r.first(wire.KindDispatchAck)
			if ack.code != wire.DroppedReply || !ack.answered {
				t.Fatalf("the event was answered %v, want dropped_reply", ack.code)
			}
			if rec := r.record(1); rec.State != c.state || rec.LastEventSeq != c.seq {
				t.Errorf("the record is %v with %d events; want %v with %d", rec.State, rec.LastEventSeq, c.state, c.seq)
			}
			r.when("the event came again", func() bool {
				return r.count(func(q *noted) bool { return q.event == wire.KindDispatchAck && q.code == wire.NoContent }) > 0
			})
			if rec := r.record(1); rec.State != wire.Activating || rec.LastEventSeq != 1 {
				t.Errorf("afterwards the record is %v with %d events; want it Activating with 1", rec.State, rec.LastEventSeq)
			}
			if n := r.count(func(q *noted) bool { return q.event == wire.KindDispatchAck && q.seq == 1 }); n != 2 {
				t.Errorf("the event was sent %d times, want twice", n)
			}
			r.finish()
		})
	}
}

// PROTOCOL G1, G4, G5
func TestASmallInboxRefusesWithSlotsThatAreSpread(t *testing.T) {
	r := play(t, `
seed 3
fleet 60 interval=10s
plane service=100ms
active 5m
at 2m gate capacity for=2m size=4
`)
	for r.w.Next() {
		if r.w.now > 2*time.Minute && r.w.now < 4*time.Minute && r.w.plane.front.Gate().Depth() > 4 {
			t.Fatalf("%d inputs in an inbox of 4", r.w.plane.front.Gate().Depth())
		}
	}
	r.finish()
	slots := make(map[time.Duration]map[int32]bool)
	for _, q := range r.requests {
		if q.code != wire.Saturated {
			continue
		}
		if q.retryAfter < time.Second || q.retryAfter > 10*time.Second || q.retryAfter%time.Second != 0 {
			t.Errorf("Retry-After is %v, want 1s to 10s", q.retryAfter)
		}
		if slots[q.retryAfter] == nil {
			slots[q.retryAfter] = make(map[int32]bool)
		}
		slots[q.retryAfter][q.node] = true
	}
	if len(slots) < 5 {
		t.Errorf("only %d different slots were given: %v", len(slots), slots)
	}
}

// PROTOCOL G1, D3, L2
func TestARestartAnswersWaitingPollsAtOnceAndFinishesWhatIsInside(t *testing.T) {
	r := play(t, busyFleet+"at 118s reducer slow for=10s each=400ms\nat 2m plane restart for=5s each=2s")
	from := 2 * time.Minute
	r.until(from - time.Nanosecond)
	waiting := 0
	for _, m := range r.w.plane.open {
		if m.request.Waits() {
			waiting++
		}
	}
	inside := r.w.plane.front.Gate().Depth()
	if waiting < 15 || inside == 0 {
		t.Fatalf("%d polls wait and %d inputs are inside; want some of both", waiting, inside)
	}
	r.until(from)
	atOnce := r.count(func(q *noted) bool {
		return q.kind == scenario.RoutePoll && q.code == wire.Closed && q.answeredAt == from
	})
	if atOnce != waiting {
		t.Errorf("%d polls were answered closed at once, want %d", atOnce, waiting)
	}
	for r.w.plane.up {
		r.w.Next()
	}
	gone := r.w.now // as soon as the loop had worked off what was inside
	if gone <= from || gone >= from+2*time.Second {
		t.Errorf("the process was gone %v after the shutdown began, want it within the 2s that it may take", gone-from)
	}
	r.finish()
	for _, q := range r.requests {
		switch {
		case q.arrivedAt < from && q.answeredAt > from && q.kind == scenario.RouteHeartbeat && q.code != wire.OK:
			t.Errorf("a heartbeat that was inside is answered %v", q.code)
		case q.arrivedAt > from && q.arrivedAt < gone && q.code != wire.Closed:
			t.Errorf("a request that came at %v, in the drain, is answered %v; want closed", q.arrivedAt, q.code)
		case q.arrivedAt > gone && q.arrivedAt < gone+5*time.Second:
			t.Errorf("a request arrived at %v, and the process was gone", q.arrivedAt)
		}
	}
	if want := gone + 5*time.Second + r.w.scenario.Plane.Start; len(r.starts) != 2 || r.starts[1] != want {
		t.Errorf("the plane started at %v, want at %v", r.starts, want)
	}
	if n := r.noticesOf(plane.NoticeUnreachable); n != 0 {
		t.Errorf("%d hosts were called unreachable", n)
	}
}

// PROTOCOL G1
func TestWhatADrainCannotFinishIsAnsweredClosed(t *testing.T) {
	r := play(t, busyFleet+"plane batch=1\nat 119s reducer wedge for=10s\nat 2m plane restart for=5s each=2s")
	down := 2*time.Minute + 2*time.Second
	r.until(down - time.Nanosecond)
	inside := r.w.plane.front.Gate().Depth()
	r.finish()
	closed := r.count(func(q *noted) bool { return q.code == wire.Closed && q.answeredAt == down })
	dropped := r.count(func(q *noted) bool { return q.code == wire.DroppedReply && q.answeredAt == down })
	if inside < 2 || closed != inside-1 || dropped != 1 {
		t.Errorf("%d were inside; %d were told closed and %d dropped_reply; want the one that was being worked on dropped, the others closed", inside, closed, dropped)
	}
}

// PROTOCOL G1
func TestAPlaneThatIsLateSaysNotStarted(t *testing.T) {
	r := play(t, busyFleet+"at 2m plane late for=30s")
	r.finish()
	from, to := 2*time.Minute, 2*time.Minute+30*time.Second
	for _, q := range r.requests {
		if late := q.arrivedAt > from && q.arrivedAt < to; late != (q.code == wire.NotStarted) {
			t.Errorf("a %v that came at %v is answered %v", q.kind, q.arrivedAt, q.code)
		}
	}
	if len(r.starts) != 2 || r.starts[1] != to {
		t.Errorf("the plane started at %v, want the second time at %v", r.starts, to)
	}
}

// PROTOCOL E2
func TestACrashAroundACommitKeepsWhatWasDurableAndTellsNobody(t *testing.T) {
	for _, c := range []struct {
		phase string
		seq   wire.Seq
	}{{"before-commit", 0}, {"inside-commit", 0}, {"after-commit", 1}} {
		t.Run(c.phase, func(t *testing.T) {
			r := justBefore(t, oneHost, wire.KindDispatchAck, "plane crash for=10s phase="+c.phase)
			down := r.when("the plane crashed", func() bool { return r.w.effects[scenario.EffectPlaneCrash] > 0 })
			ack := r.first(wire.KindDispatchAck)
			wantDown := ack.steppedAt // before the commit
			if c.phase != "before-commit" {
				wantDown += 4 * time.Millisecond
			}
			if down != wantDown || ack.answered {
				t.Errorf("the plane crashed at %v, the event answered: %v; want it at %v, and no answer", down, ack.answered, wantDown)
			}
			r.when("the plane is up again", func() bool { return len(r.starts) == 2 })
			if want := down + 10*time.Second + r.w.scenario.Plane.Start; r.starts[1] != want {
				t.Errorf("the plane started at %v, want %v", r.starts[1], want)
			}
			if rec := r.record(1); rec.LastEventSeq != c.seq {
				t.Errorf("the record has %d events, want %d", rec.LastEventSeq, c.seq)
			}
			r.finish()
			if rec := r.record(1); rec.State != wire.Converged {
				t.Errorf("in the end the record is %v", rec.State)
			}
			if got := r.w.effects[scenario.EffectSwitch]; got != 1 {
				t.Errorf("%d activations, want one", got) // PROTOCOL A9
			}
		})
	}
}

// PROTOCOL R6, H2, H3
func TestAWipedPlaneFindsItsFleetAgain(t *testing.T) {
	r := play(t, oneHost+"at 2m plane wipe for=5s")
	r.until(2*time.Minute + 5*time.Second + r.w.scenario.Plane.Start)
	if len(r.w.plane.log) != 0 {
		t.Errorf("%d entries are left on the disk", len(r.w.plane.log))
	}
	r.until(3 * time.Minute)
	v, has := r.view(1)
	if rec := r.record(1); !has || rec.State != v.Record.State || rec.LastEventSeq != v.Record.LastEventSeq {
		t.Errorf("a minute later the plane says %v with %d events, the agent %+v", rec.State, rec.LastEventSeq, v.Record)
	}
	if got := r.finish().Effects[scenario.EffectSwitch]; got != 1 {
		t.Errorf("%d activations, want one", got) // PROTOCOL A9
	}
}

// PROTOCOL L2
func TestASuspendedPlaneAnswersNobodyAndBlamesNobody(t *testing.T) {
	r := play(t, busyFleet+"at 2m plane suspend for=90s")
	from, to := 2*time.Minute, 2*time.Minute+90*time.Second
	r.finish()
	for _, q := range r.requests {
		if q.answeredAt > from && q.answeredAt < to {
			t.Errorf("a request is answered at %v, in the suspension", q.answeredAt)
		}
	}
	if n := r.noticesOf(plane.NoticeUnreachable); n != 0 {
		t.Errorf("%d hosts were called unreachable; nine intervals were credited", n)
	}
	if r.noticesOf(plane.NoticeCredited) == 0 {
		t.Error("nothing was credited")
	}
}

// A machine that is suspended starts nothing and shuts nothing down.
func TestASuspendedMachineStartsAndStopsNothing(t *testing.T) {
	r := play(t, busyFleet+"at 2m plane crash for=10s\nat 125s plane suspend for=60s\nat 4m plane suspend for=20s\nat 245s plane restart for=1s each=1s")
	r.finish()
	if len(r.starts) != 3 || r.starts[1] < 185*time.Second || r.starts[2] < 261*time.Second {
		t.Errorf("the plane started at %v; want it after each suspension", r.starts)
	}
}

// PROTOCOL H1, L1
func TestThePlanesWallClockMovesItsEntriesAndNoDeadline(t *testing.T) {
	r := play(t, oneHost+"at 45s plane clock each=-2h")
	r.until(45 * time.Second)
	older := len(r.w.plane.log)
	r.finish()
	if len(r.w.plane.log) == older {
		t.Error("no entry was made afterwards")
	}
	for _, e := range r.w.plane.log[older:] {
		if age := scenario.Epoch.Std().Sub(e.At.Std()); age < time.Hour || age > 2*time.Hour {
			t.Errorf("an entry is of %v, want it two hours behind", e.At)
		}
	}
	if n := r.noticesOf(plane.NoticeUnreachable); n != 0 || r.record(1).State != wire.Converged {
		t.Errorf("%d called unreachable, the record is %v; want none, and Converged", n, r.record(1).State)
	}
}

// PROTOCOL E2
func TestNothingIsAcknowledgedBeforeASlowDiskHasIt(t *testing.T) {
	r := play(t, oneHost+"at 10s disk slow for=5m each=2s")
	r.finish()
	seen := make(map[wire.Seq]bool)
	for _, q := range r.requests {
		if q.kind != scenario.RouteEvent || q.code != wire.NoContent || q.steppedAt > 5*time.Minute || seen[q.seq] {
			continue // a duplicate waits for nothing
		}
		seen[q.seq] = true
		if q.answeredAt < q.steppedAt+2*time.Second || !slices.Contains(r.commits, q.answeredAt) {
			t.Errorf("event %d was stepped at %v and answered at %v; want it with a commit, 2s later", q.seq, q.steppedAt, q.answeredAt)
		}
	}
	if len(seen) < 5 {
		t.Errorf("only %d events were acknowledged", len(seen))
	}
}

// PROTOCOL E2, G2
func TestAFailedCommitIsADroppedReplyAndThePlaneIsBuiltAgain(t *testing.T) {
	r := justBefore(t, oneHost, wire.KindDispatchAck, "disk fail count=1")
	r.when("the commit failed", func() bool { return r.w.effects[scenario.EffectDiskFailed] > 0 })
	if ack := r.first(wire.KindDispatchAck); ack.code != wire.DroppedReply {
		t.Errorf("the event is answered %v, want dropped_reply", ack.code)
	}
	failed := r.w.now
	rebuilt := r.when("the plane was built again", func() bool { return r.w.effects[scenario.EffectRebuilt] > 0 })
	if rebuilt != failed {
		t.Errorf("it was built again %v later, want at once: the disk can be read", rebuilt-failed)
	}
	if rec := r.record(1); rec.LastEventSeq != 0 {
		t.Errorf("the record has %d events, want none: it is what is on the disk", rec.LastEventSeq)
	}
	r.finish()
	if rec := r.record(1); rec.State != wire.Converged {
		t.Errorf("in the end the record is %v", rec.State)
	}
}

// PROTOCOL G1, E2
func TestWhileTheDiskCannotBeReadThePlaneIsNotUp(t *testing.T) {
	r := justBefore(t, oneHost, wire.KindDispatchAck, "disk fail for=40s unreadable=yes")
	failed := r.when("the commit failed", func() bool { return r.w.effects[scenario.EffectDiskFailed] > 0 })
	rebuilt := r.when("the plane was built again", func() bool { return r.w.effects[scenario.EffectRebuilt] > 0 })
	if took := rebuilt - failed; took < 39*time.Second || took > 46*time.Second { // attempts are up to 5 s apart
		t.Errorf("it took %v, want the 40s of the fault and no more than 5s", took)
	}
	r.finish()
	refused := 0
	for _, q := range r.requests {
		if q.arrivedAt > failed && q.arrivedAt < rebuilt {
			refused++
			if q.code != wire.NotStarted {
				t.Errorf("a %v that came at %v is answered %v, want not_started", q.kind, q.arrivedAt, q.code)
			}
		}
	}
	if refused == 0 {
		t.Error("nobody came in that time")
	}
}
