//go:build !unix

package pki

// lock does nothing: a directory of keys is supported on Unix only; elsewhere the
// package just compiles.
func lock(string) (unlock func(), err error) { return func() {}, nil }
