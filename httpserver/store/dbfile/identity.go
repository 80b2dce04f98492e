package dbfile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Identity is what tells a file from another one, and its content from another
// content.
type Identity struct {
	// Device and Inode tell files apart while both exist.
	Device uint64 `json:"device"`
	Inode  uint64 `json:"inode"`
	// Size is in bytes, Modified in nanoseconds since 1970. They change when the
	// file is written to.
	Size     int64 `json:"size"`
	Modified int64 `json:"modified"`
}

// Look returns the identity of the file at path.
func Look(path string) (Identity, error) {
	info, err := os.Stat(path)
	if err != nil {
		return Identity{}, err
	}
	return identityOf(info), nil
}

func identityOf(info fs.FileInfo) Identity {
	id := Identity{Size: info.Size(), Modified: info.ModTime().UnixNano()}
	id.Device, id.Inode, _ = inode(info)
	return id
}

// SameFile reports whether two identities are of one file, whatever its content.
func (a Identity) SameFile(b Identity) bool { return a.Device == b.Device && a.Inode == b.Inode }

// Reasons why a path is unsuitable for a database.
var (
	ErrMountPoint = errors.New("is a mount point by itself, so that its write-ahead log and its lock would stay outside of the mount; mount its directory instead")
	ErrHardLinks  = errors.New("has several hard links, so that it could be opened under another name, without its write-ahead log; want one")
)

// Resolve returns the path without symbolic links, so that a database has one name
// and one lock. The file may be missing, its directory may not. It refuses a path
// whose file could be reached in two ways.
func Resolve(path string) (string, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	real, err := filepath.EvalSymlinks(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if target, err := os.Readlink(path); err == nil {
			return "", fmt.Errorf("%s is a symbolic link to %s, which does not exist; create the directory and name the file itself", path, target)
		}
		dir, err := filepath.EvalSymlinks(filepath.Dir(path))
		if err != nil {
			return "", fmt.Errorf("the directory of %s: %w; create it first", path, err)
		}
		return filepath.Join(dir, filepath.Base(path)), nil
	case err != nil:
		return "", err
	}
	return real, nil
}

// Suitable returns why the database at a resolved path must not be opened for
// writing, or nil. The error wraps [ErrMountPoint] or [ErrHardLinks] where one of
// these is the reason.
func Suitable(path string) error {
	if err := NotMounted(path); err != nil {
		return err
	}
	if err := OnLocalDisk(filepath.Dir(path)); err != nil {
		return err
	}
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return err
	default:
		if _, _, links := inode(info); links > 1 {
			return fmt.Errorf("%w (it has %d; find %s -xdev -samefile %s lists those in its directory)", ErrHardLinks, links, filepath.Dir(path), filepath.Base(path))
		}
	}
	for _, suffix := range []string{WALSuffix, IndexSuffix, LockSuffix, MarkSuffix} {
		info, err := os.Lstat(path + suffix)
		if err == nil && info.IsDir() {
			return fmt.Errorf("%s%s is a directory; want a file", path, suffix)
		}
		if err == nil && !info.Mode().IsRegular() {
			return fmt.Errorf("%s%s is no regular file (%v); want none of this name, or the file that refrain made", filepath.Base(path), suffix, info.Mode().Type())
		}
	}
	return nil
}

// NotMounted returns [ErrMountPoint] if the file at a resolved path is mounted by
// itself. The device numbers of file and directory do not say so: a bind mount can
// be of the same device, and a file of an overlay can be of another one.
func NotMounted(path string) error {
	mounts, err := mountInfo()
	if err != nil {
		return fmt.Errorf("read the mounts: %w", err)
	}
	if isMountPoint(mounts, path) {
		return ErrMountPoint
	}
	return nil
}

// isMountPoint looks a path up in the text of /proc/self/mountinfo, see
// proc_pid_mountinfo(5): the fifth field of a line is the mount point, in which
// space, tab, newline and backslash are written as three octal digits.
func isMountPoint(mounts, path string) bool {
	escaped := strings.NewReplacer(`\`, `\134`, " ", `\040`, "\t", `\011`, "\n", `\012`).Replace(path)
	for line := range strings.Lines(mounts) {
		if fields := strings.Fields(line); len(fields) > 4 && fields[4] == escaped {
			return true
		}
	}
	return false
}
