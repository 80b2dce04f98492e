package sqlite

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/refrain-fleet/refrain/httpserver/store/storetest"
)

// The write-ahead log's layout: https://sqlite.org/fileformat2.html#walformat.
const (
	walHeader   = 32
	frameHeader = 24
	pageSize    = 4096
)

// image is what a crash leaves on a disk.
type image struct{ db, wal []byte }

func imageOf(t testing.TB, s *DB) image {
	t.Helper()
	wal, err := os.ReadFile(s.Path() + "-wal")
	if err != nil {
		t.Fatal(err)
	}
	return image{[]byte(read(t, s.Path())), wal}
}

// recovered opens a database on an image and returns its durable state.
func (i image) recovered(t testing.TB) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "plane.db")
	for name, content := range map[string][]byte{path: i.db, path + "-wal": i.wal} {
		if err := os.WriteFile(name, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s := open(t, path)
	state := storetest.Loaded(t, s)
	if d := audited(t, path).Difference; d != nil {
		t.Error(d)
	}
	return state
}

// diskModel is the simulator's model of the plane's disk: after a crash, a commit
// that had returned is there, one that had not is missing, and none is there in
// part. It has the state before a commit and the state after it.
type diskModel struct{ before, after string }

// TestCrash_RecoversWhatTheSimulatedDiskHas makes random commits and crashes in
// each: before it, at every frame that it writes, inside frames, and after it. The
// database recovers the state that the simulator's disk has at the same point.
func TestCrash_RecoversWhatTheSimulatedDiskHas(t *testing.T) { // PROTOCOL E2
	s := fresh(t)
	r := storetest.NewRig(t, 21)
	r.Random()
	r.Commit(s)
	crashes := 0
	for commit := range 12 {
		model := diskModel{before: r.State()}
		start := len(imageOf(t, s).wal)
		for range 1 + r.Rand.IntN(6) {
			r.Random()
		}
		for len(r.Out.Entries) == 0 {
			r.Random()
		}
		model.after = r.State()
		r.Commit(s)
		whole := imageOf(t, s)
		if len(whole.wal) <= start || (len(whole.wal)-walHeader)%(frameHeader+pageSize) != 0 {
			t.Fatalf("commit %d wrote from %d to %d; want frames at the end of the write-ahead log", commit, start, len(whole.wal))
		}
		cuts := []int{start, len(whole.wal)}
		for at := start; at < len(whole.wal); at += frameHeader + pageSize {
			cuts = append(cuts, at, at+frameHeader, at+1+r.Rand.IntN(frameHeader+pageSize-1))
		}
		slices.Sort(cuts)
		for _, at := range slices.Compact(cuts) {
			want, phase := model.before, "inside the commit"
			switch at {
			case start:
				phase = "before the commit"
			case len(whole.wal):
				want, phase = model.after, "after the commit"
			}
			crashes++
			storetest.Same(t, fmt.Sprintf("crash %s %d, at byte %d of %d to %d", phase, commit, at, start, len(whole.wal)),
				image{whole.db, whole.wal[:at]}.recovered(t), want)
		}
	}
	if crashes < 100 {
		t.Errorf("only %d crashes", crashes)
	}
}

// TestCrash_FlippedBitLosesOnlyLaterCommits flips a bit in each frame of the
// write-ahead log: the database recovers exactly the commits before that frame.
func TestCrash_FlippedBitLosesOnlyLaterCommits(t *testing.T) { // PROTOCOL E2
	s := fresh(t)
	r := storetest.NewRig(t, 22)
	r.Random()
	r.Commit(s)
	type durable struct {
		end   int // of the write-ahead log
		state string
	}
	states := []durable{{len(imageOf(t, s).wal), r.State()}}
	for range 6 {
		for n := len(r.Out.Entries); len(r.Out.Entries) == n; {
			r.Random()
		}
		r.Commit(s)
		states = append(states, durable{len(imageOf(t, s).wal), r.State()})
	}
	whole := imageOf(t, s)
	for at := states[0].end; at < len(whole.wal); at += frameHeader + pageSize {
		flipped := slices.Clone(whole.wal)
		// The bit is one of the page, not of the frame's header.
		flipped[at+frameHeader+r.Rand.IntN(pageSize)] ^= 1 << r.Rand.IntN(8)
		want := states[0].state
		for _, d := range states {
			if d.end <= at {
				want = d.state
			}
		}
		storetest.Same(t, fmt.Sprintf("a bit of the frame at %d", at), image{whole.db, flipped}.recovered(t), want)
	}
}

// TestCrash_InsideCheckpointLosesNothing mixes the pages of a database from
// before a checkpoint with those from after it, as a crash in the middle leaves
// them. The write-ahead log is complete, so nothing is lost.
func TestCrash_InsideCheckpointLosesNothing(t *testing.T) { // PROTOCOL E2
	s := fresh(t)
	r := storetest.NewRig(t, 23)
	for range 20 {
		for range 5 {
			r.Random()
		}
		r.Commit(s)
	}
	before := imageOf(t, s)
	if _, err := s.writer.ExecContext(t.Context(), "PRAGMA wal_checkpoint(PASSIVE)"); err != nil {
		t.Fatal(err)
	}
	after := []byte(read(t, s.Path()))
	if len(after) <= len(before.db) || len(after)%pageSize != 0 {
		t.Fatalf("the checkpoint changed the database from %d to %d bytes", len(before.db), len(after))
	}
	for range 15 {
		torn := slices.Clone(after[:len(before.db)+pageSize*r.Rand.IntN(1+(len(after)-len(before.db))/pageSize)])
		for at := 0; at < len(before.db); at += pageSize {
			if r.Rand.IntN(2) == 0 {
				copy(torn[at:at+pageSize], before.db[at:])
			}
		}
		storetest.Same(t, "a torn checkpoint", image{torn, before.wal}.recovered(t), r.State())
	}
}
