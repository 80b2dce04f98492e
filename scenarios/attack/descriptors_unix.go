//go:build unix

package attack

import "syscall"

// descriptorLimit is how many descriptors this process may have, which Go raises to
// the hard limit at the start; 0 if it is not known.
func descriptorLimit() uint64 {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return 0
	}
	return uint64(limit.Cur)
}
