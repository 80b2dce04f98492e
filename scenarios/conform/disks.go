package conform

import (
	"context"
	"os"
	"path/filepath"

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
	// Discard is called when nobody needs the disk any more.
	Discard() error
}

// memoryStores is a disk in memory.
type memoryStores struct{ store *memory.Log }

// NewMemoryStores returns a disk in memory.
func NewMemoryStores() Stores { return &memoryStores{memory.New(0)} }

func (m *memoryStores) Open() (store.Store, error) { return m.store, nil }
func (m *memoryStores) Wipe() error                { m.store = memory.New(0); return nil }
func (m *memoryStores) Discard() error             { return nil }

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

func (f *fileStores) Discard() error { return os.RemoveAll(f.dir) }
