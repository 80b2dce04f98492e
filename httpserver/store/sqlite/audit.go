package sqlite

import (
	"context"
	"errors"
	"fmt"
	"iter"

	"github.com/refrain-fleet/refrain/core/plane"
	"github.com/refrain-fleet/refrain/core/wire"
)

// Report is the result of an audit.
type Report struct {
	// From is the entry of the checkpoint that the walk started from, 0 if it
	// started at the beginning; Last is the last entry of the log.
	From wire.Seq `json:"from"`
	Last wire.Seq `json:"last"`
	// Entries counts the entries that were walked, Rows the rows that were
	// compared and are equal.
	Entries int `json:"entries"`
	Rows    int `json:"rows"`
	// Difference is the first place where the file contradicts its log, or nil
	// if there is none.
	Difference *Difference `json:"difference"`
}

// Difference is a place where a file contradicts its log.
type Difference struct {
	// Table, Row and Column name the place. Row is the entry's number in
	// event_log, and the keys in every other table. Column is the path of a
	// member if the difference is inside a document.
	Table  string `json:"table"`
	Row    string `json:"row"`
	Column string `json:"column,omitempty"`
	// Has is what the file has there; Want is what the log gives.
	Has  string `json:"has"`
	Want string `json:"want"`
	// Entry is the last log entry that changed the row, 0 if the checkpoint did.
	Entry wire.Seq `json:"entry"`
}

// String describes the difference in one line.
func (d *Difference) String() string {
	place := d.Table
	for _, part := range []string{d.Row, d.Column} {
		if part != "" {
			place += ", " + part
		}
	}
	s := fmt.Sprintf("%s: has %s, the log gives %s", place, clip(d.Has), clip(d.Want))
	if d.Table != tableLog && d.Table != tablePages && d.Table != tableActs {
		if d.Entry == 0 {
			return s + " (since the checkpoint)"
		}
		s += fmt.Sprintf(" (entry %d)", d.Entry)
	}
	return s
}

// Error implements error: a Difference ends the walk that finds it.
func (d *Difference) Error() string { return d.String() }

func clip(s string) string {
	const most = 300
	if len(s) > most {
		return s[:most] + " …"
	}
	return s
}

const (
	tableLog   = "event_log"
	tableActs  = "operators' acts"
	tablePages = "the file's pages"
	nothing    = "nothing"
)

// Progress is called from time to time with the number of entries that were
// walked, and of all there are to walk. It may be nil.
type Progress func(done, all int)

// Audit walks the log through the plane's reducer and compares the tables with
// the result, byte for byte. The report names the first difference; an error
// means that the file could not be read.
func (r *Reader) Audit(ctx context.Context, progress Progress) (Report, error) {
	var report Report
	err := audit(ctx, r.tx, &report, progress)
	if err != nil {
		return report, fmt.Errorf("sqlite: %s: %w", r.path, err)
	}
	return report, nil
}

func audit(ctx context.Context, q querier, r *Report, progress Progress) error {
	err := auditAll(ctx, q, r, progress)
	if d := new(Difference); errors.As(err, &d) {
		r.Difference = d
		return nil
	}
	return err
}

func auditAll(ctx context.Context, q querier, r *Report, progress Progress) error {
	if err := checkPages(ctx, q); err != nil {
		return err
	}
	p, err := walk(ctx, q, r, progress, nil)
	if err != nil {
		return err
	}
	if err := checkActs(ctx, q); err != nil {
		return err
	}
	r.Last = p.Stats().Logged
	logged, there, err := setting(ctx, q, settingLog)
	if err != nil {
		return err
	}
	if there && logged != r.Last || !there && r.Last > 0 {
		return &Difference{Table: "plane_settings", Row: settingLog, Column: "document", Has: settingOf(logged), Want: settingOf(r.Last), Entry: r.Last}
	}
	d, err := compare(ctx, q, p, &r.Rows)
	if err != nil {
		return err
	}
	if d == nil {
		return nil
	}
	// A second walk finds the entry that changed the row last. This is rare.
	_, err = walk(ctx, q, new(Report), nil, func(e *plane.Entry, out *plane.Output) {
		for _, c := range out.Changes {
			if tableSQL[c.Table].name == d.Table && rowName(c) == d.Row {
				d.Entry = e.Number
			}
		}
	})
	if err != nil {
		return err
	}
	return d
}

// checkPages runs SQLite's own integrity check.
func checkPages(ctx context.Context, q querier) error {
	var said string
	if err := q.QueryRowContext(ctx, "PRAGMA integrity_check(1)").Scan(&said); err != nil {
		return err
	}
	if said != "ok" {
		return &Difference{Table: tablePages, Has: said, Want: "ok"}
	}
	return nil
}

// walk returns the plane that follows from the checkpoint, if there is one, and
// the log after it. stepped is called after each entry with the step's output;
// it may be nil.
func walk(ctx context.Context, q querier, r *Report, progress Progress, stepped func(*plane.Entry, *plane.Output)) (*plane.Plane, error) {
	p, err := readCheckpoint(ctx, q)
	if err != nil {
		return nil, err
	}
	r.From = p.Stats().Logged
	var all int
	if err := q.QueryRowContext(ctx, "SELECT count(*) FROM event_log WHERE number > ?", int64(r.From)).Scan(&all); err != nil {
		return nil, err
	}
	var out plane.Output
	var canonical []byte
	err = eachEntry(ctx, q, "WHERE number > ? ORDER BY number", []any{int64(r.From)}, func(e *plane.Entry, input []byte) error {
		if want := p.Stats().Logged + 1; e.Number != want {
			return &Difference{Table: tableLog, Row: fmt.Sprint(want), Column: "number", Has: nothing, Want: fmt.Sprint("an entry before ", e.Number)}
		}
		if canonical = e.AppendInput(canonical[:0]); string(canonical) != string(input) {
			return entryDifference(e, "input", string(input), string(canonical))
		}
		if err := p.Walk(*e, &out); err != nil {
			return entryDifference(e, "input", e.Input.String(), err.Error())
		}
		if d := differsEntry(e, &out.Entries[0]); d != nil {
			return d
		}
		if stepped != nil {
			stepped(e, &out)
		}
		r.Entries++
		if progress != nil && r.Entries%4096 == 0 {
			progress(r.Entries, all)
		}
		return ctx.Err()
	})
	return p, err
}

// entryDifference is a difference in an entry of the log.
func entryDifference(e *plane.Entry, column, has, want string) *Difference {
	return &Difference{Table: tableLog, Row: fmt.Sprint(uint64(e.Number)), Column: column, Has: has, Want: want, Entry: e.Number}
}

// differsEntry compares the columns of an entry with those that its step gives.
func differsEntry(has, want *plane.Entry) *Difference {
	for _, c := range [...]struct{ column, has, want string }{
		{"at", has.At.String(), want.At.String()},
		{"kind", string(has.Kind), string(want.Kind)},
		{"hostname", string(has.Hostname), string(want.Hostname)},
		{"rollout_id", string(has.RolloutID), string(want.RolloutID)},
		{"outcome", string(has.Outcome), string(want.Outcome)},
		{"act", actText(has), actText(want)},
	} {
		if c.has != c.want {
			return entryDifference(has, c.column, c.has, c.want)
		}
	}
	return nil
}

func actText(e *plane.Entry) string {
	if e.Act == nil {
		return nothing
	}
	return string(e.AppendAct(nil))
}

// compare compares the tables with the plane's rows and returns the first
// difference.
func compare(ctx context.Context, q querier, p *plane.Plane, rows *int) (*Difference, error) {
	next, stop := iter.Pull(iter.Seq[plane.Row](p.Rows))
	defer stop()
	position := make(map[string]int) // of the plane's rollouts
	p.Rows(func(r plane.Row) bool {
		if r.Table == plane.TableRollouts {
			position[r.Key] = r.Position
		}
		return true
	})
	want, more := next()
	err := eachRow(ctx, q, func(has plane.Row) error {
		if more && want.Change == has.Change {
			if d := differsRow(&has, &want); d != nil {
				return d
			}
			*rows++
			want, more = next()
			return nil
		}
		// Report the row that the other side does not have at all.
		if !more || !hasRow(p, has.Change) {
			return &Difference{Table: tableSQL[has.Table].name, Row: rowName(has.Change), Has: string(has.Document), Want: nothing}
		}
		if has.Table == plane.TableRollouts && want.Table == plane.TableRollouts {
			return &Difference{
				Table: tableSQL[has.Table].name, Row: rowName(has.Change), Column: "position",
				Has: fmt.Sprint(has.Position), Want: fmt.Sprint(position[has.Key]),
			}
		}
		return missingRow(&want)
	})
	if d := new(Difference); errors.As(err, &d) {
		return d, nil
	}
	if err == nil && more {
		return missingRow(&want), nil
	}
	return nil, err
}

func missingRow(want *plane.Row) *Difference {
	return &Difference{Table: tableSQL[want.Table].name, Row: rowName(want.Change), Has: nothing, Want: string(want.Document)}
}

// hasRow reports whether the plane has a row.
func hasRow(p *plane.Plane, c plane.Change) bool {
	return p.AppendRows(nil, []plane.Change{c})[0].Document != nil
}

// differsRow compares two rows of the same key.
func differsRow(has, want *plane.Row) *Difference {
	d := &Difference{Table: tableSQL[has.Table].name, Row: rowName(has.Change)}
	if has.Position != want.Position {
		d.Column, d.Has, d.Want = "position", fmt.Sprint(has.Position), fmt.Sprint(want.Position)
		return d
	}
	if string(has.Document) == string(want.Document) {
		return nil
	}
	d.Column, d.Has, d.Want = firstMember(has.Document, want.Document)
	return d
}
