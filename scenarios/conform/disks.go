package conform

import "github.com/refrain-fleet/refrain/httpserver"

// Stores is the disk of a server that is played to: it outlives the processes.
// One process has it open at a time.
type Stores interface {
	// Open opens the disk's store for a process.
	Open() (httpserver.Store, error)
	// Close is called when the process is gone, however it went.
	Close() error
	// Wipe loses everything; no process is up.
	Wipe() error
}

// memoryStores is a disk in memory.
type memoryStores struct{ store *httpserver.MemoryStore }

// NewMemoryStores returns a disk in memory.
func NewMemoryStores() Stores { return &memoryStores{httpserver.NewMemoryStore(0)} }

func (m *memoryStores) Open() (httpserver.Store, error) { return m.store, nil }
func (m *memoryStores) Close() error                    { return nil }
func (m *memoryStores) Wipe() error                     { m.store = httpserver.NewMemoryStore(0); return nil }
