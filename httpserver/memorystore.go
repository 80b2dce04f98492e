package httpserver

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/refrain-fleet/refrain/core/plane"
	"github.com/refrain-fleet/refrain/core/wire"
)

// MemoryStore is a store without a disk: what it keeps, it keeps until the
// process ends. A server that is started again with the same MemoryStore finds
// what the one before left. It is for tests and for trying things out.
//
// It keeps the newest entries for [MemoryStore.Events]; older ones live on
// only in their effect. Events may be as large as a body may be (PROTOCOL T7),
// so the kept ones are bounded in number and in size: an agent that sends
// nothing but large events pushes the others out, and does not fill the memory.
type MemoryStore struct {
	mu        sync.Mutex
	keep      int
	keepBytes int
	base      *plane.Plane // the durable state before entries
	entries   []plane.Entry
	size      int    // of entries in bytes, see weigh
	scratch   []byte // kept by weigh
}

// DefaultMemoryEntries is how many entries a MemoryStore keeps by default.
const DefaultMemoryEntries = 100_000

// memoryBytes is how many bytes of entries a MemoryStore keeps.
const memoryBytes = 64 << 20

// NewMemoryStore returns an empty store that keeps the newest entries: at least
// as many as keep says, or 64 MiB of them if that is less, and at most twice
// that. 0 means [DefaultMemoryEntries].
func NewMemoryStore(keep int) *MemoryStore {
	if keep <= 0 {
		keep = DefaultMemoryEntries
	}
	base, err := plane.New(plane.Config{})
	if err != nil {
		panic(fmt.Sprintf("httpserver: the default configuration of the plane is refused: %v", err))
	}
	return &MemoryStore{keep: keep, keepBytes: memoryBytes, base: base}
}

// Load implements [Store].
func (s *MemoryStore) Load(ctx context.Context, cfg plane.Config) (*plane.Plane, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p, err := plane.Restore(cfg, s.base.AppendDurable(nil))
	if err != nil {
		return nil, err
	}
	for i := range s.entries {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if err := p.Apply(s.entries[i]); err != nil {
			return nil, err
		}
	}
	return p, nil
}

// Commit implements [Store].
func (s *MemoryStore) Commit(entries []plane.Entry, _ []plane.Row) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.entries = append(s.entries, entries...)
	for i := range entries {
		s.size += s.weigh(&entries[i])
	}
	if len(s.entries) < 2*s.keep && s.size < 2*s.keepBytes {
		return nil
	}
	folded := 0
	for ; len(s.entries)-folded > s.keep || s.size > s.keepBytes; folded++ {
		if err := s.base.Apply(s.entries[folded]); err != nil {
			return err
		}
		s.size -= s.weigh(&s.entries[folded])
	}
	s.entries = append([]plane.Entry(nil), s.entries[folded:]...)
	return nil
}

// weigh returns about how many bytes an entry takes: what a caller can make
// large as it is on the wire, and the struct around it.
func (s *MemoryStore) weigh(e *plane.Entry) int {
	const entry = 256
	s.scratch = s.scratch[:0]
	switch in := e.Input.(type) {
	case *plane.Event:
		s.scratch = wire.EventEnvelopeSchema.Append(s.scratch, &in.Envelope)
	case *plane.OpenRollout:
		s.scratch = wire.ManifestSchema.Append(s.scratch, &in.Manifest)
	}
	size := entry + len(s.scratch)
	if cap(s.scratch) > maxKept {
		s.scratch = nil
	}
	return size
}

// Events implements [Store].
func (s *MemoryStore) Events(id wire.RolloutID, after wire.Seq, limit int) (events []wire.LoggedEvent, next wire.Seq, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	start, found := slices.BinarySearchFunc(s.entries, after, func(e plane.Entry, n wire.Seq) int { return cmp.Compare(e.Number, n) })
	if found {
		start++
	}
	for i := start; i < len(s.entries); i++ {
		e := &s.entries[i]
		if e.RolloutID != id {
			continue
		}
		if len(events) == limit {
			return events, events[limit-1].Number, nil
		}
		events = append(events, e.Logged())
	}
	return events, 0, nil
}

// Close implements [Store]. It does nothing: the store can be used again.
func (s *MemoryStore) Close() error { return nil }
