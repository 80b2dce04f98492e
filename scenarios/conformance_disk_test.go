package scenarios

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/refrain-fleet/refrain/core/plane"
	"github.com/refrain-fleet/refrain/httpserver/store"
	"github.com/refrain-fleet/refrain/httpserver/store/sqlite"
	"github.com/refrain-fleet/refrain/scenarios/conform"
	"github.com/refrain-fleet/refrain/sim/generate"
)

// dyingStores is a real disk for the server that a tape is played to. What a
// process finds is a copy of the files of the one before it as they were at its
// end: nothing was closed, nothing was tidied up.
type dyingStores struct {
	dir  string
	life int
	// recovered counts the starts that found a write-ahead log, lost the disks
	// that were wiped.
	recovered, lost *int
}

func (s *dyingStores) path() string {
	return filepath.Join(s.dir, fmt.Sprint("plane-", s.life, ".db"))
}

// Open implements [conform.Stores].
func (s *dyingStores) Open() (store.Store, error) {
	if info, err := os.Stat(s.path() + "-wal"); err == nil && info.Size() > 0 {
		*s.recovered++
	}
	opened, err := sqlite.Open(context.Background(), s.path())
	if err != nil {
		return nil, err
	}
	return &dyingStore{DB: opened, disk: s}, nil
}

// dyingStore is a store whose process is killed at its end.
type dyingStore struct {
	*sqlite.DB
	disk *dyingStores
	dead bool
}

// Close implements [store.Store].
func (s *dyingStore) Close() error {
	if s.dead {
		return nil
	}
	s.dead = true
	from := s.disk.path()
	s.disk.life++
	for _, ending := range []string{"", "-wal"} {
		content, err := os.ReadFile(from + ending)
		if os.IsNotExist(err) {
			continue
		}
		if err == nil {
			err = os.WriteFile(s.disk.path()+ending, content, 0o600)
		}
		if err != nil {
			return err
		}
	}
	return s.DB.Close()
}

// Wipe implements [conform.Stores].
func (s *dyingStores) Wipe() error {
	*s.lost++
	s.life++
	return nil
}

// Restore implements [conform.Stores].
func (s *dyingStores) Restore(entries []plane.Entry) error {
	return conform.RestoreFile(s.path(), entries)
}

// Discard implements [conform.Stores].
func (s *dyingStores) Discard() error { return os.RemoveAll(s.dir) }

// The simulator's disk and the real store hold the same after the same crashes:
// runs that crash, restart and wipe the plane and let its disk fail, with a
// server that keeps its state in SQLite.
func TestConformanceWithARealDisk(t *testing.T) { // PROTOCOL E2
	var cases []conform.Case
	seeds := uint64(3)
	if testing.Short() {
		seeds = 1
	}
	for seed := uint64(1); seed <= seeds; seed++ {
		for _, p := range generate.Profiles() {
			cases = append(cases, conform.SeedCase(seed, p))
		}
	}
	recovered, lost, requests := 0, 0, 0
	batch := conform.Batch{
		Cases: cases, Requests: 150, Workers: 1, // the counts are one goroutine's
		Stores: func() (conform.Stores, error) {
			return &dyingStores{dir: t.TempDir(), recovered: &recovered, lost: &lost}, nil
		},
		Each: func(o conform.Outcome) {
			requests += o.Requests
			switch {
			case o.Err != nil:
				t.Errorf("%s: %v\n%s", o.Name, o.Err, o.Again)
			case o.Difference != nil:
				t.Errorf("%s: simulator and server differ\n%v\n\nagain: %s", o.Name, o.Difference, o.Again)
			}
		},
	}
	if err := batch.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Logf("%d cases, %d requests, %d starts from a write-ahead log, %d disks lost", len(cases), requests, recovered, lost)
	if recovered == 0 && !t.Failed() {
		t.Error("no start found a write-ahead log: nothing crashed")
	}
}
