//go:build unix

package dbfile

import (
	"path/filepath"
	"syscall"
	"testing"
)

// TestClose_ReleasesTheLockThatAForkCopied has copies of the descriptors, as a child
// has between its fork and its exec.
func TestClose_ReleasesTheLockThatAForkCopied(t *testing.T) {
	path := filepath.Join(t.TempDir(), "plane.db")
	held, err := Lock(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range []int{int(held.File.Fd()), int(held.lock.Fd())} {
		copied, err := syscall.Dup(file)
		if err != nil {
			t.Fatal(err)
		}
		defer syscall.Close(copied)
	}
	if err := held.Close(); err != nil {
		t.Fatal(err)
	}
	again, err := Lock(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := again.Close(); err != nil {
		t.Error(err)
	}
}
