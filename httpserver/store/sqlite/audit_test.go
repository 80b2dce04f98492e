package sqlite

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/refrain-fleet/refrain/core/plane"
	"github.com/refrain-fleet/refrain/httpserver/store/storetest"
)

// used returns a database with some history, and the plane that made it.
func used(t testing.TB, seed uint64) (*DB, *storetest.Rig) {
	t.Helper()
	s := fresh(t)
	r := storetest.NewRig(t, seed)
	for range 30 {
		for range 8 {
			r.Random()
		}
		r.Commit(s)
	}
	return s, r
}

// reader opens a file for reading until the test ends.
func reader(t testing.TB, path string) *Reader {
	t.Helper()
	l, err := OpenReader(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	return l
}

func audited(t testing.TB, path string) Report {
	t.Helper()
	l := reader(t, path)
	r, err := l.Audit(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// tamper changes a file without the knowledge of its plane.
func tamper(t testing.TB, s *DB, script string) {
	t.Helper()
	if _, err := s.writer.ExecContext(t.Context(), script); err != nil {
		t.Fatal(err)
	}
}

func TestAudit_CleanFile(t *testing.T) {
	for seed := range uint64(4) {
		s, r := used(t, seed)
		// The plane has the file open, and goes on, while it is audited.
		report := audited(t, s.Path())
		if report.Difference != nil || report.Entries != len(r.Entries) || report.Last != r.Plane.Stats().Logged || report.Rows == 0 {
			t.Errorf("seed %d: %+v, want %d entries and no difference", seed, report, len(r.Entries))
		}
		r.Random()
		r.Commit(s)
	}
}

func TestAudit_SeesOneStateOfTheFile(t *testing.T) {
	s, r := used(t, 9)
	l := reader(t, s.Path())
	before := r.Plane.Stats().Logged
	for range 20 {
		r.Random()
	}
	r.Commit(s)
	report, err := l.Audit(t.Context(), nil)
	if err != nil || report.Difference != nil || report.Last != before {
		t.Errorf("got %+v, %v; want the state of entry %d", report, err, before)
	}
}

// differences are changes to the tables of a file, and what an audit reports.
var differences = []struct{ what, script, says string }{
	{"a number that was changed", `UPDATE host_rollout_records SET document = replace(document, '"lastEventSeq":', '"lastEventSeq":9') WHERE (rollout_id, hostname) = (SELECT rollout_id, hostname FROM host_rollout_records WHERE last_event_seq > 0 ORDER BY 1, 2 LIMIT 1)`, `record.lastEventSeq: has 9`},
	{"a missing record", `DELETE FROM host_rollout_records WHERE (rollout_id, hostname) = (SELECT rollout_id, hostname FROM host_rollout_records ORDER BY 1 DESC, 2 DESC LIMIT 1)`, `has nothing`},
	{"a record that no entry created", `INSERT INTO host_rollout_records (rollout_id, hostname, document) SELECT rollout_id, 'zz', document FROM host_rollout_records LIMIT 1`, `zz: has {"record"`},
	{"a record of no rollout", `INSERT INTO host_rollout_records (rollout_id, hostname, document) VALUES ('a@b', 'h', '{}')`, `a@b h: has {}, the log gives nothing`},
	{"a missing rollout", `DELETE FROM rollouts WHERE position = 0`, `rollouts, `},
	{"rollouts in another order", `UPDATE rollouts SET position = position + 100 WHERE position = 0`, `rollouts, `},
	{"a rollout's policy", `UPDATE rollouts SET document = replace(document, 'rollback-and-halt', 'halt') WHERE position = 0`, `policy.on_health_failure: has "halt", the log gives "rollback-and-halt"`},
	{"a missing quarantine", `DELETE FROM quarantined_closures`, `quarantined_closures, `},
	{"a missing revocation", `DELETE FROM revocations`, `revocations, agent-host-`},
	{"a revocation's instant", `UPDATE revocations SET document = replace(document, '2026', '2025')`, `revoked_before: has "2025`},
	{"a retired rollout that was never retired", `INSERT INTO retired_rollouts VALUES ('a@b', '{}')`, `retired_rollouts, a@b: has {}`},
	{"the entry that the tables are at", `UPDATE plane_settings SET document = '{"logged":7}'`, `plane_settings, log, document: has {"logged":7}`},
}

func TestAudit_NamesTheDifferenceAndRepairFixesIt(t *testing.T) {
	for _, d := range differences {
		t.Run(d.what, func(t *testing.T) {
			s, r := used(t, 0)
			tamper(t, s, d.script)
			report := audited(t, s.Path())
			if report.Difference == nil || !strings.Contains(report.Difference.String(), d.says) {
				t.Fatalf("got %v; want %q", report.Difference, d.says)
			}
			repaired, err := s.Repair(t.Context(), nil)
			if err != nil || repaired.Difference != nil || repaired.Entries != len(r.Entries) {
				t.Fatalf("the repair says %+v, %v", repaired, err)
			}
			if report := audited(t, s.Path()); report.Difference != nil {
				t.Errorf("after the repair: %v", report.Difference)
			}
			storetest.Same(t, "the tables after the repair", storetest.Loaded(t, s), r.State())
		})
	}
}

func TestDifference_NamesTheLastEntryOfTheRow(t *testing.T) {
	s, r := used(t, 1)
	want := r.Entries[0].Number
	id, host := r.Opened[0], storetest.Hostname(0)
	for i := range r.Entries {
		if e := &r.Entries[i]; e.RolloutID == id && (e.Hostname == host || e.Hostname == "") {
			want = e.Number
		}
	}
	tamper(t, s, `UPDATE host_rollout_records SET document = replace(document, '"wave":0', '"wave":1') WHERE rollout_id = '`+string(id)+`' AND hostname = '`+string(host)+`'`)
	d := audited(t, s.Path()).Difference
	if d == nil || d.Entry != want || d.Column != "record.wave" || d.Has != "1" || d.Want != "0" {
		t.Errorf("got %+v; want the column record.wave and entry %d", d, want)
	}
}

func TestAudit_DamagedLogIsNotRepaired(t *testing.T) {
	for _, c := range []struct{ what, script, says string }{
		{"a missing entry", `DELETE FROM event_log WHERE number = 7`, "event_log, 7, number: has nothing, the log gives an entry before 8"},
		{"a damaged input", `UPDATE event_log SET input = replace(input, 'host', 'tost') WHERE number = 3`, "event_log, 3, checksum: has "},
		{"a host that was changed", `UPDATE event_log SET hostname = 'h' WHERE number = 4`, "event_log, 4, checksum"},
		{"an invalid instant", `UPDATE event_log SET at = 'yesterday' WHERE number = 4`, "event_log, 4, at: has yesterday"},
		{"a missing last entry", `DELETE FROM event_log WHERE number = (SELECT max(number) FROM event_log)`, "plane_settings, log"},
	} {
		t.Run(c.what, func(t *testing.T) {
			s, _ := used(t, 0)
			tamper(t, s, c.script)
			report := audited(t, s.Path())
			if report.Difference == nil || !strings.Contains(report.Difference.String(), c.says) {
				t.Fatalf("got %v; want %q", report.Difference, c.says)
			}
			if report.Difference.Table != tableLog {
				return // the log is whole, only shorter
			}
			repaired, err := s.Repair(t.Context(), nil)
			if err != nil || repaired.Difference == nil || repaired.Difference.String() != report.Difference.String() {
				t.Errorf("the repair says %+v, %v", repaired, err)
			}
		})
	}
}

// The checksums of these entries are right; only the step shows the contradiction.
func TestAudit_EntryThatContradictsItsStep(t *testing.T) {
	for _, c := range []struct {
		what   string
		change func(*plane.Entry)
		says   string
	}{
		{"its kind", func(e *plane.Entry) { e.Outcome = "absorbed" }, "says opened absorbed, but gives opened applied"},
		{"its rollout", func(e *plane.Entry) { e.RolloutID = "a@b" }, "event_log, 1, rollout_id: has a@b"},
		{"its host", func(e *plane.Entry) { e.Hostname = "h" }, "event_log, 1, hostname: has h"},
	} {
		s := fresh(t)
		r := storetest.NewRig(t, 3)
		r.Random()
		entries, rows := r.Batch()
		c.change(&entries[0])
		if err := s.Commit(entries, slices.Values(rows)); err != nil {
			t.Fatal(err)
		}
		if d := audited(t, s.Path()).Difference; d == nil || !strings.Contains(d.String(), c.says) {
			t.Errorf("%s: got %v; want %q", c.what, d, c.says)
		}
	}
}

func TestOpenReader_Errors(t *testing.T) {
	dir := t.TempDir()
	old := filepath.Join(dir, "empty.db")
	if err := os.WriteFile(old, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	text := filepath.Join(dir, "text.db")
	if err := os.WriteFile(text, []byte(strings.Repeat("hello ", 200)), 0o600); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		filepath.Join(dir, "none.db"): "no such file",
		dir:                           "is a directory",
		old:                           "the file is empty",
		text:                          "not a refrain database",
	} {
		if _, err := OpenReader(t.Context(), path); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: got %v; want %q", path, err, want)
		}
	}
	if _, err := OpenReader(t.Context(), text); !errors.Is(err, ErrForeign) {
		t.Error("a text file is not ErrForeign")
	}
}

func TestFirstMember(t *testing.T) {
	for _, c := range []struct{ a, b, path, inA, inB string }{
		{`{"a":1,"b":2}`, `{"a":1,"b":3}`, "b", "2", "3"},
		{`{"a":{"b":{"c":[1]}}}`, `{"a":{"b":{"c":[2]}}}`, "a.b.c", "[1]", "[2]"},
		{`{"a":1,"b":2}`, `{"b":2}`, "a", "1", "nothing"},
		{`{"b":2}`, `{"a":1,"b":2}`, "a", "nothing", "1"},
		{`{"a":1}`, `{"a":1,"b":2}`, "b", "nothing", "2"},
		{`{"a":1,"b":2}`, `{"a":1}`, "b", "2", "nothing"},
		{`{"a":1}`, `x`, "document", `{"a":1}`, "x"},
		{`{"a":1}`, `{"a": 1}`, "document", `{"a":1}`, `{"a": 1}`},
		{`{"a":{"x":1}}`, `{"a":7}`, "a", `{"x":1}`, "7"},
	} {
		path, inA, inB := firstMember([]byte(c.a), []byte(c.b))
		if path != c.path || inA != c.inA || inB != c.inB {
			t.Errorf("%s and %s: got %s, %s, %s", c.a, c.b, path, inA, inB)
		}
	}
}
