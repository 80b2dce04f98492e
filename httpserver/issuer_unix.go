//go:build unix

package httpserver

import (
	"os/exec"
	"syscall"
)

// killWhole has a command that is cancelled end with all that it has started.
func killWhole(command *exec.Cmd) {
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	command.Cancel = func() error { return syscall.Kill(-command.Process.Pid, syscall.SIGKILL) }
}
