package dbfile

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// ErrInUse means that another process has the database open for writing.
var ErrInUse = errors.New("in use by another process")

// Held is a database that this process has locked for writing.
type Held struct {
	// File is the database, created if there was none. SQLite has locks of this
	// process on the same file, which closing any descriptor of it releases. So it
	// is closed with the lock, after SQLite's connections.
	File *os.File
	lock *os.File
}

// Lock locks the database at a resolved path, and creates it, readable by its
// owner alone, if there is none.
//
// There are two locks. That on the file beside the database holds while the
// database is replaced, and names its holder, for the error of the next process.
// That on the database itself (flock, which SQLite's locks by fcntl do not meet on
// a local disk) cannot be got round by a second path to it or by removing the lock
// file. The kernel releases both when the process ends, so a crash leaves no lock
// behind. The lock file stays: if it were removed, two processes could lock two
// files of the same name.
func Lock(path string) (*Held, error) {
	lock, err := openLocked(path + LockSuffix)
	if err != nil {
		return nil, inUseBy(path, err)
	}
	file, err := openLocked(path)
	if err != nil {
		lock.Close()
		return nil, inUseBy(path, err)
	}
	// The holder's name is only for the error text; on a full disk it is missing.
	_ = lock.Truncate(0)
	_, _ = lock.WriteAt([]byte(holder()), 0)
	return &Held{File: file, lock: lock}, nil
}

// openLocked opens a file, no symbolic link, and locks it.
func openLocked(path string) (*os.File, error) {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|noFollow, 0o600)
	if err != nil {
		return nil, err
	}
	if err := tryLock(file); err != nil {
		file.Close()
		if errors.Is(err, ErrInUse) {
			return nil, err
		}
		return nil, fmt.Errorf("lock %s: %w; want a local disk", path, err)
	}
	return file, nil
}

// inUseBy adds the holder's name to [ErrInUse], if the lock file has it.
func inUseBy(path string, err error) error {
	if !errors.Is(err, ErrInUse) {
		return err
	}
	text, readErr := os.ReadFile(path + LockSuffix)
	if name := strings.TrimSpace(string(text)); readErr == nil && name != "" {
		return fmt.Errorf("%w: %s", ErrInUse, name)
	}
	return fmt.Errorf("%w, which uses another path to it, or whose lock file was removed", ErrInUse)
}

// Identity returns the identity of the locked file, whatever its path leads to now.
func (h *Held) Identity() (Identity, error) {
	info, err := h.File.Stat()
	if err != nil {
		return Identity{}, err
	}
	return identityOf(info), nil
}

// Close releases the lock.
func (h *Held) Close() error { return errors.Join(closeLocked(h.File), closeLocked(h.lock)) }

// holder describes this process for the lock file.
func holder() string {
	host, err := os.Hostname()
	if err != nil {
		host = "an unknown machine"
	}
	return fmt.Sprintf("process %d (%s) on %s since %s\n",
		os.Getpid(), filepath.Base(os.Args[0]), host, time.Now().UTC().Format(time.RFC3339))
}
