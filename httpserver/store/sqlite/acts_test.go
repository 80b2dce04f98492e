package sqlite

import (
	"bytes"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/refrain-fleet/refrain/core/plane"
	"github.com/refrain-fleet/refrain/core/wire"
	"github.com/refrain-fleet/refrain/httpserver/store/storetest"
)

// acted returns a database with six acts, among other entries.
func acted(t testing.TB) (*DB, *storetest.Rig) {
	t.Helper()
	s := fresh(t)
	r := storetest.NewRig(t, 5)
	for i := range 6 {
		r.Act(&plane.Revoke{CommonName: wire.CommonName(fmt.Sprintf("agent-h%d.fleet.test", i))})
		r.Step(&plane.Revoke{CommonName: wire.CommonName(fmt.Sprintf("h%d", i))}) // nobody's
	}
	r.Commit(s)
	return s, r
}

func acts(t testing.TB, path string, expect *wire.ActHead) ActsReport {
	t.Helper()
	l, err := OpenReader(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	report, err := l.Acts(t.Context(), expect)
	if err != nil {
		t.Fatal(err)
	}
	return report
}

// rewrite changes an entry as somebody does who knows the format: the row matches its
// checksum afterwards.
func rewrite(t testing.TB, s *DB, number wire.Seq, change func(*plane.Entry)) {
	t.Helper()
	var entry plane.Entry
	err := eachEntry(t.Context(), s.writer, "WHERE number = ?", []any{int64(number)}, func(e *plane.Entry, _ []byte) error {
		entry = *e
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	change(&entry)
	input, act := entry.AppendInput(nil), []byte(nil)
	if entry.Act != nil {
		act = entry.AppendAct(nil)
	}
	if _, err := s.writer.ExecContext(t.Context(), "UPDATE event_log SET number = ?, at = ?, input = ?, act = ?, checksum = ? WHERE number = ?",
		int64(entry.Number), entry.At.String(), string(input), string(act), int64(checksum(&entry, input, act)), int64(number)); err != nil {
		t.Fatal(err)
	}
}

func TestActs_WholeChain(t *testing.T) {
	s, r := acted(t)
	head := r.Plane.Acts()
	report := acts(t, s.Path(), &head)
	if report.Verdict != ActsWhole || report.Acts != 6 || report.Head != head.String() || report.Removed != "0" {
		t.Errorf("got %+v; want 6 acts, and the head %v", report, head)
	}
	// A later copy has the head, and more.
	r.Act(&plane.Revoke{CommonName: "later"})
	r.Commit(s)
	if report = acts(t, s.Path(), &head); report.Verdict != ActsWhole || report.Acts != 7 {
		t.Errorf("a later copy: %+v", report)
	}
	if d := audited(t, s.Path()).Difference; d != nil {
		t.Error(d)
	}
}

// Each way to falsify acts is found, by its name, at the act, also when row and tables
// were made to match.
func TestActs_FindsWhatWasFalsified(t *testing.T) {
	const third = 5 // the entry of act 3
	for _, c := range []struct {
		what    string
		falsify func(*testing.T, *DB)
		want    ActVerdict
		act     wire.Seq
	}{
		{"another input", func(t *testing.T, s *DB) {
			rewrite(t, s, third, func(e *plane.Entry) { e.Input.(*plane.Revoke).CommonName = "another" })
		}, ActChanged, 3},
		{"another operator", func(t *testing.T, s *DB) {
			rewrite(t, s, third, func(e *plane.Entry) { e.Act.By.Name = "operator-bob.fleet.test" })
		}, ActChanged, 3},
		{"another time", func(t *testing.T, s *DB) {
			rewrite(t, s, third, func(e *plane.Entry) { e.At = e.At.Add(time.Nanosecond) })
		}, ActChanged, 3},
		{"the last", func(t *testing.T, s *DB) {
			rewrite(t, s, 11, func(e *plane.Entry) { e.Act.By.Request = "another" })
		}, ActChanged, 6},
		{"one removed", func(t *testing.T, s *DB) { tamper(t, s, "DELETE FROM event_log WHERE number = 5") }, ActRemoved, 3},
		{"one that is no act any more", func(t *testing.T, s *DB) {
			rewrite(t, s, third, func(e *plane.Entry) { e.Act = nil })
		}, ActRemoved, 3},
		{"the first removed", func(t *testing.T, s *DB) { tamper(t, s, "DELETE FROM event_log WHERE number = 1") }, ActRemoved, 1},
		{"two that changed places", func(t *testing.T, s *DB) {
			rewrite(t, s, 5, func(e *plane.Entry) { e.Number = 100 })
			rewrite(t, s, 7, func(e *plane.Entry) { e.Number = 5 })
			rewrite(t, s, 100, func(e *plane.Entry) { e.Number = 7 })
		}, ActReordered, 3},
		{"the end cut off", func(t *testing.T, s *DB) { tamper(t, s, "DELETE FROM event_log WHERE number > 8") }, ActsCut, 5},
		{"a row that is not repaired", func(t *testing.T, s *DB) {
			tamper(t, s, `UPDATE event_log SET act = replace(act, 'alice', 'bob') WHERE number = 5`)
		}, ActChanged, 0},
	} {
		t.Run(c.what, func(t *testing.T) {
			s, _ := acted(t)
			c.falsify(t, s)
			report := acts(t, s.Path(), nil)
			if report.Verdict != c.want || report.Act != c.act || report.Detail == "" {
				t.Errorf("got %s of act %d (%s); want %s of act %d", report.Verdict, report.Act, report.Detail, c.want, c.act)
			}
			if d := audited(t, s.Path()).Difference; d == nil {
				t.Error("the audit finds no difference")
			}
			if _, d, err := s.Compact(t.Context(), r0, nil); err == nil && d == nil {
				t.Error("it is compacted, which would make the change look right")
			}
		})
	}
}

var r0 = wire.TimeOf(storetest.Epoch)

// An end that was cut off together with the tables shows only against a head that was
// noted; and so does a chain that was made anew as a whole.
func TestActs_FindsWhatIsMissingOfANotedHead(t *testing.T) {
	s, r := acted(t)
	head := r.Plane.Acts()
	cut := storetest.NewRig(t, 5)
	short := fresh(t)
	for _, e := range r.Entries[:8] {
		cut.Step(&plane.Requested{By: byOf(e), Input: e.Input})
	}
	cut.Commit(short)
	if d := audited(t, short.Path()).Difference; d != nil {
		t.Fatalf("the tables match: %v", d)
	}
	if report := acts(t, short.Path(), &head); report.Verdict != ActsCut || report.Act != 5 || !strings.Contains(report.Detail, "acts 5 to 6") {
		t.Errorf("got %+v; want acts 5 and 6 cut off", report)
	}
	anew := storetest.NewRig(t, 5)
	other := fresh(t)
	for i := range 8 {
		anew.Act(&plane.Revoke{CommonName: wire.CommonName(fmt.Sprintf("x%d", i))})
	}
	anew.Commit(other)
	if report := acts(t, other.Path(), &head); report.Verdict != ActChanged || report.Act != 6 {
		t.Errorf("got %+v; want act 6 changed", report)
	}
	if report := acts(t, s.Path(), &head); report.Verdict != ActsWhole {
		t.Errorf("got %+v", report)
	}
}

func byOf(e plane.Entry) wire.Actor {
	if e.Act == nil {
		return wire.Actor{}
	}
	return e.Act.By
}

// A backup that was restored is told from an end that was cut off, also after the plane
// has gone on.
func TestActs_TellARestoreFromACut(t *testing.T) {
	s, r := acted(t)
	kept := r.Plane.Acts()
	path, backup := s.Path(), filepath.Join(t.TempDir(), "backup.db")
	takeBackup(t, path, backup)
	r.Act(&plane.Revoke{CommonName: "taken back"})
	r.Commit(s)
	head := r.Plane.Acts()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := Restore(t.Context(), backup, path, nil); err != nil {
		t.Fatal(err)
	}
	report := acts(t, path, &head)
	if report.Verdict != ActsRestored || report.Act != 7 || len(report.Restored) != 1 || report.Restored[0].Kept != kept.String() || report.Restored[0].Replaced != head.String() {
		t.Errorf("got %+v; want a restore that took act 7 back", report)
	}
	if report := acts(t, path, &kept); report.Verdict != ActsWhole {
		t.Errorf("the head of the backup: %+v", report)
	}
	s = open(t, path)
	p, err := s.Load(t.Context(), plane.Config{})
	if err != nil {
		t.Fatal(err)
	}
	r.Continue(p)
	r.Act(&plane.Revoke{CommonName: "after it"})
	r.Commit(s)
	if report := acts(t, path, &head); report.Verdict != ActsRestored {
		t.Errorf("after the plane has gone on: %+v", report)
	}
	later := wire.ActHead{Count: 99, Hash: head.Hash}
	if report := acts(t, path, &later); report.Verdict != ActsCut {
		t.Errorf("a head beyond what was replaced: %+v; want a cut", report)
	}
	var out bytes.Buffer
	if err := reader(t, path).Export(t.Context(), &out); err != nil || strings.Count(out.String(), `"act":{"count":`) != 7 {
		t.Errorf("the export has no acts: %v\n%s", err, out.String())
	}
}

// What a compaction removes leaves the chain verifiable: as lines while an older act is in
// the log, and then as one hash.
func TestCompact_KeepsTheChainOfActs(t *testing.T) {
	s, r := used(t, 2)
	head := r.Plane.Acts()
	before := acts(t, s.Path(), &head)
	if before.Verdict != ActsWhole || before.Acts < 5 {
		t.Fatalf("got %+v; want a few acts", before)
	}
	compacted(t, s, r.Now+time.Hour)
	after := acts(t, s.Path(), &head)
	if after.Verdict != ActsWhole || after.Lines == 0 && after.Removed == "0" || after.Head != before.Head {
		t.Errorf("got %+v; want the same head, and acts that were removed", after)
	}
	for i := range 3 {
		r.Act(&plane.Revoke{CommonName: wire.CommonName(fmt.Sprint("later", i))})
	}
	r.Commit(s)
	if report := acts(t, s.Path(), &head); report.Verdict != ActsWhole || audited(t, s.Path()).Difference != nil {
		t.Errorf("after the plane went on: %+v", report)
	}
	if after.Lines > 0 {
		tamper(t, s, "UPDATE removed_acts SET document = replace(document, 'alice', 'bobby') WHERE number = (SELECT min(number) FROM removed_acts)")
		if report := acts(t, s.Path(), nil); report.Verdict != ActChanged {
			t.Errorf("a removed act that was changed: %+v", report)
		}
	}
}

// Of a database whose acts were all removed the head is what is left.
func TestCompact_LeavesTheHeadOfNoActs(t *testing.T) {
	s, r := acted(t)
	head := r.Plane.Acts()
	first := wire.ActHead{Count: 1, Hash: r.Entries[2].Act.Before}
	compacted(t, s, r.Now+time.Hour)
	report := acts(t, s.Path(), &head)
	if report.Verdict != ActsWhole || report.Acts != 0 || report.Removed != head.String() || report.Head != head.String() {
		t.Errorf("got %+v; want the head alone", report)
	}
	if report := acts(t, s.Path(), &first); report.Verdict != ActsForgotten {
		t.Errorf("a head that was removed: %+v; want forgotten", report)
	}
	r.Act(&plane.Revoke{CommonName: "later"})
	r.Commit(s)
	if report := acts(t, s.Path(), &head); report.Verdict != ActsWhole || report.Acts != 1 {
		t.Errorf("after the plane went on: %+v", report)
	}
	tamper(t, s, "DELETE FROM plane_settings WHERE name = 'acts_removed'")
	if report := acts(t, s.Path(), nil); report.Verdict != ActRemoved {
		t.Errorf("without the hash of what was removed: %+v", report)
	}
}
