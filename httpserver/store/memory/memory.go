// Package memory keeps the plane's event log without a disk: what is committed
// lasts until the process ends. It is for tests and demos.
package memory

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/refrain-fleet/refrain/core/plane"
	"github.com/refrain-fleet/refrain/core/wire"
	"github.com/refrain-fleet/refrain/httpserver/store"
)

var _ store.Store = (*Log)(nil)

// Log is a store without a disk: what it keeps, it keeps until the
// process ends. A server that is started again with the same Log finds
// what the one before left. It is for tests and for trying things out.
//
// It keeps the newest entries for [Log.Events]; older ones live on
// only in their effect. Events may be as large as a body may be (PROTOCOL T7),
// so the kept ones are bounded in number and in size: an agent that sends
// nothing but large events pushes the others out, and does not fill the memory.
type Log struct {
	mu        sync.Mutex
	keep      int
	keepBytes int
	base      *plane.Plane // the durable state before entries
	entries   []plane.Entry
	size      int    // of entries in bytes, see weigh
	scratch   []byte // kept by weigh
}

// DefaultEntries is how many entries a Log keeps by default.
const DefaultEntries = 100_000

// maxBytes is how many bytes of entries a Log keeps.
const maxBytes = 64 << 20

// maxScratch is the largest scratch buffer in bytes that is kept.
const maxScratch = 64 << 10

// New returns an empty store that keeps the newest entries: at least
// as many as keep says, or 64 MiB of them if that is less, and at most twice
// that. 0 means [DefaultEntries].
func New(keep int) *Log {
	if keep <= 0 {
		keep = DefaultEntries
	}
	base, err := plane.New(plane.Config{})
	if err != nil {
		panic(fmt.Sprintf("memory: the default configuration of the plane is refused: %v", err))
	}
	return &Log{keep: keep, keepBytes: maxBytes, base: base}
}

// Load implements [store.Store].
func (s *Log) Load(ctx context.Context, cfg plane.Config) (*plane.Plane, error) {
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

// Commit implements [store.Store].
func (s *Log) Commit(entries []plane.Entry, _ []plane.Row) error {
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
func (s *Log) weigh(e *plane.Entry) int {
	const entry = 256
	s.scratch = s.scratch[:0]
	switch in := e.Input.(type) {
	case *plane.Event:
		s.scratch = wire.EventEnvelopeSchema.Append(s.scratch, &in.Envelope)
	case *plane.OpenRollout:
		s.scratch = wire.ManifestSchema.Append(s.scratch, &in.Manifest)
	}
	size := entry + len(s.scratch)
	if cap(s.scratch) > maxScratch {
		s.scratch = nil
	}
	return size
}

// Events implements [store.Store].
func (s *Log) Events(id wire.RolloutID, after wire.Seq, limit int) (events []wire.LoggedEvent, next wire.Seq, err error) {
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

// Close implements [store.Store]. It does nothing: the store can be used again.
func (s *Log) Close() error { return nil }
