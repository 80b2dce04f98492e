package sqlite

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"

	"github.com/refrain-fleet/refrain/core/plane"
	"github.com/refrain-fleet/refrain/core/wire"
)

// The chain of operators' acts in a file (PROTOCOL T15): the entries of the log that are
// acts, and what a compaction left of those that it removed.
//
// Of a removed act its [plane.ActLine] stays, by which the chain is followed as by the
// entry itself, as long as an older act is still in the log. What is older than every act
// in the log is gone, but for the hash of the last of them.

// ActVerdict says whether the chain of operators' acts is whole.
type ActVerdict string

// The verdicts. Only ActsWhole is none of a finding.
const (
	// ActsWhole: nothing is missing, changed or moved, and an expected head is there.
	ActsWhole ActVerdict = "whole"
	// ActChanged: an act says something else than when it was done.
	ActChanged ActVerdict = "changed"
	// ActRemoved: an act is missing between two others.
	ActRemoved ActVerdict = "removed"
	// ActReordered: an act stands before one that came earlier.
	ActReordered ActVerdict = "reordered"
	// ActsCut: the last acts are missing.
	ActsCut ActVerdict = "cut"
	// ActsRestored: they are missing since a backup was restored that has not got them,
	// which the file says itself.
	ActsRestored ActVerdict = "restored"
	// ActsForgotten: a compaction removed the act that is expected; nothing can be said of
	// it any more.
	ActsForgotten ActVerdict = "forgotten"
)

// ActsReport is the result of following the chain.
type ActsReport struct {
	Verdict ActVerdict `json:"verdict"`
	// Detail is a sentence for people: what was found, and of which act.
	Detail string `json:"detail,omitempty"`
	// Act is the place in the chain of the first act that is wrong, 0 if there is none.
	Act wire.Seq `json:"act,omitempty"`
	// Head is the end of the chain, as COUNT:HASH, and 0 if there is no act. Removed is
	// the last act of which a compaction left nothing but this.
	Head    string `json:"head"`
	Removed string `json:"removed"`
	// Acts is how many acts were followed, of which Lines were removed from the log.
	Acts  int `json:"acts"`
	Lines int `json:"lines"`
	// Restored are the restores that the file knows of.
	Restored []Restoration `json:"restored,omitempty"`
}

// Restoration is a restore that a file went through.
type Restoration struct {
	At string `json:"at"`
	// Kept is the head of the chain of the backup, Replaced that of the database that it
	// replaced; "unknown" if that could not be read.
	Kept     string `json:"kept"`
	Replaced string `json:"replaced"`
	keeps    wire.ActHead
	replaces wire.ActHead
}

const (
	settingActsRemoved = "acts_removed"
	putRemovedAct      = `INSERT INTO removed_acts (number, document) VALUES (?, ?)`
	unknownHead        = "unknown"
)

// actInFile is an act as a file has it.
type actInFile struct {
	line plane.ActLine
	hash wire.Name
}

// Acts follows the chain of operators' acts. expect is a head that was noted some time
// ago; nil for none. A report with another verdict than [ActsWhole] is no error.
func (r *Reader) Acts(ctx context.Context, expect *wire.ActHead) (ActsReport, error) {
	report, err := followActs(ctx, r.tx, expect)
	if d := new(Difference); errors.As(err, &d) {
		report.Verdict, report.Detail = ActChanged, d.String()
		err = nil
	}
	if err != nil {
		err = fmt.Errorf("sqlite: %s: %w", r.path, err)
	}
	return report, err
}

func followActs(ctx context.Context, q querier, expect *wire.ActHead) (ActsReport, error) {
	report := ActsReport{Verdict: ActsWhole}
	removed, err := headOf(ctx, q, "SELECT document FROM plane_settings WHERE name = ?", settingActsRemoved)
	if err != nil {
		return report, err
	}
	head, err := headOf(ctx, q, "SELECT document FROM act_chain WHERE name = ?", "head")
	if err != nil {
		return report, err
	}
	report.Head, report.Removed = head.String(), removed.String()
	if report.Restored, err = restorations(ctx, q); err != nil {
		return report, err
	}
	acts, lines, err := readActs(ctx, q)
	if err != nil {
		return report, err
	}
	report.Acts, report.Lines = len(acts), lines
	at := func(verdict ActVerdict, act wire.Seq, format string, args ...any) (ActsReport, error) {
		report.Verdict, report.Act, report.Detail = verdict, act, fmt.Sprintf(format, args...)
		return report, nil
	}
	last := removed
	hashes := map[wire.Seq]wire.Name{removed.Count: removed.Hash}
	for i := range acts {
		a := &acts[i]
		place, next := a.line.Act.Count, last.Count+1
		switch later := slices.ContainsFunc(acts[i:], func(o actInFile) bool { return o.line.Act.Count == next }); {
		case place == next:
		case place < next:
			return at(ActReordered, place, "act %d is entry %d of the log, behind act %d; want it before", place, a.line.Number, last.Count)
		case later:
			return at(ActReordered, next, "act %d is entry %d of the log, before act %d; want it behind", place, a.line.Number, next)
		default:
			return at(ActRemoved, next, "act %d is missing: act %d, entry %d of the log, is followed by act %d", next, last.Count, numberBefore(acts, i), place)
		}
		if a.line.Act.Before != last.Hash {
			return at(ActChanged, last.Count, "act %d has the hash %s; act %d was done after one of hash %s", last.Count, wire.OrDash(last.Hash), place, wire.OrDash(a.line.Act.Before))
		}
		last = wire.ActHead{Count: place, Hash: a.hash}
		hashes[place] = a.hash
	}
	switch {
	case last.Count < head.Count:
		return at(ActsCut, last.Count+1, "acts %d to %d are missing at the end: the plane's state has the head %v", last.Count+1, head.Count, head)
	case last != head:
		return at(ActChanged, last.Count, "act %d has the hash %s; the plane's state has the head %v", last.Count, wire.OrDash(last.Hash), head)
	}
	if expect == nil {
		return report, nil
	}
	hash, there := hashes[expect.Count]
	since := slices.IndexFunc(report.Restored, func(r Restoration) bool {
		return r.keeps.Count < expect.Count && (r.Replaced == unknownHead || expect.Count <= r.replaces.Count)
	})
	switch {
	case there && hash == expect.Hash:
		return report, nil
	case expect.Count < removed.Count:
		return at(ActsForgotten, expect.Count, "a compaction removed the acts up to %d; want a head of that one or a later one", removed.Count)
	case since >= 0:
		r := &report.Restored[since]
		return at(ActsRestored, r.keeps.Count+1, "a backup was restored at %s whose last act is %d; the acts from %d on that were done before are in the database that it replaced (head %s)",
			r.At, r.keeps.Count, r.keeps.Count+1, r.Replaced)
	case !there:
		return at(ActsCut, head.Count+1, "the last act is %d; want %d, with the hash %s: acts %d to %d were cut off, or an older copy was put in place by hand",
			head.Count, expect.Count, expect.Hash, head.Count+1, expect.Count)
	default:
		return at(ActChanged, expect.Count, "act %d has the hash %s; want %s: it, or one before it, was written anew with all that follow", expect.Count, hash, expect.Hash)
	}
}

func numberBefore(acts []actInFile, i int) wire.Seq {
	if i == 0 {
		return 0
	}
	return acts[i-1].line.Number
}

// readActs reads the acts in the order of the log, and says how many of them are no
// entries any more.
func readActs(ctx context.Context, q querier) (acts []actInFile, removed int, err error) {
	rows, err := q.QueryContext(ctx, "SELECT number, document FROM removed_acts ORDER BY number")
	if err != nil {
		return nil, 0, err
	}
	defer rows.Close()
	var d wire.Decoder
	for rows.Next() {
		var number int64
		var document []byte
		if err := rows.Scan(&number, &document); err != nil {
			return nil, 0, err
		}
		a := actInFile{}
		if err := wire.DecodeDocument(&d, &plane.ActLineSchema, document, &a.line); err != nil {
			return nil, 0, &Difference{Table: "removed_acts", Row: fmt.Sprint(number), Column: "document", Has: string(document), Want: err.Error()}
		}
		a.hash = a.line.Hash()
		acts = append(acts, a)
	}
	if err := rows.Err(); err != nil {
		return nil, 0, err
	}
	removed = len(acts)
	err = actEntries.each(ctx, q, "WHERE act <> '' ORDER BY number", nil, func(e *plane.Entry, input []byte) error {
		line := e.Line(input)
		acts = append(acts, actInFile{line, line.Hash()})
		return nil
	})
	slices.SortStableFunc(acts, func(a, b actInFile) int { return cmp.Compare(a.line.Number, b.line.Number) })
	return acts, removed, err
}

// actEntries reads entries whose input is not needed but as it is stored.
var actEntries = entryReader{mayDecode: func(*plane.Entry) bool { return false }}

func headOf(ctx context.Context, q querier, query, name string) (h wire.ActHead, err error) {
	var document []byte
	err = q.QueryRowContext(ctx, query, name).Scan(&document)
	if errors.Is(err, sql.ErrNoRows) {
		return h, nil
	}
	if err != nil {
		return h, err
	}
	var d wire.Decoder
	if err := wire.DecodeDocument(&d, &wire.ActHeadSchema, document, &h); err != nil {
		return h, &Difference{Table: "act_chain", Row: name, Column: "document", Has: string(document), Want: err.Error()}
	}
	return h, nil
}

// checkActs reports a chain that contradicts itself as a difference.
func checkActs(ctx context.Context, q querier) error {
	report, err := followActs(ctx, q, nil)
	if err != nil || report.Verdict == ActsWhole {
		return err
	}
	return &Difference{Table: tableActs, Row: fmt.Sprint(uint64(report.Act)), Has: string(report.Verdict), Want: report.Detail}
}

// keepActs keeps the lines of acts that are about to be removed from the log.
func keepActs(ctx context.Context, tx *sql.Tx, rest string, args ...any) error {
	var lines []plane.ActLine
	err := actEntries.each(ctx, tx, "WHERE act <> '' AND "+rest+" ORDER BY number", args, func(e *plane.Entry, input []byte) error {
		lines = append(lines, e.Line(input))
		return nil
	})
	for i := range lines {
		if err == nil {
			_, err = tx.ExecContext(ctx, putRemovedAct, int64(lines[i].Number), string(plane.ActLineSchema.Append(nil, &lines[i])))
		}
	}
	return err
}

// foldActs forgets the removed acts that are older than every act in the log: of them the
// hash of the last stays.
func foldActs(ctx context.Context, tx *sql.Tx) error {
	acts, removed, err := readActs(ctx, tx)
	if err != nil || removed == 0 {
		return err
	}
	inLog := make(map[wire.Seq]bool)
	err = actEntries.each(ctx, tx, "WHERE act <> '' ORDER BY number LIMIT 1", nil, func(e *plane.Entry, _ []byte) error {
		inLog[e.Number] = true
		return nil
	})
	if err != nil {
		return err
	}
	end := slices.IndexFunc(acts, func(a actInFile) bool { return inLog[a.line.Number] })
	if end < 0 {
		end = len(acts)
	}
	if end == 0 {
		return nil
	}
	last := &acts[end-1]
	if _, err := tx.ExecContext(ctx, "DELETE FROM removed_acts WHERE number <= ?", int64(last.line.Number)); err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, putSetting, settingActsRemoved, string(wire.ActHeadSchema.Append(nil, &wire.ActHead{Count: last.line.Act.Count, Hash: last.hash})))
	return err
}

// ActHead is the head of the chain of operators' acts, as the tables have it.
func (r *Reader) ActHead(ctx context.Context) (wire.ActHead, error) {
	h, err := headOf(ctx, r.tx, "SELECT document FROM act_chain WHERE name = ?", "head")
	if err != nil {
		err = fmt.Errorf("sqlite: %s: %w", r.path, err)
	}
	return h, err
}
