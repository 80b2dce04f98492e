package main

import (
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"strconv"
	"strings"

	"github.com/refrain-fleet/refrain/httpserver"
)

// address is the TCP address of a listener: a host or none, and a port.
type address string

// UnmarshalText implements [encoding.TextUnmarshaler].
func (a *address) UnmarshalText(text []byte) error {
	s := string(text)
	if problem, instead := checkAddress(s); problem != "" {
		return &valueError{
			err:     fmt.Errorf("want HOST:PORT, such as :8443 or 127.0.0.1:8443, have %q: %s", s, problem),
			instead: instead,
		}
	}
	*a = address(s)
	return nil
}

// checkAddress says what is wrong with an address, and which one may be meant.
func checkAddress(s string) (problem, instead string) {
	_, port, err := net.SplitHostPort(s)
	switch {
	case s == "":
		return "it is empty", ""
	case err != nil && isPort(s):
		return "a port alone needs a colon before it", ":" + s
	case strings.Contains(s, "://"):
		return "it is a URL; want the address alone", ""
	case err != nil && strings.Count(s, ":") > 1:
		return "an IPv6 address needs brackets, and then a port", ""
	case err != nil:
		return "it has no port", ""
	case port == "":
		return "it has no port; 0 picks a free one", ""
	}
	if number, err := strconv.ParseInt(port, 10, 64); err == nil {
		if number < 0 || number > 65535 {
			return "the port is " + port + "; want 0 to 65535", ""
		}
		return "", ""
	}
	if _, err := net.LookupPort("tcp", port); err != nil {
		return "the port is not a number from 0 to 65535", ""
	}
	return "", ""
}

func isPort(s string) bool {
	n, err := strconv.ParseUint(s, 10, 16)
	return err == nil && n > 0
}

// network is an address, or all addresses with a prefix.
type network netip.Prefix

// UnmarshalText implements [encoding.TextUnmarshaler].
func (n *network) UnmarshalText(text []byte) error {
	if prefix, err := netip.ParsePrefix(string(text)); err == nil {
		if masked := prefix.Masked(); masked != prefix {
			return &valueError{
				err:     fmt.Errorf("want an address or a network, such as 192.0.2.7 or 10.0.0.0/8, have %q: the address has bits after the prefix", text),
				instead: masked.String(),
			}
		}
		*n = network(prefix)
		return nil
	}
	addr, err := netip.ParseAddr(string(text))
	if err != nil || addr.Zone() != "" {
		return fmt.Errorf("want an address or a network, such as 192.0.2.7 or 10.0.0.0/8, have %q", text)
	}
	*n = network(netip.PrefixFrom(addr.Unmap(), addr.Unmap().BitLen()))
	return nil
}

func prefixes(networks []network) []netip.Prefix {
	list := make([]netip.Prefix, len(networks))
	for i, n := range networks {
		list[i] = netip.Prefix(n)
	}
	return list
}

// opsAddress is an address, or the path of a unix socket, or off for no listener.
type opsAddress string

// maxSocketPath is how long the path of a socket may be: the system's 107 bytes,
// without the suffix under which the socket is made.
const maxSocketPath = 103

// opsOff is the value of --ops-listen for no listener.
const opsOff = "off"

// UnmarshalText implements [encoding.TextUnmarshaler].
func (a *opsAddress) UnmarshalText(text []byte) error {
	if string(text) == opsOff {
		*a = opsOff
		return nil
	}
	if path, unix := strings.CutPrefix(string(text), httpserver.OpsUnix); unix {
		if path == "" || path[0] == '@' || path[0] == '~' || len(path) > maxSocketPath {
			return fmt.Errorf("want %s and a path of at most %d bytes, such as %s/run/refrain/ops.sock, have %q",
				httpserver.OpsUnix, maxSocketPath, httpserver.OpsUnix, text)
		}
		*a = opsAddress(text)
		return nil
	}
	var plain address
	if err := plain.UnmarshalText(text); err != nil {
		return err
	}
	*a = opsAddress(plain)
	return nil
}

// socketMode are the permissions of a socket, in octal.
type socketMode fs.FileMode

// UnmarshalText implements [encoding.TextUnmarshaler].
func (m *socketMode) UnmarshalText(text []byte) error {
	mode, err := strconv.ParseUint(string(text), 8, 32)
	if err != nil || mode == 0 || mode > 0o777 {
		return fmt.Errorf("want permissions in octal, such as 0660, have %q", text)
	}
	*m = socketMode(mode)
	return nil
}

// valueError is an error of a flag's value that knows which value may be meant,
// or none.
type valueError struct {
	err     error
	instead string
}

// Error implements error.
func (e *valueError) Error() string { return e.err.Error() }

// Unwrap returns the error without the value.
func (e *valueError) Unwrap() error { return e.err }
