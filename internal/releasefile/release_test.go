package releasefile_test

import (
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/refrain-fleet/refrain/internal/releasefile"
)

func read(t *testing.T, dir string) *releasefile.Release {
	t.Helper()
	r, err := releasefile.Read(dir)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestWrite_ReplacesTheReleaseAndNothingElse(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "release")
	if _, err := releasefile.Read(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a directory that is not there: %v; want fs.ErrNotExist", err)
	}
	first := &releasefile.Release{Dir: dir, Files: map[string][]byte{
		"fleet.resolved.json": []byte("1"), "fleet.resolved.json.sig": []byte("2"), "fleet.resolved.json.sig.00ff": []byte("3"),
		"rollouts/a@1.json": []byte("4"), "rollouts/a@1.json.sig": []byte("5"), "revocations.json": []byte("6"),
	}}
	if err := first.Write(); err != nil {
		t.Fatal(err)
	}
	for _, other := range []string{"README", "trust.json", "rollouts/notes.txt", "fleet.resolved.json.part"} {
		if err := os.WriteFile(filepath.Join(dir, other), []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if got := read(t, dir); !maps.EqualFunc(got.Files, first.Files, slices.Equal) {
		t.Errorf("it reads back as %q", got.Files)
	}
	if got, want := read(t, dir).Documents(), []string{"fleet.resolved.json", "revocations.json", "rollouts/a@1.json"}; !slices.Equal(got, want) {
		t.Errorf("its documents are %q; want %q", got, want)
	}
	if s := read(t, dir).Signed("fleet.resolved.json"); string(s.Signature) != "2" || len(s.Further) != 1 || string(s.Further[0]) != "3" {
		t.Errorf("the signatures of the fleet are %q and %q", s.Signature, s.Further)
	}
	second := &releasefile.Release{Dir: dir, Files: map[string][]byte{
		"fleet.resolved.json": []byte("7"), "rollouts/b@1.json": []byte("8"), "rollouts/b@1.json.sig": []byte("9"),
	}}
	if err := second.Write(); err != nil {
		t.Fatal(err)
	}
	if got := read(t, dir); !maps.EqualFunc(got.Files, second.Files, slices.Equal) {
		t.Errorf("the second reads back as %q", got.Files)
	}
	for _, other := range []string{"README", "trust.json", "rollouts/notes.txt"} {
		if _, err := os.Stat(filepath.Join(dir, other)); err != nil {
			t.Errorf("a file of no release is gone: %v", err)
		}
	}
	if err := os.Remove(filepath.Join(dir, "fleet.resolved.json")); err != nil {
		t.Fatal(err)
	}
	if _, err := releasefile.Read(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("without a fleet: %v; want fs.ErrNotExist", err)
	}
}

// A file that cannot be written leaves the release as it was.
func TestWrite_ChangesNothingIfOneFileCannotBeWritten(t *testing.T) {
	dir := t.TempDir()
	first := &releasefile.Release{Dir: dir, Files: map[string][]byte{"fleet.resolved.json": []byte("1")}}
	if err := first.Write(); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(dir, "revocations.json.part"), 0o755); err != nil {
		t.Fatal(err)
	}
	second := &releasefile.Release{Dir: dir, Files: map[string][]byte{"fleet.resolved.json": []byte("2"), "revocations.json": []byte("3")}}
	if err := second.Write(); err == nil {
		t.Fatal("it was written over a directory")
	}
	if got := read(t, dir); !maps.EqualFunc(got.Files, first.Files, slices.Equal) {
		t.Errorf("the release is %q; want the one before", got.Files)
	}
	if _, err := os.Stat(filepath.Join(dir, "fleet.resolved.json.part")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a part was left: %v", err)
	}
}
