// Package sqlite keeps the plane's durable truth in a SQLite database: the log of
// everything that was ever acknowledged, and the tables that follow from it.
//
// # What is in a file
//
//	event_log             the canonical history: every durable input, with its
//	                      number, its instant and what it did
//	rollouts              the plane's durable state after the last entry of the
//	host_rollout_records  log, a row per rollout, record, quarantined closure,
//	quarantined_closures  revoked name and retired rollout
//	revocations
//	retired_rollouts
//	plane_settings        how far the tables and the checkpoint are
//	checkpoint            the state that a walk over the log starts from, if the
//	                      log does not reach back to the beginning
//	dispatches            a view: the work that a poll is offered (PROTOCOL D2)
//
// The rows of a table are the lines of the plane's state ([plane.Plane.AppendDurable])
// in their canonical encoding, in the column document. The columns beside it
// that say the same for people are virtual: they cannot disagree with it.
//
// # What it promises
//
// A commit is one transaction: the entries of a batch and the rows that they
// changed, wholly or not at all. When [DB.Commit] returns nil it survives the
// death of the process and of the machine (write-ahead log, full synchronous
// mode). When it returns an error nobody knows, and [DB.Load] says what is so.
//
// One process at a time has a file ([ErrInUse]). A file of a newer schema or of
// another program is refused before anything is written to it; one of an older
// schema is migrated.
//
// # What it refuses to do
//
// It decides nothing and steps nothing while it serves: the walk over the log is
// for [Audit]. It never repairs by itself. It does not retry: the server does.
package sqlite
