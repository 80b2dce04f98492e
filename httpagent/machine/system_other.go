//go:build !linux

package machine

import (
	"errors"
	"os"
	"os/exec"
	"time"
)

// A NixOS host is Linux; elsewhere the package only compiles.
var errLinux = errors.New("a NixOS host is Linux; this build is for another system")

var errLocked = errors.New("another process has the lock")

var started = time.Now()

// Awake returns for how long this process has been running.
func Awake() time.Duration { return time.Since(started) }

// Suspended returns 0: it is not known here.
func Suspended() time.Duration { return 0 }

func free(string) (int64, error)        { return 0, errLinux }
func lockFile(string) (*os.File, error) { return nil, errLinux }
func ownGroup(*exec.Cmd)                {}
func killGroup(pid int) {
	if p, err := os.FindProcess(pid); err == nil {
		_ = p.Kill()
	}
}
