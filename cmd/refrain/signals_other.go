//go:build !unix

package main

import (
	"os"
	"os/exec"
)

// recordSignals ask a server for a flight recording. There is none here.
var recordSignals []os.Signal

// alone would keep a terminal's Ctrl-C from a process.
func alone(*exec.Cmd) {}
