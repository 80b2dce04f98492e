package memory

import (
	"strings"
	"testing"

	"github.com/refrain-fleet/refrain/core/plane"
	"github.com/refrain-fleet/refrain/core/wire"
	"github.com/refrain-fleet/refrain/httpserver/store"
	"github.com/refrain-fleet/refrain/httpserver/store/storetest"
)

func TestContract(t *testing.T) {
	storetest.Run(t, func(testing.TB) store.Store { return New(0) })
}

func TestLog_FoldedEntriesKeepTheirEffect(t *testing.T) { // PROTOCOL E2
	const keep = 3
	l := New(keep)
	r := storetest.NewRig(t, 1)
	for range 200 {
		r.Random()
		r.Commit(l)
		storetest.Same(t, "the loaded state", storetest.Loaded(t, l), r.State())
		if n := len(l.entries); n > 2*keep {
			t.Fatalf("%d entries are kept, want at most %d", n, 2*keep)
		}
	}
	// The newest entries are still in a history, the oldest are not.
	for entry, want := range map[*plane.Entry]bool{&r.Entries[0]: false, newestOfARollout(t, r): true} {
		events, next, err := storetest.Page(l, entry.RolloutID, entry.Number-1, 1)
		got := len(events) == 1 && events[0].Number == entry.Number
		if got != want || err != nil {
			t.Errorf("entry %d: %v, next %d, error %v; want it in the history: %v", entry.Number, events, next, err, want)
		}
	}
}

// newestOfARollout returns the newest entry that belongs to a rollout.
func newestOfARollout(t *testing.T, r *storetest.Rig) *plane.Entry {
	for i := len(r.Entries) - 1; i >= len(r.Entries)-3; i-- {
		if r.Entries[i].RolloutID != "" {
			return &r.Entries[i]
		}
	}
	t.Fatal("none of the newest entries belongs to a rollout; choose another seed")
	return nil
}

func TestLog_BoundedInBytes(t *testing.T) { // PROTOCOL E2
	const keepBytes = 1 << 20
	l := New(0)
	l.keepBytes = keepBytes
	r := storetest.NewRig(t, 2)
	step := func(in plane.Input) {
		t.Helper()
		r.Step(in)
		if len(r.Out.Entries) != 1 {
			t.Fatalf("%v is not logged: %v", in, r.Out.Replies[0].Outcome)
		}
		r.Commit(l)
	}
	step(&plane.OpenRollout{Manifest: wire.Manifest{
		Channel: "stable", ChannelRef: "r1", Policy: wire.Policy{OnHealthFailure: wire.Halt, Waves: []wire.Wave{{}}},
		Hosts: []wire.ManifestHost{{Hostname: "h1", TargetClosure: "c1"}},
	}})
	seq := wire.Seq(0)
	event := func(body wire.EventBody) {
		t.Helper()
		seq++
		step(&plane.Event{Envelope: wire.EventEnvelope{Hostname: "h1", RolloutID: "stable@r1", Event: wire.Event{Seq: seq, Body: body}}})
	}
	event(wire.DispatchAck{CurrentClosureAtDispatch: "c0", ReceivedAt: r.Wall()})
	event(wire.ActivationCompleted{ObservedCurrentClosure: "c1", CompletedAt: r.Wall()})
	large := wire.Text(strings.Repeat("x", 60<<10))
	for range 100 {
		event(wire.ProbeResult{ProbeName: "web", Mode: wire.Observe, Status: wire.Fail, ObservedAt: r.Wall(), FailureReason: large})
		held := 0
		for i := range l.entries {
			held += l.sizeOf(&l.entries[i])
		}
		if held != l.size || held > 2*keepBytes {
			t.Fatalf("%d bytes are kept and %d counted, want at most %d", held, l.size, 2*keepBytes)
		}
	}
	if n, least := len(l.entries), keepBytes/(61<<10); n < least {
		t.Errorf("%d entries are kept, want at least %d", n, least)
	}
	storetest.Same(t, "the loaded state", storetest.Loaded(t, l), r.State())
}

func TestLog_UsableAfterClose(t *testing.T) {
	l := New(0)
	r := storetest.NewRig(t, 3)
	r.Random()
	r.Commit(l)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	storetest.Same(t, "the state after Close", storetest.Loaded(t, l), r.State())
	r.Random()
	r.Commit(l)
	storetest.Same(t, "the state after another commit", storetest.Loaded(t, l), r.State())
}
