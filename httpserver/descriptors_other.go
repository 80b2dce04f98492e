//go:build !unix

package httpserver

// descriptorLimit is not known here.
func descriptorLimit() uint64 { return 0 }
