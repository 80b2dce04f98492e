package sqlite

import (
	"context"
	"errors"
	"fmt"

	"github.com/refrain-fleet/refrain/core/plane"
	"github.com/refrain-fleet/refrain/core/wire"
)

// Events implements [store.Store] (PROTOCOL R5). What [DB.Compact] removed is not
// in the history.
func (db *DB) Events(id wire.RolloutID, after wire.Seq, yield func(*wire.LoggedEvent) bool) error {
	return db.history("WHERE rollout_id = ? AND number > ? ORDER BY number", []any{string(id), int64(after)}, (*plane.Entry).Logged, yield)
}

// Acts implements [store.Store] (PROTOCOL T15). What [DB.Compact] removed is not in it.
func (db *DB) Acts(after wire.Seq, yield func(*wire.LoggedEvent) bool) error {
	return db.history("WHERE act <> '' AND number > ? ORDER BY number", []any{int64(after)}, (*plane.Entry).LoggedAct, yield)
}

func (db *DB) history(rest string, args []any, shown func(*plane.Entry) wire.LoggedEvent, yield func(*wire.LoggedEvent) bool) error {
	db.reading.RLock()
	defer db.reading.RUnlock()
	if db.pool == nil {
		return errors.New("sqlite: the database is not open")
	}
	ctx := context.Background()
	conn, err := db.pool.Conn(ctx)
	if err != nil {
		return fmt.Errorf("sqlite: %s: %w", db.path, err)
	}
	defer conn.Close()
	entries := entryReader{mayDecode: func(e *plane.Entry) bool { return e.Kind != "opened" }} // a history shows no manifest
	err = entries.each(ctx, conn, rest, args, func(e *plane.Entry, _ []byte) error {
		if logged := shown(e); !yield(&logged) {
			return errEnough
		}
		return nil
	})
	if err != nil && err != errEnough {
		return fmt.Errorf("sqlite: %s: %w", db.path, err)
	}
	return nil
}

// errEnough ends a query early.
var errEnough = errors.New("enough")

// eachEntry calls f with the entries of the log that rest, the end of a query,
// selects, and with the input as it is stored. Both are valid until f returns;
// the entry's decoded Input stays valid.
func eachEntry(ctx context.Context, q querier, rest string, args []any, f func(e *plane.Entry, input []byte) error) error {
	return entryReader{}.each(ctx, q, rest, args, f)
}

// entryReader reads entries. Where mayDecode is set and reports false, the entry's
// Input stays nil.
type entryReader struct{ mayDecode func(*plane.Entry) bool }

func (r entryReader) each(ctx context.Context, q querier, rest string, args []any, f func(e *plane.Entry, input []byte) error) error {
	rows, err := q.QueryContext(ctx, "SELECT number, at, kind, hostname, rollout_id, outcome, input, act, checksum FROM event_log "+rest, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	var decoder wire.Decoder
	for rows.Next() {
		var number, sum int64
		var at, kind, hostname, rollout, outcome string
		var input, act []byte
		if err := rows.Scan(&number, &at, &kind, &hostname, &rollout, &outcome, &input, &act, &sum); err != nil {
			return err
		}
		e := plane.Entry{
			Number: wire.Seq(number), Kind: wire.Name(kind), Hostname: wire.Hostname(hostname),
			RolloutID: wire.RolloutID(rollout), Outcome: wire.Name(outcome),
		}
		if e.At, err = wire.ParseTime(at); err != nil {
			return entryDifference(&e, "at", at, err.Error())
		}
		if want := checksum(&e, input, act); int64(want) != sum {
			return entryDifference(&e, "checksum", fmt.Sprint(sum), fmt.Sprintf("%d, computed from its other columns: the row is damaged", want))
		}
		if len(act) > 0 {
			if err := e.DecodeAct(&decoder, act); err != nil {
				return entryDifference(&e, "act", string(act), err.Error())
			}
			if canonical := e.AppendAct(nil); string(canonical) != string(act) {
				return entryDifference(&e, "act", string(act), string(canonical))
			}
		}
		if r.mayDecode != nil && !r.mayDecode(&e) {
			// It is not needed.
		} else if err := e.DecodeInput(&decoder, input); err != nil {
			return entryDifference(&e, "input", string(input), err.Error())
		}
		if err := f(&e, input); err != nil {
			return err
		}
	}
	return rows.Err()
}
