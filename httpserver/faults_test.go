package httpserver

import (
	"slices"
	"testing"
	"time"

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

func TestAHoldStopsEveryPointOfAnInputsWayInOrder(t *testing.T) {
	h := start(t)
	held := h.holdAll(BeforeOffer, AfterOffer, BeforeBatch, BeforeStep, BeforeReply, AfterBatch)
	done := h.agent("h1").beginHeartbeat("h1")
	for _, want := range []struct {
		at           FaultPoint
		input, plane bool
		depth        int
	}{
		{BeforeOffer, true, false, 0}, {AfterOffer, true, false, 1}, {BeforeBatch, false, true, 1},
		{BeforeStep, true, false, 1}, {BeforeReply, true, false, 1}, {AfterBatch, false, true, 0},
	} {
		stopped := <-held
		if stopped.At != want.at || (stopped.Input != nil) != want.input || (stopped.Plane != nil) != want.plane {
			t.Fatalf("stopped at %d with input %v and plane %v, want %+v", stopped.At, stopped.Input, stopped.Plane != nil, want)
		}
		if depth := h.server.InboxDepth(); depth != want.depth {
			t.Errorf("%d are inside at point %d, want %d", depth, want.at, want.depth)
		}
		stopped.Release()
	}
	(<-done).want(t, wire.OK)
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
	held := h.holdAll(AfterBatch)
	for _, skew := range []time.Duration{time.Hour, time.Minute} {
		h.faults.SkewWall(skew)
		done := h.openLater("r" + skew.String())
		stopped := <-held
		opened, _ := stopped.Plane.Rollout(wire.MakeRolloutID("stable", wire.ChannelRef("r"+skew.String())))
		if want := wire.TimeOf(h.clock.Now().Add(skew)); opened == nil || opened.OpenedAt != want {
			t.Errorf("opened %+v, want it opened at %v", opened, want)
		}
		stopped.Release()
		(<-done).want(t, wire.Created)
	}
}

// openLater begins to open a rollout of one host.
func (h *harness) openLater(ref string) <-chan answer {
	h.t.Helper()
	return h.operator("anna").begin("POST", "/v1/operator/rollouts", manifest("stable", ref, "c1", "h1"))
}

func TestTurnsAreGivenInTheOrderOfWaking(t *testing.T) { // PROTOCOL D3
	list := newWaiters(1)
	closing := make(chan struct{})
	names := []wire.Hostname{"h3", "h1", "h4", "h2"}
	turns := make(chan wire.Hostname)
	goOn := make(chan struct{})
	timeUp := make(chan time.Time, 1)
	for _, name := range names {
		w := list.enter(name)
		up := timeUp
		if name != "h4" {
			up = nil
		}
		go func() {
			if list.wait(w, up, closing, nil) == pollTurn {
				turns <- name
				<-goOn
				list.turnOver()
			} else {
				turns <- "over"
			}
		}()
	}
	for list.count() < len(names) || !allWait(list) {
		time.Sleep(time.Millisecond)
	}
	list.wake(names)
	got := []wire.Hostname{<-turns} // h3 has the one turn
	timeUp <- time.Time{}           // h4 stands in line, and its time is up
	if over := <-turns; over != "over" {
		t.Fatalf("%s has a turn, and h3 as well", over)
	}
	for range 2 {
		goOn <- struct{}{}
		got = append(got, <-turns)
	}
	goOn <- struct{}{}
	if want := []wire.Hostname{"h3", "h1", "h2"}; !slices.Equal(got, want) {
		t.Errorf("turns went to %v, want %v", got, want)
	}
}

// allWait reports whether every poll on the list waits.
func allWait(l *waiters) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, w := range l.byHost {
		if !w.waits {
			return false
		}
	}
	return true
}

// A poll that was woken while it asked asks once more, if there was no work.
func TestAWakeWhileAPollAsksIsNotLost(t *testing.T) { // PROTOCOL D1
	list := newWaiters(1)
	w := list.enter("h1")
	list.wake([]wire.Hostname{"h1"})
	if n := list.wait(w, nil, nil, nil); n != pollTurn {
		t.Fatalf("got news %d, want a turn", n)
	}
	list.turnOver()
	over := make(chan time.Time, 1)
	over <- time.Time{}
	if n := list.wait(w, over, nil, nil); n != pollOver {
		t.Fatalf("got news %d, want that its time is up: it was woken once", n)
	}
}
