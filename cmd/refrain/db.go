package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"time"

	"github.com/refrain-fleet/refrain/core/wire"
	"github.com/refrain-fleet/refrain/httpserver/store/sqlite"
)

// dbCommand has the commands that inspect and maintain a database.
type dbCommand struct {
	Stats   dbStatsCommand   `cmd:"" help:"Print its size and what it contains."`
	Export  dbExportCommand  `cmd:"" help:"Print its log, or its state, as text."`
	Backup  dbBackupCommand  `cmd:"" help:"Copy it to a file; the plane may run meanwhile."`
	Restore dbRestoreCommand `cmd:"" help:"Put a backup in its place; the plane must be stopped."`
	Compact dbCompactCommand `cmd:"" help:"Remove old finished rollouts; the plane must be stopped."`
}

// openReader opens a database for reading; a plane may use it at the same time.
func openReader(ctx context.Context, path string) (*sqlite.Reader, error) {
	reader, err := sqlite.OpenReader(ctx, path)
	if err != nil {
		return nil, databaseError(err)
	}
	return reader, nil
}

// openStopped opens an existing database for writing; no plane may use it at
// the same time.
func openStopped(ctx context.Context, path string) (*sqlite.DB, error) {
	reader, err := openReader(ctx, path)
	if err != nil {
		return nil, err
	}
	if err := reader.Close(); err != nil {
		return nil, err
	}
	s, err := sqlite.Open(ctx, path)
	if err != nil {
		return nil, databaseError(err)
	}
	return s, nil
}

// dbStatsCommand prints what a database contains.
type dbStatsCommand struct {
	dbFlag
	JSON bool `name:"json" help:"Print one JSON object and nothing else."`
}

// Run implements the command.
func (c *dbStatsCommand) Run(ctx context.Context, io stdio) error {
	reader, err := openReader(ctx, c.DB)
	if err != nil {
		return err
	}
	defer reader.Close()
	stats, err := reader.Stats(ctx)
	if err != nil {
		return err
	}
	if c.JSON {
		return json.NewEncoder(io.Out).Encode(&stats)
	}
	printStats(io.Out, &stats)
	return nil
}

func printStats(w io.Writer, s *sqlite.Stats) {
	line := func(name, format string, args ...any) {
		fmt.Fprintf(w, "%-22s %s\n", name, fmt.Sprintf(format, args...))
	}
	line("file", "%s, schema version %d", s.Path, s.SchemaVersion)
	line("size", "%d KiB, of which %d KiB are free; write-ahead log %d KiB", s.Bytes>>10, s.FreeBytes>>10, s.WALBytes>>10)
	switch {
	case s.Entries > 0:
		line("log", "%d entries, %d to %d, from %s to %s", s.Entries, s.First, s.Last, s.FirstAt, s.LastAt)
	default:
		line("log", "no entries, the last was %d", s.Last)
	}
	if s.Checkpoint > 0 {
		line("checkpoint", "at entry %d: an audit starts there", s.Checkpoint)
	} else {
		line("checkpoint", "none: an audit starts at the beginning")
	}
	for _, section := range []struct {
		title  string
		counts []sqlite.Count
	}{{"rows", s.Tables}, {"records by state", s.States}, {"entries by kind", s.Kinds}} {
		if len(section.counts) == 0 {
			continue
		}
		fmt.Fprintf(w, "\n%s\n", section.title)
		for _, c := range section.counts {
			fmt.Fprintf(w, "  %-20s %9d\n", c.Name, c.Count)
		}
	}
}

// dbExportCommand prints the log or the state.
type dbExportCommand struct {
	dbFlag
	State bool `help:"Print the durable state instead, as its canonical lines."`
}

// Help implements [kong.HelpProvider].
func (*dbExportCommand) Help() string {
	return "The log is written as a line of JSON per entry: number, at, kind, hostname, rollout_id, outcome, input."
}

// Run implements the command.
func (c *dbExportCommand) Run(ctx context.Context, io stdio) error {
	reader, err := openReader(ctx, c.DB)
	if err != nil {
		return err
	}
	defer reader.Close()
	if c.State {
		return reader.ExportState(ctx, io.Out)
	}
	return reader.Export(ctx, io.Out)
}

// dbBackupCommand copies a database.
type dbBackupCommand struct {
	dbFlag
	To string `arg:"" placeholder:"FILE" help:"The copy; it must not exist."`
}

// Run implements the command.
func (c *dbBackupCommand) Run(ctx context.Context, io stdio) error {
	reader, err := openReader(ctx, c.DB)
	if err != nil {
		return err
	}
	defer reader.Close()
	if err := reader.Backup(ctx, c.To); errors.Is(err, fs.ErrNotExist) {
		return &commandError{err: err, code: exitUsage, hint: "mkdir -p " + shellWord(filepath.Dir(c.To)) + " makes the directory; nothing was copied"}
	} else if err != nil {
		return &commandError{err: err, code: exitFailed, hint: "nothing was copied"}
	}
	stats, err := reader.Stats(ctx)
	if err != nil {
		return err
	}
	fmt.Fprintf(io.Out, "copied %s to %s, up to entry %d at least\n", c.DB, c.To, stats.Last)
	return nil
}

// dbCompactCommand removes old finished rollouts.
type dbCompactCommand struct {
	dbFlag
	OlderThan lifetime `default:"90d" placeholder:"AGE" help:"How long ago a rollout must have finished, such as 90d or 12h (${default})."`
	JSON      bool     `name:"json" help:"Print one JSON object and nothing else."`
}

// Help implements [kong.HelpProvider].
func (*dbCompactCommand) Help() string {
	return "A rollout is finished when a newer one superseded it and none of its hosts is active. Its records and its history are removed; its ID is kept and cannot be opened again. The state after the last entry becomes the checkpoint that an audit starts from. Needs as much free disk space as the database is large. Keep a backup."
}

// Run implements the command.
func (c *dbCompactCommand) Run(ctx context.Context, io stdio) error {
	s, err := openStopped(ctx, c.DB)
	if err != nil {
		return err
	}
	defer s.Close()
	progress, done := walkProgress(io.Err)
	before := wire.TimeOf(time.Now().Add(-time.Duration(c.OlderThan)))
	result, difference, err := s.Compact(ctx, before, progress)
	done()
	switch {
	case err != nil:
		return err
	case difference != nil:
		return &commandError{
			err: fmt.Errorf("%s: not compacted, since its tables do not match its log: %s", c.DB, difference), code: exitFailed,
			hint: "refrain audit shows details; nothing was changed",
		}
	case c.JSON:
		if result.Retired == nil {
			result.Retired = []wire.RolloutID{}
		}
		return json.NewEncoder(io.Out).Encode(&result)
	}
	fmt.Fprintf(io.Out, "compacted %s: removed %d rollouts and %d entries, the checkpoint is at entry %d\n",
		c.DB, len(result.Retired), result.Entries, result.Checkpoint)
	for _, id := range result.Retired {
		fmt.Fprintf(io.Out, "  %s\n", id)
	}
	return nil
}
