//go:build !race

// The race detector verifies every conversion of a pointer, and those of the shim
// in front of SQLite are between Go and what takes itself for C.

package sqlite

import (
	"errors"
	"strings"
	"testing"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/refrain-fleet/refrain/core/plane"
	"github.com/refrain-fleet/refrain/core/wire"
)

// TestAnErrorOfTheDiskTakesBackOrKeepsTheWholeCommit lets the k-th operation of a
// commit fail, and all after it until the disk is well again, for every k. The
// commit says so; nothing can be loaded meanwhile; then the state is that before
// the commit or that after it, and the plane goes on.
func TestAnErrorOfTheDiskTakesBackOrKeepsTheWholeCommit(t *testing.T) { // PROTOCOL E2
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
			r := newRig(t, 11)
			for range 5 {
				r.random()
			}
			r.commit(s)
			failed := 0
			for k := 1; ; k++ {
				before := r.state()
				for range 4 {
					r.random()
				}
				after := r.state()
				entries, rows := r.batch()
				ops := 0
				faults.inject(func(op fileOp) int32 {
					if op.name == c.op && op.wal {
						if ops++; ops >= k {
							return c.code
						}
					}
					return sqlite3.SQLITE_OK
				})
				err := s.Commit(entries, rows)
				if err == nil {
					if ops >= k {
						t.Errorf("operation %d failed, and the commit did not say so", k)
					}
					break // a commit has fewer operations
				}
				failed++
				var known *sqlite.Error
				if !errors.As(err, &known) || !strings.Contains(err.Error(), s.Path()) {
					t.Errorf("the error is %v; want SQLite's with the path", err)
				}
				if again := s.Commit(entries, rows); again == nil || !strings.Contains(again.Error(), "want a load first") {
					t.Errorf("a commit after the failure: %v", again)
				}
				if _, err := s.Load(t.Context(), plane.Config{}); err == nil || !strings.Contains(err.Error(), "takes nothing") {
					t.Fatalf("a load from a disk that takes nothing: %v", err)
				}
				faults.inject(nil)
				p, err := s.Load(t.Context(), plane.Config{})
				if err != nil {
					t.Fatal(err)
				}
				switch state := string(p.AppendDurable(nil)); {
				case state == before:
				case state == after && c.op == "sync": // it was written, and nobody knows whether it is on the disk
				default:
					t.Fatalf("operation %d failed: the state is neither that before nor that after the commit", k)
				}
				r.plane = p
				r.step(&plane.Started{})
				r.opened = nil
				p.Rows(func(row plane.Row) bool {
					if row.Table == plane.TableRollouts {
						r.opened = append(r.opened, wire.RolloutID(row.Key))
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

// TestACheckpointThatFailsLosesNothing lets the database itself refuse every
// write: commits go into the write-ahead log, which is not copied into it.
func TestACheckpointThatFailsLosesNothing(t *testing.T) { // PROTOCOL E2
	t.Cleanup(func() { faults.inject(nil) })
	faults.inject(nil)
	s := fresh(t)
	r := newRig(t, 12)
	faults.inject(func(op fileOp) int32 {
		if !op.wal && op.name != "truncate" {
			return sqlite3.SQLITE_IOERR_WRITE
		}
		return sqlite3.SQLITE_OK
	})
	for range 60 {
		for range 20 {
			r.random()
		}
		r.commit(s)
	}
	same(t, "the state", loaded(t, s), r.state())
	faults.inject(nil)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	same(t, "the state after a restart", loaded(t, open(t, s.Path())), r.state())
}

// TestACommitEndsWithASync counts what a commit does to the write-ahead log: it
// is synced after the last write, so that nothing is acknowledged that a power
// cut takes back.
func TestACommitEndsWithASync(t *testing.T) { // PROTOCOL E2
	t.Cleanup(func() { faults.inject(nil) })
	faults.inject(nil)
	s := fresh(t)
	r := newRig(t, 13)
	for range 20 {
		for n := len(r.out.Entries); len(r.out.Entries) == n; {
			r.random()
		}
		entries, rows := r.batch()
		var last string
		faults.inject(func(op fileOp) int32 {
			if op.wal {
				last = op.name
			}
			return sqlite3.SQLITE_OK
		})
		err := s.Commit(entries, rows)
		faults.inject(nil)
		if err != nil {
			t.Fatal(err)
		}
		if last != "sync" {
			t.Fatalf("the last that a commit does to the write-ahead log is a %s, want a sync", last)
		}
	}
}
