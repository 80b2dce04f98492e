//go:build unix

package httpserver

import "syscall"

// descriptorLimit is how many descriptors the process may have; 0 if it is not known.
// At its start Go raises it as far as it may.
func descriptorLimit() uint64 {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return 0
	}
	return uint64(limit.Cur)
}
