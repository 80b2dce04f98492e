package pki_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/benbjohnson/clock"
	"pgregory.net/rapid"

	"github.com/refrain-fleet/refrain/httpserver/pki"
)

const suffix = "fleet.test"

// noon is a whole second, so that nothing waits for one.
var noon = time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)

func clockAt(t time.Time) *clock.Mock {
	mock := clock.NewMock()
	mock.Set(t)
	return mock
}

func newAuthority(t testing.TB, clk clock.Clock) *pki.Authority {
	t.Helper()
	authority, err := pki.New(pki.Config{Suffix: suffix, Clock: clk})
	if err != nil {
		t.Fatal(err)
	}
	return authority
}

// must returns a function that takes what an Issue method returns.
func must(t testing.TB) func(tls.Certificate, error) tls.Certificate {
	return func(pair tls.Certificate, err error) tls.Certificate {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return pair
	}
}

func verify(authority *pki.Authority, pair tls.Certificate, use x509.ExtKeyUsage, at time.Time) error {
	_, err := pair.Leaf.Verify(x509.VerifyOptions{
		Roots: authority.Pool(), KeyUsages: []x509.ExtKeyUsage{use}, CurrentTime: at,
	})
	return err
}

// PROTOCOL T1
func TestEveryLeafVerifiesForItsOwnUseOnly(t *testing.T) {
	authority := newAuthority(t, clockAt(noon))
	for _, test := range []struct {
		name string
		pair tls.Certificate
		use  x509.ExtKeyUsage
		not  x509.ExtKeyUsage
	}{
		{"server", must(t)(authority.IssueServer([]string{"plane.test"}, pki.Validity{})), x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		{"agent", must(t)(authority.IssueAgent("web-1", pki.Validity{})), x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth},
		{"operator", must(t)(authority.IssueOperator("ada", pki.Validity{})), x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth},
		{"bare", must(t)(authority.IssueClient("web-1", pki.Validity{})), x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth},
	} {
		t.Run(test.name, func(t *testing.T) {
			if err := verify(authority, test.pair, test.use, noon); err != nil {
				t.Errorf("own use: %v", err)
			}
			var invalid x509.CertificateInvalidError
			if err := verify(authority, test.pair, test.not, noon); !errors.As(err, &invalid) || invalid.Reason != x509.IncompatibleUsage {
				t.Errorf("other use: %v, want an incompatible key usage", err)
			}
			if test.pair.Leaf.IsCA || test.pair.Leaf.KeyUsage != x509.KeyUsageDigitalSignature {
				t.Errorf("a leaf that is a CA, or of key usage %b", test.pair.Leaf.KeyUsage)
			}
			if key, ok := test.pair.PrivateKey.(*ecdsa.PrivateKey); !ok || key.Curve != elliptic.P256() {
				t.Errorf("key is %T, want ECDSA P-256", test.pair.PrivateKey)
			}
		})
	}
}

// PROTOCOL T1
func TestALeafOfAnotherCADoesNotVerify(t *testing.T) {
	ours, theirs := newAuthority(t, clockAt(noon)), newAuthority(t, clockAt(noon))
	pair := must(t)(theirs.IssueAgent("web-1", pki.Validity{}))
	var unknown x509.UnknownAuthorityError
	if err := verify(ours, pair, x509.ExtKeyUsageClientAuth, noon); !errors.As(err, &unknown) {
		t.Errorf("got %v, want an unknown authority", err)
	}
}

// PROTOCOL T1
func TestTheCASignsLeavesAndNoOtherCA(t *testing.T) {
	certificate := newAuthority(t, clockAt(noon)).Certificate()
	if !certificate.IsCA || !certificate.BasicConstraintsValid || certificate.MaxPathLen != 0 || !certificate.MaxPathLenZero {
		t.Errorf("IsCA %v, path length %d, want a CA of path length 0", certificate.IsCA, certificate.MaxPathLen)
	}
	if certificate.KeyUsage != x509.KeyUsageCertSign || len(certificate.ExtKeyUsage) != 0 {
		t.Errorf("key usage %b, extended %v, want certificate signing alone", certificate.KeyUsage, certificate.ExtKeyUsage)
	}
	if err := certificate.CheckSignatureFrom(certificate); err != nil {
		t.Errorf("not signed by itself: %v", err)
	}
}

// RFC 5280, 4.1.2.2: positive, at most 20 bytes.
func TestSerialNumbersAreRandomAndFit(t *testing.T) {
	authority := newAuthority(t, clockAt(noon))
	seen := map[string]bool{}
	longest := 0
	for range 20 {
		serial := must(t)(authority.IssueAgent("web-1", pki.Validity{})).Leaf.SerialNumber
		if serial.Sign() <= 0 || serial.BitLen() > 128 || seen[serial.String()] {
			t.Fatalf("serial number %v: want it positive, of at most 128 bits, and new", serial)
		}
		seen[serial.String()] = true
		longest = max(longest, serial.BitLen())
	}
	// All 20 below 2^112 has a chance of 2^-320.
	if longest <= 112 {
		t.Errorf("the longest of 20 serial numbers has %d bits, want about 128", longest)
	}
}

// PROTOCOL T1
func TestATLSHandshakeShowsTheAgentsName(t *testing.T) {
	authority := newAuthority(t, clock.New())
	server := must(t)(authority.IssueServer([]string{"plane.test", "127.0.0.1", "::1"}, pki.Validity{}))
	long := strings.Repeat("h", 200)
	for _, name := range []string{"plane.test", "127.0.0.1", "::1"} {
		for _, host := range []string{"web-1", long} {
			agent := must(t)(authority.IssueAgent(host, pki.Validity{}))
			got, err := handshake(t, authority, server, agent, name)
			if want := "agent-" + host + "." + suffix; err != nil || got != want {
				t.Errorf("%s at %s: the server saw %q, %v", host, name, got, err)
			}
		}
	}
	agent := must(t)(authority.IssueAgent("web-1", pki.Validity{}))
	var mismatch x509.HostnameError
	if _, err := handshake(t, authority, server, agent, "other.test"); !errors.As(err, &mismatch) {
		t.Errorf("under another name: %v, want a mismatch", err)
	}
}

// handshake connects a client to a server and returns the common name that the
// server saw, or the client's error.
func handshake(t *testing.T, authority *pki.Authority, server, client tls.Certificate, serverName string) (string, error) {
	t.Helper()
	serverSide, clientSide := net.Pipe()
	seen := make(chan string, 1)
	go func() {
		defer serverSide.Close()
		conn := tls.Server(serverSide, &tls.Config{
			Certificates: []tls.Certificate{server}, ClientAuth: tls.RequireAndVerifyClientCert,
			ClientCAs: authority.Pool(), MinVersion: tls.VersionTLS13,
		})
		if conn.Handshake() != nil {
			seen <- ""
			return
		}
		seen <- conn.ConnectionState().PeerCertificates[0].Subject.CommonName
		conn.Close()
	}()
	conn := tls.Client(clientSide, &tls.Config{
		Certificates: []tls.Certificate{client}, RootCAs: authority.Pool(),
		ServerName: serverName, MinVersion: tls.VersionTLS13,
	})
	err := conn.Handshake()
	if err == nil {
		// TLS 1.3: the server's verdict comes with the first read.
		conn.Read(make([]byte, 1))
	}
	clientSide.Close()
	return <-seen, err
}

func TestAServersNamesBecomeItsAlternativeNames(t *testing.T) {
	authority := newAuthority(t, clockAt(noon))
	leaf := must(t)(authority.IssueServer([]string{"plane.test", "*.eu.plane.test", "10.0.0.1", "2001:db8::1", "::ffff:10.0.0.2"}, pki.Validity{})).Leaf
	for _, good := range []string{"plane.test", "PLANE.test", "a.eu.plane.test", "10.0.0.1", "2001:db8::1", "10.0.0.2"} {
		if err := leaf.VerifyHostname(good); err != nil {
			t.Errorf("%s: %v", good, err)
		}
	}
	for _, bad := range []string{"a.plane.test", "a.b.eu.plane.test", "10.0.0.3", ""} {
		if leaf.VerifyHostname(bad) == nil {
			t.Errorf("%q is accepted", bad)
		}
	}
	if leaf.Subject.CommonName != "plane.test" {
		t.Errorf("common name %q, want the first name", leaf.Subject.CommonName)
	}
	long := strings.Repeat("p", 61) + ".test"
	if got := must(t)(authority.IssueServer([]string{long}, pki.Validity{})).Leaf; got.Subject.CommonName != "" || got.VerifyHostname(long) != nil {
		t.Errorf("a long name: common name %q, want none", got.Subject.CommonName)
	}
}

func TestDefaultsOfValidity(t *testing.T) {
	clk := clockAt(noon.Add(300 * time.Millisecond))
	authority := newAuthority(t, clk)
	const day = 24 * time.Hour
	for _, test := range []struct {
		name            string
		leaf            *x509.Certificate
		before, notLong time.Duration
	}{
		{"CA", authority.Certificate(), time.Hour, 3650 * day},
		{"server", must(t)(authority.IssueServer([]string{"plane.test"}, pki.Validity{})).Leaf, time.Hour, 365 * day},
		{"agent", must(t)(authority.IssueAgent("web-1", pki.Validity{})).Leaf, 0, 365 * day},
		{"operator", must(t)(authority.IssueOperator("ada", pki.Validity{})).Leaf, 0, 365 * day},
	} {
		if want := noon.Add(-test.before); !test.leaf.NotBefore.Equal(want) {
			t.Errorf("%s: not before %v, want %v", test.name, test.leaf.NotBefore, want)
		}
		if want := noon.Add(test.notLong); !test.leaf.NotAfter.Equal(want) {
			t.Errorf("%s: not after %v, want %v", test.name, test.leaf.NotAfter, want)
		}
	}
	// In the CA's last days the default ends with the CA.
	end := authority.Certificate().NotAfter
	clk.Set(end.Add(-10 * day))
	if leaf := must(t)(authority.IssueAgent("web-1", pki.Validity{})).Leaf; !leaf.NotAfter.Equal(end) {
		t.Errorf("not after %v, want the CA's end %v", leaf.NotAfter, end)
	}
	clk.Set(end)
	if _, err := authority.IssueAgent("web-1", pki.Validity{}); err == nil {
		t.Error("a leaf of no time at all: want an error")
	}
}

func TestAChosenValidityIsTaken(t *testing.T) {
	authority := newAuthority(t, clockAt(noon))
	past := pki.Validity{NotBefore: noon.Add(-48 * time.Hour), NotAfter: noon.Add(-24 * time.Hour)}
	pair := must(t)(authority.IssueAgent("web-1", past))
	if !pair.Leaf.NotBefore.Equal(past.NotBefore) || !pair.Leaf.NotAfter.Equal(past.NotAfter) {
		t.Errorf("valid %v to %v, want %v to %v", pair.Leaf.NotBefore, pair.Leaf.NotAfter, past.NotBefore, past.NotAfter)
	}
	var invalid x509.CertificateInvalidError
	if err := verify(authority, pair, x509.ExtKeyUsageClientAuth, noon); !errors.As(err, &invalid) || invalid.Reason != x509.Expired {
		t.Errorf("an expired certificate: %v", err)
	}
	for _, bad := range []pki.Validity{
		{NotAfter: noon},
		{NotAfter: noon.Add(-time.Second)},
		{NotBefore: noon.Add(time.Hour), NotAfter: noon.Add(time.Hour)},
		{NotBefore: noon, NotAfter: noon.Add(999 * time.Millisecond)},
		{NotBefore: noon.Add(366 * 24 * time.Hour)},
	} {
		if _, err := authority.IssueAgent("web-1", bad); err == nil {
			t.Errorf("%v: want an error", bad)
		}
	}
}

// In memory nothing waits, so the fraction of the second is lost: a certificate
// of the revocation's own second counts as older, which is the safe side.
// PROTOCOL T5
func TestACertificateIsNeverTakenForYoungerThanItIs(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		issued := noon.Add(time.Duration(rapid.Int64Range(0, int64(3*time.Second)).Draw(t, "issued")))
		revoked := noon.Add(time.Duration(rapid.Int64Range(0, int64(3*time.Second)).Draw(t, "revoked")))
		authority, err := pki.New(pki.Config{Suffix: suffix, Clock: clockAt(issued)})
		if err != nil {
			t.Fatal(err)
		}
		pair, err := authority.IssueAgent("web-1", pki.Validity{})
		if err != nil {
			t.Fatal(err)
		}
		refused := pair.Leaf.NotBefore.Before(revoked)
		if issued.Before(revoked) && !refused {
			t.Fatalf("issued %v, revoked %v: it still works", issued, revoked)
		}
		if !issued.Before(revoked.Add(time.Second)) && refused {
			t.Fatalf("issued %v, revoked %v: refused", issued, revoked)
		}
	})
}

func TestTheCASurvivesPEM(t *testing.T) {
	authority := newAuthority(t, clockAt(noon))
	certificate, key, err := pki.EncodePair(authority.Pair())
	if err != nil {
		t.Fatal(err)
	}
	again, err := pki.Parse(certificate, key, clockAt(noon))
	if err != nil {
		t.Fatal(err)
	}
	if again.Suffix() != suffix || !again.Certificate().Equal(authority.Certificate()) {
		t.Errorf("suffix %q, or another certificate", again.Suffix())
	}
	pair := must(t)(again.IssueAgent("web-1", pki.Validity{}))
	if err := verify(authority, pair, x509.ExtKeyUsageClientAuth, noon); err != nil {
		t.Error(err)
	}
}

func TestParseRefusesWhatIsNoCAOfOurs(t *testing.T) {
	clk := clockAt(noon)
	authority := newAuthority(t, clk)
	certificate, key, _ := pki.EncodePair(authority.Pair())
	_, otherKey, _ := pki.EncodePair(newAuthority(t, clk).Pair())
	leafCertificate, leafKey, _ := pki.EncodePair(must(t)(authority.IssueAgent("web-1", pki.Validity{})))
	posing, posingKey, _ := pki.EncodePair(must(t)(authority.IssueClient("Refrain fleet CA", pki.Validity{})))
	for _, test := range []struct {
		name             string
		certificate, key []byte
		clock            clock.Clock
		want             string
	}{
		{"no PEM", []byte("hello"), key, clk, "certificate: no PEM block CERTIFICATE found"},
		{"key for certificate", key, key, clk, "certificate: no PEM block CERTIFICATE found"},
		{"certificate for key", certificate, certificate, clk, "key: no PEM block PRIVATE KEY found"},
		{"another key", certificate, otherKey, clk, "key: does not match the certificate"},
		{"a leaf", leafCertificate, leafKey, clk, "as refrain pki init makes it"},
		{"a leaf that poses as a CA", posing, posingKey, clk, "as refrain pki init makes it"},
		{"broken certificate", []byte("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"), key, clk, "certificate: x509:"},
		{"broken key", certificate, []byte("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"), clk, "key: "},
		{"expired", certificate, key, clockAt(noon.Add(4000 * 24 * time.Hour)), "certificate: expired at "},
	} {
		if _, err := pki.Parse(test.certificate, test.key, test.clock); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: got %v, want %q", test.name, err, test.want)
		}
	}
}
