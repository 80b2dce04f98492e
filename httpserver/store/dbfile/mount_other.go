//go:build !linux

package dbfile

// mountInfo returns nothing: only Linux mounts single files.
func mountInfo() (string, error) { return "", nil }
