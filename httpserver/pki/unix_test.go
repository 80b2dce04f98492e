//go:build unix

package pki_test

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/refrain-fleet/refrain/httpserver/pki"
)

func TestTwoRunsDoNotMixTheirPairs(t *testing.T) {
	dir := initialised(t)
	other, err := os.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	if err := syscall.Flock(int(other.Fd()), syscall.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	before := tree(t, dir)
	if _, err := pki.Agent(dir, []string{"web-1"}, options()); err == nil || !strings.Contains(err.Error(), "another process is writing to "+dir) {
		t.Errorf("under another's lock: %v", err)
	}
	if !sameTree(before, tree(t, dir)) {
		t.Error("the refusal changed something")
	}
	other.Close()
	if _, err := pki.Agent(dir, []string{"web-1"}, options()); err != nil {
		t.Errorf("after the other is gone: %v", err)
	}
	// Our own lock is gone as well.
	if _, err := pki.Agent(dir, []string{"web-2"}, options()); err != nil {
		t.Error(err)
	}
}

// No test of this package runs in parallel with another: a umask is the whole
// process's.
func TestModesDoNotDependOnTheUmask(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "pki")
	for _, mask := range []int{0o000, 0o077} {
		func() {
			old := syscall.Umask(mask)
			defer syscall.Umask(old)
			if _, err := pki.Init(dir, suffix, forced()); err != nil {
				t.Fatal(err)
			}
		}()
		for name, want := range map[string]os.FileMode{".": 0o700, "ca.key": 0o600, "ca.crt": 0o644} {
			info, err := os.Stat(filepath.Join(dir, name))
			if err != nil || info.Mode().Perm() != want {
				t.Errorf("umask %04o: %s has mode %v, %v, want %v", mask, name, info.Mode().Perm(), err, want)
			}
		}
	}
}
