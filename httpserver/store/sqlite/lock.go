package sqlite

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// ErrInUse says that another process has the file.
var ErrInUse = errors.New("another process uses it")

// lock takes a file's lock, which lies beside it: a database's own file must not
// be opened besides SQLite, or SQLite's locks are lost with the first descriptor
// that is closed. The lock goes with the process, so a crash leaves none behind;
// the lock's file stays, since removing it would let two processes lock two
// files of one name.
//
// The lock's file names its holder, for the error that the next one gets.
func lock(path string) (*os.File, error) {
	file, err := os.OpenFile(path+".lock", os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	switch err := tryLock(file); {
	case errors.Is(err, ErrInUse):
		holder, readErr := os.ReadFile(path + ".lock")
		file.Close()
		if said := strings.TrimSpace(string(holder)); readErr == nil && said != "" {
			return nil, fmt.Errorf("%w: %s", ErrInUse, said)
		}
		return nil, ErrInUse
	case err != nil:
		file.Close()
		return nil, fmt.Errorf("lock %s.lock: %w", path, err)
	}
	// Who holds it is for people; on a full disk nobody is named.
	_ = file.Truncate(0)
	_, _ = file.WriteAt([]byte(holder()), 0)
	return file, nil
}

// holder describes this process.
func holder() string {
	host, err := os.Hostname()
	if err != nil {
		host = "an unknown machine"
	}
	return fmt.Sprintf("process %d (%s) on %s since %s\n",
		os.Getpid(), filepath.Base(os.Args[0]), host, time.Now().UTC().Format(time.RFC3339))
}
