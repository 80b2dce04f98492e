package sqlite

import (
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/refrain-fleet/refrain/core/wire"
	"github.com/refrain-fleet/refrain/httpserver/store"
	"github.com/refrain-fleet/refrain/httpserver/store/dbfile"
)

var _ store.Reporter = (*DB)(nil)

// healthState is what was found last, for any goroutine.
type healthState struct {
	mu  sync.Mutex
	now store.Health
}

// Health implements [store.Reporter].
func (db *DB) Health() store.Health {
	db.health.mu.Lock()
	defer db.health.mu.Unlock()
	return db.health.now
}

// failed notes why nothing is acknowledged, nil if nothing is wrong.
func (h *healthState) failed(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.now.Failing = ""
	if err != nil {
		h.now.Failing = err.Error()
	}
}

// opened notes what was missing when the file was opened.
func (h *healthState) opened(lost, last wire.Seq, replay time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.now.Lost, h.now.Warning = uint64(lost), ""
	if replay.IsZero() || time.Now().After(replay) {
		return
	}
	h.now.Warning = "the database is older than what was acknowledged (a restored backup, or a lost end of its log)"
	if lost > 0 {
		h.now.Warning = fmt.Sprintf("acknowledged entries %d to %d of the log are missing in the database", last+1, last+lost)
	}
	h.now.Warning += fmt.Sprintf("; every start until %s requests replays from the hosts; revocations and other requests of operators since then have to be repeated", replay.UTC().Format(time.RFC3339))
}

func (h *healthState) measured(s store.Sizes) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.now.Sizes = s
}

// sizesOf measures the files of the database at path.
func sizesOf(path string) store.Sizes {
	s := store.Sizes{FreeBytes: dbfile.Free(filepath.Dir(path))}
	for path, into := range map[string]*int64{path: &s.DatabaseBytes, path + dbfile.WALSuffix: &s.LogBytes} {
		if info, err := os.Stat(path); err == nil {
			*into = info.Size()
		}
	}
	return s
}
