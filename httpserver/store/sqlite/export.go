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

// Stats describe the content of a file.
type Stats struct {
	Path string `json:"path"`
	// Bytes is the size of the database, WALBytes that of the write-ahead log
	// beside it, FreeBytes the unused part of Bytes.
	Bytes         int64 `json:"bytes"`
	WALBytes      int64 `json:"wal_bytes"`
	FreeBytes     int64 `json:"free_bytes"`
	SchemaVersion int   `json:"schema_version"`
	// Entries is the number of entries in the log. The first one has the number
	// First and the instant FirstAt, the last one Last and LastAt.
	Entries int      `json:"entries"`
	First   wire.Seq `json:"first_entry"`
	Last    wire.Seq `json:"last_entry"`
	FirstAt string   `json:"first_at,omitempty"`
	LastAt  string   `json:"last_at,omitempty"`
	// Checkpoint is the entry that a walk starts after, 0 for the beginning.
	Checkpoint wire.Seq `json:"checkpoint"`
	// Kinds counts entries by kind, Tables rows by table, States records by
	// state.
	Kinds  []Count `json:"entries_by_kind"`
	Tables []Count `json:"rows_by_table"`
	States []Count `json:"records_by_state"`
}

// Count is a number of things with one name.
type Count struct {
	Name  string `json:"name"`
	Count int    `json:"count"`
}

// Stats counts what is in the file.
func (r *Reader) Stats(ctx context.Context) (Stats, error) {
	s := Stats{Path: r.path, SchemaVersion: len(migrations)}
	if err := r.stats(ctx, &s); err != nil {
		return s, fmt.Errorf("sqlite: %s: %w", r.path, err)
	}
	return s, nil
}

func (r *Reader) stats(ctx context.Context, s *Stats) (err error) {
	for path, into := range map[string]*int64{r.path: &s.Bytes, r.path + "-wal": &s.WALBytes} {
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
		if err := r.tx.QueryRowContext(ctx, read.query).Scan(read.into...); err != nil {
			return err
		}
	}
	s.First, s.FirstAt, s.LastAt = wire.Seq(first.Int64), firstAt.String, lastAt.String
	if s.Checkpoint, _, err = setting(ctx, r.tx, settingCheckpoint); err != nil {
		return err
	}
	s.Last = max(wire.Seq(last.Int64), s.Checkpoint)
	if s.Kinds, err = r.counts(ctx, "SELECT kind, count(*) FROM event_log GROUP BY kind ORDER BY kind"); err != nil {
		return err
	}
	if s.States, err = r.counts(ctx, "SELECT state, count(*) FROM host_rollout_records GROUP BY state ORDER BY state"); err != nil {
		return err
	}
	for table := plane.TableRollouts; table <= plane.LastTable; table++ {
		name := tableSQL[table].name
		c, err := r.counts(ctx, fmt.Sprintf("SELECT '%s', count(*) FROM %s", name, name))
		if err != nil {
			return err
		}
		s.Tables = append(s.Tables, c...)
	}
	return nil
}

func (r *Reader) counts(ctx context.Context, query string) (list []Count, err error) {
	rows, err := r.tx.QueryContext(ctx, query)
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

// exportedSchema is the form of an entry in an export.
var exportedSchema = wire.Schema[plane.Entry]{Fields: []wire.Field[plane.Entry]{
	{Name: "number", Presence: wire.Required, Of: func(e *plane.Entry) wire.Value { return &e.Number }},
	{Name: "at", Presence: wire.Optional, Of: func(e *plane.Entry) wire.Value { return &e.At }},
	{Name: "kind", Presence: wire.Required, Of: func(e *plane.Entry) wire.Value { return &e.Kind }},
	{Name: "hostname", Presence: wire.Optional, Of: func(e *plane.Entry) wire.Value { return &e.Hostname }},
	{Name: "rollout_id", Presence: wire.Optional, Of: func(e *plane.Entry) wire.Value { return &e.RolloutID }},
	{Name: "outcome", Presence: wire.Required, Of: func(e *plane.Entry) wire.Value { return &e.Outcome }},
}}

// Export writes the log as JSON, one line per entry: the columns, and the input
// as a document.
func (r *Reader) Export(ctx context.Context, w io.Writer) error {
	buffered := bufio.NewWriter(w)
	var line []byte
	err := eachEntry(ctx, r.tx, "ORDER BY number", nil, func(e *plane.Entry, input []byte) error {
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
		return fmt.Errorf("sqlite: %s: %w", r.path, err)
	}
	return nil
}

// ExportState writes the durable state as its canonical lines.
func (r *Reader) ExportState(ctx context.Context, w io.Writer) error {
	p, err := loadTables(ctx, r.tx, plane.Config{})
	if err == nil {
		_, err = w.Write(p.AppendDurable(nil))
	}
	if err != nil {
		return fmt.Errorf("sqlite: %s: %w", r.path, err)
	}
	return nil
}

// Backup writes a copy of the file to a new file: complete, compact, without a
// write-ahead log beside it, and durable when Backup returns. The plane may keep
// writing meanwhile; the copy has the state of one instant.
func (r *Reader) Backup(ctx context.Context, to string) error {
	if info, err := os.Stat(filepath.Dir(to)); errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("sqlite: backup: the directory of %s: %w; create it first", to, err)
	} else if err == nil && !info.IsDir() {
		return fmt.Errorf("sqlite: backup: %s is not a directory; want the path of a new file in one", filepath.Dir(to))
	}
	if _, err := os.Lstat(to); !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("sqlite: %s exists already; want a new file for the backup", to)
	}
	conn, err := r.pool.Conn(ctx) // the reader's own is in a transaction
	if err != nil {
		return fmt.Errorf("sqlite: %s: %w", r.path, err)
	}
	defer conn.Close()
	part := to + ".part"
	if err := os.Remove(part); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("sqlite: %w", err)
	}
	if _, err := conn.ExecContext(ctx, "VACUUM INTO ?", part); err != nil {
		_ = os.Remove(part)
		return fmt.Errorf("sqlite: backup to %s: %w", to, explainOpen(part, err))
	}
	if err := publish(part, to); err != nil {
		return fmt.Errorf("sqlite: backup: %w", err)
	}
	return nil
}

// publish gives a complete file its final name, durably.
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
