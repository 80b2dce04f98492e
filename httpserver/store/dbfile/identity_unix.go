//go:build unix

package dbfile

import (
	"io/fs"
	"syscall"
)

// inode returns what identifies a file, and how many names it has.
func inode(info fs.FileInfo) (device, number, links uint64) {
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return 0, 0, 1
	}
	return uint64(stat.Dev), uint64(stat.Ino), uint64(stat.Nlink)
}
