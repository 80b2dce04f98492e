package conform

import (
	"context"
	"errors"
	"iter"
	"sync/atomic"

	"github.com/refrain-fleet/refrain/core/plane"
	"github.com/refrain-fleet/refrain/core/wire"
	"github.com/refrain-fleet/refrain/httpserver/store"
)

// errDisk is what a disk says that the tape lets fail.
var errDisk = errors.New("the tape says that the disk fails")

// errDead is what the store of a process says that the tape has ended.
var errDead = errors.New("the process is dead")

// heldStore is a store that holds the loop until the tape says what becomes of a
// commit or a load. It is that of one life.
type heldStore struct {
	inner store.Store
	mail  *mailbox
	// scarce: little disk is free.
	scarce atomic.Bool
}

// diskReserve is the reserve of servers that are played to.
const diskReserve = 1 << 20

// Health implements [store.Reporter].
func (s *heldStore) Health() store.Health {
	h := store.Health{Sizes: store.UnknownSizes}
	if h.FreeBytes = 2 * diskReserve; s.scarce.Load() {
		h.FreeBytes = 0
	}
	return h
}

// storeCall is a loop that waits for its store.
type storeCall struct {
	of      *heldStore
	load    bool
	entries []plane.Entry
	rows    iter.Seq[plane.Row]
	verdict chan error // has room for one
}

func (s *heldStore) ask(c *storeCall) error {
	c.of, c.verdict = s, make(chan error, 1)
	s.mail.post(func(p *player) { p.storeAsks(c) })
	return <-c.verdict
}

// Load implements [store.Store].
func (s *heldStore) Load(ctx context.Context, cfg plane.Config) (*plane.Plane, error) {
	if err := s.ask(&storeCall{load: true}); err != nil {
		return nil, err
	}
	return s.inner.Load(ctx, cfg)
}

// Commit implements [store.Store].
func (s *heldStore) Commit(entries []plane.Entry, rows iter.Seq[plane.Row]) error {
	if err := s.ask(&storeCall{entries: entries, rows: rows}); err != nil {
		return err
	}
	return s.inner.Commit(entries, rows)
}

// Events implements [store.Store].
func (s *heldStore) Events(id wire.RolloutID, after wire.Seq, yield func(*wire.LoggedEvent) bool) error {
	return s.inner.Events(id, after, yield)
}

// Acts implements [store.Store].
func (s *heldStore) Acts(after wire.Seq, yield func(*wire.LoggedEvent) bool) error {
	return s.inner.Acts(after, yield)
}

// Close implements [store.Store].
func (s *heldStore) Close() error { return s.inner.Close() }
