package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/refrain-fleet/refrain/core/plane"
	"github.com/refrain-fleet/refrain/core/wire"
)

func TestWhatWasCommittedIsLoadedByteForByte(t *testing.T) { // PROTOCOL E2
	path := filepath.Join(t.TempDir(), "plane.db")
	s := open(t, path)
	same(t, "a new store", loaded(t, s), string(newPlane(t).AppendDurable(nil)))
	r := newRig(t, 1)
	for i := range 60 {
		for range 1 + r.rand.IntN(20) {
			r.random()
		}
		r.commit(s)
		if i%5 == 0 {
			same(t, "the tables", loaded(t, s), r.state())
		}
		if i%20 == 19 {
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			s = open(t, path)
			same(t, "the tables of the file that was opened again", loaded(t, s), r.state())
		}
	}
	if len(r.entries) < 200 || !strings.Contains(r.state(), "\nquarantine ") || !strings.Contains(r.state(), "\nrevocation ") {
		t.Errorf("the run was too quiet: %d entries", len(r.entries))
	}
}

func TestALoadedPlaneGoesOn(t *testing.T) { // PROTOCOL E2
	s := fresh(t)
	r := newRig(t, 2)
	for range 40 {
		r.random()
		r.commit(s)
		p, err := s.Load(t.Context(), plane.Config{})
		if err != nil {
			t.Fatal(err)
		}
		r.plane = p
		r.step(&plane.Started{})
	}
	same(t, "the tables", loaded(t, s), r.state())
}

func TestTwoPlanesNeverShareAFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "plane.db")
	s := open(t, path)
	link := filepath.Join(dir, "link.db")
	if err := os.Symlink(path, link); err != nil {
		t.Fatal(err)
	}
	for _, other := range []string{path, link} {
		_, err := Open(t.Context(), other)
		if !errors.Is(err, ErrInUse) || !strings.Contains(err.Error(), other) || !strings.Contains(err.Error(), "process ") {
			t.Errorf("opened a second time: %v; want an error that names the file and its holder", err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	open(t, link)
}

func TestWhatIsNotOursIsRefusedAndLeftAsItIs(t *testing.T) {
	sqliteFile := func(script string) func(*testing.T, string) {
		return func(t *testing.T, path string) {
			db, err := sql.Open("sqlite", path)
			if err != nil {
				t.Fatal(err)
			}
			defer db.Close()
			if _, err := db.Exec(script); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, c := range []struct {
		what string
		make func(*testing.T, string)
		is   error
		says string
	}{
		{"a text", func(t *testing.T, path string) {
			if err := os.WriteFile(path, []byte("hello"), 0o600); err != nil {
				t.Fatal(err)
			}
		}, ErrForeign, "not a database of refrain"},
		{"another program's database", sqliteFile("CREATE TABLE songs (id INTEGER)"), ErrForeign, "application_id is 0x0"},
		{"another program's mark", sqliteFile("PRAGMA application_id = 7; CREATE TABLE songs (id INTEGER)"), ErrForeign, "application_id is 0x7"},
		{"our mark without a version", sqliteFile("PRAGMA application_id = 0x5266726e; CREATE TABLE songs (id INTEGER)"), ErrForeign, "schema version is 0"},
		{"a newer schema", sqliteFile("PRAGMA application_id = 0x5266726e; PRAGMA user_version = 99; CREATE TABLE songs (id INTEGER)"), ErrNewer, "version 99, this build knows up to 1"},
	} {
		t.Run(c.what, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "plane.db")
			c.make(t, path)
			before := read(t, path)
			_, err := Open(t.Context(), path)
			if !errors.Is(err, c.is) || !strings.Contains(err.Error(), c.says) || !strings.Contains(err.Error(), path) {
				t.Errorf("got %v; want %v with the path and %q", err, c.is, c.says)
			}
			if read(t, path) != before {
				t.Error("the file was changed")
			}
		})
	}
	if _, err := Open(t.Context(), ""); err == nil {
		t.Error("an empty path was opened")
	}
	if _, err := Open(t.Context(), filepath.Join(t.TempDir(), "no", "plane.db")); err == nil || !strings.Contains(err.Error(), "make it first") {
		t.Errorf("a file in no directory: %v", err)
	}
}

func read(t testing.TB, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestAnEmptyFileIsANewStore(t *testing.T) {
	path := filepath.Join(t.TempDir(), "plane.db")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	same(t, "the state", loaded(t, open(t, path)), string(newPlane(t).AppendDurable(nil)))
}

func TestAnOlderFileIsMigratedForward(t *testing.T) {
	s := fresh(t)
	r := newRig(t, 3)
	r.random()
	r.commit(s)
	steps := append(append([]string(nil), migrations...),
		"ALTER TABLE event_log ADD COLUMN note TEXT NOT NULL DEFAULT 'none';",
		"UPDATE event_log SET note = 'migrated';")
	if err := migrate(t.Context(), s.writer, 1, steps); err != nil {
		t.Fatal(err)
	}
	var note string
	if err := s.writer.QueryRowContext(t.Context(), "SELECT note FROM event_log").Scan(&note); err != nil || note != "migrated" {
		t.Errorf("the note is %q, error %v", note, err)
	}
	if _, err := identify(t.Context(), s.writer); !errors.Is(err, ErrNewer) {
		t.Errorf("this build takes version 3 for %v", err)
	}
}

func TestAMigrationThatFailsChangesNothing(t *testing.T) {
	s := fresh(t)
	steps := append(append([]string(nil), migrations...), "DROP TABLE event_log; SELECT * FROM nowhere;")
	if err := migrate(t.Context(), s.writer, 1, steps); err == nil || !strings.Contains(err.Error(), "from version 1 to 2") {
		t.Fatalf("got %v", err)
	}
	if version, err := identify(t.Context(), s.writer); err != nil || version != 1 {
		t.Errorf("the version is %d, error %v", version, err)
	}
	r := newRig(t, 3)
	r.random()
	r.commit(s)
}

func TestAHistoryIsPaged(t *testing.T) { // PROTOCOL R5
	s := fresh(t)
	r := newRig(t, 4)
	for range 300 {
		r.random()
	}
	r.commit(s)
	id := r.opened[0]
	var want []wire.LoggedEvent
	for i := range r.entries {
		if r.entries[i].RolloutID == id {
			want = append(want, r.entries[i].Logged())
		}
	}
	var got []wire.LoggedEvent
	for after, pages := wire.Seq(0), 0; ; pages++ {
		page, next, err := s.Events(id, after, 3)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, page...)
		if next == 0 {
			if pages == 0 {
				t.Error("one page is no paging")
			}
			break
		}
		if len(page) != 3 || next != page[2].Number {
			t.Fatalf("a page of %d, next %d", len(page), next)
		}
		after = next
	}
	if len(got) != len(want) {
		t.Fatalf("%d events, want %d", len(got), len(want))
	}
	for i := range got {
		if got[i].Number != want[i].Number || got[i].At != want[i].At || got[i].Kind != want[i].Kind || got[i].Event.String() != want[i].Event.String() {
			t.Errorf("event %d is %v, want %v", i, got[i], want[i])
		}
	}
}

func TestTablesThatDoNotFitTheLogAreNotServed(t *testing.T) {
	for _, c := range []struct{ what, script, says string }{
		{"an entry that is gone", "DELETE FROM event_log WHERE number = (SELECT max(number) FROM event_log)", "which ends with"},
		{"a record that is gone", "DELETE FROM host_rollout_records WHERE hostname = 'host-000'", "records"},
		{"a rollout that is gone", "DELETE FROM rollouts WHERE position = 0", "a record more than its rollout has"},
		{"a document that is none", "UPDATE rollouts SET document = '{}'", "rollouts, "},
		{"a setting that is none", "UPDATE plane_settings SET document = 'x'", "plane_settings, log"},
	} {
		t.Run(c.what, func(t *testing.T) {
			s := fresh(t)
			r := newRig(t, 5)
			for range 30 {
				r.random()
			}
			r.commit(s)
			if _, err := s.writer.ExecContext(t.Context(), c.script); err != nil {
				t.Fatal(err)
			}
			_, err := s.Load(t.Context(), plane.Config{})
			if err == nil || !strings.Contains(err.Error(), c.says) || !strings.Contains(err.Error(), s.Path()) {
				t.Errorf("got %v; want an error with the path and %q", err, c.says)
			}
		})
	}
}

func TestALoadGivesUpWhenItIsTold(t *testing.T) {
	s := fresh(t)
	r := newRig(t, 6)
	r.random()
	r.commit(s)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Load(ctx, plane.Config{}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want %v", err, context.Canceled)
	}
	same(t, "the next load", loaded(t, s), r.state())
}

func TestAClosedStoreSaysSo(t *testing.T) {
	s := fresh(t)
	for range 2 {
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	r := newRig(t, 7)
	r.random()
	entries, rows := r.batch()
	if err := s.Commit(entries, rows); err == nil {
		t.Error("a commit to a closed store succeeded")
	}
	if _, err := s.Load(t.Context(), plane.Config{}); err == nil {
		t.Error("a load of a closed store succeeded")
	}
	if _, _, err := s.Events("a@b", 0, 1); err == nil {
		t.Error("a closed store has a history")
	}
}

// The view is what the plane's polls are answered with.
func TestTheViewOfDispatchesIsWhatPollsAreOffered(t *testing.T) { // PROTOCOL D2, R1, R2, R3
	s := fresh(t)
	r := newRig(t, 8)
	offered := 0
	for range 200 {
		r.random()
		r.commit(s)
		var want []string
		for i := range r.hosts {
			var out plane.Output
			r.plane.Step(wire.Instant{Mono: r.now, Wall: r.at()}, &plane.Poll{Hostname: hostname(i)}, &out)
			if d, is := out.Replies[0].Outcome.Document.(*wire.Dispatch); is {
				want = append(want, string(d.Hostname))
			}
		}
		rows, err := s.writer.QueryContext(t.Context(), "SELECT DISTINCT hostname FROM dispatches ORDER BY hostname")
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for rows.Next() {
			var h string
			if err := rows.Scan(&h); err != nil {
				t.Fatal(err)
			}
			got = append(got, h)
		}
		if err := rows.Close(); err != nil {
			t.Fatal(err)
		}
		if strings.Join(got, " ") != strings.Join(want, " ") {
			t.Fatalf("the view has %v, polls are offered %v", got, want)
		}
		offered += len(want)
	}
	if offered == 0 {
		t.Error("nothing was ever offered")
	}
}
