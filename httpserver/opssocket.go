package httpserver

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"strings"
	"syscall"
)

// OpsUnix begins a Config.OpsListen that is the path of a unix socket.
const OpsUnix = "unix:"

// listenOps opens the ops listener: a TCP address, or unix: and a path.
func (c *Config) listenOps() (net.Listener, error) {
	path, isUnix := strings.CutPrefix(c.OpsListen, OpsUnix)
	if !isUnix {
		return net.Listen("tcp", c.OpsListen)
	}
	return listenUnix(path, c.OpsSocketMode)
}

// listenUnix listens at a path, with the mode bits from the first moment on. It
// takes the place of a socket that a dead process has left.
func listenUnix(path string, mode fs.FileMode) (net.Listener, error) {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return nil, err
	case info.Mode().Type() != fs.ModeSocket:
		return nil, fmt.Errorf("%s is there and is no socket; want a path of its own for the ops socket", path)
	default:
		if conn, err := net.Dial("unix", path); err == nil {
			conn.Close()
			return nil, &net.OpError{Op: "listen", Net: "unix", Addr: &net.UnixAddr{Name: path, Net: "unix"}, Err: syscall.EADDRINUSE}
		}
	}
	// It is made under another name, so that nobody connects before its mode is
	// set, and then takes its name.
	fresh := path + ".new"
	_ = os.Remove(fresh)
	listener, err := net.ListenUnix("unix", &net.UnixAddr{Name: fresh, Net: "unix"})
	if err != nil {
		return nil, err
	}
	listener.SetUnlinkOnClose(false)
	if err := errors.Join(os.Chmod(fresh, mode), os.Rename(fresh, path)); err != nil {
		_ = listener.Close()
		_ = os.Remove(fresh)
		return nil, err
	}
	return &unixListener{listener, path}, nil
}

// unixListener is a listener whose socket has another name than it was made
// with.
type unixListener struct {
	net.Listener
	path string
}

// Addr implements [net.Listener].
func (l *unixListener) Addr() net.Addr { return &net.UnixAddr{Name: l.path, Net: "unix"} }

// Close implements [net.Listener]. It removes the socket.
func (l *unixListener) Close() error {
	err := l.Listener.Close()
	if removed := os.Remove(l.path); removed != nil && !errors.Is(removed, fs.ErrNotExist) {
		err = errors.Join(err, removed)
	}
	return err
}

// isLocal reports whether a listener is reachable from this machine only.
func isLocal(addr net.Addr) bool {
	switch a := addr.(type) {
	case *net.UnixAddr:
		return true
	case *net.TCPAddr:
		return a.IP.IsLoopback()
	}
	return false
}
