package gameday

import (
	"context"
	"errors"
	"iter"
	"sync"
	"time"

	"github.com/refrain-fleet/refrain/core/plane"
	"github.com/refrain-fleet/refrain/httpserver/store"
)

// disk is the plane's store with the faults of a disk.
type disk struct {
	store.Store

	mu      sync.Mutex
	slow    time.Duration // how much longer a commit takes
	failing bool          // nothing can be read or written
	fails   int           // so many commits fail
	dead    bool          // its process has crashed
}

var errDisk = errors.New("the disk fails, by a fault of the scenario")

// Load implements [store.Store].
func (d *disk) Load(ctx context.Context, cfg plane.Config) (*plane.Plane, error) {
	d.mu.Lock()
	bad := d.failing || d.dead
	d.mu.Unlock()
	if bad {
		return nil, errDisk
	}
	return d.Store.Load(ctx, cfg)
}

// Commit implements [store.Store].
func (d *disk) Commit(entries []plane.Entry, rows iter.Seq[plane.Row]) error {
	d.mu.Lock()
	slow, bad := d.slow, d.failing || d.dead
	if !bad && d.fails > 0 {
		d.fails--
		bad = true
	}
	d.mu.Unlock()
	time.Sleep(slow)
	if bad {
		return errDisk
	}
	return d.Store.Commit(entries, rows)
}

// set changes what the disk does.
func (d *disk) set(change func(*disk)) {
	d.mu.Lock()
	defer d.mu.Unlock()
	change(d)
}
