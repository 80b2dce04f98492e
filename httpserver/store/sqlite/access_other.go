//go:build !unix

package sqlite

// mayCreate takes every directory for writable: SQLite reports one that is not.
func mayCreate(string) bool { return true }

// mayRead takes every file for readable: SQLite reports one that is not.
func mayRead(string) error { return nil }
