//go:build unix

package main

import (
	"os"
	"syscall"
)

// recordSignals ask a server for a flight recording.
var recordSignals = []os.Signal{syscall.SIGUSR1}
