package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/refrain-fleet/refrain/core/wire"
	"github.com/refrain-fleet/refrain/httpserver/store/sqlite"
)

// dbFlag names the database that a command is about.
type dbFlag struct {
	DB string `name:"db" default:"${db}" placeholder:"FILE" help:"The database (${default})."`
}

// auditCommand replays a database's log and compares its tables with the
// result.
type auditCommand struct {
	dbFlag
	ExpectHead actHead `name:"expect-head" placeholder:"COUNT:HASH" help:"Want the chain of operators' acts to have this head, as refrain status -o wide showed it, or to go on after it."`
	Repair     bool    `help:"Rebuild the tables from the log; the plane must be stopped."`
	JSON       bool    `name:"json" help:"Print one JSON object and nothing else."`
}

// Help implements [kong.HelpProvider].
func (*auditCommand) Help() string {
	return "Reads one snapshot of the file and changes nothing, so that a plane may use it at the same time. Exits with 1 at the first difference, which is named by table, row and column."
}

// audited is what the command prints as JSON.
type audited struct {
	Path     string `json:"path"`
	Clean    bool   `json:"clean"`
	Repaired bool   `json:"repaired"`
	sqlite.Report
	Acts    *sqlite.ActsReport `json:"acts,omitempty"`
	Seconds float64            `json:"seconds"`
}

// Run implements the command.
func (c *auditCommand) Run(ctx context.Context, io stdio) error {
	began := time.Now()
	var report sqlite.Report
	var acts *sqlite.ActsReport
	var err error
	if c.Repair && c.ExpectHead.Count > 0 {
		return &commandError{err: errors.New("--expect-head does not go with --repair"), code: exitUsage, hint: "audit first; nothing was changed"}
	}
	progress, done := walkProgress(io.Err)
	if c.Repair {
		report, err = c.repair(ctx, progress)
	} else {
		report, acts, err = c.audit(ctx, progress)
	}
	done()
	if err != nil {
		return err
	}
	result := audited{
		Path: c.DB, Acts: acts, Clean: report.Difference == nil && (acts == nil || acts.Verdict == sqlite.ActsWhole), Repaired: c.Repair && report.Difference == nil,
		Report: report, Seconds: time.Since(began).Seconds(),
	}
	if c.JSON {
		if err := json.NewEncoder(io.Out).Encode(&result); err != nil {
			return err
		}
	} else {
		result.print(io.Out)
	}
	if !result.Clean {
		return &commandError{code: exitFailed, reported: true}
	}
	return nil
}

// actHead is a head of the chain of operators' acts, as text COUNT:HASH.
type actHead struct{ wire.ActHead }

// UnmarshalText implements [encoding.TextUnmarshaler].
func (h *actHead) UnmarshalText(text []byte) error {
	count, hash, _ := strings.Cut(string(text), ":")
	n, err := wire.ParseSeq(count)
	if raw, wrong := hex.DecodeString(hash); err != nil || n == 0 || wrong != nil || len(raw) != sha256.Size {
		return fmt.Errorf("is %q; want COUNT:HASH, a number from 1 on and 64 hexadecimal digits, as refrain status -o wide shows it", text)
	}
	h.ActHead = wire.ActHead{Count: n, Hash: wire.Name(strings.ToLower(hash))}
	return nil
}

func (c *auditCommand) audit(ctx context.Context, progress sqlite.Progress) (report sqlite.Report, acts *sqlite.ActsReport, err error) {
	reader, err := openReader(ctx, c.DB)
	if err != nil {
		return report, nil, err
	}
	defer reader.Close()
	var expect *wire.ActHead
	if c.ExpectHead.Count > 0 {
		expect = &c.ExpectHead.ActHead
	}
	followed, err := reader.Acts(ctx, expect)
	if err == nil {
		report, err = reader.Audit(ctx, progress)
	}
	return report, &followed, err
}

func (c *auditCommand) repair(ctx context.Context, progress sqlite.Progress) (sqlite.Report, error) {
	s, err := openStopped(ctx, c.DB)
	if err != nil {
		return sqlite.Report{}, err
	}
	defer s.Close()
	return s.Repair(ctx, progress)
}

func (a *audited) print(w io.Writer) {
	d := a.Difference
	switch {
	case a.Repaired:
		fmt.Fprintf(w, "REPAIRED %s: its tables were rebuilt from the log\n", a.Path)
	case a.Clean:
		fmt.Fprintf(w, "CLEAN %s: its tables match its log\n", a.Path)
	case d == nil:
		fmt.Fprintf(w, "ACTS %s %s: %s\n", strings.ToUpper(string(a.Acts.Verdict)), a.Path, a.Acts.Detail)
	default:
		fmt.Fprintf(w, "DIFFERENT %s: %s\n", a.Path, d.Table)
		for _, line := range [...][2]string{{"row", d.Row}, {"column", d.Column}, {"has", d.Has}, {"log gives", d.Want}} {
			if line[1] != "" {
				fmt.Fprintf(w, "%-10s %s\n", line[0], line[1])
			}
		}
		if d.Entry > 0 {
			fmt.Fprintf(w, "%-10s %d, the last about this row\n", "entry", d.Entry)
		}
	}
	from := "the beginning"
	if a.From > 0 {
		from = fmt.Sprintf("the checkpoint at %d", a.From)
	}
	fmt.Fprintf(w, "%-10s %d walked from %s, the last is %d\n", "entries", a.Entries, from, a.Last)
	fmt.Fprintf(w, "%-10s %d match the log\n", "rows", a.Rows)
	if s := a.Acts; s != nil {
		fmt.Fprintf(w, "%-10s %s: %d followed, the head is %s\n", "acts", s.Verdict, s.Acts, s.Head)
		if d != nil && s.Verdict != sqlite.ActsWhole {
			fmt.Fprintf(w, "%-10s %s\n", "", s.Detail)
		}
		if s.Removed != "0" {
			fmt.Fprintf(w, "%-10s %s is the last act that a compaction removed\n", "", s.Removed)
		}
	}
	fmt.Fprintf(w, "%-10s %.1f s\n", "took", a.Seconds)
	if !a.Clean && d != nil && d.Table != "event_log" && !a.Repaired {
		fmt.Fprintf(w, "\nnext:\n  stop the plane, keep a copy, and refrain audit --repair --db %s\n", shellWord(a.Path))
	}
}

// walkProgress shows the progress of a walk over the log on a terminal. done
// erases it.
func walkProgress(w io.Writer) (progress sqlite.Progress, done func()) {
	if !isTerminal(w) {
		return nil, func() {}
	}
	last := time.Now()
	shown := false
	return func(walked, all int) {
			if time.Since(last) > 200*time.Millisecond {
				last, shown = time.Now(), true
				fmt.Fprintf(w, "\r\x1b[Kentry %d of %d", walked, all)
			}
		}, func() {
			if shown {
				fmt.Fprint(w, "\r\x1b[K")
			}
		}
}
