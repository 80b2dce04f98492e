package sqlite

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// ErrInUse means that another process has the file open for writing.
var ErrInUse = errors.New("in use by another process")

// lock locks a database by means of a lock file beside it. The database file
// itself must not be opened outside of SQLite: closing any descriptor of it would
// release SQLite's locks. The kernel releases the lock when the process ends, so a
// crash leaves no lock behind. The lock file stays: if it were removed, two
// processes could lock two files of the same name.
//
// The lock file names its holder, for the error of the next process.
func lock(path string) (*os.File, error) {
	file, err := os.OpenFile(path+".lock", os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	switch err := tryLock(file); {
	case errors.Is(err, ErrInUse):
		holder, readErr := os.ReadFile(path + ".lock")
		file.Close()
		if name := strings.TrimSpace(string(holder)); readErr == nil && name != "" {
			return nil, fmt.Errorf("%w: %s", ErrInUse, name)
		}
		return nil, ErrInUse
	case err != nil:
		file.Close()
		return nil, fmt.Errorf("lock %s.lock: %w", path, err)
	}
	// The holder's name is only for the error text; on a full disk it is missing.
	_ = file.Truncate(0)
	_, _ = file.WriteAt([]byte(holder()), 0)
	return file, nil
}

// holder describes this process for the lock file.
func holder() string {
	host, err := os.Hostname()
	if err != nil {
		host = "an unknown machine"
	}
	return fmt.Sprintf("process %d (%s) on %s since %s\n",
		os.Getpid(), filepath.Base(os.Args[0]), host, time.Now().UTC().Format(time.RFC3339))
}
