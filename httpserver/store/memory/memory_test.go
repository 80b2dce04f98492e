package memory

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/refrain-fleet/refrain/core/plane"
	"github.com/refrain-fleet/refrain/core/wire"
)

var testEpoch = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// openRollout opens a rollout of one wave that brings the closure c1 to hosts.
func openRollout(channel, ref string, hosts ...string) *plane.OpenRollout {
	m := wire.Manifest{
		Channel: wire.Channel(channel), ChannelRef: wire.ChannelRef(ref),
		Policy: wire.Policy{OnHealthFailure: wire.Halt, Waves: []wire.Wave{{}}},
	}
	for _, host := range hosts {
		m.Hosts = append(m.Hosts, wire.ManifestHost{Hostname: wire.Hostname(host), TargetClosure: "c1"})
	}
	return &plane.OpenRollout{Manifest: m}
}

func TestATrimmedLogStillHasTheWholeState(t *testing.T) { // PROTOCOL E2
	const keep, rollouts = 3, 20
	log := New(keep)
	p, err := plane.New(plane.Config{})
	if err != nil {
		t.Fatal(err)
	}
	for i := range rollouts {
		in := openRollout(fmt.Sprint("channel", i%4), fmt.Sprint("r", i), "all", fmt.Sprint("h", i))
		var out plane.Output
		p.Step(wire.Instant{Wall: wire.TimeOf(testEpoch)}, in, &out)
		if err := log.Commit(out.Entries, nil); err != nil {
			t.Fatal(err)
		}
		loaded, err := log.Load(context.Background(), plane.Config{})
		if err != nil {
			t.Fatal(err)
		}
		if got, want := loaded.AppendDurable(nil), p.AppendDurable(nil); !bytes.Equal(got, want) {
			t.Fatalf("after %d entries the store gives another state:\n%s\nwant\n%s", i+1, got, want)
		}
		if n := len(log.entries); n > 2*keep {
			t.Fatalf("%d entries are kept, want at most %d", n, 2*keep)
		}
	}
	// The newest are still listed, the oldest are not.
	for i, want := range map[int]int{rollouts - 1: 1, 0: 0} {
		id := wire.MakeRolloutID(wire.Channel(fmt.Sprint("channel", i%4)), wire.ChannelRef(fmt.Sprint("r", i)))
		events, next, err := log.Events(id, 0, 100)
		if err != nil || next != 0 || len(events) != want {
			t.Errorf("%s: %d events, next %d, %v; want %d", id, len(events), next, err, want)
		}
	}
}

func TestALogIsBoundedInBytesAsWell(t *testing.T) { // PROTOCOL E2
	const keepBytes = 1 << 20
	log := New(0)
	log.keepBytes = keepBytes
	p, err := plane.New(plane.Config{})
	if err != nil {
		t.Fatal(err)
	}
	at := wire.TimeOf(testEpoch)
	step := func(in plane.Input) {
		t.Helper()
		var out plane.Output
		p.Step(wire.Instant{Wall: at}, in, &out)
		if len(out.Entries) != 1 {
			t.Fatalf("%v is not logged: %v", in, out.Replies[0].Outcome)
		}
		if err := log.Commit(out.Entries, nil); err != nil {
			t.Fatal(err)
		}
	}
	step(openRollout("stable", "r1", "h1"))
	seq := wire.Seq(0)
	tell := func(body wire.EventBody) {
		t.Helper()
		seq++
		step(&plane.Event{Envelope: wire.EventEnvelope{Hostname: "h1", RolloutID: "stable@r1", Event: wire.Event{Seq: seq, Body: body}}})
	}
	tell(wire.DispatchAck{CurrentClosureAtDispatch: "c0", ReceivedAt: at})
	tell(wire.ActivationCompleted{ObservedCurrentClosure: "c1", CompletedAt: at})
	large := wire.Text(strings.Repeat("x", 60<<10))
	for range 100 {
		tell(wire.ProbeResult{ProbeName: "web", Mode: wire.Observe, Status: wire.Fail, ObservedAt: at, FailureReason: large})
		held := 0
		for i := range log.entries {
			held += log.weigh(&log.entries[i])
		}
		if held != log.size || held > 2*keepBytes {
			t.Fatalf("%d bytes are held and %d counted, want at most %d", held, log.size, 2*keepBytes)
		}
	}
	if n, least := len(log.entries), keepBytes/(61<<10); n < least {
		t.Errorf("%d entries are kept, want at least %d", n, least)
	}
	loaded, err := log.Load(context.Background(), plane.Config{})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := loaded.AppendDurable(nil), p.AppendDurable(nil); !bytes.Equal(got, want) {
		t.Errorf("the store gives another state:\n%s\nwant\n%s", got, want)
	}
}

func TestALogHandsOutIndependentPlanes(t *testing.T) {
	log := New(0)
	a, err := log.Load(context.Background(), plane.Config{})
	if err != nil {
		t.Fatal(err)
	}
	var out plane.Output
	a.Step(wire.Instant{Wall: wire.TimeOf(testEpoch)}, &plane.Revoke{CommonName: "x"}, &out)
	b, err := log.Load(context.Background(), plane.Config{})
	if err != nil {
		t.Fatal(err)
	}
	if len(b.Revocations()) != 0 {
		t.Error("what was not committed is in the store")
	}
}

func TestALoadGivesUp(t *testing.T) {
	log := New(0)
	p, err := plane.New(plane.Config{})
	if err != nil {
		t.Fatal(err)
	}
	var out plane.Output
	p.Step(wire.Instant{Wall: wire.TimeOf(testEpoch)}, &plane.Revoke{CommonName: "x"}, &out)
	if err := log.Commit(out.Entries, nil); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := log.Load(ctx, plane.Config{}); err != context.Canceled {
		t.Errorf("got %v, want %v", err, context.Canceled)
	}
}
