package main

import (
	"context"
	"database/sql"
	"os"
	"strings"
	"testing"

	"github.com/refrain-fleet/refrain/httpserver/store/sqlite"
)

func (k *killRig) walBytes() int64 {
	k.t.Helper()
	info, err := os.Stat(k.db + "-wal")
	if err != nil {
		k.t.Fatal(err)
	}
	return info.Size()
}

// TestTheWriteAheadLogShrinksAfterALongReader reads one state of the database while
// the write-ahead log grows beyond what it is kept at: once the reader has left, the
// log is short again, without a commit.
func TestTheWriteAheadLogShrinksAfterALongReader(t *testing.T) {
	if testing.Short() {
		t.Skip("NOT RUN: writes 17 MiB of events: not in short mode")
	}
	t.Parallel()
	k := newKillRig(t, t.TempDir(), 6)
	k.start()
	k.open()
	reader, err := sqlite.OpenReader(t.Context(), k.db)
	if err != nil {
		t.Fatal(err)
	}
	const long = 17 << 20
	k.load(func() { until(t, "the write-ahead log is long", func() bool { return k.walBytes() > long }) })
	until(t, "the metric says so", func() bool { return k.metric("refrain_database_wal_bytes") > long })
	if err := reader.Close(); err != nil {
		t.Fatal(err)
	}
	until(t, "it is short again", func() bool { return k.walBytes() < 1<<20 })
	until(t, "the metrics say so", func() bool {
		return k.metric("refrain_database_wal_bytes") < 1<<20 && k.metric("refrain_database_bytes") > 100<<10 && k.metric("refrain_database_free_bytes") > 0
	})
	k.finish()
	k.kill()
	k.checkLedger()
	k.wantAudited("after the long reader")
}

// TestAWriteLockOfAnotherProgramIsNoWedge holds the write lock of the database from
// another process: requests are answered 503, the probe and the log say why, the
// plane is not taken for wedged, and it serves by itself once the lock is gone.
func TestAWriteLockOfAnotherProgramIsNoWedge(t *testing.T) { // PROTOCOL G2, G7
	t.Parallel()
	k := newKillRig(t, t.TempDir(), 6)
	k.start()
	k.open()
	k.more(10)
	db, err := sql.Open("sqlite", k.db)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	conn, err := db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	run := func(statement string) {
		t.Helper()
		if _, err := conn.ExecContext(context.Background(), statement); err != nil {
			t.Fatal(err)
		}
	}
	run("BEGIN IMMEDIATE")
	const reason = "another program holds the write lock of the database"
	// One attempt to commit and several trials go by.
	attempts := 0.0
	k.load(func() {
		until(t, "it is refused, and the probe says why", func() bool {
			if !k.live() {
				t.Error("/livez fails: the plane is taken for wedged")
				return true
			}
			_, why := k.probe("/readyz?verbose")
			attempts = max(attempts, k.metric("refrain_plane_rebuilds_total"))
			return strings.Contains(why, reason) && strings.Contains(k.log.String(), reason)
		})
	})
	refused := 0
	for _, h := range k.hosts {
		refused += h.refused
	}
	if refused == 0 || attempts < 1 {
		t.Errorf("%d events were answered 503, and the plane was rebuilt %v times", refused, attempts)
	}
	run("ROLLBACK")
	until(t, "it serves again", func() bool { return k.metric("refrain_store_available") == 1 })
	k.more(10)
	k.finish()
	k.kill()
	k.checkLedger()
	k.wantAudited("after the lock")
}
