package sqlite

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	driver "modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/refrain-fleet/refrain/httpserver/store/dbfile"
)

// errIsDirectory means that the path of a database is that of a directory.
var errIsDirectory = errors.New("is a directory; want a file")

// surroundings are what decides how a database can be read. SQLite reads a
// write-ahead log by its index, the file -shm, which it creates if there is none.
type surroundings struct {
	path     string
	readOnly bool  // no file can be created in the directory
	wal      int64 // the size of the write-ahead log, noWAL if there is none
	shm      bool  // the index of the write-ahead log is there
}

// noWAL is the size of a write-ahead log that does not exist. A plane that runs
// has one.
const noWAL = -1

// surroundingsOf looks around the database file at path.
func surroundingsOf(path string) (surroundings, error) {
	s := surroundings{path: path, readOnly: !dbfile.MayCreate(filepath.Dir(path)), wal: noWAL}
	switch info, err := os.Stat(path + "-wal"); {
	case err == nil:
		s.wal = info.Size()
	case !errors.Is(err, fs.ErrNotExist):
		return s, err
	}
	switch _, err := os.Stat(path + "-shm"); {
	case err == nil:
		s.shm = true
	case !errors.Is(err, fs.ErrNotExist):
		return s, err
	}
	return s, nil
}

// immutable reports whether the file has to be opened as one that does not
// change: its directory is read-only and no write-ahead log is in use. The error
// says what to do if the write-ahead log is needed and cannot be read.
func (s *surroundings) immutable() (bool, error) {
	switch {
	case !s.readOnly:
		return false, nil
	case s.wal == noWAL:
		return true, nil
	case s.shm:
		// A plane may use the file, through another mount or as another user.
		// SQLite reads the index that is there.
		return false, nil
	case s.wal > 0:
		return false, s.unreadable()
	}
	return true, nil
}

// unreadable says what to do about a write-ahead log in a read-only directory.
func (s *surroundings) unreadable() error {
	return fmt.Errorf("its directory is read-only, and its write-ahead log %s-wal (%d bytes) has commits that cannot be read there; copy both files to a directory that can be written, and use the copy",
		filepath.Base(s.path), s.wal)
}

// cannotOpen reports whether SQLite could not open a file.
func cannotOpen(err error) bool {
	var known *driver.Error
	if !errors.As(err, &known) {
		return false
	}
	code := known.Code() & 0xff
	return code == sqlite3.SQLITE_CANTOPEN || code == sqlite3.SQLITE_READONLY
}

// explainOpen puts the cause in the place of SQLite's "unable to open database
// file", which names neither the file nor the reason.
func explainOpen(path string, err error) error {
	var known *driver.Error
	if !errors.As(err, &known) || known.Code()&0xff != sqlite3.SQLITE_CANTOPEN {
		return err
	}
	dir := filepath.Dir(path)
	info, statErr := os.Stat(dir)
	switch {
	case errors.Is(statErr, fs.ErrNotExist):
		return fmt.Errorf("the directory %s does not exist; create it first", dir)
	case statErr != nil:
		return statErr // names the path and the reason, such as a missing permission
	case !info.IsDir():
		return fmt.Errorf("%s is not a directory", dir)
	}
	for _, file := range []string{path, path + "-wal", path + "-shm"} {
		info, err := os.Stat(file)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			continue
		case err != nil:
			return err
		case info.IsDir():
			return fmt.Errorf("%s is a directory; want a file", file)
		case dbfile.MayRead(file) != nil:
			return fmt.Errorf("%s cannot be read: %w", file, dbfile.MayRead(file))
		}
	}
	if !dbfile.MayCreate(dir) {
		return fmt.Errorf("no file can be created in the directory %s; want write permission in it, and no read-only mount", dir)
	}
	return fmt.Errorf("SQLite cannot open %s or the files beside it: %w", path, err)
}

// explainBusy puts the cause in the place of SQLite's "database is locked".
func explainBusy(err error) error {
	var known *driver.Error
	if !errors.As(err, &known) || known.Code()&0xff != sqlite3.SQLITE_BUSY {
		return err
	}
	return fmt.Errorf("another program holds the write lock of the database for longer than %v, such as sqlite3 with an open transaction; end it: %w", busyTimeout, err)
}
