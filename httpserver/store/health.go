package store

// Reporter is a store that reports on itself. Health may be called from any
// goroutine at any time, and does no I/O.
type Reporter interface{ Health() Health }

// Health is what a store has found out about itself.
type Health struct {
	// Failing says why nothing is acknowledged, in words for an operator; empty if
	// the store works.
	Failing string
	// Warning says what an operator has to know although the store works.
	Warning string
	// Lost is how many entries had been acknowledged and were missing when the
	// store was opened, or opened again after a failure.
	Lost uint64
	Sizes
}

// Sizes are sizes on disk in bytes; -1 is unknown.
type Sizes struct {
	// DatabaseBytes is the size of the database, LogBytes that of its write-ahead
	// log, FreeBytes what is free on the file system of both.
	DatabaseBytes, LogBytes, FreeBytes int64
}

// UnknownSizes are those of a store without a disk.
var UnknownSizes = Sizes{-1, -1, -1}
