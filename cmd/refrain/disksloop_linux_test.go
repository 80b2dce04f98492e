package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// loopDisk mounts an ext4 file system in a file of a small tmpfs, so that the disk can
// fail below a file system. It says loudly if it cannot.
func loopDisk(t *testing.T, options string) (l *loopedDisk) {
	t.Helper()
	if os.Getenv("DISK_HOSTS") == "" {
		// The kernel's error of a file system is not always seen in time when other tests
		// mount and write at the same time.
		fmt.Fprintf(os.Stderr, "NOT RUN: %s, which mounts a file system through a loop device: make disks runs it\n", t.Name())
		t.Skip("NOT RUN: make disks runs it")
	}
	below, _ := smallDisk(t, "48m")
	l = &loopedDisk{t: t, image: filepath.Join(below, "image"), filler: filepath.Join(below, "filler"), dir: t.TempDir(), options: options}
	if err := os.WriteFile(l.image, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(l.image, 40<<20); err != nil {
		t.Fatal(err)
	}
	err := tool("mkfs.ext4", "-q", "-O", "^has_journal", l.image)
	if err == nil {
		err = l.mount()
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "NOT RUN: %s, since no ext4 file system can be mounted from a file here: %v\n", t.Name(), err)
		t.Skip("NOT RUN: wants mkfs.ext4 and a loop device, as root")
	}
	t.Cleanup(func() {
		if err := tool("umount", l.dir); err != nil {
			t.Error(err)
		}
	})
	return l
}

// loopedDisk is an ext4 file system in a file.
type loopedDisk struct {
	t                           *testing.T
	image, filler, dir, options string
}

func (l *loopedDisk) mount() error { return tool("mount", "-o", "loop,"+l.options, l.image, l.dir) }

// mountAgain unmounts the file system and mounts it.
func (l *loopedDisk) mountAgain() {
	l.t.Helper()
	if err := tool("umount", l.dir); err != nil {
		l.t.Fatal(err)
	}
	if err := l.mount(); err != nil {
		l.t.Fatal(err)
	}
}

// tool runs a command; the error has what it printed.
func tool(name string, args ...string) error {
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		return fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, bytes.TrimSpace(out))
	}
	return nil
}

// fill leaves no block of the device below that was not written before: to write one
// fails, and so the next sync.
func (l *loopedDisk) fill() {
	l.t.Helper()
	file, err := os.Create(l.filler)
	if err != nil {
		l.t.Fatal(err)
	}
	defer file.Close()
	for block := make([]byte, 4096); err == nil; {
		_, err = file.Write(block)
	}
	if !errors.Is(err, syscall.ENOSPC) {
		l.t.Fatal(err)
	}
}

// TestAReadOnlyDiskUnderSteadyHosts lets the file system become read-only as after an
// error of its own, with its files open for writing. The kernel makes it writable again
// only after it was unmounted, so the process is started again for that.
func TestAReadOnlyDiskUnderSteadyHosts(t *testing.T) { // PROTOCOL E2, G2, G9
	t.Parallel()
	l := loopDisk(t, "errors=remount-ro")
	k := newKillRig(t, l.dir, diskHosts(t))
	k.flags = []string{"--disk-reserve", "0"}
	k.wantServed(k.endure(failingDisk{fail: l.breakIt, mend: l.mountAgain, restarts: true}))
	k.wantKept()
}

// breakIt reports an error of the file system to the kernel, which then makes it
// read-only with the files that are open for writing.
func (l *loopedDisk) breakIt() {
	l.t.Helper()
	mounts, err := os.ReadFile("/proc/mounts")
	if err != nil {
		l.t.Fatal(err)
	}
	for line := range strings.Lines(string(mounts)) {
		if fields := strings.Fields(line); fields[1] == l.dir {
			trigger := filepath.Join("/sys/fs/ext4", filepath.Base(fields[0]), "trigger_fs_error")
			if err := os.WriteFile(trigger, []byte("test"), 0); err != nil {
				l.t.Fatal(err)
			}
			return
		}
	}
	l.t.Fatalf("%s is not mounted", l.dir)
}

// TestFailingSyncsUnderSteadyHosts lets the device below the file system refuse blocks,
// so that fdatasync fails with an error of the device: a commit whose sync failed may be
// in the file and not on the disk, and the plane is not started until a sync succeeds.
// There are few hosts whatever is asked for: the write-ahead log must still grow, since
// blocks that it has written before are not refused.
func TestFailingSyncsUnderSteadyHosts(t *testing.T) { // PROTOCOL E2, G2, G9
	t.Parallel()
	l := loopDisk(t, "errors=continue")
	k := newKillRig(t, l.dir, min(8, diskHosts(t)))
	k.flags = []string{"--disk-reserve", "0"}
	c := k.endure(failingDisk{
		fail: l.fill,
		mend: func() {
			if err := os.Remove(l.filler); err != nil {
				t.Fatal(err)
			}
		},
		unserved: true,
	})
	k.wantUnserved(c)
	k.wantKept()
}
