package machine

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

func clockOf(id int32) time.Duration {
	var ts unix.Timespec
	if err := unix.ClockGettime(id, &ts); err != nil {
		return 0
	}
	return time.Duration(ts.Nano())
}

// Awake returns for how long the machine has been running since its boot. It is the
// same clock for every process, and stands still while the machine is suspended.
func Awake() time.Duration { return clockOf(unix.CLOCK_MONOTONIC) }

// Suspended returns for how long the machine was suspended since its boot, to about a
// millisecond.
func Suspended() time.Duration { return clockOf(unix.CLOCK_BOOTTIME) - Awake() }

// free returns how many bytes a user of the disk of path may still write.
func free(path string) (int64, error) {
	var s unix.Statfs_t
	if err := unix.Statfs(path, &s); err != nil {
		return 0, fmt.Errorf("%s: %w", path, err)
	}
	return int64(s.Bavail) * s.Bsize, nil
}

// errLocked says that another process has a lock.
var errLocked = errors.New("another process has the lock")

// lockFile takes a lock that ends with the process and with every child that has
// inherited the file.
func lockFile(path string) (*os.File, error) {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		file.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			return nil, errLocked
		}
		return nil, fmt.Errorf("%s cannot be locked: %w", path, err)
	}
	return file, nil
}

// ownGroup has a command lead a process group of its own.
func ownGroup(c *exec.Cmd) { c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }

// killGroup kills a command and what it started in its group.
func killGroup(pid int) { _ = unix.Kill(-pid, unix.SIGKILL) }
