package main

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/refrain-fleet/refrain/httpserver/store/sqlite"
)

// export is the log as the file has it.
func (k *killRig) export() []byte {
	k.t.Helper()
	reader, err := sqlite.OpenReader(k.t.Context(), k.db)
	if err != nil {
		k.t.Fatal(err)
	}
	defer reader.Close()
	var out bytes.Buffer
	if err := reader.Export(k.t.Context(), &out); err != nil {
		k.t.Fatal(err)
	}
	return out.Bytes()
}

// files are the database and its write-ahead log, as they are or as they were.
type files struct{ db, wal []byte }

func (k *killRig) files() files {
	k.t.Helper()
	db, err := os.ReadFile(k.db)
	if err != nil {
		k.t.Fatal(err)
	}
	wal, err := os.ReadFile(k.db + "-wal")
	if err != nil {
		k.t.Fatal(err)
	}
	return files{db, wal}
}

func (k *killRig) put(f files) {
	k.t.Helper()
	// The index of the write-ahead log is made anew from it.
	if err := os.Remove(k.db + "-shm"); err != nil && !os.IsNotExist(err) {
		k.t.Fatal(err)
	}
	for path, content := range map[string][]byte{k.db: f.db, k.db + "-wal": f.wal} {
		if err := os.WriteFile(path, content, 0o600); err != nil {
			k.t.Fatal(err)
		}
	}
}

// forgetWhatIsLost takes out of the ledger what the disk no longer has.
func (k *killRig) forgetWhatIsLost() {
	last := k.logged()
	for _, h := range k.hosts {
		h.acked, h.next, h.under = last[h.name], last[h.name]+1, ledgerEvent{}
	}
}

// ackedEntries is how many entries of a log were acknowledged: the last event that
// was answered 204 and all before it.
func (k *killRig) ackedEntries(export []byte) int {
	entries, last := 0, 0
	for line := range bytes.Lines(export) {
		entries++
		for _, h := range k.hosts {
			if h.acked > 0 && bytes.Contains(line, fmt.Appendf(nil, `"hostname":"%s"`, h.name)) && bytes.Contains(line, fmt.Appendf(nil, `"seq":%d,`, h.acked)) {
				last = entries
			}
		}
	}
	return last
}

// wantLossSaid wants a plane that has just started to say that acknowledged entries
// are missing, if they are: in its log, its metric, its probe, and to the hosts that
// may be ahead.
func (k *killRig) wantLossSaid(round, missing int) (lost int) {
	k.t.Helper()
	if missing <= 0 {
		return 0
	}
	if got := k.metric("refrain_store_lost_entries"); got < float64(missing) {
		k.t.Errorf("round %d: %d acknowledged entries are missing, the metric has %v", round, missing, got)
	}
	until(k.t, "the log says it", func() bool { return strings.Contains(k.log.String(), "the store lost what was acknowledged") })
	ready, checks := k.probe("/readyz?verbose")
	if !ready || !strings.Contains(checks, `"name":"store-history","state":"warning"`) {
		k.t.Errorf("round %d: %v %s", round, ready, checks)
	}
	return 1
}

// TestADamagedWriteAheadLogCostsItsEndOrIsFound kills the real binary and then
// cuts its write-ahead log off, or flips a bit in it: a file that is served after
// that has a beginning of the log, whole, and the tables of that beginning, and says
// if entries are missing that were acknowledged; or an audit finds the damage. Either way the fleet converges.
func TestADamagedWriteAheadLogCostsItsEndOrIsFound(t *testing.T) { // PROTOCOL E2
	t.Parallel()
	k := newKillRig(t, t.TempDir(), 6)
	k.start()
	k.open()
	shortened, found, harmless, said := 0, 0, 0, 0
	rounds := k.eachKill(func(round int) {
		whole := k.files()
		want := k.export()
		damaged := files{whole.db, bytes.Clone(whole.wal)}
		if at := k.rand.IntN(max(1, len(whole.wal))); round%2 == 0 {
			damaged.wal = damaged.wal[:at]
		} else if len(whole.wal) > 0 {
			damaged.wal[at] ^= 1 << k.rand.IntN(8)
		}
		k.put(damaged)
		switch report, err := k.tryAudit(); {
		case err != nil || report.Difference != nil:
			found++
			k.put(whole)
			k.wantAudited(fmt.Sprintf("round %d, before it was damaged", round))
		default:
			got := k.export()
			if !bytes.HasPrefix(want, got) {
				t.Fatalf("round %d: the log is not a beginning of what it was", round)
			}
			if len(got) < len(want) {
				shortened++
			} else {
				harmless++
			}
			acked := k.ackedEntries(want)
			k.start()
			said += k.wantLossSaid(round, acked-bytes.Count(got, []byte("\n")))
			k.kill()
		}
		if k.forgetWhatIsLost(); len(k.export()) == 0 {
			// Even the opening was lost: an operator opens the rollout again.
			k.start()
			k.open()
			k.kill()
		}
	})
	t.Logf("%d rounds: the end was lost in %d, acknowledged entries in %d, nothing in %d, the damage was found in %d", rounds, shortened, said, harmless, found)
	k.start()
	k.finish()
	k.kill()
	k.wantAudited("after the last round")
}
