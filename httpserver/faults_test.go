package httpserver

import (
	"testing"
	"time"

	"github.com/refrain-fleet/refrain/core/driver"
	"github.com/refrain-fleet/refrain/core/plane"
	"github.com/refrain-fleet/refrain/core/wire"
)

// holdAll holds everybody at the points. Whom it holds comes on the channel.
func (h *harness) holdAll(points ...FaultPoint) <-chan *Held {
	held := make(chan *Held, 100)
	for _, at := range points {
		rule := h.faults.Install(Fault{Kind: Hold, At: at, OnHold: func(held1 *Held) { held <- held1 }})
		h.t.Cleanup(rule.Lift)
	}
	return held
}

// holdSections holds the worker between its sections until lift is called.
// after lets it go on, section by section, until it has carried out one of a
// kind.
func (h *harness) holdSections() (after func(driver.Work) *Held, lift func()) {
	held := make(chan *Held, 100)
	rule := h.faults.Install(Fault{Kind: Hold, At: BetweenSections, OnHold: func(stopped *Held) { held <- stopped }})
	h.t.Cleanup(rule.Lift)
	var last *Held
	return func(work driver.Work) *Held {
		for {
			if last != nil {
				last.Release()
			}
			if last = <-held; last.Did == work {
				return last
			}
		}
	}, rule.Lift
}

func TestAHoldStopsEveryPointOfAnInputsWayInOrder(t *testing.T) {
	h := start(t)
	held := h.holdAll(BeforeOffer, AfterOffer, BeforeStep, BeforeReply)
	done := h.agent("h1").beginHeartbeat("h1")
	brought, next := false, map[FaultPoint]FaultPoint{AfterOffer: BeforeStep, BeforeStep: BeforeReply}
	for _, want := range []struct {
		at    FaultPoint
		depth int
	}{
		{BeforeOffer, 0}, {AfterOffer, 1}, {BeforeStep, 1}, {BeforeReply, 1},
	} {
		stopped := <-held
		// The worker does not wait for who brought the input, so AfterOffer may come at
		// any place after the first.
		early, may := next[want.at]
		last := stopped.At == AfterOffer && want.at == BeforeReply // the answer may be out
		switch {
		case stopped.At == AfterOffer && !brought && want.at != BeforeOffer:
			brought, stopped.At = true, want.at
		case !brought && may && stopped.At == early:
			stopped.At = want.at
		}
		if stopped.At != want.at || stopped.Input == nil {
			t.Fatalf("stopped at %d with input %v, want %+v", stopped.At, stopped.Input, want)
		}
		if depth := h.server.InboxDepth(); depth != want.depth && !last {
			t.Errorf("%d are inside at point %d, want %d", depth, want.at, want.depth)
		}
		stopped.Release()
	}
	(<-done).want(t, wire.OK)
}

func TestAHoldStopsTheWorkerBetweenItsSections(t *testing.T) {
	h := start(t)
	after, lift := h.holdSections()
	done := h.agent("h1").beginHeartbeat("h1")
	for _, work := range []driver.Work{driver.Rest, driver.Take, driver.Step, driver.Reply, driver.Rest} {
		stopped := after(work)
		if stopped.Plane == nil || stopped.Input != nil {
			t.Errorf("after %v: plane %v, input %v", work, stopped.Plane != nil, stopped.Input)
		}
		if work == driver.Take && stopped.Took != 1 {
			t.Errorf("took %d inputs, want 1", stopped.Took)
		}
		if work == driver.Reply {
			(<-done).want(t, wire.OK)
			h.server.admission.ring() // so that it comes to a rest and goes on
		}
	}
	lift()
}

func TestAHeldInputCanBeDropped(t *testing.T) { // PROTOCOL G2
	for _, at := range []FaultPoint{BeforeStep, BeforeReply} {
		h := start(t)
		held := h.holdAll(at)
		done := h.agent("h1").beginHeartbeat("h1")
		(<-held).Drop()
		(<-done).want(t, wire.DroppedReply)
	}
}

func TestOnlyAHoldHitsATick(t *testing.T) {
	h := start(t)
	dropped := h.faults.Install(Fault{Kind: Drop})
	held := h.holdAll(BeforeStep)
	h.clock.Add(h.server.cfg.plane().TickEvery())
	stopped := <-held
	if _, tick := stopped.Input.(*plane.Tick); !tick {
		t.Errorf("held %v, want a tick", stopped.Input)
	}
	stopped.Release()
	if n := dropped.Hits(); n != 0 {
		t.Errorf("a tick was dropped %d times", n)
	}
}

func TestASkewedWallClockIsNoTimeThatPasses(t *testing.T) { // PROTOCOL L1
	h := start(t)
	after, _ := h.holdSections()
	for _, skew := range []time.Duration{time.Hour, time.Minute} {
		h.faults.SkewWall(skew)
		done := h.openLater("r" + skew.String())
		stopped := after(driver.Reply)
		opened, _ := stopped.Plane.Rollout(wire.MakeRolloutID("stable", wire.ChannelRef("r"+skew.String())))
		if want := wire.TimeOf(h.clock.Now().Add(skew)); opened == nil || opened.OpenedAt != want {
			t.Errorf("opened %+v, want it opened at %v", opened, want)
		}
		(<-done).want(t, wire.Created)
	}
}

// openLater begins to open a rollout of one host.
func (h *harness) openLater(ref string) <-chan answer {
	h.t.Helper()
	return h.operator("anna").begin("POST", "/v1/operator/rollouts", manifest("stable", ref, "c1", "h1"))
}
