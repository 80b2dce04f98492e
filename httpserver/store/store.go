package store

import (
	"context"

	"github.com/refrain-fleet/refrain/core/plane"
	"github.com/refrain-fleet/refrain/core/wire"
)

// Store keeps the plane's log: the durable truth. Load and Commit are called
// by one goroutine, never at the same time; Events by any.
type Store interface {
	// Load returns a plane in the state that the log gives, and with the
	// configuration given. It does not step [plane.Started]. It is called at
	// start, and again whenever the plane in memory is ahead of the log: after
	// a failed commit. The plane is the caller's. Load gives up when ctx ends.
	Load(ctx context.Context, cfg plane.Config) (*plane.Plane, error)

	// Commit appends the entries of one batch, all or none; it returns when
	// they are as durable as the store makes them (PROTOCOL E2). rows are the
	// rows of the durable state that the batch changed, as they are after it
	// ([plane.Plane.AppendRows]): a store that keeps tables writes them in the
	// same transaction. The slices are the caller's, the inputs in them are the
	// store's. After an error the caller takes nothing for granted, neither that
	// the entries are in the log nor that they are not, and loads again.
	Commit(entries []plane.Entry, rows []plane.Row) error

	// Events returns a rollout's history (PROTOCOL R5): its first entries
	// whose number is greater than after, at most limit, oldest first. next is
	// the value of after for the page that follows, or 0 on the last page.
	Events(id wire.RolloutID, after wire.Seq, limit int) (events []wire.LoggedEvent, next wire.Seq, err error)

	// Close ends the use of the store.
	Close() error
}
