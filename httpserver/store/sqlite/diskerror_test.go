//go:build !race

// The race detector checks every pointer conversion, and rejects those of the shim
// in front of SQLite, which are between Go pointers and translated C.

package sqlite

import (
	"errors"
	"slices"
	"strings"
	"testing"

	driver "modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/refrain-fleet/refrain/core/plane"
	"github.com/refrain-fleet/refrain/core/wire"
	"github.com/refrain-fleet/refrain/httpserver/store/dbfile"
	"github.com/refrain-fleet/refrain/httpserver/store/storetest"
)

// TestDiskError_CommitIsAllOrNothing makes the k-th operation of a commit fail,
// and all later ones until the disk recovers, for every k. The commit returns the
// error. Load returns the state before the commit though nothing can be written, or
// fails if the commit may be in the file and not on the disk; trials fail until the
// disk recovers. Then the state is that before the commit or that after it, and the
// plane goes on.
func TestDiskError_CommitIsAllOrNothing(t *testing.T) { // PROTOCOL E2
	for _, c := range []struct {
		what string
		op   string
		code int32
	}{
		{"a full disk", "write", sqlite3.SQLITE_FULL},
		{"a write error", "write", sqlite3.SQLITE_IOERR_WRITE},
		{"a sync that fails", "sync", sqlite3.SQLITE_IOERR_FSYNC},
		{"a disk that became read-only", "write", sqlite3.SQLITE_READONLY},
	} {
		t.Run(c.what, func(t *testing.T) {
			t.Cleanup(func() { faults.inject(nil) })
			faults.inject(nil)
			s := fresh(t)
			r := storetest.NewRig(t, 11)
			for range 5 {
				r.Random()
			}
			r.Commit(s)
			failed := 0
			for k := 1; ; k++ {
				before := r.State()
				for range 4 {
					r.Random()
				}
				after := r.State()
				entries, rows := r.Batch()
				ops := 0
				faults.inject(func(op fileOp) int32 {
					if op.name == c.op && op.wal {
						if ops++; ops >= k {
							return c.code
						}
					}
					return sqlite3.SQLITE_OK
				})
				err := s.Commit(entries, slices.Values(rows))
				if err == nil {
					if ops >= k {
						t.Errorf("operation %d failed, and the commit returned nil", k)
					}
					break // a commit has fewer operations
				}
				failed++
				var known *driver.Error
				if !errors.As(err, &known) || !strings.Contains(err.Error(), s.Path()) {
					t.Errorf("the error is %v; want SQLite's with the path", err)
				}
				if again := s.Commit(entries, slices.Values(rows)); again == nil || !strings.Contains(again.Error(), "call Load first") {
					t.Errorf("a commit after the failure: %v", again)
				}
				if p, err := s.Load(t.Context(), plane.Config{}); err == nil {
					storetest.Same(t, "the state while the disk fails", string(p.AppendDurable(nil)), before)
				} else if c.op != "sync" {
					t.Fatalf("a load while the disk fails: %v", err)
				}
				if err := s.Commit(nil, nil); err == nil || !strings.Contains(err.Error(), "disk write probe failed") {
					t.Fatalf("a trial while the disk fails: %v", err)
				}
				faults.inject(nil)
				if err := s.Commit(nil, nil); err != nil {
					t.Fatalf("a trial after the disk has recovered: %v", err)
				}
				p, err := s.Load(t.Context(), plane.Config{})
				if err != nil {
					t.Fatal(err)
				}
				switch state := string(p.AppendDurable(nil)); {
				case state == before:
				case state == after && c.op == "sync": // it was written; whether the disk has it is unknown
				default:
					t.Fatalf("operation %d failed: the state is neither that before nor that after the commit", k)
				}
				r.Continue(p)
				r.Opened = nil
				p.Rows(func(row plane.Row) bool {
					if row.Table == plane.TableRollouts {
						r.Opened = append(r.Opened, wire.RolloutID(row.Key))
					}
					return true
				})
			}
			faults.inject(nil)
			if failed == 0 {
				t.Error("no commit failed")
			}
			if report := audited(t, s.Path()); report.Difference != nil {
				t.Error(report.Difference)
			}
		})
	}
}

// TestDiskError_LoadNeedsNoMark makes the mark of what was acknowledged fail along with
// a commit, as on a disk that became read-only: the durable state is loaded all the same.
func TestDiskError_LoadNeedsNoMark(t *testing.T) { // PROTOCOL G9
	t.Cleanup(func() { faults.inject(nil) })
	faults.inject(nil)
	s := fresh(t)
	r := storetest.NewRig(t, 14)
	r.Random()
	r.Commit(s)
	before := r.State()
	for n := len(r.Out.Entries); len(r.Out.Entries) == n; {
		r.Random()
	}
	entries, rows := r.Batch()
	faults.inject(func(op fileOp) int32 {
		if op.wal {
			return sqlite3.SQLITE_READONLY
		}
		return sqlite3.SQLITE_OK
	})
	mark := s.files.mark
	if s.files.mark = new(dbfile.MarkFile); s.files.mark.Sync() == nil {
		t.Fatal("the mark does not fail: the test is broken")
	}
	if err := s.Commit(entries, slices.Values(rows)); err == nil {
		t.Fatal("the commit succeeded")
	}
	storetest.Same(t, "the state while the disk fails", storetest.Loaded(t, s), before)
	faults.inject(nil)
	s.files.mark = mark
	if err := s.Commit(nil, nil); err != nil {
		t.Errorf("a trial after the disk has recovered: %v", err)
	}
}

// TestCheckpoint_FailureLosesNothing makes every write to the database file fail:
// commits go into the write-ahead log, and no checkpoint copies them back.
func TestCheckpoint_FailureLosesNothing(t *testing.T) { // PROTOCOL E2
	t.Cleanup(func() { faults.inject(nil) })
	faults.inject(nil)
	s := fresh(t)
	r := storetest.NewRig(t, 12)
	faults.inject(func(op fileOp) int32 {
		if !op.wal && op.name != "truncate" {
			return sqlite3.SQLITE_IOERR_WRITE
		}
		return sqlite3.SQLITE_OK
	})
	for range 60 {
		for range 20 {
			r.Random()
		}
		r.Commit(s)
	}
	storetest.Same(t, "the state", storetest.Loaded(t, s), r.State())
	faults.inject(nil)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	storetest.Same(t, "the state after a restart", storetest.Loaded(t, open(t, s.Path())), r.State())
}

// TestCommit_EndsWithASync looks at the last operation of a commit on the
// write-ahead log: it is a sync, so that a power failure cannot undo what was
// acknowledged.
func TestCommit_EndsWithASync(t *testing.T) { // PROTOCOL E2
	t.Cleanup(func() { faults.inject(nil) })
	faults.inject(nil)
	s := fresh(t)
	r := storetest.NewRig(t, 13)
	for range 20 {
		for n := len(r.Out.Entries); len(r.Out.Entries) == n; {
			r.Random()
		}
		entries, rows := r.Batch()
		var last string
		faults.inject(func(op fileOp) int32 {
			if op.wal {
				last = op.name
			}
			return sqlite3.SQLITE_OK
		})
		err := s.Commit(entries, slices.Values(rows))
		faults.inject(nil)
		if err != nil {
			t.Fatal(err)
		}
		if last != "sync" {
			t.Fatalf("the last that a commit does to the write-ahead log is a %s, want a sync", last)
		}
	}
}
