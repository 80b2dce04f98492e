package certfile_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/refrain-fleet/refrain/internal/certfile"
)

var now = time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)

// issuer signs the certificates of a test; the zero value makes its own CA first.
type issuer struct {
	t   *testing.T
	ca  *x509.Certificate
	key *ecdsa.PrivateKey
}

// issue signs a certificate, itself if there is no CA yet, and returns both as PEM.
func (i *issuer) issue(edit func(*x509.Certificate)) (certificatePEM, keyPEM []byte) {
	i.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	i.must(err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: "subject"},
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(365 * 24 * time.Hour), BasicConstraintsValid: true,
	}
	edit(template)
	parent, signer := i.ca, i.key
	if parent == nil {
		parent, signer = template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	i.must(err)
	if i.ca == nil {
		i.ca, err = x509.ParseCertificate(der)
		i.must(err)
		i.key = key
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	i.must(err)
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})
}

func (i *issuer) must(err error) {
	i.t.Helper()
	if err != nil {
		i.t.Fatal(err)
	}
}

func ca(c *x509.Certificate) {
	c.IsCA, c.KeyUsage, c.Subject.CommonName = true, x509.KeyUsageCertSign, "a CA"
}

func server(c *x509.Certificate) {
	c.DNSNames, c.ExtKeyUsage = []string{"plane.test"}, []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
}

func client(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth} }

func both(edits ...func(*x509.Certificate)) func(*x509.Certificate) {
	return func(c *x509.Certificate) {
		for _, edit := range edits {
			edit(c)
		}
	}
}

func join(parts ...any) []byte {
	var b bytes.Buffer
	for _, part := range parts {
		switch part := part.(type) {
		case string:
			b.WriteString(part)
		case []byte:
			b.Write(part)
		}
	}
	return b.Bytes()
}

func wantError(t *testing.T, name string, err error, want string) {
	t.Helper()
	switch {
	case want == "" && err != nil:
		t.Errorf("%s: %v", name, err)
	case want != "" && (err == nil || !strings.Contains(err.Error(), want)):
		t.Errorf("%s: got %v, want %q", name, err, want)
	case err != nil && !certfile.IsFileError(err):
		t.Errorf("%s: %v is no error of a file", name, err)
	}
}

func TestCAs_RefusesWhatWouldBeDroppedSilently(t *testing.T) {
	i := &issuer{t: t}
	one, key := i.issue(ca)
	two, _ := (&issuer{t: t}).issue(ca)
	expired, _ := (&issuer{t: t}).issue(both(ca, func(c *x509.Certificate) { c.NotAfter = now.Add(-time.Second) }))
	noSigner, _ := (&issuer{t: t}).issue(both(ca, func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageDigitalSignature }))
	forServers, _ := (&issuer{t: t}).issue(both(ca, server))
	forClients, _ := (&issuer{t: t}).issue(both(ca, client))
	leaf, _ := i.issue(client)
	lines := bytes.Count(one, []byte("\n"))
	damaged := bytes.Replace(two, []byte("MI"), []byte("M!"), 1)
	cut := two[:len(two)/2]
	noBegin := bytes.TrimPrefix(two, []byte("-----BEGIN CERTIFICATE-----\n"))
	notDER := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: []byte("no certificate")})
	// A flipped bit of the signature: the certificate can be read and verifies nothing.
	block, _ := pem.Decode(two)
	flipped := bytes.Clone(block.Bytes)
	flipped[len(flipped)-1] ^= 1
	badSignature := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: flipped})
	at := func(line int) string { return "ca.pem:" + string(big.NewInt(int64(line)).Append(nil, 10)) + ": " }
	for _, test := range []struct {
		name string
		text []byte
		n    int
		want string
	}{
		{"one", one, 1, ""},
		{"two, with comments", join("# the old one\n", one, "\n# the new one\r\n", two, "the end"), 2, ""},
		{"the same one twice", join(one, one), 1, ""},
		{"Windows lines", bytes.ReplaceAll(join(one, two), []byte("\n"), []byte("\r\n")), 2, ""},
		{"an expired one and a good one", join(expired, one), 2, ""},
		{"nothing", nil, 0, "ca.pem: no certificate found"},
		{"a damaged one at the end", join(one, damaged), 0, at(lines+1) + "damaged PEM block"},
		{"a damaged one at the start", join(damaged, one), 0, at(1) + "damaged PEM block"},
		{"half of one at the end", join(one, cut), 0, at(lines+1) + "damaged PEM block"},
		{"half of one before another", join(cut, "\n", one), 0, at(1) + "damaged PEM block"},
		{"one without its first line", join(one, noBegin), 0, "damaged PEM block"},
		{"a block that is no certificate", join(one, notDER), 0, at(lines+1) + "damaged certificate"},
		{"a flipped bit", join(one, badSignature), 0, at(lines+1) + "damaged certificate: the CA"},
		{"a key", join(one, key), 0, at(lines+1) + "PEM block PRIVATE KEY; want only CERTIFICATE"},
		{"a leaf", join(one, leaf), 0, at(lines+1) + `"CN=subject" is not a CA, but the certificate of a client`},
		{"one that may not sign", noSigner, 0, "may not sign certificates"},
		{"one for clients", forClients, 1, ""},
		{"one for servers", join(one, forServers), 0, `the CA "CN=a CA" is restricted to other purposes than clientAuth`},
		{"only an expired one", expired, 0, `the CA "CN=a CA" expired at 2026-01-31T11:59:59Z`},
	} {
		list, err := certfile.CAs("ca.pem", test.text, x509.ExtKeyUsageClientAuth, now)
		wantError(t, test.name, err, test.want)
		if len(list) != test.n {
			t.Errorf("%s: %d CAs, want %d", test.name, len(list), test.n)
		}
	}
}

func TestPair_IsJudgedByItsPurpose(t *testing.T) {
	i := &issuer{t: t}
	caPEM, caKey := i.issue(ca)
	type judged struct{ asServer, asClient string }
	for name, test := range map[string]struct {
		edit func(*x509.Certificate)
		want judged
	}{
		"a server's":           {server, judged{"", "is the certificate of a server; want one that may authenticate a client"}},
		"a client's":           {client, judged{"is the certificate of a client, an agent or an operator; want one that may authenticate a server", ""}},
		"for everything":       {both(server, func(c *x509.Certificate) { c.ExtKeyUsage = nil }), judged{}},
		"a server's, nameless": {both(server, func(c *x509.Certificate) { c.DNSNames = nil }), judged{"has no DNS name and no IP address", "want one that may authenticate a client"}},
		"with an IP address": {both(server, func(c *x509.Certificate) { c.DNSNames, c.IPAddresses = nil, []net.IP{{10, 0, 0, 1}} }),
			judged{"", "want one that may authenticate a client"}},
		"expired":       {both(server, client, func(c *x509.Certificate) { c.ExtKeyUsage = nil; c.NotAfter = now.Add(-time.Second) }), judged{`"CN=subject" expired at 2026-01-31T11:59:59Z`, ""}},
		"not yet valid": {both(server, func(c *x509.Certificate) { c.ExtKeyUsage = nil; c.NotBefore = now.Add(time.Second) }), judged{"is not valid before 2026-01-31T12:00:01Z, and it is 2026-01-31T12:00:00Z", ""}},
	} {
		cert, key := i.issue(test.edit)
		pair, err := certfile.Pair("x.crt", "x.key", cert, key)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		wantError(t, name, certfile.CheckServer("x.crt", pair, now), test.want.asServer)
		wantError(t, name, certfile.CheckClient("x.crt", pair), test.want.asClient)
	}
	pair, err := certfile.Pair("x.crt", "x.key", caPEM, caKey)
	i.must(err)
	wantError(t, "a CA", certfile.CheckServer("x.crt", pair, now), "x.crt: \"CN=a CA\" is a CA; want a certificate that it issued for the server")
	wantError(t, "a CA", certfile.CheckClient("x.crt", pair), "want a certificate that it issued for this host")

	one, oneKey := i.issue(server)
	_, otherKey := i.issue(server)
	_, err = certfile.Pair("x.crt", "x.key", one, otherKey)
	wantError(t, "another key", err, "x.key: not the key of x.crt")
	_, err = certfile.Pair("x.crt", "x.key", one, one)
	wantError(t, "no key", err, "x.key: has no private key")
	_, err = certfile.Pair("x.crt", "x.key", join(one, caPEM[:100]), oneKey)
	wantError(t, "a damaged chain", err, "damaged PEM block")
	if _, err = certfile.Pair("x.pem", "x.pem", join(oneKey, one, caPEM), join(oneKey, one, caPEM)); err != nil {
		t.Errorf("key and chain in one file: %v", err)
	}
}

func TestRead_ReportsAFileThatCannotBeRead(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.pem")
	if _, err := certfile.Read(nil, path); !os.IsNotExist(err) || !strings.Contains(err.Error(), path) {
		t.Errorf("a missing file: %v", err)
	}
	if err := os.WriteFile(path, bytes.Repeat([]byte("x"), 4<<20+1), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := certfile.Read(nil, path); err == nil || !strings.Contains(err.Error(), "larger than 4 MiB") {
		t.Errorf("a large file: %v", err)
	}
}

func TestKeyWarning_NamesWhoCanReadTheKey(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.key")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for mode, want := range map[os.FileMode]string{
		0o600: "", 0o400: "", 0o640: "", 0o440: "",
		0o644: "every user can read the key (mode 0644)", 0o604: "every user", 0o620: "other users can write the key (mode 0620)",
	} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		if got := certfile.KeyWarning(path); want == "" && got != "" || !strings.Contains(got, want) {
			t.Errorf("%04o: %q, want %q", mode, got, want)
		}
	}
}
