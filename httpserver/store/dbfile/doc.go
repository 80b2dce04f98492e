// Package dbfile has what a database in a file needs beside its format: the
// identity of the file ([Look]), what makes a path unsuitable ([Resolve]), the
// lock on it ([Lock]) and the mark of what was acknowledged ([OpenMark]). It knows
// nothing of SQLite but the names of the files that belong together.
//
// Stability: private; other modules should not import it (docs/architecture.md).
package dbfile

// The suffixes of the files beside a database.
const (
	// WALSuffix is that of the write-ahead log, IndexSuffix that of its index.
	WALSuffix   = "-wal"
	IndexSuffix = "-shm"
	// LockSuffix is that of the lock file, MarkSuffix that of the [Mark].
	LockSuffix = ".lock"
	MarkSuffix = ".acked"
)
