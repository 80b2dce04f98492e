// Package storetest is the contract of package store as tests. Every
// implementation runs them:
//
//	func TestContract(t *testing.T) {
//		storetest.Run(t, func(t testing.TB) store.Store { return memory.New(0) })
//	}
//
// [Rig] is a plane whose random batches go into a store, for these tests and for
// the tests of one implementation.
//
// What a failed commit leaves behind is not tested here, since only the
// implementation knows how its medium fails; package sqlite injects write and
// sync errors below SQLite.
//
// Stability: public (docs/architecture.md).
package storetest

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/refrain-fleet/refrain/core/plane"
	"github.com/refrain-fleet/refrain/core/wire"
	"github.com/refrain-fleet/refrain/httpserver/store"
)

// Run runs the contract's tests. open returns a new, empty store for each of
// them and arranges for it to be closed. The store keeps the history of at least
// 1,000 entries.
func Run(t *testing.T, open func(t testing.TB) store.Store) {
	for _, c := range []struct {
		name string
		test func(*testing.T, store.Store)
	}{
		{"Load_EmptyStore", loadEmpty},
		{"Load_ReturnsTheCommittedState", loadCommitted},
		{"Load_PlaneContinues", loadContinues},
		{"Load_PlaneBelongsToTheCaller", loadIndependent},
		{"Load_EndsWithItsContext", loadCancelled},
		{"Commit_NoEntries", commitNothing},
		{"Commit_SlicesBelongToTheCaller", commitSlices},
		{"Events_Pages", eventsPages},
		{"Events_UnknownRollout", eventsUnknown},
		{"Events_BesideCommits", eventsConcurrent},
		{"Acts_InOrder", actsInOrder},
		{"Close_Twice", closeTwice},
	} {
		t.Run(c.name, func(t *testing.T) { c.test(t, open(t)) })
	}
}

func loadEmpty(t *testing.T, s store.Store) {
	Same(t, "the state of a new store", Loaded(t, s), string(NewPlane(t).AppendDurable(nil)))
}

func loadCommitted(t *testing.T, s store.Store) { // PROTOCOL E2
	r := NewRig(t, 1)
	for i := range 60 {
		for range 1 + r.Rand.IntN(20) {
			r.Random()
		}
		r.Commit(s)
		if i%5 == 0 {
			Same(t, "the loaded state", Loaded(t, s), r.State())
		}
	}
	Same(t, "the loaded state", Loaded(t, s), r.State())
	if len(r.Entries) < 200 || !strings.Contains(r.State(), "\nquarantine ") || !strings.Contains(r.State(), "\nrevocation ") {
		t.Errorf("the run covers too little: %d entries", len(r.Entries))
	}
}

func loadContinues(t *testing.T, s store.Store) { // PROTOCOL E2
	r := NewRig(t, 2)
	for range 40 {
		r.Random()
		r.Commit(s)
		p, err := s.Load(t.Context(), plane.Config{})
		if err != nil {
			t.Fatal(err)
		}
		r.Continue(p)
	}
	Same(t, "the loaded state", Loaded(t, s), r.State())
}

func loadIndependent(t *testing.T, s store.Store) {
	r := NewRig(t, 3)
	r.Random()
	r.Commit(s)
	p, err := s.Load(t.Context(), plane.Config{})
	if err != nil {
		t.Fatal(err)
	}
	var out plane.Output
	p.Step(wire.Instant{Wall: r.Wall()}, &plane.Revoke{CommonName: "x"}, &out)
	Same(t, "the state after a step that was not committed", Loaded(t, s), r.State())
}

func loadCancelled(t *testing.T, s store.Store) {
	r := NewRig(t, 4)
	r.Random()
	r.Commit(s)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Load(ctx, plane.Config{}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want %v", err, context.Canceled)
	}
	Same(t, "the next load", Loaded(t, s), r.State())
}

func commitNothing(t *testing.T, s store.Store) {
	r := NewRig(t, 5)
	r.Random()
	r.Commit(s)
	if err := s.Commit(nil, nil); err != nil {
		t.Errorf("a commit without entries: %v", err)
	}
	Same(t, "the loaded state", Loaded(t, s), r.State())
}

func commitSlices(t *testing.T, s store.Store) {
	r := NewRig(t, 6)
	for range 10 {
		r.Random()
		entries, rows := r.Batch()
		if err := s.Commit(entries, slices.Values(rows)); err != nil {
			t.Fatal(err)
		}
		clear(entries)
		for i := range rows {
			clear(rows[i].Document)
		}
		clear(rows)
	}
	Same(t, "the state after the slices were cleared", Loaded(t, s), r.State())
	wantHistory(t, s, r, r.Opened[0])
}

func eventsPages(t *testing.T, s store.Store) { // PROTOCOL R5
	r := NewRig(t, 7)
	for range 300 {
		r.Random()
	}
	r.Commit(s)
	for _, id := range r.Opened {
		wantHistory(t, s, r, id)
	}
	if n := len(r.history(r.Opened[0])); n <= 3 {
		t.Errorf("%d entries are one page; want more", n)
	}
}

// Page reads at most limit entries of a rollout's history. next is the number of
// the last one, or 0 if there are no more.
func Page(s store.Store, id wire.RolloutID, after wire.Seq, limit int) (events []wire.LoggedEvent, next wire.Seq, err error) {
	err = s.Events(id, after, func(e *wire.LoggedEvent) bool {
		if len(events) == limit {
			next = events[limit-1].Number
			return false
		}
		events = append(events, *e)
		return true
	})
	return events, next, err
}

// history returns what a store should have of a rollout.
func (r *Rig) history(id wire.RolloutID) (list []wire.LoggedEvent) {
	for i := range r.Entries {
		if r.Entries[i].RolloutID == id {
			list = append(list, r.Entries[i].Logged())
		}
	}
	return list
}

// wantHistory reads the history of a rollout in pages of three, and compares it.
func wantHistory(t *testing.T, s store.Store, r *Rig, id wire.RolloutID) {
	t.Helper()
	const limit = 3
	var got []wire.LoggedEvent
	for after := wire.Seq(0); ; {
		page, next, err := Page(s, id, after, limit)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, page...)
		if next == 0 {
			break
		}
		if len(page) != limit || next != page[limit-1].Number {
			t.Fatalf("%s: a page of %d, next %d; want %d, and the number of the last", id, len(page), next, limit)
		}
		after = next
	}
	want := r.history(id)
	if len(got) != len(want) {
		t.Fatalf("%s: %d events, want %d", id, len(got), len(want))
	}
	for i := range got {
		if got[i].Number != want[i].Number || got[i].At != want[i].At || got[i].Kind != want[i].Kind || got[i].Event.String() != want[i].Event.String() {
			t.Errorf("%s: event %d is %v, want %v", id, i, got[i], want[i])
		}
	}
}

// actsInOrder reads the operators' acts from an entry on, until it has two.
func actsInOrder(t *testing.T, s store.Store) { // PROTOCOL T15
	r := NewRig(t, 7)
	for range 300 {
		r.Random()
	}
	r.Commit(s)
	var want []wire.LoggedEvent
	for i := range r.Entries {
		if r.Entries[i].Act != nil {
			want = append(want, r.Entries[i].LoggedAct())
		}
	}
	if len(want) < 4 || want[0].RolloutID == "" {
		t.Fatalf("%d acts are too few to read, the first of %q; want some, and the first of a rollout", len(want), want[0].RolloutID)
	}
	for from := range want {
		after, page := wire.Seq(0), want[from:min(from+2, len(want))]
		if from > 0 {
			after = want[from-1].Number
		}
		var got []wire.LoggedEvent
		err := s.Acts(after, func(e *wire.LoggedEvent) bool {
			got = append(got, *e)
			return len(got) < 2
		})
		if err != nil || len(got) != len(page) {
			t.Fatalf("after entry %d there are %d acts, error %v; want %d", after, len(got), err, len(page))
		}
		for i := range got {
			if got[i].Number != page[i].Number || got[i].RolloutID != page[i].RolloutID || got[i].Act != page[i].Act || got[i].Detail != page[i].Detail {
				t.Errorf("after entry %d: got %+v; want %+v", after, got[i], page[i])
			}
		}
	}
}

func eventsUnknown(t *testing.T, s store.Store) {
	r := NewRig(t, 8)
	r.Random()
	r.Commit(s)
	if events, next, err := Page(s, "no@rollout", 0, 10); len(events) > 0 || next != 0 || err != nil {
		t.Errorf("got %v, next %d, error %v; want an empty history", events, next, err)
	}
}

// eventsConcurrent reads a history while commits are made. What it reads is
// always a beginning of the history.
func eventsConcurrent(t *testing.T, s store.Store) {
	r := NewRig(t, 9)
	r.Random()
	r.Commit(s)
	id := r.Opened[0]
	numbers := func(list []wire.LoggedEvent) (n []wire.Seq) {
		for i := range list {
			n = append(n, list[i].Number)
		}
		return n
	}
	stop, ended := make(chan struct{}), make(chan struct{})
	var seen [][]wire.Seq
	var failed error
	go func() {
		defer close(ended)
		for {
			select {
			case <-stop:
				return
			default:
			}
			events, _, err := Page(s, id, 0, 1000)
			if err != nil {
				failed = err
				return
			}
			seen = append(seen, numbers(events))
		}
	}()
	for range 50 {
		r.Random()
		r.Commit(s)
	}
	close(stop)
	<-ended
	if failed != nil {
		t.Fatal(failed)
	}
	all := numbers(r.history(id))
	for _, n := range seen {
		if len(n) > len(all) || !slices.Equal(n, all[:len(n)]) {
			t.Fatalf("read the entries %d, which are no beginning of %d", n, all)
		}
	}
}

func closeTwice(t *testing.T, s store.Store) {
	for range 2 {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
}
