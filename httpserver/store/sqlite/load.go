package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/refrain-fleet/refrain/core/plane"
	"github.com/refrain-fleet/refrain/core/wire"
)

// ErrDamaged means that a file's tables contradict its log. An audit says where.
var ErrDamaged = errors.New("its tables contradict its log; refrain audit shows where, refrain audit --repair rebuilds the tables from the log")

// Load returns a plane with the state in the tables, without walking the log.
// After a failed commit it opens the database again first.
func (db *DB) Load(ctx context.Context, cfg plane.Config) (*plane.Plane, error) {
	db.mu.Lock()
	defer db.mu.Unlock()
	if err := db.reconnect(ctx); err != nil {
		db.health.failed(err)
		return nil, err
	}
	var p *plane.Plane
	err := snapshot(ctx, db.writer, func(q querier) error {
		var err error
		p, err = loadTables(ctx, q, cfg)
		return err
	})
	if err != nil {
		err = fmt.Errorf("sqlite: %s: %w", db.path, err)
		db.health.failed(err)
		return nil, err
	}
	if db.failing && p.Stats().Logged > db.durable {
		// A commit whose sync failed is in the file and perhaps not on the disk. What
		// depends on it must not be said before a later sync has succeeded.
		if err := db.trial(); err != nil {
			return nil, err
		}
	}
	if time.Now().Before(db.replay) {
		p.RequestReplays()
	}
	db.durable = p.Stats().Logged
	if !db.failing { // else a commit has to succeed first
		db.health.failed(nil)
	}
	return p, nil
}

// querier runs queries: a connection, or a transaction on one.
type querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// snapshot calls read with one state of the file, whatever is written meanwhile.
func snapshot(ctx context.Context, conn *sql.Conn, read func(querier) error) error {
	tx, err := conn.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }() // nothing was written
	return read(tx)
}

// setting reads a row of plane_settings; ok is false if there is none.
func setting(ctx context.Context, q querier, name string) (number wire.Seq, ok bool, err error) {
	var document string
	err = q.QueryRowContext(ctx, "SELECT document FROM plane_settings WHERE name = ?", name).Scan(&document)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, false, nil
	}
	if err != nil {
		return 0, false, err
	}
	number, err = parseSetting(document)
	if err != nil {
		return 0, false, fmt.Errorf("plane_settings, %s: %w", name, err)
	}
	return number, true, nil
}

func parseSetting(document string) (wire.Seq, error) {
	digits, found := strings.CutPrefix(document, `{"logged":`)
	digits, closed := strings.CutSuffix(digits, "}")
	if !found || !closed {
		return 0, fmt.Errorf("document is %q; want a number as in %s", document, settingOf(1))
	}
	return wire.ParseSeq(digits)
}

// loadTables returns the plane that the tables describe.
func loadTables(ctx context.Context, q querier, cfg plane.Config) (*plane.Plane, error) {
	rd, err := plane.NewRestorer(cfg)
	if err != nil {
		return nil, err
	}
	logged, _, err := setting(ctx, q, settingLog)
	if err != nil {
		return nil, err
	}
	last, err := lastEntry(ctx, q)
	if err != nil {
		return nil, err
	}
	if last != logged {
		return nil, fmt.Errorf("the tables are at entry %d, the last entry of the log is %d: %w", logged, last, ErrDamaged)
	}
	if err := rd.Line("log", []byte(settingOf(logged))); err != nil {
		return nil, err
	}
	damaged := func(err error) error {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return fmt.Errorf("%w: %w", err, ErrDamaged)
	}
	err = eachRow(ctx, q, func(row plane.Row) error {
		if err := rd.Line(row.Table.String(), row.Document); err != nil {
			return damaged(fmt.Errorf("%s, %s: %w", tableSQL[row.Table].name, rowName(row.Change), err))
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	p, err := rd.Plane()
	if err != nil {
		return nil, damaged(err)
	}
	return p, nil
}

// lastEntry returns the number of the last entry of the log, or of the checkpoint
// if the log has none after it.
func lastEntry(ctx context.Context, q querier) (wire.Seq, error) {
	var last sql.NullInt64
	if err := q.QueryRowContext(ctx, "SELECT max(number) FROM event_log").Scan(&last); err != nil {
		return 0, err
	}
	checkpoint, _, err := setting(ctx, q, settingCheckpoint)
	return max(wire.Seq(last.Int64), checkpoint), err
}

// rowName returns a row's key as text.
func rowName(c plane.Change) string {
	if c.Sub == "" {
		return c.Key
	}
	return c.Key + " " + c.Sub
}

// eachRow calls f with every row of the tables, in the order in which a state has
// its lines. The row is valid until f returns.
func eachRow(ctx context.Context, q querier, f func(plane.Row) error) error {
	rollouts, err := readRollouts(ctx, q)
	if err != nil {
		return err
	}
	for _, r := range rollouts {
		if err := f(r); err != nil {
			return err
		}
		if err := eachOf(ctx, q, plane.TableRecords, "WHERE rollout_id = ?1", r.Key, f); err != nil {
			return err
		}
	}
	orphans := "WHERE rollout_id NOT IN (SELECT rollout_id FROM rollouts)"
	if err := eachOf(ctx, q, plane.TableRecords, orphans, "", f); err != nil {
		return err
	}
	for _, table := range []plane.Table{plane.TableQuarantine, plane.TableRevocations, plane.TableRetired, plane.TableEnrolments, plane.TableActs, plane.TableHolds} {
		if err := eachOf(ctx, q, table, "", "", f); err != nil {
			return err
		}
	}
	return nil
}

// readRollouts reads the rows of the rollouts, which are few, by position.
func readRollouts(ctx context.Context, q querier) ([]plane.Row, error) {
	rows, err := q.QueryContext(ctx, "SELECT rollout_id, document, position FROM rollouts ORDER BY position")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var list []plane.Row
	for rows.Next() {
		r := plane.Row{Change: plane.Change{Table: plane.TableRollouts}}
		if err := rows.Scan(&r.Key, &r.Document, &r.Position); err != nil {
			return nil, err
		}
		list = append(list, r)
	}
	return list, rows.Err()
}

// eachOf calls f with the rows of a table that the clause where selects with its
// one argument, in the order of their keys.
func eachOf(ctx context.Context, q querier, table plane.Table, where, arg string, f func(plane.Row) error) error {
	t := &tableSQL[table]
	sub := "''"
	if len(t.keys) == 2 {
		sub = t.keys[1]
	}
	query := fmt.Sprintf("SELECT %s, %s, document FROM %s %s ORDER BY %s", t.keys[0], sub, t.name, where, strings.Join(t.keys, ", "))
	var args []any
	if strings.Contains(where, "?1") {
		args = append(args, arg)
	}
	rows, err := q.QueryContext(ctx, query, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	row := plane.Row{Change: plane.Change{Table: table}}
	var document sql.RawBytes
	for rows.Next() {
		if err := rows.Scan(&row.Key, &row.Sub, &document); err != nil {
			return err
		}
		row.Document = document
		if err := f(row); err != nil {
			return err
		}
	}
	return rows.Err()
}
