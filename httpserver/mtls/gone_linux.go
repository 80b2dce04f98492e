package mtls

import (
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// isGone reports whether the other side has closed the connection, even if what it
// sent before is not read yet. No client closes its side within a handshake that it
// wants to complete.
func isGone(conn net.Conn) (gone bool) {
	raw, is := conn.(syscall.Conn)
	if !is {
		return false
	}
	control, err := raw.SyscallConn()
	if err != nil {
		return false
	}
	_ = control.Control(func(fd uintptr) { // an error means that it is closed here
		info, err := unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO)
		gone = err == nil && (info.State == unix.BPF_TCP_CLOSE_WAIT || info.State == unix.BPF_TCP_CLOSE || info.State == unix.BPF_TCP_LAST_ACK)
	})
	return gone
}
