package plane_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/refrain-fleet/refrain/core/plane"
	"github.com/refrain-fleet/refrain/core/wire"
)

// crowd returns a plane with one place for replays and some hosts, all of which
// run what their records lack.
func crowd(t *testing.T, hosts int) *harness {
	t.Helper()
	p, err := plane.New(plane.Config{MaxReplays: 1})
	if err != nil {
		t.Fatal(err)
	}
	b := &harness{t: t, plane: p}
	b.step(&plane.Started{})
	wave := ""
	for i := range hosts {
		wave += fmt.Sprintf(" h%d=c2", i+1)
	}
	b.step(open("stable@r1", wave[1:]))
	return b
}

// asks reports whether a heartbeat of the host is asked for a replay. It is later,
// by the host's clock, than the events of these tests.
func (b *harness) asks(host int) bool {
	beat := heartbeat(wire.Hostname(fmt.Sprintf("h%d", host)), "stable@r1", "c3")
	beat.Request.At = at(3600)
	return b.want(wire.OK, beat).Outcome.Replay
}

// A host that has nothing to replay comes again and again, always just before
// the others: they get their turn all the same.
func TestMaxReplays_HostsThatComeAgainMakeWay(t *testing.T) { // PROTOCOL H9
	b := crowd(t, 3)
	turns := map[int]int{}
	for range 20 {
		for host := 1; host <= 3; host++ {
			if b.asks(host) {
				turns[host]++
			}
		}
		b.tickFor(interval / 4)
	}
	for host := 1; host <= 3; host++ {
		if turns[host] < 2 {
			t.Errorf("h%d was asked %d times in 20 rounds of heartbeats: %v", host, turns[host], turns)
		}
	}
}

func TestMaxReplays_AReplayEndsAfterAnIntervalInSpiteOfProgress(t *testing.T) { // PROTOCOL H9
	b := crowd(t, 2)
	equal(t, "h1 is asked", b.asks(1), true)
	seq := wire.Seq(0)
	for at := time.Duration(0); at < interval; at += interval / 8 {
		equal(t, "h2 is asked while h1 makes progress", b.asks(2), false)
		seq++
		early := event("h1", "stable@r1", seq, acked)
		if seq > 1 {
			early = event("h1", "stable@r1", seq, begun)
		}
		b.want(wire.NoContent, early)
		b.tickFor(interval / 8)
	}
	equal(t, "h2 is asked an interval later", b.asks(2), true)
}

func TestMaxReplays_OneThatIsOverdueIsNotRenewed(t *testing.T) { // PROTOCOL H9
	b := crowd(t, 2)
	equal(t, "h1 is asked", b.asks(1), true)
	b.tickFor(interval / 4)
	b.want(wire.NoContent, event("h1", "stable@r1", 1, acked))
	equal(t, "replays under way", b.plane.Stats().ReplaysUnderWay, 0)
	equal(t, "h2 is asked", b.asks(2), true)
	equal(t, "replays under way", b.plane.Stats().ReplaysUnderWay, 1)
	equal(t, "h1 is asked again", b.asks(1), false)
	equal(t, "put off", b.plane.Stats().ReplaysPutOff, 1)
}

// The mark of what may have been lost stays until the host was really asked.
func TestMaxReplays_AMarkOutlastsBeingPutOff(t *testing.T) { // PROTOCOL H8, H9
	b := crowd(t, 2)
	b.tell("h2", "stable@r1", acked, switched)
	b.plane.RequestReplays()
	equal(t, "h1 is asked", b.asks(1), true)
	marked := heartbeat("h2", "stable@r1", "c2")
	equal(t, "h2 is asked", b.want(wire.OK, marked).Outcome.Replay, false)
	b.tickFor(interval / 4)
	equal(t, "h2 is asked later", b.want(wire.OK, marked).Outcome.Replay, true)
	b.tickFor(interval / 4)
	equal(t, "h2 is asked once more", b.want(wire.OK, marked).Outcome.Replay, false)
}

func TestMaxReplays_AStartKnowsOfNoReplay(t *testing.T) { // PROTOCOL H9
	b := crowd(t, 2)
	equal(t, "h1 is asked", b.asks(1), true)
	equal(t, "h2 is asked", b.asks(2), false)
	b.step(&plane.Started{})
	equal(t, "h2 is asked after a start", b.asks(2), true)
}

func TestMaxReplays_IsOfTheStateAndNotDurable(t *testing.T) { // PROTOCOL H9
	b := crowd(t, 2)
	durable := b.plane.AppendDurable(nil)
	b.asks(1)
	b.asks(2)
	equal(t, "the durable state", string(b.plane.AppendDurable(nil)), string(durable))
	state := b.plane.AppendState(nil)
	p, err := plane.Restore(plane.Config{MaxReplays: 1}, state)
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "the restored state", string(p.AppendState(nil)), string(state))
	equal(t, "the cloned state", string(b.plane.Clone().AppendState(nil)), string(state))
}
