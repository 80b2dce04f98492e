package sqlite

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestSurroundings_DecideHowAFileIsOpened(t *testing.T) {
	for _, test := range []struct {
		what      string
		around    surroundings
		immutable bool
		err       string
	}{
		{"a directory that can be written", surroundings{wal: noWAL}, false, ""},
		{"the same with a write-ahead log", surroundings{wal: 4096, shm: true}, false, ""},
		{"read-only, a plane that was stopped", surroundings{readOnly: true, wal: noWAL}, true, ""},
		{"read-only, an index that was left behind", surroundings{readOnly: true, wal: noWAL, shm: true}, true, ""},
		{"read-only, an empty write-ahead log", surroundings{readOnly: true, wal: 0}, true, ""},
		{"read-only, a plane may run", surroundings{readOnly: true, wal: 0, shm: true}, false, ""},
		{"read-only, a plane runs", surroundings{readOnly: true, wal: 4096, shm: true}, false, ""},
		{"read-only, commits that cannot be read", surroundings{path: "/d/plane.db", readOnly: true, wal: 4096}, false,
			"write-ahead log plane.db-wal (4096 bytes) has commits that cannot be read there; copy both files to a directory that can be written"},
	} {
		got, err := test.around.immutable()
		if got != test.immutable || (err == nil) != (test.err == "") || err != nil && !strings.Contains(err.Error(), test.err) {
			t.Errorf("%s: %v, %v; want %v, %q", test.what, got, err, test.immutable, test.err)
		}
	}
}

func TestSurroundings_OfAFile(t *testing.T) {
	s, _ := used(t, 1)
	if got, err := surroundingsOf(s.Path()); err != nil || got.readOnly || got.wal <= 0 || !got.shm {
		t.Errorf("with a plane: %+v, %v; want a write-ahead log with its index", got, err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if got, err := surroundingsOf(s.Path()); err != nil || got.wal != noWAL || got.shm {
		t.Errorf("without a plane: %+v, %v; want no write-ahead log", got, err)
	}
}

// readOnlyAround looks around a file as if its directory were read-only, which
// it is not for a test that runs as root.
func readOnlyAround(path string) (surroundings, error) {
	s, err := surroundingsOf(path)
	s.readOnly = true
	return s, err
}

func TestOpenReader_ReadOnlyDirectory(t *testing.T) {
	s, r := used(t, 1)
	last := r.State()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Dir(s.Path())
	if err := os.Chmod(s.Path(), 0o444); err != nil {
		t.Fatal(err)
	}
	before, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	l, err := openReader(t.Context(), s.Path(), readOnlyAround, false)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if report, err := l.Audit(t.Context(), nil); err != nil || report.Difference != nil || report.Entries == 0 {
		t.Errorf("the audit: %+v, %v", report, err)
	}
	if stats, err := l.Stats(t.Context()); err != nil || stats.Entries == 0 {
		t.Errorf("the stats: %+v, %v", stats, err)
	}
	var state strings.Builder
	if err := l.ExportState(t.Context(), &state); err != nil || state.String() != last {
		t.Errorf("the state: %v, or not the last one", err)
	}
	to := filepath.Join(t.TempDir(), "backup.db")
	if err := l.Backup(t.Context(), to); err != nil {
		t.Fatal(err)
	}
	if report := audited(t, to); report.Difference != nil || report.Entries == 0 {
		t.Errorf("the backup: %+v", report)
	}
	after, err := os.ReadDir(dir)
	if err != nil || len(after) != len(before) {
		t.Errorf("%d files in the directory, %v; want the %d from before", len(after), err, len(before))
	}
}

func TestOpenReader_ReadOnlyDirectoryWithCommitsInTheWriteAheadLog(t *testing.T) {
	s, _ := used(t, 1)
	copied := filepath.Join(t.TempDir(), "plane.db")
	for _, suffix := range []string{"", "-wal"} { // as a crash leaves them
		data, err := os.ReadFile(s.Path() + suffix)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(copied+suffix, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := openReader(t.Context(), copied, readOnlyAround, false); err == nil || !strings.Contains(err.Error(), "copy both files") {
		t.Errorf("got %v; want what to do about the write-ahead log", err)
	}
	if report := audited(t, copied); report.Difference != nil || report.Entries == 0 {
		t.Errorf("in a directory that can be written: %+v", report)
	}
}

// SQLite says "unable to open database file (14)" for every one of these.
func TestErrors_NameTheCauseOfAFileThatCannotBeOpened(t *testing.T) {
	dir := t.TempDir()
	s, _ := used(t, 1)
	l := reader(t, s.Path())
	if err := l.Backup(t.Context(), filepath.Join(dir, "no", "x.db")); !errors.Is(err, fs.ErrNotExist) ||
		!strings.Contains(err.Error(), filepath.Join(dir, "no")+": no such file or directory; create it first") {
		t.Errorf("a backup into a directory that does not exist: %v", err)
	}
	if err := l.Backup(t.Context(), filepath.Join(s.Path(), "x.db")); err == nil || !strings.Contains(err.Error(), s.Path()+" is not a directory") {
		t.Errorf("a backup into a file: %v", err)
	}
	if _, err := Open(t.Context(), dir); err == nil || !strings.Contains(err.Error(), "is a directory; want a file") {
		t.Errorf("a directory for a database: %v", err)
	}
	if _, err := os.Stat(dir + ".lock"); err == nil {
		t.Error("there is a lock beside the directory")
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	beside := filepath.Join(dir, "plane.db")
	if err := l.Backup(t.Context(), beside); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(beside+"-wal", 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), beside); err == nil || !strings.Contains(err.Error(), beside+"-wal is a directory") {
		t.Errorf("a directory for the write-ahead log: %v", err)
	}
}
