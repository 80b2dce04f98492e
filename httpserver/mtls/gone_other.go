//go:build !linux

package mtls

import "net"

// isGone is known on Linux only; elsewhere the next read or write finds out.
func isGone(net.Conn) bool { return false }
