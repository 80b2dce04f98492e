//go:build unix

package dbfile

import (
	"os"
	"syscall"
)

// The modes of access(2).
const (
	accessExecute = 1
	accessWrite   = 2
	accessRead    = 4
)

// MayCreate reports whether this process may create files in a directory: by its
// permissions, and by its mount.
func MayCreate(dir string) bool { return syscall.Access(dir, accessWrite|accessExecute) == nil }

// MayRead returns why this process may not read a file, or nil. The file is not
// opened: closing it would release SQLite's locks on it.
func MayRead(path string) error { return syscall.Access(path, accessRead) }

// Free returns how many bytes of the file system of a directory an unprivileged
// process may still use, -1 if that is unknown.
func Free(dir string) int64 {
	var stat syscall.Statfs_t
	if err := syscall.Statfs(dir, &stat); err != nil {
		return -1
	}
	return int64(stat.Bavail) * int64(stat.Bsize)
}

// GiveTo gives a file the owner of another one. Only root can give files away;
// for others the owner is right already.
func GiveTo(path, model string) error {
	info, err := os.Stat(model)
	if err != nil || os.Geteuid() != 0 {
		return err
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return nil
	}
	return os.Lchown(path, int(stat.Uid), int(stat.Gid))
}
