package conform

import (
	"context"
	"os"
	"path/filepath"

	"github.com/refrain-fleet/refrain/core/plane"
	"github.com/refrain-fleet/refrain/httpserver/store"
	"github.com/refrain-fleet/refrain/httpserver/store/memory"
	"github.com/refrain-fleet/refrain/httpserver/store/sqlite"
)

// Stores is the disk of a server that is played to: it outlives the processes.
// One process has it open at a time, and closes it at its end.
type Stores interface {
	// Open opens the disk's store for a process.
	Open() (store.Store, error)
	// Wipe loses everything; no process is up.
	Wipe() error
	// Restore puts a backup with these entries in place of what the disk has; no
	// process is up.
	Restore(entries []plane.Entry) error
	// Discard is called when nobody needs the disk any more.
	Discard() error
}

// memoryStores is a disk in memory.
type memoryStores struct{ store store.Store }

// NewMemoryStores returns a disk in memory.
func NewMemoryStores() Stores { return &memoryStores{memory.New(0)} }

func (m *memoryStores) Open() (store.Store, error) { return m.store, nil }
func (m *memoryStores) Wipe() error                { m.store = memory.New(0); return nil }
func (m *memoryStores) Discard() error             { return nil }

func (m *memoryStores) Restore(entries []plane.Entry) error {
	m.store = olderLog{memory.New(0)}
	return fill(m.store, entries)
}

// olderLog is a log in memory that says what a restored database says: hosts may be
// ahead of it (PROTOCOL H8).
type olderLog struct{ *memory.Log }

func (l olderLog) Load(ctx context.Context, cfg plane.Config) (*plane.Plane, error) {
	p, err := l.Log.Load(ctx, cfg)
	if err == nil {
		p.RequestReplays()
	}
	return p, err
}

// fill commits entries to an empty store, with the rows that they give.
func fill(s store.Store, entries []plane.Entry) error {
	if len(entries) == 0 {
		return nil
	}
	p, err := plane.New(plane.Config{})
	if err != nil {
		return err
	}
	for _, e := range entries {
		if err := p.Apply(e); err != nil {
			return err
		}
	}
	return s.Commit(entries, p.Rows)
}

// fileStores is a database of the real store, in a directory of its own.
type fileStores struct{ dir string }

// NewFileStores returns a disk with a database of the real store, in a new
// directory below dir; empty means the system's directory for such.
func NewFileStores(dir string) (Stores, error) {
	own, err := os.MkdirTemp(dir, "refrain-conform-*")
	if err != nil {
		return nil, err
	}
	return &fileStores{own}, nil
}

func (f *fileStores) Open() (store.Store, error) {
	return sqlite.Open(context.Background(), filepath.Join(f.dir, "plane.db"))
}

func (f *fileStores) Wipe() error {
	if err := os.RemoveAll(f.dir); err != nil {
		return err
	}
	return os.Mkdir(f.dir, 0o700)
}

func (f *fileStores) Restore(entries []plane.Entry) error {
	return RestoreFile(filepath.Join(f.dir, "plane.db"), entries)
}

// RestoreFile makes a backup with these entries beside a database, and has the real
// store restore it.
func RestoreFile(path string, entries []plane.Entry) error {
	backup := path + ".backup"
	if err := os.RemoveAll(backup); err != nil {
		return err
	}
	db, err := sqlite.Open(context.Background(), backup)
	if err != nil {
		return err
	}
	err = fill(db, entries)
	if closing := db.Close(); err == nil {
		err = closing
	}
	if err == nil {
		_, err = sqlite.Restore(context.Background(), backup, path, nil)
	}
	return err
}

func (f *fileStores) Discard() error { return os.RemoveAll(f.dir) }
