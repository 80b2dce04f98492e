//go:build unix

package httpagent

import (
	"errors"
	"fmt"
	"os"
	"syscall"
)

// lock takes the lock of a log. It ends with the process, so a crash leaves
// none behind; the file stays, since removing it would let two processes lock
// two files of one name.
func lock(path string) (*os.File, error) {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	err = syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if err == nil {
		return file, nil
	}
	file.Close()
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return nil, ErrInUse
	}
	return nil, fmt.Errorf("%s cannot be locked: %w", path, err)
}

// unlock releases a lock. A child of this process that has not come to its exec
// yet holds the file as well, so closing it alone may not release the lock.
func unlock(file *os.File) error {
	return errors.Join(syscall.Flock(int(file.Fd()), syscall.LOCK_UN), file.Close())
}
