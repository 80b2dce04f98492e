package sqlite

import (
	"context"
	"time"

	"github.com/refrain-fleet/refrain/core/wire"
)

// A restore takes operators' acts back, as cutting them off does. So that the two are told
// apart, each restore is noted in the file that it makes.

// restorationLine is a row of the table restorations. Unset heads are of no act.
type restorationLine struct {
	Kept, Replaced wire.ActHead
	// Unread says that the head of the database that was replaced is not known.
	Unread wire.Flag
}

var restorationSchema = wire.Schema[restorationLine]{Fields: []wire.Field[restorationLine]{
	{Name: "kept", Presence: wire.Optional, Of: func(l *restorationLine) wire.Value { return &l.Kept }},
	{Name: "replaced", Presence: wire.Optional, Of: func(l *restorationLine) wire.Value { return &l.Replaced }},
	{Name: "unread", Presence: wire.Optional, Of: func(l *restorationLine) wire.Value { return &l.Unread }},
}}

// noteRestoration notes in a copy of a backup that it takes the place of a database.
// replaced is the head of that one; nil if it could not be read.
func noteRestoration(ctx context.Context, q interface {
	querier
	execer
}, now time.Time, replaced *wire.ActHead) error {
	l := restorationLine{Unread: replaced == nil}
	var err error
	if l.Kept, err = headOf(ctx, q, "SELECT document FROM act_chain WHERE name = ?", "head"); err != nil {
		return err
	}
	if replaced != nil {
		l.Replaced = *replaced
	}
	_, err = q.ExecContext(ctx, "INSERT OR REPLACE INTO restorations (at, document) VALUES (?, ?)",
		now.UTC().Format(time.RFC3339Nano), string(restorationSchema.Append(nil, &l)))
	return err
}

// restorations are the restores that a file went through, in their order.
func restorations(ctx context.Context, q querier) (list []Restoration, err error) {
	rows, err := q.QueryContext(ctx, "SELECT at, document FROM restorations ORDER BY at")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var d wire.Decoder
	for rows.Next() {
		var r Restoration
		var document []byte
		if err := rows.Scan(&r.At, &document); err != nil {
			return nil, err
		}
		var l restorationLine
		if err := wire.DecodeDocument(&d, &restorationSchema, document, &l); err != nil {
			return nil, &Difference{Table: "restorations", Row: r.At, Column: "document", Has: string(document), Want: err.Error()}
		}
		r.keeps, r.replaces = l.Kept, l.Replaced
		r.Kept, r.Replaced = l.Kept.String(), l.Replaced.String()
		if l.Unread {
			r.Replaced = unknownHead
		}
		list = append(list, r)
	}
	return list, rows.Err()
}

// headOfFile is the head of the chain of the database at a path; nil if it cannot be read.
// It changes nothing.
func headOfFile(ctx context.Context, path string) *wire.ActHead {
	r, err := OpenReader(ctx, path)
	if err != nil {
		return nil
	}
	defer r.Close()
	h, err := r.ActHead(ctx)
	if err != nil {
		return nil
	}
	return &h
}
