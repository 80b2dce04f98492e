package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"github.com/refrain-fleet/refrain/httpserver/store"
	"github.com/refrain-fleet/refrain/httpserver/store/memory"
	"github.com/refrain-fleet/refrain/httpserver/store/sqlite"
)

const (
	// defaultDB is where a server keeps its state by default: the state
	// directory that a service manager makes for it.
	defaultDB = "/var/lib/refrain/plane.db"
	// memoryDB is the value of --db for a state in memory only.
	memoryDB = "memory"
)

// database is the store of a server that is being set up: it is opened only
// after everything else was validated, so that wrong use touches no file.
type database struct{ store.Store }

// open opens what --db names. The error says what to do.
func (d *database) open(ctx context.Context, path string) error {
	if path == memoryDB {
		d.Store = memory.New(0)
		return nil
	}
	if path == "" {
		return &commandError{err: errors.New("--db is empty; want a file, or memory"), code: exitUsage, hint: "nothing was started"}
	}
	opened, err := sqlite.Open(ctx, path)
	if err != nil {
		code, hint := exitFailed, "--db names the database's file; with --db memory the state is lost when the process ends"
		switch {
		case errors.Is(err, fs.ErrNotExist): // the file is created, its directory is not
			code = exitUsage
			hint = fmt.Sprintf("mkdir -p %s makes the directory; with --db memory the state is lost when the process ends", shellWord(filepath.Dir(path)))
		case errors.Is(err, sqlite.ErrInUse):
			hint = "a database serves one plane at a time; stop the other process, or choose another file with --db"
		case errors.Is(err, sqlite.ErrForeign):
			hint = "--db names the database's file; nothing was changed in this one"
		case errors.Is(err, sqlite.ErrNewer):
			hint = "nothing was changed in it"
		case errors.Is(err, sqlite.ErrMismatch):
			hint = fmt.Sprintf("refrain db restore --db %s BACKUP puts a backup in its place and keeps the files that are there", shellWord(path))
		case errors.Is(err, sqlite.ErrMountPoint):
			hint = "mount the directory of the database, not the file; nothing was changed"
		case errors.Is(err, sqlite.ErrHardLinks):
			hint = "remove the other names; a restore that was interrupted leaves one, and refrain db restore can be repeated; nothing was changed"
		}
		return &commandError{err: err, code: code, hint: hint}
	}
	d.Store = opened
	return nil
}

// Health implements [store.Reporter].
func (d *database) Health() store.Health {
	if reporter, ok := d.Store.(store.Reporter); ok {
		return reporter.Health()
	}
	return store.Health{Sizes: store.UnknownSizes}
}

// Close implements [store.Store].
func (d *database) Close() error {
	if d.Store == nil {
		return nil
	}
	return d.Store.Close()
}

// describeDB says where the state of a server is.
func describeDB(path string) string {
	if path == memoryDB {
		return "its state is in memory only"
	}
	if absolute, err := filepath.Abs(path); err == nil {
		path = absolute
	}
	return fmt.Sprintf("its state is in %s", path)
}
