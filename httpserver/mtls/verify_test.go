package mtls

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/refrain-fleet/refrain/httpserver/pki"
)

// issued is a certificate with its key, which the test makes by hand.
type issued struct {
	certificate *x509.Certificate
	key         crypto.Signer
}

func (r *rig) ecKey(curve elliptic.Curve) crypto.Signer {
	r.t.Helper()
	key, err := ecdsa.GenerateKey(curve, rand.Reader)
	r.must(err)
	return key
}

// issue makes a certificate of the given name: a CA, or a client's. by is nil for one
// that signs itself. pathLen is that of a CA; -1 for any.
func (r *rig) issue(name string, key crypto.Signer, by *issued, isCA bool, pathLen int) *issued {
	r.t.Helper()
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	r.must(err)
	template := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: name},
		NotBefore: testEpoch.Add(-time.Hour), NotAfter: testEpoch.Add(1000 * time.Hour),
		BasicConstraintsValid: true, IsCA: isCA, MaxPathLen: pathLen, MaxPathLenZero: pathLen == 0,
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	if isCA {
		template.KeyUsage, template.ExtKeyUsage = x509.KeyUsageCertSign, nil
	}
	self := &issued{template, key}
	if by == nil {
		by = self
	}
	der, err := x509.CreateCertificate(rand.Reader, template, by.certificate, key.Public(), by.key)
	r.must(err)
	self.certificate, err = x509.ParseCertificate(der)
	r.must(err)
	return self
}

// shows makes a client that sends the certificates, the first one being its own.
func (r *rig) shows(own *issued, others ...*issued) *tls.Config {
	pair := tls.Certificate{Certificate: [][]byte{own.certificate.Raw}, PrivateKey: own.key}
	for _, other := range others {
		pair.Certificate = append(pair.Certificate, other.certificate.Raw)
	}
	config := r.config(tls.Certificate{})
	config.Certificates = nil
	// In whatever way the server asks.
	config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &pair, nil }
	return config
}

func (r *rig) trusts(ca *issued) {
	r.t.Helper()
	r.write("ca.pem", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: ca.certificate.Raw}))
	_, err := r.credentials.Reload()
	r.must(err)
}

// wantRefused wants a failed handshake of the cause, and no look at any signature.
func (r *rig) wantRefused(what string, config *tls.Config, is cause) {
	r.t.Helper()
	before, _ := r.metric("refrain_tls_handshake_errors_total", causeWords[is])
	verified := r.connections.verifications.Load()
	if status := r.get(r.client(config)); status != 0 {
		r.t.Errorf("%s: answered %d, want a failed handshake", what, status)
	}
	r.wantMetric("refrain_tls_handshake_errors_total", causeWords[is], before+1)
	if got := r.connections.verifications.Load(); got != verified {
		r.t.Errorf("%s: its signatures were looked at", what)
	}
}

func TestVerify_LongChainsAreRefusedBeforeTheirSignatures(t *testing.T) { // PROTOCOL T1
	r := newRig(t)
	bogus := r.issue("bogus", r.ecKey(elliptic.P521()), nil, true, -1)
	client := r.issue("agent-h1."+testSuffix, r.ecKey(elliptic.P256()), bogus, false, -1)
	r.wantRefused("one, with a CA of path length 0", r.shows(client, bogus), causeLongChain)

	// With a CA that may have others below it, as many as are configured.
	root := r.issue("root", r.ecKey(elliptic.P256()), nil, true, -1)
	r.trusts(root)
	below := []*issued{root}
	for _, name := range []string{"first", "second", "third"} {
		below = append(below, r.issue(name, r.ecKey(elliptic.P384()), below[len(below)-1], true, -1))
	}
	for _, chain := range [][]*issued{{}, {below[1]}, {below[2], below[1]}} {
		by := root
		if len(chain) > 0 {
			by = chain[0]
		}
		own := r.issue("agent-h1."+testSuffix, r.ecKey(elliptic.P256()), by, false, -1)
		if status := r.get(r.client(r.shows(own, chain...))); status != http.StatusOK {
			t.Errorf("%d intermediates: %d", len(chain), status)
		}
	}
	own := r.issue("agent-h1."+testSuffix, r.ecKey(elliptic.P256()), below[3], false, -1)
	r.wantRefused("three", r.shows(own, below[3], below[2], below[1]), causeLongChain)

	wider := newRigWith(t, Limits{MaxIntermediates: 3})
	wider.trusts(root)
	config := r.shows(own, below[3], below[2], below[1])
	config.RootCAs = wider.ca.Pool()
	if status := wider.get(wider.client(config)); status != http.StatusOK {
		t.Errorf("three, of three: %d", status)
	}
	r.clock.Add(logEvery)
	if lines := r.lines("cause=long_chain", "3 after the client's own; want at most 2"); len(lines) != 1 {
		t.Errorf("the log does not say how long it may be:\n%s", r.log)
	}
}

// OpenSSL, and so curl, sends the CA that it trusts after the client's own certificate.
func TestVerify_TheCAItselfIsNoIntermediate(t *testing.T) { // PROTOCOL T1
	r := newRig(t)
	root := r.issue("root", r.ecKey(elliptic.P521()), nil, true, 0) // none below it, and a key that no other may have
	r.trusts(root)
	own := r.issue("agent-h1."+testSuffix, r.ecKey(elliptic.P256()), root, false, -1)
	if status := r.get(r.client(r.shows(own, root, root))); status != http.StatusOK {
		t.Errorf("with the CA after it, twice: %d", status)
	}
}

func TestVerify_SlowKeysAreRefusedBeforeTheirSignatures(t *testing.T) { // PROTOCOL T1
	r := newRig(t)
	root := r.issue("root", r.ecKey(elliptic.P256()), nil, true, -1)
	r.trusts(root)
	for _, key := range []crypto.Signer{r.ecKey(elliptic.P521()), r.ecKey(elliptic.P224())} {
		middle := r.issue("middle", key, root, true, -1)
		own := r.issue("agent-h1."+testSuffix, r.ecKey(elliptic.P256()), middle, false, -1)
		r.wantRefused("an intermediate", r.shows(own, middle), causeBadKey)
	}
	for _, key := range []crypto.Signer{r.ecKey(elliptic.P256()), r.ecKey(elliptic.P384()), r.ecKey(elliptic.P521())} {
		own := r.issue("agent-h1."+testSuffix, key, root, false, -1)
		if status := r.get(r.client(r.shows(own))); status != http.StatusOK {
			t.Errorf("a client's own key of %T: %d", key, status)
		}
	}
}

func TestVerify_KeysAreKnownByKindAndSize(t *testing.T) {
	rsaOf := func(bits uint) *rsa.PublicKey {
		return &rsa.PublicKey{N: new(big.Int).Lsh(big.NewInt(1), bits-1), E: 65537}
	}
	for _, test := range []struct {
		key  any
		want string // in the problem of an intermediate's
	}{
		{ed25519.PublicKey(nil), ""},
		{&ecdsa.PublicKey{Curve: elliptic.P256()}, ""},
		{&ecdsa.PublicKey{Curve: elliptic.P384()}, ""},
		{&ecdsa.PublicKey{Curve: elliptic.P521()}, "P-521"},
		{&ecdsa.PublicKey{Curve: elliptic.P224()}, "P-224"},
		{rsaOf(1024), "1024 bits"}, {rsaOf(2047), "2047 bits"}, {rsaOf(2048), ""}, {rsaOf(4096), ""}, {rsaOf(4097), "4097 bits"}, {rsaOf(16384), "16384 bits"},
		{"a text", "another kind"},
	} {
		if got := keyProblem(test.key); (got == "") != (test.want == "") || !strings.Contains(got, test.want) {
			t.Errorf("%T: %q, want %q", test.key, got, test.want)
		}
	}
}

func TestVerify_ALargeHandshakeIsNotParsed(t *testing.T) {
	r := newRig(t)
	own := r.issue("agent-h1."+testSuffix, r.ecKey(elliptic.P256()), nil, false, -1)
	var many []*issued
	for range 200 {
		many = append(many, own)
	}
	r.wantRefused("200 certificates", r.shows(own, many...), causeLarge)
}

func TestVerify_AChainIsKeptForTheRequest(t *testing.T) {
	r := newRig(t)
	c := r.client(r.agent(r.ca, "h1", pki.Validity{}))
	for range 3 {
		if status := r.get(c); status != http.StatusOK {
			t.Fatalf("answered %d", status)
		}
	}
	if got := r.connections.verifications.Load(); got != 1 {
		t.Errorf("%d verifications for one connection, want 1", got)
	}
	if got, _ := r.metric("refrain_client_ca_connections", Fingerprint(r.ca.Certificate())); got != 1 {
		t.Errorf("%v connections of the CA, want 1", got)
	}
}
