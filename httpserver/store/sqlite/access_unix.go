//go:build unix

package sqlite

import "syscall"

// The modes of access(2).
const (
	accessExecute = 1
	accessWrite   = 2
	accessRead    = 4
)

// mayCreate reports whether this process may create files in a directory: by its
// permissions, and by its mount.
func mayCreate(dir string) bool { return syscall.Access(dir, accessWrite|accessExecute) == nil }

// mayRead returns why this process may not read a file, or nil. The file is not
// opened: closing it would release SQLite's locks on it.
func mayRead(path string) error { return syscall.Access(path, accessRead) }
