package store

import (
	"context"
	"iter"

	"github.com/refrain-fleet/refrain/core/plane"
	"github.com/refrain-fleet/refrain/core/wire"
)

// Store keeps the plane's event log. The package documentation has the contract.
type Store interface {
	// Load returns a plane with the state after the last entry of the log, and
	// with the configuration cfg. It does not step [plane.Started]. The caller
	// owns the plane. Load is called at start, and again whenever the plane in
	// memory is ahead of the log, which is after a failed Commit. It returns
	// ctx.Err(), which may be wrapped, if ctx ends first.
	Load(ctx context.Context, cfg plane.Config) (*plane.Plane, error)

	// Commit appends the entries of one batch, all or none, and returns when
	// they are durable (PROTOCOL E2). No entries is a trial: something that has no
	// effect is made durable, to see whether a Commit succeeds again after one that
	// failed.
	// rows are the rows of the durable state that the batch changed, as they
	// are after it ([plane.Plane.AppendRows]); a store that keeps tables writes
	// them in the same transaction. There may be a million of them (PROTOCOL R1): a
	// row is valid until the next one. The caller keeps entries and may reuse the
	// slice; the inputs of the entries belong to the store. A trial has no rows. After an error the
	// outcome is indeterminate; call Load.
	Commit(entries []plane.Entry, rows iter.Seq[plane.Row]) error

	// Events calls yield with a rollout's history (PROTOCOL R5): the entries whose
	// number is greater than after, oldest first, one at a time, until yield
	// returns false. What it yields is valid until yield returns. It holds one
	// entry in memory, not the history. A rollout that has no entry has an empty
	// history.
	Events(id wire.RolloutID, after wire.Seq, yield func(*wire.LoggedEvent) bool) error

	// Acts is Events of the operators' acts, whatever rollout they are about (PROTOCOL
	// T15): the entries that have one, each with its rollout and a description of what
	// was requested, where it is short.
	Acts(after wire.Seq, yield func(*wire.LoggedEvent) bool) error

	// Close releases what the store holds. Closing it again does nothing.
	Close() error
}
