package sqlite

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/refrain-fleet/refrain/core/plane"
)

// lived returns a store that a plane has lived in for a while, and the plane.
func lived(t testing.TB, seed uint64) (*DB, *rig) {
	t.Helper()
	s := fresh(t)
	r := newRig(t, seed)
	for range 30 {
		for range 8 {
			r.random()
		}
		r.commit(s)
	}
	return s, r
}

// look opens a file to be read until the test ends.
func look(t testing.TB, path string) *Reader {
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
	l := look(t, path)
	r, err := l.Audit(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// tamper changes a file behind its store's back.
func tamper(t testing.TB, s *DB, script string) {
	t.Helper()
	if _, err := s.writer.ExecContext(t.Context(), script); err != nil {
		t.Fatal(err)
	}
}

func TestALogGivesItsTables(t *testing.T) {
	for seed := range uint64(4) {
		s, r := lived(t, seed)
		// The plane has the file, and goes on, while it is looked at.
		report := audited(t, s.Path())
		if report.Difference != nil || report.Entries != len(r.entries) || report.Last != r.plane.Stats().Logged || report.Rows == 0 {
			t.Errorf("seed %d: %+v, want %d entries and no difference", seed, report, len(r.entries))
		}
		r.random()
		r.commit(s)
	}
}

// An audit sees one state of the file, whatever the plane commits meanwhile.
func TestAnAuditSeesOneStateOfTheFile(t *testing.T) {
	s, r := lived(t, 9)
	l := look(t, s.Path())
	before := r.plane.Stats().Logged
	for range 20 {
		r.random()
	}
	r.commit(s)
	report, err := l.Audit(t.Context(), nil)
	if err != nil || report.Difference != nil || report.Last != before {
		t.Errorf("got %+v, %v; want the state of entry %d", report, err, before)
	}
}

// differences are what a file can suffer in its tables, and what an audit says.
var differences = []struct{ what, script, says string }{
	{"a number that was changed", `UPDATE host_rollout_records SET document = replace(document, '"lastEventSeq":', '"lastEventSeq":9') WHERE (rollout_id, hostname) = (SELECT rollout_id, hostname FROM host_rollout_records WHERE last_event_seq > 0 ORDER BY 1, 2 LIMIT 1)`, `record.lastEventSeq: has 9`},
	{"a record that is gone", `DELETE FROM host_rollout_records WHERE (rollout_id, hostname) = (SELECT rollout_id, hostname FROM host_rollout_records ORDER BY 1 DESC, 2 DESC LIMIT 1)`, `has nothing`},
	{"a record that nobody made", `INSERT INTO host_rollout_records (rollout_id, hostname, document) SELECT rollout_id, 'zz', document FROM host_rollout_records LIMIT 1`, `zz: has {"record"`},
	{"a record of no rollout", `INSERT INTO host_rollout_records (rollout_id, hostname, document) VALUES ('a@b', 'h', '{}')`, `a@b h: has {}, the log gives nothing`},
	{"a rollout that is gone", `DELETE FROM rollouts WHERE position = 0`, `rollouts, `},
	{"rollouts in another order", `UPDATE rollouts SET position = position + 100 WHERE position = 0`, `rollouts, `},
	{"a rollout's policy", `UPDATE rollouts SET document = replace(document, 'rollback-and-halt', 'halt') WHERE position = 0`, `policy.on_health_failure: has "halt", the log gives "rollback-and-halt"`},
	{"a quarantine that is gone", `DELETE FROM quarantined_closures`, `quarantined_closures, `},
	{"a revocation that was taken back", `DELETE FROM revocations`, `revocations, agent-host-`},
	{"a revocation's instant", `UPDATE revocations SET document = replace(document, '2026', '2025')`, `revoked_before: has "2025`},
	{"a retired rollout that is none", `INSERT INTO retired_rollouts VALUES ('a@b', '{}')`, `retired_rollouts, a@b: has {}`},
	{"the tables' place in the log", `UPDATE plane_settings SET document = '{"logged":7}'`, `plane_settings, log, document: has {"logged":7}`},
}

func TestAnAuditNamesWhatDiffersAndARepairMendsIt(t *testing.T) {
	for _, d := range differences {
		t.Run(d.what, func(t *testing.T) {
			s, r := lived(t, 0)
			tamper(t, s, d.script)
			report := audited(t, s.Path())
			if report.Difference == nil || !strings.Contains(report.Difference.String(), d.says) {
				t.Fatalf("got %v; want %q", report.Difference, d.says)
			}
			repaired, err := s.Repair(t.Context(), nil)
			if err != nil || repaired.Difference != nil || repaired.Entries != len(r.entries) {
				t.Fatalf("the repair says %+v, %v", repaired, err)
			}
			if report := audited(t, s.Path()); report.Difference != nil {
				t.Errorf("after the repair: %v", report.Difference)
			}
			same(t, "the tables after the repair", loaded(t, s), r.state())
		})
	}
}

func TestADifferenceNamesTheEntryThatChangedTheRowLast(t *testing.T) {
	s, r := lived(t, 1)
	want := r.entries[0].Number
	id, host := r.opened[0], hostname(0)
	for i := range r.entries {
		if e := &r.entries[i]; e.RolloutID == id && (e.Hostname == host || e.Hostname == "") {
			want = e.Number
		}
	}
	tamper(t, s, `UPDATE host_rollout_records SET document = replace(document, '"wave":0', '"wave":1') WHERE rollout_id = '`+string(id)+`' AND hostname = '`+string(host)+`'`)
	d := audited(t, s.Path()).Difference
	if d == nil || d.Entry != want || d.Column != "record.wave" || d.Has != "1" || d.Want != "0" {
		t.Errorf("got %+v; want the column record.wave and entry %d", d, want)
	}
}

func TestADamagedLogIsNamedAndNotRepairedFrom(t *testing.T) {
	for _, c := range []struct{ what, script, says string }{
		{"an entry that is gone", `DELETE FROM event_log WHERE number = 7`, "event_log, 7, number: has nothing, the log gives an entry before 8"},
		{"an input that rotted", `UPDATE event_log SET input = replace(input, 'host', 'tost') WHERE number = 3`, "event_log, 3, checksum: has "},
		{"a host that was changed", `UPDATE event_log SET hostname = 'h' WHERE number = 4`, "event_log, 4, checksum"},
		{"an instant that is none", `UPDATE event_log SET at = 'yesterday' WHERE number = 4`, "event_log, 4, at: has yesterday"},
		{"an end that is gone", `DELETE FROM event_log WHERE number = (SELECT max(number) FROM event_log)`, "plane_settings, log"},
	} {
		t.Run(c.what, func(t *testing.T) {
			s, _ := lived(t, 0)
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

// An entry that says something else than its step gives is found even if its
// checksum is right.
func TestAnEntryThatDoesNotDoWhatItSaysIsFound(t *testing.T) {
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
		r := newRig(t, 3)
		r.random()
		entries, rows := r.batch()
		c.change(&entries[0])
		if err := s.Commit(entries, rows); err != nil {
			t.Fatal(err)
		}
		if d := audited(t, s.Path()).Difference; d == nil || !strings.Contains(d.String(), c.says) {
			t.Errorf("%s: got %v; want %q", c.what, d, c.says)
		}
	}
}

func TestWhatCannotBeLookedAtIsSaid(t *testing.T) {
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
		filepath.Join(dir, "none.db"): "there is no such file",
		dir:                           "it is a directory",
		old:                           "it is empty",
		text:                          "not a database of refrain",
	} {
		if _, err := OpenReader(t.Context(), path); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: got %v; want %q", path, err, want)
		}
	}
	if _, err := OpenReader(t.Context(), text); !errors.Is(err, ErrForeign) {
		t.Error("a text is not foreign")
	}
}

func TestTheFirstMemberThatDiffersIsNamed(t *testing.T) {
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
