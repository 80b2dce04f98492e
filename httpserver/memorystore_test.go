package httpserver

import (
	"bytes"
	"context"
	"fmt"
	"testing"

	"github.com/refrain-fleet/refrain/core/plane"
	"github.com/refrain-fleet/refrain/core/wire"
)

func TestATrimmedMemoryStoreStillHasTheWholeState(t *testing.T) { // PROTOCOL E2
	const keep, rollouts = 3, 20
	store := NewMemoryStore(keep)
	p, err := plane.New(plane.Config{})
	if err != nil {
		t.Fatal(err)
	}
	var decoder wire.Decoder
	for i := range rollouts {
		in := new(plane.OpenRollout)
		body := manifest(fmt.Sprint("channel", i%4), fmt.Sprint("r", i), "c1", "all", fmt.Sprint("h", i))
		if err := wire.DecodeDocument(&decoder, &wire.ManifestSchema, []byte(body), &in.Manifest); err != nil {
			t.Fatal(err)
		}
		var out plane.Output
		p.Step(wire.Instant{Wall: wire.TimeOf(testEpoch)}, in, &out)
		if err := store.Commit(out.Entries); err != nil {
			t.Fatal(err)
		}
		loaded, err := store.Load(context.Background(), plane.Config{})
		if err != nil {
			t.Fatal(err)
		}
		if got, want := loaded.AppendDurable(nil), p.AppendDurable(nil); !bytes.Equal(got, want) {
			t.Fatalf("after %d entries the store gives another state:\n%s\nwant\n%s", i+1, got, want)
		}
		if n := len(store.entries); n > 2*keep {
			t.Fatalf("%d entries are kept, want at most %d", n, 2*keep)
		}
	}
	// The newest are still listed, the oldest are not.
	for i, want := range map[int]int{rollouts - 1: 1, 0: 0} {
		id := wire.MakeRolloutID(wire.Channel(fmt.Sprint("channel", i%4)), wire.ChannelRef(fmt.Sprint("r", i)))
		events, next, err := store.Events(id, 0, 100)
		if err != nil || next != 0 || len(events) != want {
			t.Errorf("%s: %d events, next %d, %v; want %d", id, len(events), next, err, want)
		}
	}
}

func TestAMemoryStoreHandsOutIndependentPlanes(t *testing.T) {
	store := NewMemoryStore(0)
	a, err := store.Load(context.Background(), plane.Config{})
	if err != nil {
		t.Fatal(err)
	}
	var out plane.Output
	a.Step(wire.Instant{Wall: wire.TimeOf(testEpoch)}, &plane.Revoke{CommonName: "x"}, &out)
	b, err := store.Load(context.Background(), plane.Config{})
	if err != nil {
		t.Fatal(err)
	}
	if len(b.Revocations()) != 0 {
		t.Error("what was not committed is in the store")
	}
}

func TestALoadGivesUp(t *testing.T) {
	store := NewMemoryStore(0)
	p, err := plane.New(plane.Config{})
	if err != nil {
		t.Fatal(err)
	}
	var out plane.Output
	p.Step(wire.Instant{Wall: wire.TimeOf(testEpoch)}, &plane.Revoke{CommonName: "x"}, &out)
	if err := store.Commit(out.Entries); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := store.Load(ctx, plane.Config{}); err != context.Canceled {
		t.Errorf("got %v, want %v", err, context.Canceled)
	}
}
