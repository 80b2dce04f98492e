package pki_test

import (
	"crypto/x509"
	"errors"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/refrain-fleet/refrain/core/wire"
	"github.com/refrain-fleet/refrain/httpserver/pki"
)

// PROTOCOL T2, T4
func TestIssuedNamesParseBackToTheSameIdentity(t *testing.T) {
	clk := clockAt(noon)
	authorities := map[string]*pki.Authority{}
	rapid.Check(t, func(t *rapid.T) {
		// Prefixes and the suffix itself, which could confuse the reader.
		word := rapid.OneOf(rapid.StringMatching(`[A-Za-z0-9_.-]{1,12}`),
			rapid.SampledFrom([]string{"agent-", "operator-", ".fleet.test", "fleet.test", "agent-x.fleet.test", "a.b"}))
		name := rapid.Custom(func(t *rapid.T) string {
			return strings.Join(rapid.SliceOfN(word, 1, 3).Draw(t, "words"), "")
		}).Draw(t, "name")
		ending := rapid.SampledFrom([]string{"fleet.test", "test", "x", "agent-x.test"}).Draw(t, "suffix")
		authority := authorities[ending]
		if authority == nil {
			var err error
			if authority, err = pki.New(pki.Config{Suffix: ending, Clock: clk}); err != nil {
				t.Fatal(err)
			}
			authorities[ending] = authority
		}
		operator := rapid.Bool().Draw(t, "operator")
		issue := authority.IssueAgent
		if operator {
			issue = authority.IssueOperator
		}
		pair, err := issue(name, pki.Validity{})
		strayDot := strings.HasPrefix(name, ".") || strings.HasSuffix(name, ".") || strings.Contains(name, "..")
		if strayDot != (err != nil) {
			t.Fatalf("%q: error %v, want one exactly for a stray dot", name, err)
		}
		if err != nil {
			return
		}
		commonName := pair.Leaf.Subject.CommonName
		want := wire.Identity{CommonName: commonName, Operator: operator, Name: name}
		if got := wire.ParseIdentity(commonName, ending); got != want {
			t.Fatalf("%q is read as %+v, want %+v", commonName, got, want)
		}
	})
}

// PROTOCOL T11
func TestBadNamesAreRefused(t *testing.T) {
	authority := newAuthority(t, clockAt(noon))
	long, err := pki.New(pki.Config{Suffix: strings.Repeat("s", 253), Clock: clockAt(noon)})
	if err != nil {
		t.Fatal(err)
	}
	hosts := func(name string) error { _, err := authority.IssueAgent(name, pki.Validity{}); return err }
	operators := func(name string) error { _, err := authority.IssueOperator(name, pki.Validity{}); return err }
	servers := func(name string) error { _, err := authority.IssueServer([]string{name}, pki.Validity{}); return err }
	clients := func(name string) error { _, err := authority.IssueClient(name, pki.Validity{}); return err }
	suffixes := func(name string) error { _, err := pki.New(pki.Config{Suffix: name}); return err }
	longFleet := func(name string) error { _, err := long.IssueAgent(name, pki.Validity{}); return err }

	const alphabet = "want 1 to 253 letters, digits, '-', '.' or '_'"
	const dots = "want no dot at the start or the end, and no two in a row"
	const dns = "want a DNS name or an IP address, without a port"
	for _, test := range []struct {
		issue      func(string) error
		what, name string
		problem    string
	}{
		{hosts, "host", "", alphabet},
		{hosts, "host", "a/b", alphabet},
		{hosts, "host", "../../etc/passwd", alphabet},
		{hosts, "host", "web\x00", alphabet},
		{hosts, "host", "web 1", alphabet},
		{hosts, "host", "wéb", alphabet},
		{hosts, "host", "web\n", alphabet},
		{hosts, "host", strings.Repeat("h", 254), alphabet},
		{hosts, "host", ".", dots},
		{hosts, "host", "..", dots},
		{hosts, "host", "a..b", dots},
		{hosts, "host", ".web", dots},
		{hosts, "host", "web.", dots},
		{longFleet, "host", strings.Repeat("h", 253), "too long: the common name would have 513 bytes; want at most 512, or it could not be revoked"},
		{operators, "operator", "", alphabet},
		{operators, "operator", "a/b", alphabet},
		{operators, "operator", "..", dots},
		{operators, "operator", "ada\x00", alphabet},
		{operators, "operator", strings.Repeat("o", 254), alphabet},
		{suffixes, "cn suffix", "", alphabet},
		{suffixes, "cn suffix", ".fleet.test", dots},
		{suffixes, "cn suffix", "fleet.test.", dots},
		{suffixes, "cn suffix", "fleet/test", alphabet},
		{suffixes, "cn suffix", strings.Repeat("s", 254), alphabet},
		{clients, "common name", "", "want 1 to 512 bytes"},
		{clients, "common name", strings.Repeat("c", 513), "want 1 to 512 bytes"},
		{clients, "common name", "a\x00b", "want printable ASCII"},
		{servers, "server name", "", dns},
		{servers, "server name", "plane.test:8443", dns},
		{servers, "server name", "https://plane.test", dns},
		{servers, "server name", "plane..test", dns},
		{servers, "server name", "plane.test.", dns},
		{servers, "server name", "-plane.test", dns},
		{servers, "server name", "plane\x00.test", dns},
		{servers, "server name", "a.*.test", dns},
		{servers, "server name", strings.Repeat("p", 64) + ".test", dns},
		{servers, "server name", strings.Repeat("p.", 127), dns},
		{servers, "server name", "*.test", "want at least two labels after the wildcard"},
		{servers, "server name", "10.0.0", "want a complete IP address, or a DNS name whose last label is not a number"},
		{servers, "server name", "10.0.0.256", "want a complete IP address, or a DNS name whose last label is not a number"},
		{servers, "server name", "fe80::1%eth0", "want an address without a zone"},
	} {
		err := test.issue(test.name)
		var bad *pki.NameError
		if !errors.As(err, &bad) || *bad != (pki.NameError{What: test.what, Name: test.name, Problem: test.problem}) {
			t.Errorf("%s %q: got %v, want: %s", test.what, test.name, err, test.problem)
		}
	}
	if _, err := authority.IssueServer(nil, pki.Validity{}); err == nil {
		t.Error("no server name: want an error")
	}
	if err := func() error {
		_, err := authority.IssueServer([]string{"a.test", "a.test"}, pki.Validity{})
		return err
	}(); err == nil || err.Error() != `server name "a.test": given twice; want it once` {
		t.Errorf("a repeated server name: %v", err)
	}
}

// RFC 5280 ends common names at 64 characters. A hostname of T11 shall have a
// certificate all the same, and one that can be revoked. PROTOCOL T5, T11
func TestALongCommonNameIsIssuedAndVerifies(t *testing.T) {
	authority := newAuthority(t, clockAt(noon))
	for _, length := range []int{64, 65, pki.MaxCommonName} {
		pair := must(t)(authority.IssueClient(strings.Repeat("c", length), pki.Validity{}))
		if err := verify(authority, pair, x509.ExtKeyUsageClientAuth, noon); err != nil {
			t.Errorf("%d bytes: %v", length, err)
		}
	}
	pair := must(t)(authority.IssueAgent(strings.Repeat("h", 253), pki.Validity{}))
	if err := verify(authority, pair, x509.ExtKeyUsageClientAuth, noon); err != nil {
		t.Errorf("the longest hostname: %v", err)
	}
}
