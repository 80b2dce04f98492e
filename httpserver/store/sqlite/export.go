package sqlite

import (
	"bufio"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/refrain-fleet/refrain/core/plane"
	"github.com/refrain-fleet/refrain/core/wire"
)

// Stats say what is in a file.
type Stats struct {
	Path string `json:"path"`
	// Bytes are of the database, WALBytes of the write-ahead log beside it, and
	// FreeBytes what the database could be smaller by.
	Bytes         int64 `json:"bytes"`
	WALBytes      int64 `json:"wal_bytes"`
	FreeBytes     int64 `json:"free_bytes"`
	SchemaVersion int   `json:"schema_version"`
	// Entries are of the log, from First to Last, of FirstAt to LastAt.
	Entries int      `json:"entries"`
	First   wire.Seq `json:"first_entry"`
	Last    wire.Seq `json:"last_entry"`
	FirstAt string   `json:"first_at,omitempty"`
	LastAt  string   `json:"last_at,omitempty"`
	// Checkpoint is the entry that a walk starts from, 0 for the beginning.
	Checkpoint wire.Seq `json:"checkpoint"`
	// Kinds counts the entries by kind, Tables the rows by table, States the
	// records by state.
	Kinds  []Count `json:"entries_by_kind"`
	Tables []Count `json:"rows_by_table"`
	States []Count `json:"records_by_state"`
}

// Count is how often something is there.
type Count struct {
	Name  string `json:"name"`
	Count int    `json:"count"`
}

// Stats counts what is in the file.
func (l *Reader) Stats(ctx context.Context) (Stats, error) {
	s := Stats{Path: l.path, SchemaVersion: len(migrations)}
	if err := l.stats(ctx, &s); err != nil {
		return s, fmt.Errorf("sqlite: %s: %w", l.path, err)
	}
	return s, nil
}

func (l *Reader) stats(ctx context.Context, s *Stats) (err error) {
	for path, into := range map[string]*int64{l.path: &s.Bytes, l.path + "-wal": &s.WALBytes} {
		info, err := os.Stat(path)
		switch {
		case err == nil:
			*into = info.Size()
		case !errors.Is(err, fs.ErrNotExist):
			return err
		}
	}
	var first, last sql.NullInt64
	var firstAt, lastAt sql.NullString
	for _, read := range []struct {
		query string
		into  []any
	}{
		{"SELECT free.freelist_count * size.page_size FROM pragma_freelist_count AS free, pragma_page_size AS size", []any{&s.FreeBytes}},
		{"SELECT count(*), min(number), max(number) FROM event_log", []any{&s.Entries, &first, &last}},
		{"SELECT (SELECT at FROM event_log ORDER BY number LIMIT 1), (SELECT at FROM event_log ORDER BY number DESC LIMIT 1)", []any{&firstAt, &lastAt}},
	} {
		if err := l.tx.QueryRowContext(ctx, read.query).Scan(read.into...); err != nil {
			return err
		}
	}
	s.First, s.FirstAt, s.LastAt = wire.Seq(first.Int64), firstAt.String, lastAt.String
	if s.Checkpoint, _, err = setting(ctx, l.tx, settingCheckpoint); err != nil {
		return err
	}
	s.Last = max(wire.Seq(last.Int64), s.Checkpoint)
	if s.Kinds, err = l.counts(ctx, "SELECT kind, count(*) FROM event_log GROUP BY kind ORDER BY kind"); err != nil {
		return err
	}
	if s.States, err = l.counts(ctx, "SELECT state, count(*) FROM host_rollout_records GROUP BY state ORDER BY state"); err != nil {
		return err
	}
	for table := plane.TableRollouts; table <= plane.TableRetired; table++ {
		name := tableSQL[table].name
		c, err := l.counts(ctx, fmt.Sprintf("SELECT '%s', count(*) FROM %s", name, name))
		if err != nil {
			return err
		}
		s.Tables = append(s.Tables, c...)
	}
	return nil
}

func (l *Reader) counts(ctx context.Context, query string) (list []Count, err error) {
	rows, err := l.tx.QueryContext(ctx, query)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var c Count
		if err := rows.Scan(&c.Name, &c.Count); err != nil {
			return nil, err
		}
		list = append(list, c)
	}
	return list, rows.Err()
}

// exportedSchema is an entry as an export writes it.
var exportedSchema = wire.Schema[plane.Entry]{Fields: []wire.Field[plane.Entry]{
	{Name: "number", Presence: wire.Required, Of: func(e *plane.Entry) wire.Value { return &e.Number }},
	{Name: "at", Presence: wire.Optional, Of: func(e *plane.Entry) wire.Value { return &e.At }},
	{Name: "kind", Presence: wire.Required, Of: func(e *plane.Entry) wire.Value { return &e.Kind }},
	{Name: "hostname", Presence: wire.Optional, Of: func(e *plane.Entry) wire.Value { return &e.Hostname }},
	{Name: "rollout_id", Presence: wire.Optional, Of: func(e *plane.Entry) wire.Value { return &e.RolloutID }},
	{Name: "outcome", Presence: wire.Required, Of: func(e *plane.Entry) wire.Value { return &e.Outcome }},
}}

// Export writes the log as JSON, a line per entry: the columns, and the input as
// a document.
func (l *Reader) Export(ctx context.Context, w io.Writer) error {
	buffered := bufio.NewWriter(w)
	var line []byte
	err := eachEntry(ctx, l.tx, "ORDER BY number", nil, func(e *plane.Entry, input []byte) error {
		line = exportedSchema.Append(line[:0], e)
		line = append(line[:len(line)-1], `,"input":`...)
		line = append(append(line, input...), "}\n"...)
		_, err := buffered.Write(line)
		return err
	})
	if err == nil {
		err = buffered.Flush()
	}
	if err != nil {
		return fmt.Errorf("sqlite: %s: %w", l.path, err)
	}
	return nil
}

// ExportState writes the durable state as its canonical lines.
func (l *Reader) ExportState(ctx context.Context, w io.Writer) error {
	p, err := loadTables(ctx, l.tx, plane.Config{})
	if err == nil {
		_, err = w.Write(p.AppendDurable(nil))
	}
	if err != nil {
		return fmt.Errorf("sqlite: %s: %w", l.path, err)
	}
	return nil
}

// Backup writes a copy of the file to another, which must not be there: whole,
// compact, without a write-ahead log beside it, and on the disk when Backup
// returns. The plane may go on meanwhile; the copy is of one instant.
func (l *Reader) Backup(ctx context.Context, to string) error {
	if _, err := os.Lstat(to); !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("sqlite: %s is there already; want a new file for the backup", to)
	}
	conn, err := l.db.Conn(ctx) // the look's own is in a transaction
	if err != nil {
		return fmt.Errorf("sqlite: %s: %w", l.path, err)
	}
	defer conn.Close()
	part := to + ".part"
	if err := os.Remove(part); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("sqlite: %w", err)
	}
	if _, err := conn.ExecContext(ctx, "VACUUM INTO ?", part); err != nil {
		_ = os.Remove(part)
		return fmt.Errorf("sqlite: %s: backup: %w", l.path, err)
	}
	if err := publish(part, to); err != nil {
		return fmt.Errorf("sqlite: backup: %w", err)
	}
	return nil
}

// publish gives a file that is whole its name, so that it survives the machine.
func publish(part, to string) error {
	if err := os.Chmod(part, 0o600); err != nil {
		return err
	}
	for _, step := range []func() error{
		func() error { return syncFile(part) },
		func() error { return os.Rename(part, to) },
		func() error { return syncFile(filepath.Dir(to)) },
	} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

func syncFile(path string) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	return file.Sync()
}
