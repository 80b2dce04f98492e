package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/refrain-fleet/refrain/httpserver/store/dbfile"
	"github.com/refrain-fleet/refrain/httpserver/store/storetest"
)

// backedUp returns a database that was closed, a backup of an earlier state of it,
// and both states.
func backedUp(t *testing.T) (path, backup, before, after string) {
	t.Helper()
	s, r := used(t, 31)
	path, backup, before = s.Path(), filepath.Join(t.TempDir(), "backup.db"), r.State()
	takeBackup(t, path, backup)
	for r.State() == before {
		for range 20 {
			r.Random()
		}
		r.Commit(s)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return path, backup, before, r.State()
}

func TestRestore_PutsTheBackupInPlaceAndKeepsTheOldDatabase(t *testing.T) {
	path, backup, before, after := backedUp(t)
	r, err := Restore(t.Context(), backup, path, nil)
	if err != nil {
		t.Fatal(err)
	}
	if r.Acknowledged <= r.Last || r.LastAt == "" || r.SchemaVersion != len(migrations) || !strings.HasPrefix(r.Kept, path+".replaced-") {
		t.Errorf("%+v", r)
	}
	s := open(t, path)
	storetest.Same(t, "the restored state", storetest.Loaded(t, s), before)
	if h := s.Health(); !strings.Contains(h.Warning, "requests replays") || h.Failing != "" {
		t.Errorf("%+v; want a warning that replays are requested", h)
	}
	storetest.Same(t, "the old state", storetest.Loaded(t, open(t, r.Kept)), after)
	if _, err := Restore(t.Context(), backup, path, nil); !errors.Is(err, ErrInUse) {
		t.Errorf("a database that is open is restored: %v", err)
	}
}

func TestRestore_OfALostDatabase(t *testing.T) {
	_, backup, before, _ := backedUp(t)
	path := filepath.Join(t.TempDir(), "plane.db")
	if err := os.WriteFile(path+dbfile.WALSuffix, []byte("commits"), 0o600); err != nil {
		t.Fatal(err)
	}
	if r, err := Restore(t.Context(), backup, path, nil); err != nil || r.Kept != "" {
		t.Fatalf("%+v %v", r, err)
	}
	storetest.Same(t, "the restored state", storetest.Loaded(t, open(t, path)), before)
	kept, err := filepath.Glob(path + dbfile.WALSuffix + ".*Z")
	if err != nil || len(kept) != 1 || read(t, kept[0]) != "commits" {
		t.Errorf("the write-ahead log that was there is kept as %v %v", kept, err)
	}
}

func TestRestore_MigratesABackupOfAnOlderSchema(t *testing.T) {
	path, backup, before, _ := backedUp(t)
	released := migrations
	t.Cleanup(func() { migrations = released })
	migrations = append(released[:len(released):len(released)], "CREATE TABLE later (x INTEGER) STRICT;")
	if _, err := OpenReader(t.Context(), backup); !errors.Is(err, errOlderSchema) {
		t.Fatalf("the backup is of an older schema: %v", err)
	}
	r, err := Restore(t.Context(), backup, path, nil)
	if err != nil || r.SchemaVersion != len(released) {
		t.Fatalf("%+v %v", r, err)
	}
	storetest.Same(t, "the restored state", storetest.Loaded(t, open(t, path)), before)
	if d := audited(t, path).Difference; d != nil {
		t.Error(d)
	}
	if _, err := OpenReader(t.Context(), backup); !errors.Is(err, errOlderSchema) {
		t.Errorf("the backup itself was changed: %v", err)
	}
}

// TestRestore_RefusesAndChangesNothing gives it backups that are none.
func TestRestore_RefusesAndChangesNothing(t *testing.T) {
	path, backup, _, after := backedUp(t)
	damaged := filepath.Join(t.TempDir(), "damaged.db")
	copyFile(t, backup, damaged)
	execute(t, damaged, `UPDATE event_log SET outcome = 'absorbed' WHERE number = 3`)
	text := filepath.Join(t.TempDir(), "text.db")
	if err := os.WriteFile(text, []byte("hello"), 0o600); err != nil {
		t.Fatal(err)
	}
	for from, want := range map[string]error{damaged: new(Difference), text: ErrForeign, text + ".no": ErrMissing, path: nil} {
		_, err := Restore(t.Context(), from, path, nil)
		switch d := new(Difference); {
		case err == nil:
			t.Fatalf("%s was restored", from)
		case want == nil:
			if !strings.Contains(err.Error(), "is the database itself") {
				t.Error(err)
			}
		case errors.As(want, &d):
			if !errors.As(err, &d) {
				t.Errorf("%v; want a difference", err)
			}
		case !errors.Is(err, want):
			t.Errorf("%v; want %v", err, want)
		}
		missing := filepath.Join(t.TempDir(), "missing.db")
		if _, err := Restore(t.Context(), from, missing, nil); err == nil && from != path {
			t.Errorf("%s was restored", from)
		} else if _, err := os.Stat(missing); from != path && err == nil {
			t.Errorf("%s: there is an empty database now", from)
		}
	}
	if left, err := filepath.Glob(path + ".re*"); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v %v", left, err)
	}
	storetest.Same(t, "the state", storetest.Loaded(t, open(t, path)), after)
}

// TestRestore_InterruptedAfterEachStep ends a restore after each of its steps, of a
// database whose plane was killed: a start finds the old state or the new one, or
// refuses; the restore can be repeated.
func TestRestore_InterruptedAfterEachStep(t *testing.T) {
	s, r := used(t, 32)
	dir := t.TempDir()
	backup, before := filepath.Join(dir, "backup.db"), r.State()
	takeBackup(t, s.Path(), backup)
	for range 20 {
		r.Random()
	}
	r.Commit(s)
	after, seen := r.State(), map[string]int{}
	for n := 0; ; n++ {
		path := filepath.Join(dir, fmt.Sprint(n), "plane.db")
		if err := os.Mkdir(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		for _, suffix := range []string{"", dbfile.WALSuffix, dbfile.MarkSuffix} { // as a kill leaves them
			copyFile(t, s.Path()+suffix, path+suffix)
		}
		held, err := dbfile.Lock(path)
		if err != nil {
			t.Fatal(err)
		}
		sw := swap{path: path, part: path + ".restoring", existed: true}
		if _, err := sw.prepare(t.Context(), backup, nil); err != nil {
			t.Fatal(err)
		}
		steps := sw.steps(time.Now())
		for _, step := range steps[:n] {
			if err := step(); err != nil {
				t.Fatal(err)
			}
		}
		if err := held.Close(); err != nil {
			t.Fatal(err)
		}
		db, err := Open(context.Background(), path)
		switch {
		case errors.Is(err, ErrHardLinks):
			seen["refused"]++
		case err != nil:
			t.Fatalf("after %d steps: %v", n, err)
		default:
			switch state := storetest.Loaded(t, db); state {
			case before:
				seen["new"]++
			case after:
				seen["old"]++
			default:
				t.Fatalf("after %d steps the state is neither the old nor the new one", n)
			}
			if err := db.Close(); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := Restore(t.Context(), backup, path, nil); err != nil {
			t.Fatalf("again after %d steps: %v", n, err)
		}
		storetest.Same(t, "the restored state", storetest.Loaded(t, open(t, path)), before)
		if n == len(steps) {
			break
		}
	}
	if seen["refused"] == 0 || seen["new"] == 0 || seen["old"] == 0 {
		t.Errorf("seen %v; want all three", seen)
	}
}

// TestOpen_TellsAnInterruptedCheckpointFromAnotherFile puts together what a kill, a move and a wrong copy leave.
func TestOpen_TellsAnInterruptedCheckpointFromAnotherFile(t *testing.T) {
	s, r := used(t, 33)
	keep := t.TempDir()
	grab := func(name, suffix string) string {
		to := filepath.Join(keep, name)
		copyFile(t, s.Path()+suffix, to)
		return to
	}
	backup := filepath.Join(keep, "backup")
	takeBackup(t, s.Path(), backup)
	for range 20 {
		r.Random()
	}
	r.Commit(s)
	mainBefore, markBefore, wal := grab("main", ""), grab("mark", dbfile.MarkSuffix), grab("wal", dbfile.WALSuffix)
	s.checkpoint("PASSIVE")
	mainAfter, walAfter := grab("mainAfter", ""), grab("walAfter", dbfile.WALSuffix)
	half := filepath.Join(keep, "half") // the first pages are written
	content := []byte(read(t, mainAfter))
	if err := os.WriteFile(half, content[:len(content)/8192*4096], 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		what, main, wal string
		refused         bool
	}{
		{"moved files", mainBefore, wal, false},
		{"a checkpoint that was not noted", mainAfter, walAfter, false},
		{"a checkpoint that was interrupted", half, wal, false},
		{"a backup with the write-ahead log of the database", backup, wal, true},
	} {
		path := filepath.Join(t.TempDir(), "plane.db")
		for suffix, from := range map[string]string{"": c.main, dbfile.WALSuffix: c.wal, dbfile.MarkSuffix: markBefore} {
			copyFile(t, from, path+suffix)
		}
		db, err := Open(t.Context(), path)
		if c.refused {
			if !errors.Is(err, ErrMismatch) || read(t, path) != read(t, c.main) {
				t.Errorf("%s: %v; want it refused and left as it is", c.what, err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", c.what, err)
			continue
		}
		storetest.Same(t, c.what, storetest.Loaded(t, db), r.State())
		if lost := db.Health().Lost; lost != 0 {
			t.Errorf("%s: %d entries are called lost", c.what, lost)
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// execute runs a statement on a file, as another program would.
func execute(t *testing.T, path, statement string) {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec(statement); err != nil {
		t.Fatal(err)
	}
}

// takeBackup leaves no reader behind, whose locks this process would share.
func takeBackup(t *testing.T, path, backup string) {
	t.Helper()
	r, err := OpenReader(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if err := r.Backup(t.Context(), backup); err != nil {
		t.Fatal(err)
	}
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	if err := os.WriteFile(to, []byte(read(t, from)), 0o600); err != nil {
		t.Fatal(err)
	}
}
