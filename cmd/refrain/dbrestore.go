package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"github.com/refrain-fleet/refrain/httpserver/store/sqlite"
)

// dbRestoreCommand puts a backup in the place of a database.
type dbRestoreCommand struct {
	dbFlag
	From string `arg:"" placeholder:"BACKUP" help:"The backup, made by refrain db backup."`
	JSON bool   `name:"json" help:"Print one JSON object and nothing else."`
}

// Help implements [kong.HelpProvider].
func (*dbRestoreCommand) Help() string {
	return "The backup is copied, migrated to the schema of this build and audited before anything is changed; BACKUP itself stays as it is. The old database is kept beside the new one under a dated name, with its write-ahead log. After the start the plane requests replays from the hosts that are ahead of the backup."
}

// Run implements the command.
func (c *dbRestoreCommand) Run(ctx context.Context, io stdio) error {
	progress, done := walkProgress(io.Err)
	restored, err := sqlite.Restore(ctx, c.From, c.DB, progress)
	done()
	difference := new(sqlite.Difference)
	switch {
	case errors.As(err, &difference):
		return &commandError{
			err:  fmt.Errorf("%s is damaged: %s", c.From, difference),
			code: exitFailed, hint: "nothing was changed; take an older backup, refrain audit --db BACKUP says whether it is whole",
		}
	case errors.Is(err, sqlite.ErrMissing):
		return &commandError{err: err, code: exitUsage, hint: "BACKUP is a file that refrain db backup made; nothing was changed"}
	case errors.Is(err, sqlite.ErrForeign), errors.Is(err, sqlite.ErrNewer):
		return &commandError{err: err, code: exitFailed, hint: "BACKUP is a file that refrain db backup made; nothing was changed"}
	case errors.Is(err, fs.ErrNotExist):
		return &commandError{err: err, code: exitUsage, hint: "mkdir -p " + shellWord(filepath.Dir(c.DB)) + " makes the directory of the database; nothing was changed"}
	case errors.Is(err, sqlite.ErrInUse):
		return &commandError{err: err, code: exitFailed, hint: "stop the plane first; nothing was changed"}
	case errors.Is(err, sqlite.ErrMountPoint):
		return &commandError{err: err, code: exitFailed, hint: "mount the directory of the database, not the file; nothing was changed"}
	case err != nil:
		return &commandError{err: err, code: exitFailed, hint: "the command can be repeated; it never removes the old database"}
	case c.JSON:
		return json.NewEncoder(io.Out).Encode(&restored)
	}
	c.print(io, &restored)
	return nil
}

func (c *dbRestoreCommand) print(io stdio, r *sqlite.Restored) {
	fmt.Fprintf(io.Out, "restored %s from %s, up to entry %d", c.DB, c.From, r.Last)
	if r.LastAt != "" {
		fmt.Fprintf(io.Out, " of %s", r.LastAt)
	}
	fmt.Fprintln(io.Out)
	switch {
	case r.Kept != "":
		fmt.Fprintf(io.Out, "the old database is kept as %s\n", r.Kept)
	default:
		fmt.Fprintln(io.Out, "there was no database")
	}
	if r.Acknowledged > r.Last {
		fmt.Fprintf(io.Out, "entries %d to %d had been acknowledged and are not in the backup\n", r.Last+1, r.Acknowledged)
	}
	fmt.Fprintf(io.Out, `
next:
  start the plane; it requests replays from the hosts
  repeat revocations and other requests of operators that are later than the backup
`)
}
