//go:build !unix

package main

import "os"

// recordSignals ask a server for a flight recording. There is none here.
var recordSignals []os.Signal
