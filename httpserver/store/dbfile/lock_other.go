//go:build !unix

package dbfile

import (
	"errors"
	"os"
)

// noFollow does not exist here.
const noFollow = 0

// tryLock refuses: two planes on one file would both assign its entry numbers, so
// a file that cannot be locked is not opened.
func tryLock(*os.File) error {
	return errors.New("a database file needs a Unix system, whose file locks end with the process")
}

// closeLocked closes a file, which was never locked.
func closeLocked(file *os.File) error { return file.Close() }
