//go:build !unix

package httpagent

import (
	"errors"
	"os"
)

// lock fails: two agents on one log would use its numbers twice, so a log that
// cannot be locked is not opened.
func lock(string) (*os.File, error) {
	return nil, errors.New("a log on disk needs a Unix, whose locks end with the process")
}

// unlock closes a file that was never locked.
func unlock(file *os.File) error { return file.Close() }
