package pki

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

func TestAFailedRenameIsUndone(t *testing.T) {
	for failing := range 3 {
		dir := t.TempDir()
		there := filepath.Join(dir, "there")
		if err := os.WriteFile(there, []byte("old"), 0o600); err != nil {
			t.Fatal(err)
		}
		var b batch
		b.add(filepath.Join(dir, "first"), []byte("1"), 0o600)
		b.add(there, []byte("new"), 0o600)
		b.add(filepath.Join(dir, "last"), []byte("3"), 0o600)
		calls := 0
		broken := errors.New("broken")
		err := b.commit(func(from, to string) error {
			calls++
			if calls-1 == failing {
				return broken
			}
			return os.Rename(from, to)
		})
		if !errors.Is(err, broken) {
			t.Errorf("rename %d failed: got %v", failing, err)
		}
		entries, err := os.ReadDir(dir)
		if err != nil || len(entries) != 1 || entries[0].Name() != "there" {
			t.Errorf("rename %d failed: %v is left, %v, want the old file alone", failing, entries, err)
		}
		if content, _ := os.ReadFile(there); string(content) != "old" {
			t.Errorf("rename %d failed: the file has %q, want the old content", failing, content)
		}
	}
}

func TestAFileThatCannotBeWrittenRenamesNothing(t *testing.T) {
	dir := t.TempDir()
	var b batch
	b.add(filepath.Join(dir, "first"), []byte("1"), 0o600)
	b.add(filepath.Join(dir, "missing", "second"), []byte("2"), 0o600)
	renames := 0
	err := b.commit(func(from, to string) error { renames++; return os.Rename(from, to) })
	if err == nil || renames != 0 {
		t.Errorf("got %v after %d renames, want an error before the first", err, renames)
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 0 {
		t.Errorf("%v is left, want nothing", entries)
	}
}
