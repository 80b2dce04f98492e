package pki

import (
	"fmt"
	"net/netip"
	"strings"

	"github.com/refrain-fleet/refrain/core/wire"
)

const (
	// UpperBoundCommonName is the longest common name that X.509 allows, in
	// characters (RFC 5280, ub-common-name). A longer one is issued nevertheless:
	// every hostname that the protocol allows (T11) needs a certificate, and
	// crypto/x509 and OpenSSL 3.0 both verify it. OpenSSL refuses to create one
	// itself, and other implementations may refuse to read it.
	UpperBoundCommonName = 64

	// MaxCommonName is the longest common name that is issued, in bytes. A longer
	// one could not be revoked (PROTOCOL T5).
	MaxCommonName = 512

	// maxFileStem leaves room for ".crt" in a file name of 255 bytes.
	maxFileStem = 251
)

// NameError means that a name is invalid in a certificate. Nothing was issued.
type NameError struct {
	// What is the kind of the name: "host", "operator", "server name",
	// "common name" or "cn suffix".
	What string
	// Name is the name itself.
	Name string
	// Problem says what is wrong, and what would be right.
	Problem string
}

// Error implements error.
func (e *NameError) Error() string { return fmt.Sprintf("%s %q: %s", e.What, e.Name, e.Problem) }

// checkLabels checks the name of a host, an operator or a suffix. It is stricter
// than PROTOCOL T11: every dot has to separate two labels, which keeps ".", ".."
// and hidden files out of the directory.
func checkLabels(what, name string) error {
	if _, err := wire.ParseHostname(name); err != nil {
		return &NameError{what, name, err.Error()}
	}
	if strings.HasPrefix(name, ".") || strings.HasSuffix(name, ".") || strings.Contains(name, "..") {
		return &NameError{what, name, "want no dot at the start or the end, and no two in a row"}
	}
	return nil
}

// A role is a kind of client.
type role struct {
	what      string // the kind of its names, for errors
	prefix    string // the beginning of its common names
	directory string // of its pairs
	operator  bool
}

var (
	agentRole    = role{what: "host", prefix: "agent-", directory: "agents"}
	operatorRole = role{what: "operator", prefix: "operator-", directory: "operators", operator: true}
)

// commonName returns a client's common name. It checks that the server parses the
// same identity from it (PROTOCOL T2, T4).
func (r role) commonName(name, suffix string) (string, error) {
	if err := checkLabels(r.what, name); err != nil {
		return "", err
	}
	commonName := r.prefix + name + "." + suffix
	if len(commonName) > MaxCommonName {
		return "", &NameError{r.what, name, fmt.Sprintf("too long: the common name would have %d bytes; want at most %d, or it could not be revoked", len(commonName), MaxCommonName)}
	}
	want := wire.Identity{CommonName: commonName, Operator: r.operator, Name: name}
	if got := wire.ParseIdentity(commonName, suffix); got != want {
		return "", &NameError{r.what, name, fmt.Sprintf("ambiguous: the server would parse %s as %q", commonName, got.Name)}
	}
	return commonName, nil
}

// checkCommonName checks a common name that is used as it is.
func checkCommonName(name string) error {
	if len(name) == 0 || len(name) > MaxCommonName {
		return &NameError{"common name", name, fmt.Sprintf("want 1 to %d bytes", MaxCommonName)}
	}
	for _, c := range []byte(name) {
		if c < ' ' || c > '~' {
			return &NameError{"common name", name, "want printable ASCII"}
		}
	}
	return nil
}

// parseServerName parses a DNS name or an IP address. For a DNS name addr is the
// zero Addr.
func parseServerName(name string) (addr netip.Addr, err error) {
	bad := func(problem string) (netip.Addr, error) {
		return netip.Addr{}, &NameError{"server name", name, problem}
	}
	if addr, err := netip.ParseAddr(name); err == nil {
		if addr.Zone() != "" {
			return bad("want an address without a zone")
		}
		return addr.Unmap(), nil
	}
	const want = "want a DNS name or an IP address, without a port"
	if name == "" || len(name) > 253 {
		return bad(want)
	}
	// A wildcard stands for the first label and nothing else (RFC 6125, 6.4.3).
	rest, wildcard := strings.CutPrefix(name, "*.")
	labels := strings.Split(rest, ".")
	if wildcard && len(labels) < 2 {
		return bad("want at least two labels after the wildcard")
	}
	for _, label := range labels {
		if !isLabel(label) {
			return bad(want)
		}
	}
	// No top-level domain is a number; 10.0.0 is an incomplete address.
	if strings.Trim(labels[len(labels)-1], "0123456789") == "" {
		return bad("want a complete IP address, or a DNS name whose last label is not a number")
	}
	return netip.Addr{}, nil
}

func isLabel(s string) bool {
	if len(s) == 0 || len(s) > 63 || s[0] == '-' || s[len(s)-1] == '-' {
		return false
	}
	for _, c := range []byte(s) {
		if !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '-' || c == '_') {
			return false
		}
	}
	return true
}

// repeated returns a [*NameError] for the first name that occurs twice.
func repeated(what string, names []string) error {
	seen := make(map[string]bool, len(names))
	for _, name := range names {
		if seen[name] {
			return &NameError{what, name, "given twice; want it once"}
		}
		seen[name] = true
	}
	return nil
}
