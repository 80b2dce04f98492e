//go:build unix

package pki

import (
	"errors"
	"fmt"
	"os"
	"syscall"
)

// lock prevents two runs from mixing their pairs, since each renames a key and a
// certificate, in any order. The kernel releases the lock when the process ends,
// so a crash leaves none behind.
func lock(dir string) (unlock func(), err error) {
	file, err := os.Open(dir)
	if err != nil {
		return nil, fmt.Errorf("directory: %w", err)
	}
	err = syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		file.Close()
		return nil, fmt.Errorf("directory: another process is writing to %s; try again when it has ended", dir)
	}
	// Any other error means that the file system cannot lock a directory. The
	// run goes on without the guard.
	return func() {
		// A child of this process that has not come to its exec yet has the lock as well,
		// so closing the file may not release it.
		_ = syscall.Flock(int(file.Fd()), syscall.LOCK_UN)
		file.Close()
	}, nil
}
