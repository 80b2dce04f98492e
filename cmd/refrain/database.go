package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"github.com/refrain-fleet/refrain/httpserver/store"
	"github.com/refrain-fleet/refrain/httpserver/store/memory"
	"github.com/refrain-fleet/refrain/httpserver/store/sqlite"
)

const (
	// defaultDB is where a server keeps its state unless it is told otherwise:
	// the state directory that a service manager makes for it.
	defaultDB = "/var/lib/refrain/plane.db"
	// memoryDB is the value of --db for a state that ends with the process.
	memoryDB = "memory"
)

// database is the store of a server that is still being put together: it is
// opened only once everything else is known to be right, so that wrong use
// touches no file.
type database struct{ store.Store }

// open opens what --db names. The error says what to do.
func (d *database) open(ctx context.Context, path string) error {
	if path == memoryDB {
		d.Store = memory.New(0)
		return nil
	}
	opened, err := sqlite.Open(ctx, path)
	if err != nil {
		hint := "--db names the database's file; --db memory does without, and forgets all at its end"
		switch {
		case errors.Is(err, sqlite.ErrInUse):
			hint = "one plane at a time has a database; stop that one, or choose another file with --db"
		case errors.Is(err, sqlite.ErrForeign):
			hint = "--db names the database's file; nothing was changed in this one"
		case errors.Is(err, sqlite.ErrNewer):
			hint = "nothing was changed in it"
		}
		return &commandError{err: err, code: exitFailed, hint: hint}
	}
	d.Store = opened
	return nil
}

// Close implements [store.Store].
func (d *database) Close() error {
	if d.Store == nil {
		return nil
	}
	return d.Store.Close()
}

// whereabouts says where the state of a server is.
func whereabouts(path string) string {
	if path == memoryDB {
		return "its state lives in memory and ends with it"
	}
	if absolute, err := filepath.Abs(path); err == nil {
		path = absolute
	}
	return fmt.Sprintf("its state is in %s", path)
}
