package sqlite

import (
	"context"
	"errors"
	"fmt"

	"github.com/refrain-fleet/refrain/core/plane"
	"github.com/refrain-fleet/refrain/core/wire"
)

// Events returns a rollout's history (PROTOCOL R5): its first entries whose
// number is greater than after, at most limit, oldest first. next is the value
// of after for the page that follows, or 0 on the last page. What a compaction
// took away is not in it.
func (s *DB) Events(id wire.RolloutID, after wire.Seq, limit int) (events []wire.LoggedEvent, next wire.Seq, err error) {
	s.reading.RLock()
	defer s.reading.RUnlock()
	if s.db == nil {
		return nil, 0, errors.New("sqlite: it is not open")
	}
	ctx := context.Background()
	conn, err := s.db.Conn(ctx)
	if err != nil {
		return nil, 0, fmt.Errorf("sqlite: %s: %w", s.path, err)
	}
	defer conn.Close()
	err = eachEntry(ctx, conn, "WHERE rollout_id = ? AND number > ? ORDER BY number LIMIT ?", []any{string(id), int64(after), limit + 1}, func(e *plane.Entry, _ []byte) error {
		events = append(events, e.Logged())
		return nil
	})
	if err != nil {
		return nil, 0, fmt.Errorf("sqlite: %s: %w", s.path, err)
	}
	if len(events) > limit {
		events = events[:limit]
		return events, events[limit-1].Number, nil
	}
	return events, 0, nil
}

// eachEntry calls f with the entries of the log that rest, the end of a query,
// picks, and with the input as it is written. Both are f's until it returns,
// but the entry's input is f's for good.
func eachEntry(ctx context.Context, q querier, rest string, args []any, f func(e *plane.Entry, input []byte) error) error {
	rows, err := q.QueryContext(ctx, "SELECT number, at, kind, hostname, rollout_id, outcome, input, checksum FROM event_log "+rest, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	var decoder wire.Decoder
	for rows.Next() {
		var number, sum int64
		var at, kind, hostname, rollout, outcome string
		var input []byte
		if err := rows.Scan(&number, &at, &kind, &hostname, &rollout, &outcome, &input, &sum); err != nil {
			return err
		}
		e := plane.Entry{
			Number: wire.Seq(number), Kind: wire.Name(kind), Hostname: wire.Hostname(hostname),
			RolloutID: wire.RolloutID(rollout), Outcome: wire.Name(outcome),
		}
		if e.At, err = wire.ParseTime(at); err != nil {
			return inLog(&e, "at", at, err.Error())
		}
		if want := checksum(&e, input); int64(want) != sum {
			return inLog(&e, "checksum", fmt.Sprint(sum), fmt.Sprintf("%d by its other columns: the row is damaged", want))
		}
		if err := e.DecodeInput(&decoder, input); err != nil {
			return inLog(&e, "input", string(input), err.Error())
		}
		if err := f(&e, input); err != nil {
			return err
		}
	}
	return rows.Err()
}
