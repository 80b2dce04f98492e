package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// bind mounts a file or a directory at another path until the test ends. It says
// loudly if it cannot.
func bind(t *testing.T, from, to string) {
	t.Helper()
	if err := syscall.Mount(from, to, "", syscall.MS_BIND, ""); err != nil {
		fmt.Fprintf(os.Stderr, "NOT RUN: %s, since nothing can be mounted here: %v\n", t.Name(), err)
		t.Skip("NOT RUN: wants to mount, as root")
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(to, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
}

// wantRefused wants a second plane on another path to be refused, with these words.
func (k *killRig) wantRefused(path string, words ...string) {
	k.t.Helper()
	second := &killRig{t: k.t, demo: k.demo, db: path, listen: freePort(k.t), ops: freePort(k.t)}
	err := second.tryStart()
	if err == nil {
		second.kill()
		k.t.Fatalf("a plane serves %s", path)
	}
	for _, word := range words {
		if !strings.Contains(second.log.String(), word) {
			k.t.Errorf("%s: want %q in\n%s", path, word, second.log)
		}
	}
}

// TestADatabaseHasOneLock tries to serve a database twice, by every path that leads
// to it, and without its lock file.
func TestADatabaseHasOneLock(t *testing.T) {
	t.Parallel()
	k := newKillRig(t, t.TempDir(), 1)
	k.start()
	link := filepath.Join(t.TempDir(), "link.db")
	if err := os.Symlink(k.db, link); err != nil {
		t.Fatal(err)
	}
	k.wantRefused(link, "in use by another process: process ")
	linkedDir := filepath.Join(t.TempDir(), "dir")
	if err := os.Symlink(filepath.Dir(k.db), linkedDir); err != nil {
		t.Fatal(err)
	}
	k.wantRefused(filepath.Join(linkedDir, "plane.db"), "in use by another process: process ")
	if err := os.Remove(k.db + ".lock"); err != nil {
		t.Fatal(err)
	}
	k.wantRefused(k.db, "in use by another process", "hint: a database serves one plane at a time")
	hard := filepath.Join(filepath.Dir(k.db), "other.db")
	if err := os.Link(k.db, hard); err != nil {
		t.Fatal(err)
	}
	k.wantRefused(hard, "has several hard links", "hint: remove the other names")
	if err := os.Remove(hard); err != nil {
		t.Fatal(err)
	}
	if err := k.stop(); err != nil {
		t.Error(err)
	}
}

// TestAFileBesideADatabaseIsNoLink puts symbolic links where the files beside a
// database belong: none is followed.
func TestAFileBesideADatabaseIsNoLink(t *testing.T) {
	t.Parallel()
	for _, suffix := range []string{".lock", ".acked", "-wal", "-shm"} {
		k := newKillRig(t, t.TempDir(), 1)
		target := filepath.Join(t.TempDir(), "precious")
		if err := os.WriteFile(target, []byte("precious"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(target, k.db+suffix); err != nil {
			t.Fatal(err)
		}
		k.wantRefused(k.db, "plane.db"+suffix+" is no regular file")
		if got := readFile(t, target); string(got) != "precious" {
			t.Errorf("%s: the target of the link was written over: %q", suffix, got)
		}
		if err := os.Remove(k.db + suffix); err != nil {
			t.Fatal(err)
		}
		dangling := filepath.Join(filepath.Dir(k.db), "dangling.db")
		if err := os.Symlink(filepath.Join(t.TempDir(), "nothing.db"), dangling); err != nil {
			t.Fatal(err)
		}
		k.wantRefused(dangling, "is a symbolic link to", "which does not exist")
	}
}

// TestAMountedDatabaseNeedsItsDirectory mounts a database file alone, as a container
// does with a volume that is a file, and then its directory.
func TestAMountedDatabaseNeedsItsDirectory(t *testing.T) {
	t.Parallel()
	k := newKillRig(t, t.TempDir(), 1)
	k.start()
	k.open()
	there := filepath.Join(t.TempDir(), "a mount", "plane.db")
	if err := os.Mkdir(filepath.Dir(there), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(there, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	bind(t, k.db, there)
	k.wantRefused(there, "is a mount point by itself", "hint: mount the directory of the database")
	for _, command := range [][]string{{"audit", "--db", there}, {"db", "stats", "--db", there}, {"db", "backup", "--db", there, filepath.Join(t.TempDir(), "b.db")}} {
		if out, err := k.refrain(command...); err == nil || !strings.Contains(out, "is a mount point by itself") {
			t.Errorf("refrain %s: %v\n%s", strings.Join(command, " "), err, out)
		}
	}
	dir := t.TempDir()
	bind(t, filepath.Dir(k.db), dir)
	k.wantRefused(filepath.Join(dir, "plane.db"), "in use by another process: process ")
	if err := os.Remove(k.db + ".lock"); err != nil {
		t.Fatal(err)
	}
	k.wantRefused(filepath.Join(dir, "plane.db"), "in use by another process")
	k.kill()
	k.db = filepath.Join(dir, "plane.db")
	k.start()
	k.finish()
}
