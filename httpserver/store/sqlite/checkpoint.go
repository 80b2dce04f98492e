package sqlite

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/refrain-fleet/refrain/core/plane"
	"github.com/refrain-fleet/refrain/core/wire"
)

// readCheckpoint returns the plane that a walk starts from: that of the
// checkpoint, or a new one if there is no checkpoint.
func readCheckpoint(ctx context.Context, q querier) (*plane.Plane, error) {
	rd, err := plane.NewRestorer(plane.Config{})
	if err != nil {
		return nil, err
	}
	rows, err := q.QueryContext(ctx, "SELECT line, word, document FROM checkpoint ORDER BY line")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	damaged := func(row, has string, err error) error {
		return &Difference{Table: "checkpoint", Row: row, Column: "document", Has: has, Want: err.Error()}
	}
	for rows.Next() {
		var line int
		var word string
		var document sql.RawBytes
		if err := rows.Scan(&line, &word, &document); err != nil {
			return nil, err
		}
		if err := rd.Line(word, document); err != nil {
			return nil, damaged(fmt.Sprint(line), string(document), err)
		}
	}
	if err := rows.Err(); err != nil {
		return nil, err
	}
	p, err := rd.Plane()
	if err != nil {
		return nil, damaged("all", "", err)
	}
	number, _, err := setting(ctx, q, settingCheckpoint)
	if err != nil {
		return nil, err
	}
	if logged := p.Stats().Logged; logged != number {
		return nil, &Difference{Table: "plane_settings", Row: settingCheckpoint, Column: "document", Has: settingOf(number), Want: settingOf(logged)}
	}
	return p, nil
}

// Repair rebuilds the tables from the log, in one transaction. It changes nothing
// if the log itself is damaged; the report's Difference says where.
func (db *DB) Repair(ctx context.Context, progress Progress) (Report, error) {
	var r Report
	err := db.rewrite(ctx, func(tx *sql.Tx) error {
		if err := checkPages(ctx, tx); err != nil {
			return err
		}
		p, err := walk(ctx, tx, &r, progress, nil)
		if err != nil {
			return err
		}
		r.Last = p.Stats().Logged
		return writeTables(ctx, tx, p, &r.Rows)
	})
	if d := new(Difference); errors.As(err, &d) {
		r.Difference = d
		return r, nil
	}
	return r, err
}

// Compaction is the result of a compaction.
type Compaction struct {
	// Checkpoint is the entry that a walk starts after from now on.
	Checkpoint wire.Seq `json:"checkpoint"`
	// Retired are the rollouts that were removed, in the order in which they
	// were opened.
	Retired []wire.RolloutID `json:"retired"`
	// Entries is how many entries of the log were removed.
	Entries int `json:"entries"`
}

// Compact retires the rollouts that were finished before an instant, removes
// their entries from the log, together with the entries from before that instant
// that belong to no rollout, and makes the state after the last entry a
// checkpoint. The entries that stay from before the checkpoint are history: they
// are shown, and no longer walked.
//
// Before that it audits the file, reporting to progress. If the tables contradict
// the log, it changes nothing and returns the difference.
func (db *DB) Compact(ctx context.Context, before wire.Time, progress Progress) (c Compaction, d *Difference, err error) {
	err = db.rewrite(ctx, func(tx *sql.Tx) error {
		var r Report
		if err := audit(ctx, tx, &r, progress); err != nil {
			return err
		}
		if r.Difference != nil {
			return r.Difference
		}
		p, err := loadTables(ctx, tx, plane.Config{})
		if err != nil {
			return err
		}
		state, retired, err := plane.Retire(plane.Config{}, p.AppendDurable(nil), before)
		if err != nil {
			return err
		}
		c.Checkpoint, c.Retired = r.Last, retired
		if c.Entries, err = deleteEntries(ctx, tx, retired, before); err != nil {
			return err
		}
		if p, err = plane.Restore(plane.Config{}, state); err != nil {
			return err
		}
		if err := writeCheckpoint(ctx, tx, state, r.Last); err != nil {
			return err
		}
		return writeTables(ctx, tx, p, new(int))
	})
	if errors.As(err, &d) {
		return c, d, nil
	}
	if err != nil {
		return c, nil, err
	}
	db.mu.Lock()
	defer db.mu.Unlock()
	if _, err := db.writer.ExecContext(ctx, "VACUUM"); err != nil {
		return c, nil, fmt.Errorf("sqlite: %s: compacted, but disk space was not reclaimed: %w", db.path, err)
	}
	return c, nil, nil
}

// rewrite calls f in one transaction on the writer's connection.
func (db *DB) rewrite(ctx context.Context, f func(*sql.Tx) error) error {
	db.mu.Lock()
	defer db.mu.Unlock()
	if err := db.reconnect(ctx); err != nil {
		return err
	}
	tx, err := db.writer.BeginTx(ctx, nil)
	if err == nil {
		if err = f(tx); err == nil {
			err = tx.Commit()
		} else {
			_ = tx.Rollback() // the first error says why
		}
	}
	if err != nil {
		return fmt.Errorf("sqlite: %s: %w", db.path, err)
	}
	return nil
}

// deleteEntries removes the entries of retired rollouts from the log, and those of
// no rollout from before an instant.
func deleteEntries(ctx context.Context, tx *sql.Tx, retired []wire.RolloutID, before wire.Time) (entries int, err error) {
	count := func(query string, args ...any) error {
		result, err := tx.ExecContext(ctx, query, args...)
		if err != nil {
			return err
		}
		n, err := result.RowsAffected()
		entries += int(n)
		return err
	}
	for _, id := range retired {
		if err := count("DELETE FROM event_log WHERE rollout_id = ?", string(id)); err != nil {
			return entries, err
		}
	}
	// The text of an instant has as many digits as it needs, so instants are
	// compared after parsing and not in SQL.
	var old []int64
	err = eachEntry(ctx, tx, "WHERE rollout_id = '' ORDER BY number", nil, func(e *plane.Entry, _ []byte) error {
		if e.At.Before(before) {
			old = append(old, int64(e.Number))
		}
		return nil
	})
	if err != nil {
		return entries, err
	}
	for _, number := range old {
		if err := count("DELETE FROM event_log WHERE number = ?", number); err != nil {
			return entries, err
		}
	}
	return entries, nil
}

// writeCheckpoint replaces the checkpoint with a state.
func writeCheckpoint(ctx context.Context, tx *sql.Tx, state []byte, number wire.Seq) error {
	if _, err := tx.ExecContext(ctx, "DELETE FROM checkpoint"); err != nil {
		return err
	}
	stmt, err := tx.PrepareContext(ctx, "INSERT INTO checkpoint (word, document) VALUES (?, ?)")
	if err != nil {
		return err
	}
	defer stmt.Close()
	for line := range bytes.Lines(state) {
		word, doc, _ := bytes.Cut(bytes.TrimSuffix(line, []byte("\n")), []byte(" "))
		if _, err := stmt.ExecContext(ctx, string(word), string(doc)); err != nil {
			return err
		}
	}
	_, err = tx.ExecContext(ctx, putSetting, settingCheckpoint, settingOf(number))
	return err
}

// writeTables replaces the tables with the plane's rows, and counts them.
func writeTables(ctx context.Context, tx *sql.Tx, p *plane.Plane, rows *int) error {
	var put [plane.LastTable + 1]*sql.Stmt
	for table := plane.TableRollouts; table <= plane.LastTable; table++ {
		if _, err := tx.ExecContext(ctx, "DELETE FROM "+tableSQL[table].name); err != nil {
			return err
		}
		stmt, err := tx.PrepareContext(ctx, tableSQL[table].put)
		if err != nil {
			return err
		}
		defer stmt.Close()
		put[table] = stmt
	}
	w := statements{put: put}
	var err error
	p.Rows(func(row plane.Row) bool {
		err = w.writeRow(&row)
		*rows++
		return err == nil
	})
	if err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, putSetting, settingLog, settingOf(p.Stats().Logged))
	return err
}
