//go:build unix

package pki

import (
	"os"
	"syscall"
	"testing"
)

// TestUnlock_ReleasesTheLockThatAForkCopied has copies of the descriptors, as a child
// has between its fork and its exec.
func TestUnlock_ReleasesTheLockThatAForkCopied(t *testing.T) {
	dir := t.TempDir()
	unlock, err := lock(dir)
	if err != nil {
		t.Fatal(err)
	}
	var locked, of syscall.Stat_t
	if err := syscall.Stat(dir, &locked); err != nil {
		t.Fatal(err)
	}
	copies := 0
	for fd := range 1000 {
		if syscall.Fstat(fd, &of) != nil || of.Dev != locked.Dev || of.Ino != locked.Ino {
			continue
		}
		copied, err := syscall.Dup(fd)
		if err != nil {
			t.Fatal(err)
		}
		defer os.NewFile(uintptr(copied), dir).Close()
		copies++
		break
	}
	if copies == 0 {
		t.Fatal("no descriptor of the directory is open: nothing is tested")
	}
	unlock()
	again, err := lock(dir)
	if err != nil {
		t.Fatal(err)
	}
	again()
}
