// Package memory keeps the plane's event log without a disk: what is committed
// lasts until the process ends. It is for tests and demos.
//
// [Log] implements the contract of package store, with two properties of its
// own. It is not durable, so "durable" means "kept by this process". And it is
// usable after Close, so a server that is restarted in the same process with
// the same Log finds what the one before it committed.
//
// It bounds its memory. It keeps the newest entries for [Log.Events] and folds
// older ones into a base state: their effect stays, their history goes. Events
// may be as large as a request body (PROTOCOL T7), so the entries are bounded in
// number and in size: an agent that sends only large events evicts older
// history and does not exhaust the memory.
//
// Stability: public (docs/architecture.md).
package memory

import (
	"context"
	"fmt"
	"iter"
	"sync"

	"github.com/refrain-fleet/refrain/core/plane"
	"github.com/refrain-fleet/refrain/core/wire"
	"github.com/refrain-fleet/refrain/httpserver/store"
)

var _ store.Store = (*Log)(nil)

// Log is an event log in memory. It is safe for concurrent use.
type Log struct {
	mu        sync.Mutex
	keep      int
	keepBytes int
	base      *plane.Plane // the durable state before entries
	entries   []plane.Entry
	size      int    // of entries in bytes, see sizeOf
	scratch   []byte // reused by sizeOf
}

const (
	// DefaultEntries is how many entries a Log keeps by default.
	DefaultEntries = 100_000

	// maxBytes is how many bytes of entries a Log keeps.
	maxBytes = 64 << 20
	// maxScratch is the largest scratch buffer in bytes that is reused.
	maxScratch = 64 << 10
)

// New returns an empty log that keeps the newest entries: at least as many as
// keep says, or 64 MiB of them if that is less, and at most twice that. 0 means
// [DefaultEntries].
func New(keep int) *Log {
	if keep <= 0 {
		keep = DefaultEntries
	}
	base, err := plane.New(plane.Config{})
	if err != nil {
		panic(fmt.Sprintf("memory: the plane rejects its default configuration: %v", err))
	}
	return &Log{keep: keep, keepBytes: maxBytes, base: base}
}

// Load implements [store.Store].
func (l *Log) Load(ctx context.Context, cfg plane.Config) (*plane.Plane, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	p, err := plane.Restore(cfg, l.base.AppendDurable(nil))
	if err != nil {
		return nil, err
	}
	for i := range l.entries {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if err := p.Apply(l.entries[i]); err != nil {
			return nil, err
		}
	}
	return p, nil
}

// Commit implements [store.Store].
func (l *Log) Commit(entries []plane.Entry, _ iter.Seq[plane.Row]) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.entries = append(l.entries, entries...)
	for i := range entries {
		l.size += l.sizeOf(&entries[i])
	}
	if len(l.entries) < 2*l.keep && l.size < 2*l.keepBytes {
		return nil
	}
	folded := 0
	for ; len(l.entries)-folded > l.keep || l.size > l.keepBytes; folded++ {
		if err := l.base.Apply(l.entries[folded]); err != nil {
			return err
		}
		l.size -= l.sizeOf(&l.entries[folded])
	}
	l.entries = append([]plane.Entry(nil), l.entries[folded:]...)
	return nil
}

// sizeOf returns about how many bytes an entry takes: the part whose size the
// sender chooses, as encoded on the wire, and a constant for the struct around
// it.
func (l *Log) sizeOf(e *plane.Entry) int {
	const entry = 256
	l.scratch = l.scratch[:0]
	switch in := e.Input.(type) {
	case *plane.Event:
		l.scratch = wire.EventEnvelopeSchema.Append(l.scratch, &in.Envelope)
	case *plane.OpenRollout:
		l.scratch = wire.ManifestSchema.Append(l.scratch, &in.Manifest)
	}
	size := entry + len(l.scratch)
	if cap(l.scratch) > maxScratch {
		l.scratch = nil
	}
	return size
}

// Events implements [store.Store].
func (l *Log) Events(id wire.RolloutID, after wire.Seq, yield func(*wire.LoggedEvent) bool) error {
	l.mu.Lock()
	entries := l.entries // what is in it does not change
	l.mu.Unlock()
	plane.History(entries, id, after, yield)
	return nil
}

// Acts implements [store.Store].
func (l *Log) Acts(after wire.Seq, yield func(*wire.LoggedEvent) bool) error {
	l.mu.Lock()
	entries := l.entries // what is in it does not change
	l.mu.Unlock()
	plane.ActHistory(entries, after, yield)
	return nil
}

// Close implements [store.Store]. It does nothing: the log stays usable.
func (l *Log) Close() error { return nil }
