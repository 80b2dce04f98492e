//go:build !unix

package sqlite

import (
	"errors"
	"os"
)

// tryLock refuses: two planes on one file would give its numbers twice, so a
// file that cannot be locked is not opened.
func tryLock(*os.File) error {
	return errors.New("a store on disk wants a Unix, whose locks go with the process")
}
