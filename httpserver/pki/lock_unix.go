//go:build unix

package pki

import (
	"errors"
	"fmt"
	"os"
	"syscall"
)

// lock keeps two runs from mixing their pairs: each would rename a key and a
// certificate, in any order. The lock goes with the process, so a crash leaves
// none behind.
func lock(dir string) (unlock func(), err error) {
	file, err := os.Open(dir)
	if err != nil {
		return nil, fmt.Errorf("directory: %w", err)
	}
	err = syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		file.Close()
		return nil, fmt.Errorf("directory: another process is writing to %s, want to be alone", dir)
	}
	// Any other error is of a file system that cannot lock a directory. What is
	// lost there is the guard, not the work.
	return func() { file.Close() }, nil
}
