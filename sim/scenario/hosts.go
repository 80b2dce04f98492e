package scenario

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/refrain-fleet/refrain/core/wire"
)

// Hosts is a run of hosts by number, from 1: First to Last, both included. The
// zero value is every host.
type Hosts struct{ First, Last int }

// Has reports whether host number n, from 1, is one of them.
func (h Hosts) Has(n int) bool { return h == Hosts{} || h.First <= n && n <= h.Last }

// String writes h3, h1..h5 or *.
func (h Hosts) String() string {
	switch {
	case h == Hosts{}:
		return "*"
	case h.First == h.Last:
		return "h" + strconv.Itoa(h.First)
	default:
		return fmt.Sprintf("h%d..h%d", h.First, h.Last)
	}
}

var (
	errHosts    = errors.New("want hosts such as h3, h1..h5 or *")
	errHostList = errors.New("want one host or one range, such as h3, h1..h5 or *; there are no lists of hosts")
)

// ParseHosts reads h3, h1..h5 or *.
func ParseHosts(s string) (Hosts, error) {
	if s == "*" {
		return Hosts{}, nil
	}
	first, last, isRun := strings.Cut(s, "..")
	if !isRun {
		last = first
	}
	if strings.Contains(s, ",") {
		return Hosts{}, errHostList
	}
	var h Hosts
	var ok, ok2 bool
	h.First, ok = HostNumber(wire.Hostname(first))
	h.Last, ok2 = HostNumber(wire.Hostname(last))
	switch {
	case !ok || !ok2, string(HostName(h.First)) != first, string(HostName(h.Last)) != last: // h03, h+3
		return Hosts{}, errHosts
	case h.First > h.Last:
		return Hosts{}, errors.New("want the smaller number first")
	}
	return h, nil
}

// HostName is the name of host number n, from 1.
func HostName(n int) wire.Hostname { return wire.Hostname("h" + strconv.Itoa(n)) }

// HostNumber reads the number of a host of a fleet, from 1.
func HostNumber(name wire.Hostname) (int, bool) {
	digits, found := strings.CutPrefix(string(name), "h")
	n, err := strconv.Atoi(digits)
	return n, found && err == nil && n >= 1
}
