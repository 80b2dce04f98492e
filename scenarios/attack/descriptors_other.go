//go:build !unix

package attack

// descriptorLimit is not known on this platform.
func descriptorLimit() uint64 { return 0 }
