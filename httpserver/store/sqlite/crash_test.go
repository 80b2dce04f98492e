package sqlite

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
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

// recovered is the durable state that a store which is opened on an image has.
func (i image) recovered(t testing.TB) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "plane.db")
	for name, content := range map[string][]byte{path: i.db, path + "-wal": i.wal} {
		if err := os.WriteFile(name, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s := open(t, path)
	state := loaded(t, s)
	if d := audited(t, path).Difference; d != nil {
		t.Error(d)
	}
	return state
}

// diskModel is the disk that the simulator's plane has: a commit that a crash
// strikes before it ends is not there, one that has ended is, and nothing is
// there in part. It keeps the states.
type diskModel struct{ before, after string }

// TestACrashAtAnyPointLeavesWhatTheModelledDiskLeaves replays random commits and
// crashes in each: before it, at every frame that it writes and between them, and
// after it. The store recovers what the simulator's disk has at the same point.
func TestACrashAtAnyPointLeavesWhatTheModelledDiskLeaves(t *testing.T) { // PROTOCOL E2
	s := fresh(t)
	r := newRig(t, 21)
	r.random()
	r.commit(s)
	crashes := 0
	for commit := range 12 {
		model := diskModel{before: r.state()}
		start := len(imageOf(t, s).wal)
		for range 1 + r.rand.IntN(6) {
			r.random()
		}
		for len(r.out.Entries) == 0 {
			r.random()
		}
		model.after = r.state()
		r.commit(s)
		whole := imageOf(t, s)
		if len(whole.wal) <= start || (len(whole.wal)-walHeader)%(frameHeader+pageSize) != 0 {
			t.Fatalf("commit %d wrote from %d to %d; want frames at the end of the write-ahead log", commit, start, len(whole.wal))
		}
		cuts := []int{start, len(whole.wal)}
		for at := start; at < len(whole.wal); at += frameHeader + pageSize {
			cuts = append(cuts, at, at+frameHeader, at+1+r.rand.IntN(frameHeader+pageSize-1))
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
			same(t, fmt.Sprintf("crash %s %d, at byte %d of %d to %d", phase, commit, at, start, len(whole.wal)),
				image{whole.db, whole.wal[:at]}.recovered(t), want)
		}
	}
	if crashes < 100 {
		t.Errorf("only %d crashes", crashes)
	}
}

// TestAFlippedBitCostsTheCommitsFromThereOn flips a bit in each frame of the
// write-ahead log: the store recovers the commits before it, wholly.
func TestAFlippedBitCostsTheCommitsFromThereOn(t *testing.T) { // PROTOCOL E2
	s := fresh(t)
	r := newRig(t, 22)
	r.random()
	r.commit(s)
	type durable struct {
		end   int // of the write-ahead log
		state string
	}
	states := []durable{{len(imageOf(t, s).wal), r.state()}}
	for range 6 {
		for n := len(r.out.Entries); len(r.out.Entries) == n; {
			r.random()
		}
		r.commit(s)
		states = append(states, durable{len(imageOf(t, s).wal), r.state()})
	}
	whole := imageOf(t, s)
	for at := states[0].end; at < len(whole.wal); at += frameHeader + pageSize {
		flipped := slices.Clone(whole.wal)
		// Byte 4 to 7 of a frame's header are not in its checksum where they are
		// 0: they say the size of the database after a commit.
		flipped[at+frameHeader+r.rand.IntN(pageSize)] ^= 1 << r.rand.IntN(8)
		want := states[0].state
		for _, d := range states {
			if d.end <= at {
				want = d.state
			}
		}
		same(t, fmt.Sprintf("a bit of the frame at %d", at), image{whole.db, flipped}.recovered(t), want)
	}
}

// TestACrashInsideACheckpointLosesNothing mixes the pages of a database from
// before a checkpoint with those from after it, as a crash in the middle leaves
// them: the write-ahead log, which is whole, has them all.
func TestACrashInsideACheckpointLosesNothing(t *testing.T) { // PROTOCOL E2
	s := fresh(t)
	r := newRig(t, 23)
	for range 20 {
		for range 5 {
			r.random()
		}
		r.commit(s)
	}
	before := imageOf(t, s)
	if _, err := s.writer.ExecContext(t.Context(), "PRAGMA wal_checkpoint(PASSIVE)"); err != nil {
		t.Fatal(err)
	}
	after := []byte(read(t, s.Path()))
	if len(after) <= len(before.db) || len(after)%pageSize != 0 {
		t.Fatalf("the checkpoint brought the database from %d to %d bytes", len(before.db), len(after))
	}
	for range 15 {
		torn := slices.Clone(after[:len(before.db)+pageSize*r.rand.IntN(1+(len(after)-len(before.db))/pageSize)])
		for at := 0; at < len(before.db); at += pageSize {
			if r.rand.IntN(2) == 0 {
				copy(torn[at:at+pageSize], before.db[at:])
			}
		}
		same(t, "a torn checkpoint", image{torn, before.wal}.recovered(t), r.state())
	}
}
