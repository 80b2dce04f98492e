// Package store defines where the plane's event log is kept. It holds the
// interface that the server uses and the contract behind it. The
// implementations are packages of their own, each with a type of its own name:
//
//	httpserver/store/sqlite     sqlite.DB: one SQLite file, for production
//	httpserver/store/memory     memory.Log: no disk, for tests and demos
//	httpserver/store/dbfile     the identity, lock and mark of a database in a file
//	httpserver/store/storetest  the contract as tests; every implementation
//	                            passes storetest.Run
//
// # Contract
//
//  1. The log is the truth. The plane in memory is derived from it, and so is
//     every table that an implementation keeps beside it.
//  2. A commit is atomic: after it, all entries of the batch are in the log, or
//     none is.
//  3. Commit returns nil only when the entries are durable (PROTOCOL E2): they
//     survive whatever the implementation says that it survives. For
//     sqlite.DB that is the death of the process and a power failure, for
//     memory.Log neither.
//  4. After an error from Commit the outcome is indeterminate: the entries may
//     be in the log or not. Load determines it, and the answer stays the same
//     from then on. An implementation may refuse every Commit until Load has
//     returned nil.
//  5. Load returns the state after the last entry of the log, byte for byte
//     ([plane.Plane.AppendDurable]), in a plane that belongs to the caller.
//  6. Events yields the history of one rollout, one entry at a time. Old entries may
//     be missing from it (an implementation may bound or compact its history);
//     their effect on the state is never missing.
//  7. One process at a time writes to a log. An implementation refuses to open
//     a log that another process has open, or makes the commits of all but one
//     of them fail.
//  8. A store that can find out that its log lost acknowledged entries reports it
//     ([Reporter]); Load then returns a plane that requests replays (PROTOCOL H8,
//     [plane.Plane.RequestReplays]).
//
// # The caller's duties
//
//  1. Load before the first Commit, and again after each Commit that failed.
//  2. Call Load, Commit and Close one at a time. Events may run beside each of
//     them; once Close was called it may return an error.
//  3. Commit entries in order: the first one follows the last entry of the log.
//  4. Leave the inputs of committed entries unchanged.
//
// # Adding an implementation
//
// A store in PostgreSQL would be a package httpserver/store/postgres with one
// exported type that implements [Store]. Beside the package itself it needs:
//
//   - a test that calls storetest.Run with it;
//   - a row in the table of rooms (core/rooms_test.go, docs/architecture.md);
//   - a case in cmd/refrain/database.go, where the value of --db is mapped to
//     an implementation.
//
// A database that several processes can reach cannot rely on a file lock for
// promise 7: it needs an epoch that each commit checks in its own transaction.
//
// The audit, and the report that it makes, are in package sqlite, the only
// implementation with tables. What of them is not about SQLite belongs here as
// soon as a second implementation has tables.
//
// Stability: public (docs/architecture.md).
package store
