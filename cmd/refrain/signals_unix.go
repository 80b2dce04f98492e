//go:build unix

package main

import (
	"os"
	"os/exec"
	"syscall"
)

// recordSignals ask a server for a flight recording.
var recordSignals = []os.Signal{syscall.SIGUSR1}

// alone gives a process a group of its own, so that a terminal's Ctrl-C does not
// reach it: who started it ends it.
func alone(command *exec.Cmd) { command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }
