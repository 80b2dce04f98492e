package sqlite

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/refrain-fleet/refrain/core/plane"
	"github.com/refrain-fleet/refrain/core/wire"
	"github.com/refrain-fleet/refrain/httpserver/store/storetest"
)

func compacted(t testing.TB, s *DB, before time.Duration) Compaction {
	t.Helper()
	c, d, err := s.Compact(t.Context(), wire.TimeOf(storetest.Epoch.Add(before)), nil)
	if err != nil || d != nil {
		t.Fatalf("the compaction reports %v, %v", d, err)
	}
	return c
}

func TestCompact_KeepsTheStateAndSetsTheCheckpoint(t *testing.T) {
	s, r := used(t, 2)
	state := storetest.Loaded(t, s)
	c := compacted(t, s, 0) // no entry is older
	if len(c.Retired) > 0 || c.Entries > 0 || c.Checkpoint != r.Plane.Stats().Logged {
		t.Errorf("got %+v; want a checkpoint, and nothing removed", c)
	}
	storetest.Same(t, "the state", storetest.Loaded(t, s), state)
	// The plane goes on, and a walk starts at the checkpoint.
	for range 40 {
		r.Random()
	}
	n := len(r.Out.Entries)
	r.Commit(s)
	report := audited(t, s.Path())
	if report.Difference != nil || report.Entries != n || report.From != c.Checkpoint {
		t.Errorf("got %+v; want %d entries from %d on", report, n, c.Checkpoint)
	}
	// The history from before the checkpoint is still shown.
	if events, _, err := storetest.Page(s, r.Opened[0], 0, 3); err != nil || len(events) != 3 || events[0].Number != 1 {
		t.Errorf("the history is %v, %v", events, err)
	}
}

func TestCompact_RemovesFinishedRollouts(t *testing.T) {
	s, r := used(t, 2)
	before := storetest.Loaded(t, s)
	c := compacted(t, s, r.Now+time.Hour)
	if len(c.Retired) == 0 || c.Entries == 0 {
		t.Fatalf("nothing was finished: %+v", c)
	}
	after := storetest.Loaded(t, s)
	for _, id := range c.Retired {
		if !strings.Contains(before, `rollout {"rollout_id":"`+string(id)+`"`) || strings.Contains(after, `rollout {"rollout_id":"`+string(id)+`"`) {
			t.Errorf("%s was not removed", id)
		}
		if events, _, err := storetest.Page(s, id, 0, 1); err != nil || len(events) > 0 {
			t.Errorf("%s has a history: %v, %v", id, events, err)
		}
	}
	if report := audited(t, s.Path()); report.Difference != nil {
		t.Errorf("after it: %v", report.Difference)
	}
	p, err := s.Load(t.Context(), plane.Config{})
	if err != nil {
		t.Fatal(err)
	}
	r.Plane = p
	r.Step(&plane.Started{})
	for range 40 {
		r.Random()
	}
	r.Commit(s)
	if report := audited(t, s.Path()); report.Difference != nil {
		t.Errorf("after the plane went on: %v", report.Difference)
	}
	if c := compacted(t, s, r.Now+time.Hour); c.Checkpoint != r.Plane.Stats().Logged {
		t.Errorf("a second compaction: %+v", c)
	}
	if report := audited(t, s.Path()); report.Difference != nil || report.Entries != 0 {
		t.Errorf("after the second: %+v", report)
	}
}

func TestCompact_RefusesDamagedFile(t *testing.T) {
	s, _ := used(t, 0)
	tamper(t, s, `DELETE FROM revocations`)
	_, d, err := s.Compact(t.Context(), wire.TimeOf(storetest.Epoch), nil)
	if err != nil || d == nil || d.Table != "revocations" {
		t.Errorf("got %v, %v; want the difference", d, err)
	}
	var lines int
	if err := s.writer.QueryRowContext(t.Context(), "SELECT count(*) FROM checkpoint").Scan(&lines); err != nil || lines != 0 {
		t.Errorf("%d lines of a checkpoint, %v", lines, err)
	}
}

func TestAudit_DamagedCheckpoint(t *testing.T) {
	for _, c := range []struct{ script, says string }{
		{`UPDATE checkpoint SET document = '{}' WHERE word = 'rollout'`, "checkpoint, 2, document: has {}"},
		{`DELETE FROM checkpoint WHERE word = 'log'`, "plane_settings, checkpoint"},
		{`DELETE FROM checkpoint WHERE line = (SELECT max(line) FROM checkpoint WHERE word = 'record')`, "checkpoint, "},
		{`UPDATE checkpoint SET document = replace(document, '"lastEventSeq":', '"lastEventSeq":9') WHERE word = 'record' AND document LIKE '%Converged%'`, "host_rollout_records, "},
	} {
		s, r := used(t, 0)
		compacted(t, s, 0)
		tamper(t, s, c.script)
		if d := audited(t, s.Path()).Difference; d == nil || !strings.Contains(d.String(), c.says) {
			t.Errorf("%s: got %v; want %q", c.script, d, c.says)
		}
		storetest.Same(t, "the tables, which are not damaged", storetest.Loaded(t, s), r.State())
	}
}

func TestBackup_HasTheStateOfOneInstant(t *testing.T) {
	s, r := used(t, 3)
	l := reader(t, s.Path())
	to := filepath.Join(t.TempDir(), "backup.db")
	if err := l.Backup(t.Context(), to); err != nil {
		t.Fatal(err)
	}
	state := r.State()
	r.Random()
	r.Commit(s)
	storetest.Same(t, "the backup", storetest.Loaded(t, open(t, to)), state)
	if report := audited(t, to); report.Difference != nil || report.Entries == 0 {
		t.Errorf("the backup: %+v", report)
	}
	if err := l.Backup(t.Context(), to); err == nil || !strings.Contains(err.Error(), "exists already") {
		t.Errorf("a backup over a file: %v", err)
	}
	if err := l.Backup(t.Context(), filepath.Join(t.TempDir(), "no", "x.db")); err == nil {
		t.Error("a backup into a directory that does not exist succeeded")
	}
	info, err := os.Stat(to)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the backup's mode is %v, %v", info.Mode(), err)
	}
}

func TestExport_HasEveryEntry(t *testing.T) {
	s, r := used(t, 4)
	l := reader(t, s.Path())
	var out bytes.Buffer
	if err := l.Export(t.Context(), &out); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	if len(lines) != len(r.Entries) {
		t.Fatalf("%d lines, want %d", len(lines), len(r.Entries))
	}
	for i, line := range lines {
		var got struct {
			Number                      uint64
			At, Kind, Hostname, Outcome string
			RolloutID                   string `json:"rollout_id"`
			Input                       json.RawMessage
		}
		e := &r.Entries[i]
		if err := json.Unmarshal([]byte(line), &got); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		if got.Number != uint64(e.Number) || got.At != e.At.String() || got.Kind != string(e.Kind) || got.Hostname != string(e.Hostname) ||
			got.RolloutID != string(e.RolloutID) || got.Outcome != string(e.Outcome) || string(got.Input) != string(e.AppendInput(nil)) {
			t.Errorf("%s is not entry %v", line, e)
		}
	}
	out.Reset()
	if err := l.ExportState(t.Context(), &out); err != nil {
		t.Fatal(err)
	}
	storetest.Same(t, "the exported state", out.String(), r.State())
}

func TestStats_Count(t *testing.T) {
	s, r := used(t, 5)
	compacted(t, s, r.Now+time.Hour)
	r.Plane, _ = s.Load(t.Context(), plane.Config{})
	r.Step(&plane.Started{})
	for range 20 {
		r.Random()
	}
	r.Commit(s)
	got, err := reader(t, s.Path()).Stats(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	kinds, records := 0, 0
	for _, c := range got.Kinds {
		kinds += c.Count
	}
	for _, c := range got.States {
		records += c.Count
	}
	if kinds != got.Entries || got.Entries == 0 || got.Last != r.Plane.Stats().Logged || got.Checkpoint == 0 || got.Bytes == 0 || got.FirstAt == "" {
		t.Errorf("got %+v", got)
	}
	for _, c := range got.Tables {
		if c.Name == "host_rollout_records" && c.Count != records || c.Name == "retired_rollouts" && c.Count == 0 {
			t.Errorf("%s has %d rows, records by state %d", c.Name, c.Count, records)
		}
	}
}
