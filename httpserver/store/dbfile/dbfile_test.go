package dbfile

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestIsMountPoint(t *testing.T) {
	const mounts = `22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
36 22 8:1 /home/u/plane.db /data/plane.db rw,relatime - ext4 /dev/sda1 rw
37 22 8:1 /x /with\040space\134and\011tab rw - ext4 /dev/sda1 rw
`
	for path, want := range map[string]bool{
		"/data/plane.db": true, "/data": false, "/data/plane.db-wal": false, "/home/u/plane.db": false,
		"/with space\\and\ttab": true, "/": true, "": false,
	} {
		if got := isMountPoint(mounts, path); got != want {
			t.Errorf("%q is a mount point: %v, want %v", path, got, want)
		}
	}
}

func TestMark_ReadsBackAndRefusesDamage(t *testing.T) {
	path := filepath.Join(t.TempDir(), "plane.db")
	m, err := OpenMark(path)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	if _, err := m.Read(); !errors.Is(err, ErrNoMark) {
		t.Errorf("an empty mark: %v", err)
	}
	const most = 1<<64 - 1
	for _, want := range []Mark{
		{}, {Entry: 7, File: Identity{1, 2, 3, 4}, Header: 5},
		{Entry: most, File: Identity{most, most, 1<<63 - 1, -1 << 63}, Header: 1<<32 - 1}, {Entry: 1},
	} {
		if err := m.Write(want); err != nil {
			t.Fatal(err)
		}
		if got, err := m.Read(); err != nil || got != want {
			t.Errorf("read %+v %v, want %+v", got, err, want)
		}
	}
	text, err := os.ReadFile(path + MarkSuffix)
	if err != nil || len(text) != markBytes {
		t.Fatalf("the file has %d bytes, want %d always: %v", len(text), markBytes, err)
	}
	for i := range strings.TrimRight(string(text), " \n") {
		damaged := []byte(string(text))
		damaged[i] ^= 1
		if err := os.WriteFile(path+MarkSuffix, damaged, 0o600); err != nil {
			t.Fatal(err)
		}
		if got, err := m.Read(); !errors.Is(err, ErrNoMark) {
			t.Fatalf("byte %d is damaged, and the mark reads %+v %v", i, got, err)
		}
	}
}

func TestLock_IsOnTheFileItself(t *testing.T) {
	path := filepath.Join(t.TempDir(), "plane.db")
	held, err := Lock(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Lock(path); !errors.Is(err, ErrInUse) || !strings.Contains(err.Error(), "process ") {
		t.Errorf("locked twice: %v", err)
	}
	if err := os.Remove(path + LockSuffix); err != nil {
		t.Fatal(err)
	}
	if _, err := Lock(path); !errors.Is(err, ErrInUse) {
		t.Errorf("locked twice without the lock file: %v", err)
	}
	if err := held.Close(); err != nil {
		t.Fatal(err)
	}
	again, err := Lock(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := again.Close(); err != nil {
		t.Fatal(err)
	}
}
