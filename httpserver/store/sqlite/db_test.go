package sqlite

import (
	"database/sql"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/refrain-fleet/refrain/core/plane"
	"github.com/refrain-fleet/refrain/core/wire"
	"github.com/refrain-fleet/refrain/httpserver/store/storetest"
)

func TestOpen_LoadsWhatAnEarlierProcessCommitted(t *testing.T) { // PROTOCOL E2
	path := filepath.Join(t.TempDir(), "plane.db")
	r := storetest.NewRig(t, 1)
	for range 3 {
		db := open(t, path)
		storetest.Same(t, "the state of the file", storetest.Loaded(t, db), r.State())
		for range 20 {
			for range 1 + r.Rand.IntN(20) {
				r.Random()
			}
			r.Commit(db)
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
	}
	storetest.Same(t, "the state of the file", storetest.Loaded(t, open(t, path)), r.State())
}

func TestOpen_RefusesFileInUse(t *testing.T) {
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

func TestOpen_RefusesForeignFileAndLeavesItUnchanged(t *testing.T) {
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
		{"a text file", func(t *testing.T, path string) {
			if err := os.WriteFile(path, []byte("hello"), 0o600); err != nil {
				t.Fatal(err)
			}
		}, ErrForeign, "not a refrain database"},
		{"another program's database", sqliteFile("CREATE TABLE songs (id INTEGER)"), ErrForeign, "application_id is 0x0"},
		{"another program's mark", sqliteFile("PRAGMA application_id = 7; CREATE TABLE songs (id INTEGER)"), ErrForeign, "application_id is 0x7"},
		{"our mark without a version", sqliteFile("PRAGMA application_id = 0x5266726e; CREATE TABLE songs (id INTEGER)"), ErrForeign, "schema version is 0"},
		{"a newer schema", sqliteFile("PRAGMA application_id = 0x5266726e; PRAGMA user_version = 99; CREATE TABLE songs (id INTEGER)"), ErrNewer, "version is 99, this build supports up to 3"},
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
	if _, err := Open(t.Context(), filepath.Join(t.TempDir(), "no", "plane.db")); err == nil || !strings.Contains(err.Error(), "create it first") {
		t.Errorf("a file in a directory that does not exist: %v", err)
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

func TestOpen_EmptyFileIsANewDatabase(t *testing.T) {
	path := filepath.Join(t.TempDir(), "plane.db")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	storetest.Same(t, "the state", storetest.Loaded(t, open(t, path)), string(storetest.NewPlane(t).AppendDurable(nil)))
}

func TestMigrate_OlderSchema(t *testing.T) {
	s := fresh(t)
	r := storetest.NewRig(t, 3)
	r.Random()
	r.Commit(s)
	steps := append(append([]string(nil), migrations...),
		"ALTER TABLE event_log ADD COLUMN note TEXT NOT NULL DEFAULT 'none';",
		"UPDATE event_log SET note = 'migrated';")
	if err := migrate(t.Context(), s.writer, len(migrations), steps); err != nil {
		t.Fatal(err)
	}
	var note string
	if err := s.writer.QueryRowContext(t.Context(), "SELECT note FROM event_log").Scan(&note); err != nil || note != "migrated" {
		t.Errorf("the note is %q, error %v", note, err)
	}
	if _, err := identify(t.Context(), s.writer); !errors.Is(err, ErrNewer) {
		t.Errorf("a version of later is identified as %v; want ErrNewer", err)
	}
}

// A file of the first version has no table of used nonces, and gets one.
func TestMigrate_FirstSchema(t *testing.T) {
	s := fresh(t)
	r := storetest.NewRig(t, 3)
	r.Step(&plane.Revoke{CommonName: "agent-h1.fleet.test"})
	r.Commit(s)
	before := r.State()
	tamper(t, s, "DROP TABLE enrolments; DROP TABLE act_chain; DROP TABLE host_holds; DROP TABLE removed_acts; DROP TABLE restorations; DROP INDEX event_log_by_act; ALTER TABLE event_log DROP COLUMN act; PRAGMA user_version = 1;")
	path := s.Path()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, path)
	storetest.Same(t, "the state", storetest.Loaded(t, s), before)
	r.Step(&plane.Certify{Hostname: "h2", CommonName: "agent-h2.fleet.test", Since: r.Wall(), Nonce: "n", Key: "k", ExpiresAt: r.Wall()})
	r.Commit(s)
	r.Act(&plane.Revoke{CommonName: "agent-h3.fleet.test"}) // the first of the chain
	r.Commit(s)
	if d := audited(t, path).Difference; d != nil {
		t.Error(d)
	}
	storetest.Same(t, "the state", storetest.Loaded(t, s), r.State())
}

func TestMigrate_FailureChangesNothing(t *testing.T) {
	s := fresh(t)
	steps := append(append([]string(nil), migrations...), "DROP TABLE event_log; SELECT * FROM nowhere;")
	if err := migrate(t.Context(), s.writer, len(migrations), steps); err == nil || !strings.Contains(err.Error(), "from version 3 to 4") {
		t.Fatalf("got %v", err)
	}
	if version, err := identify(t.Context(), s.writer); err != nil || version != len(migrations) {
		t.Errorf("the version is %d, error %v", version, err)
	}
	r := storetest.NewRig(t, 3)
	r.Random()
	r.Commit(s)
}

func TestLoad_RefusesTablesThatContradictTheLog(t *testing.T) {
	for _, c := range []struct{ what, script, says string }{
		{"a missing entry", "DELETE FROM event_log WHERE number = (SELECT max(number) FROM event_log)", "the last entry of the log is"},
		{"a missing record", "DELETE FROM host_rollout_records WHERE hostname = 'host-000'", "records"},
		{"a missing rollout", "DELETE FROM rollouts WHERE position = 0", "a record more than its rollout has"},
		{"a document that is invalid", "UPDATE rollouts SET document = '{}'", "rollouts, "},
		{"a setting that is invalid", "UPDATE plane_settings SET document = 'x'", "plane_settings, log"},
	} {
		t.Run(c.what, func(t *testing.T) {
			s := fresh(t)
			r := storetest.NewRig(t, 5)
			for range 30 {
				r.Random()
			}
			r.Commit(s)
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

func TestClosedDB_ReturnsErrors(t *testing.T) {
	s := fresh(t)
	for range 2 {
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	r := storetest.NewRig(t, 7)
	r.Random()
	entries, rows := r.Batch()
	if err := s.Commit(entries, slices.Values(rows)); err == nil {
		t.Error("a commit to a closed database succeeded")
	}
	if _, err := s.Load(t.Context(), plane.Config{}); err == nil {
		t.Error("a load of a closed database succeeded")
	}
	if _, _, err := storetest.Page(s, "a@b", 0, 1); err == nil {
		t.Error("a history of a closed database succeeded")
	}
}

// The view dispatches lists what the plane offers to polls.
func TestDispatchesView_MatchesPolls(t *testing.T) { // PROTOCOL D2, R1, R2, R3
	s := fresh(t)
	r := storetest.NewRig(t, 8)
	offered := 0
	for range 200 {
		r.Random()
		r.Commit(s)
		// What was offered before is offered again (D2).
		r.Now += plane.ReofferAfter
		r.Plane.Step(wire.Instant{Mono: r.Now, Wall: r.Wall()}, &plane.Tick{}, new(plane.Output))
		var want []string
		for i := range r.Hosts {
			var out plane.Output
			r.Plane.Step(wire.Instant{Mono: r.Now, Wall: r.Wall()}, &plane.Poll{Hostname: storetest.Hostname(i)}, &out)
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
			t.Fatalf("the view has %v, polls get %v", got, want)
		}
		offered += len(want)
	}
	if offered == 0 {
		t.Error("nothing was ever offered")
	}
}
