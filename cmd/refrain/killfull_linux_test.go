package main

import (
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
)

// smallDisk mounts a file system that is full soon. It says loudly if it cannot.
func smallDisk(t *testing.T, size string) (dir string, grow func(size string)) {
	t.Helper()
	dir = t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size="+size); err != nil {
		fmt.Fprintf(os.Stderr, "NOT RUN: %s, since no small file system can be mounted here: %v\n", t.Name(), err)
		t.Skip("NOT RUN: wants to mount a tmpfs, as root")
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return dir, func(size string) {
		t.Helper()
		if err := syscall.Mount("tmpfs", dir, "tmpfs", syscall.MS_REMOUNT, "size="+size); err != nil {
			t.Fatal(err)
		}
	}
}

// TestAFullDiskIsRefusedAndGotOver fills the disk under the real binary: events are
// answered 503, heartbeats go on, nothing that was acknowledged is lost, the plane
// says why, and takes events by itself once there is room. It is also killed on the
// full disk.
func TestAFullDiskIsRefusedAndGotOver(t *testing.T) { // PROTOCOL E2, G2, G7, G9
	t.Parallel()
	dir, grow := smallDisk(t, "1536k")
	k := newKillRig(t, dir, 6)
	k.flags = []string{"--disk-reserve", "0"}
	k.start()
	k.open()
	k.load(func() {
		until(t, "the disk is full", func() bool { return k.diskless() })
		for range 20 {
			for _, h := range k.hosts {
				if said := h.heartbeat(t.Context()); strings.Trim(said, "0123456789") != "" {
					t.Errorf("a heartbeat of %s on the full disk: %s", h.name, said)
				}
			}
		}
		if ready, why := k.ready(); !ready {
			t.Errorf("it is not ready, so that a balancer would take the heartbeats away: %s", why)
		}
	})
	refused := 0
	for _, h := range k.hosts {
		refused += h.refused
	}
	if refused == 0 {
		t.Error("no event was answered 503")
	}
	until(t, "it says why", func() bool {
		_, why := k.probe("/readyz?verbose")
		return strings.Contains(why, "commits fail") && strings.Contains(why, "full")
	})
	k.wantAudited("on the full disk")
	grow("64m")
	until(t, "it serves again", func() bool { return !k.diskless() })
	before := k.count.Load()
	k.load(func() {
		until(t, "events are taken", func() bool { return k.count.Load() > before })
	})
	// Full once more, and killed.
	grow("5m")
	k.load(func() {
		until(t, "the disk is full again", func() bool { return k.diskless() })
		k.kill()
	})
	grow("128m")
	k.wantAudited("killed on the full disk")
	k.checkLedger()
	k.start()
	k.finish()
}

// diskless reports whether the plane goes on without its disk.
func (k *killRig) diskless() bool { return k.metric("refrain_store_available") == 0 }
