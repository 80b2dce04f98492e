package sqlite

import (
	"context"
	"sync"
	"time"
)

const (
	// checkpointFrames is how many frames the write-ahead log has when it is copied
	// into the database, as SQLite does by default.
	checkpointFrames = 1000
	// longWAL is the size from which the write-ahead log is truncated as soon as no
	// reader needs it. A shorter one is written over in place, which syncs faster.
	longWAL = 16 << 20
	// upkeepEvery is the interval of the upkeep.
	upkeepEvery = time.Second
)

// upkeep calls a function at intervals, until it is stopped.
type upkeep struct {
	end   chan struct{}
	ended chan struct{}
	once  sync.Once
}

func startUpkeep(f func()) *upkeep {
	u := &upkeep{end: make(chan struct{}), ended: make(chan struct{})}
	go func() {
		defer close(u.ended)
		ticker := time.NewTicker(upkeepEvery)
		defer ticker.Stop()
		for {
			select {
			case <-u.end:
				return
			case <-ticker.C:
				f()
			}
		}
	}()
	return u
}

// stop stops it and waits until it has ended.
func (u *upkeep) stop() {
	u.once.Do(func() { close(u.end) })
	<-u.ended
}

// maintain looks at the files, so that a database that was replaced is noticed
// without a commit, and truncates a write-ahead log that grew under a long reader.
// While a commit or a load is under way it does nothing: those look themselves.
func (db *DB) maintain() {
	if !db.mu.TryLock() {
		return
	}
	defer db.mu.Unlock()
	sizes := sizesOf(db.path)
	db.health.measured(sizes)
	if db.pool == nil || db.suspect || db.closed {
		return
	}
	err := db.files.check()
	if err != nil || !db.failing {
		db.health.failed(err)
	}
	if err == nil && sizes.LogBytes > longWAL {
		db.checkpoint("TRUNCATE")
	}
}

// checkpointIfLong copies the write-ahead log into the database when it is long
// enough.
func (db *DB) checkpointIfLong() {
	if now, err := db.files.index.now(); err == nil && now.frames >= checkpointFrames && now.frames > now.backfilled {
		db.checkpoint("PASSIVE")
	}
}

// checkpoint copies the write-ahead log into the database as far as no reader needs
// it; TRUNCATE empties it, if no reader is left. It waits for no reader. Its errors
// lose nothing: the log stays, and the next attempt copies it.
func (db *DB) checkpoint(mode string) {
	if db.files.check() != nil {
		return // it would be copied into a file of another program
	}
	ctx := context.Background()
	if _, err := db.writer.ExecContext(ctx, "PRAGMA busy_timeout = 0"); err != nil {
		return
	}
	var busy, frames, copied int
	_ = db.writer.QueryRowContext(ctx, "PRAGMA wal_checkpoint("+mode+")").Scan(&busy, &frames, &copied)
	_, err := db.writer.ExecContext(ctx, busyPragma)
	if err != nil {
		db.suspect = true // the next commit loads anew
	}
	if db.files.wrote() == nil {
		db.files.acknowledge(db.files.acked)
		_ = db.files.mark.Sync()
	}
}
