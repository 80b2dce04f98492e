// Package sqlite keeps the plane's event log in a SQLite database, with the
// tables that are derived from it. It implements the contract of package store.
//
// # What is in a file
//
//	event_log             the log: every durable input, with its number, its
//	                      instant and its effect
//	rollouts              the plane's durable state after the last entry of the
//	host_rollout_records  log: one row per rollout, record, quarantined closure,
//	quarantined_closures  revoked name and retired rollout
//	revocations
//	retired_rollouts
//	plane_settings        which entry the tables and the checkpoint are at
//	checkpoint            the state that a walk over the log starts from, if the
//	                      log does not go back to the beginning
//	dispatches            a view: the work that a poll is offered (PROTOCOL D2)
//
// The rows of a table are the lines of the plane's state
// ([plane.Plane.AppendDurable]) in their canonical encoding, in the column
// document. The columns beside it are for people and for indexes. They are
// virtual, computed from the document, so they cannot contradict it.
//
// # What it promises
//
// A commit is one transaction: the entries of a batch and the rows that they
// changed, all or nothing. Once [DB.Commit] has returned nil, the batch survives
// the death of the process and a power failure (write-ahead log, full
// synchronous mode). After an error the outcome is indeterminate; [DB.Load]
// opens the file again and determines it.
//
// One process at a time has a file open for writing ([ErrInUse]); a [Reader]
// can be open beside it. A file that is replaced, removed or written over by another
// program while it is open is noticed at the next commit, before that returns
// ([ErrReplaced]). A file that is older than what was acknowledged is noticed when it
// is opened; its planes then request replays (PROTOCOL H8). A file of a newer schema or of another program is
// refused before anything is written to it. A file of an older schema is
// migrated.
//
// # What it refuses to do
//
// It decides nothing and steps nothing while it serves: only [Reader.Audit],
// [DB.Repair] and [DB.Compact] walk the log through the reducer. It never
// repairs a file on its own; [Restore] puts a backup in its place. It does not
// retry: the server does.
//
// Stability: public (docs/architecture.md).
package sqlite
