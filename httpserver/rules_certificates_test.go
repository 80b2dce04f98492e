package httpserver

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"math/big"
	"net/http"
	"testing"
	"time"

	"github.com/refrain-fleet/refrain/core/wire"
)

// PROTOCOL T1 and T2: a certificate that the fleet's CA signed is not enough.

// otherCA is a CA that signs whatever it is asked to, as one that is not
// refrain's own may.
type otherCA struct {
	t    testing.TB
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newOtherCA(t testing.TB) *otherCA {
	t.Helper()
	key := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))(t)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "other ca"}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign, NotBefore: testEpoch.Add(-time.Hour), NotAfter: testEpoch.Add(24 * time.Hour),
	}
	der := must(x509.CreateCertificate(rand.Reader, template, template, key.Public(), key))(t)
	return &otherCA{t: t, cert: must(x509.ParseCertificate(der))(t), key: key}
}

func (ca *otherCA) pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(ca.cert)
	return pool
}

// template is a good certificate of the host h1.
func (ca *otherCA) template() *x509.Certificate {
	return &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: "agent-h1." + testSuffix},
		NotBefore: testEpoch.Add(-time.Hour), NotAfter: testEpoch.Add(time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
}

func (ca *otherCA) sign(template *x509.Certificate, key crypto.Signer) tls.Certificate {
	ca.t.Helper()
	if key == nil {
		key = must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))(ca.t)
	}
	der := must(x509.CreateCertificate(rand.Reader, template, ca.cert, key.Public(), ca.key))(ca.t)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// commonNames makes the template's subject one with these common names.
func commonNames(c *x509.Certificate, names ...string) {
	c.Subject = pkix.Name{}
	for _, name := range names {
		c.Subject.ExtraNames = append(c.Subject.ExtraNames, pkix.AttributeTypeAndValue{Type: oidCommonName, Value: name})
	}
}

func TestACertificateThatSpeaksForNoClientIsRefused(t *testing.T) { // PROTOCOL T1, T2
	ca := newOtherCA(t)
	h := start(t, func(c *Config) { c.ClientCAs = ca.pool() })
	agent, operator := "agent-h1."+testSuffix, "operator-anna."+testSuffix
	weak := must(rsa.GenerateKey(rand.Reader, 1024))(t)
	flawed := map[string]struct {
		flaw wire.LeafFlaw
		edit func(*x509.Certificate)
		key  crypto.Signer
	}{
		"an agent and an operator": {wire.SeveralCommonNames, func(c *x509.Certificate) { commonNames(c, agent, operator) }, nil},
		"an operator and an agent": {wire.SeveralCommonNames, func(c *x509.Certificate) { commonNames(c, operator, agent) }, nil},
		"the same name twice":      {wire.SeveralCommonNames, func(c *x509.Certificate) { commonNames(c, agent, agent) }, nil},
		"no common name":           {wire.NoCommonName, func(c *x509.Certificate) { c.Subject = pkix.Name{Organization: []string{"h1"}} }, nil},
		"no extended key usage":    {wire.NoClientAuth, func(c *x509.Certificate) { c.ExtKeyUsage = nil }, nil},
		"any extended key usage":   {wire.NoClientAuth, func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageAny} }, nil},
		"a CA":                     {wire.CAAsLeaf, func(c *x509.Certificate) { c.IsCA, c.BasicConstraintsValid = true, true }, nil},
		"a key for signing others": {wire.CAAsLeaf, func(c *x509.Certificate) { c.KeyUsage |= x509.KeyUsageCertSign }, nil},
		"an RSA key of 1,024 bits": {wire.WeakKey, func(*x509.Certificate) {}, weak},
	}
	before := h.everything2(ca)
	want := make(map[wire.LeafFlaw]float64)
	for name, test := range flawed {
		template := ca.template()
		test.edit(template)
		c := h.connect(ca.sign(template, test.key))
		for _, a := range []answer{
			c.heartbeat("h1"),
			c.do(http.MethodGet, dispatchPath, ""),
			c.do(http.MethodPost, revocationsPath, `{"common_name":"agent-h1.fleet.test","force":true}`),
		} {
			wantProblem(t, a, wire.BadCertificate)
			if p := a.problem(t); p.Field == "" {
				t.Errorf("%s: the refusal does not name the part of the certificate: %v", name, a)
			}
			want[test.flaw]++
		}
	}
	if after := h.everything2(ca); after != before {
		t.Errorf("a refused certificate changed the plane:\n%s\nbefore:\n%s", after, before)
	}
	for flaw := wire.NoCommonName; int(flaw) < wire.LeafFlawCount; flaw++ {
		if got := h.metric(`refrain_bad_certificates_total{cause="` + flaw.String() + `"}`); got != want[flaw] || got == 0 {
			t.Errorf("%v: counted %v, want %v", flaw, got, want[flaw])
		}
		if len(h.logs.matching("level=WARN", "cause="+flaw.String())) == 0 {
			t.Errorf("%v is not logged", flaw)
		}
	}
}

// everything2 is everything for a server with another CA: its operator is not the
// harness's.
func (h *harness) everything2(ca *otherCA) string {
	h.t.Helper()
	template := ca.template()
	commonNames(template, "operator-reader."+testSuffix)
	c := h.connect(ca.sign(template, nil))
	var all string
	for _, path := range []string{hostsPath, rolloutsPath, revocationsPath} {
		a := c.do(http.MethodGet, path, "")
		a.want(h.t, wire.OK)
		all += a.body
	}
	return all
}

func TestKeysOfEveryUsualKindAreGood(t *testing.T) { // PROTOCOL T1
	ca := newOtherCA(t)
	h := start(t, func(c *Config) { c.ClientCAs = ca.pool() })
	_, ed := must2(ed25519.GenerateKey(rand.Reader))(t)
	for name, key := range map[string]crypto.Signer{
		"ECDSA P-384": must(ecdsa.GenerateKey(elliptic.P384(), rand.Reader))(t), "Ed25519": ed,
		"RSA of 2,048 bits": must(rsa.GenerateKey(rand.Reader, 2048))(t),
	} {
		if a := h.connect(ca.sign(ca.template(), key)).heartbeat("h1"); a.status != http.StatusOK {
			t.Errorf("%s: %v", name, a)
		}
	}
	// clientAuth among others, and an organisation beside the name, are good too.
	template := ca.template()
	template.ExtKeyUsage = append(template.ExtKeyUsage, x509.ExtKeyUsageServerAuth)
	template.Subject.Organization = []string{"fleet"}
	h.connect(ca.sign(template, nil)).heartbeat("h1").want(t, wire.OK)
}

func must2[A, B any](a A, b B, err error) func(testing.TB) (A, B) {
	return func(t testing.TB) (A, B) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return a, b
	}
}

// withPSSKey makes the certificate one whose key is declared as RSASSA-PSS.
func (ca *otherCA) withPSSKey(cert tls.Certificate) tls.Certificate {
	ca.t.Helper()
	leaf := must(x509.ParseCertificate(cert.Certificate[0]))(ca.t)
	var tbs struct {
		Version   int `asn1:"explicit,tag:0"`
		Serial    *big.Int
		Algorithm asn1.RawValue
		Issuer    asn1.RawValue
		Validity  asn1.RawValue
		Subject   asn1.RawValue
		Key       struct {
			Algorithm pkix.AlgorithmIdentifier
			Key       asn1.BitString
		}
		Extensions asn1.RawValue
	}
	must(asn1.Unmarshal(leaf.RawTBSCertificate, &tbs))(ca.t)
	tbs.Key.Algorithm = pkix.AlgorithmIdentifier{Algorithm: asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 10}}
	raw := must(asn1.Marshal(tbs))(ca.t)
	sum := sha256.Sum256(raw)
	signature := must(ecdsa.SignASN1(rand.Reader, ca.key, sum[:]))(ca.t)
	der := must(asn1.Marshal(struct {
		TBS, Algorithm asn1.RawValue
		Signature      asn1.BitString
	}{asn1.RawValue{FullBytes: raw}, tbs.Algorithm, asn1.BitString{Bytes: signature, BitLength: 8 * len(signature)}}))(ca.t)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: cert.PrivateKey}
}

func TestAKeyDeclaredAsRSAPSSIsNamedInTheRefusal(t *testing.T) { // PROTOCOL T1
	ca := newOtherCA(t)
	h := start(t, func(c *Config) { c.ClientCAs = ca.pool() })
	cert := ca.withPSSKey(ca.sign(ca.template(), must(rsa.GenerateKey(rand.Reader, 2048))(t)))
	if a := h.connect(cert).heartbeat("h1"); a.err == nil {
		t.Fatalf("got %v, want a failed handshake", a)
	}
	h.eventually("the log names the key", func() bool {
		return len(h.logs.matching("TLS handshakes refused", "cause=unsupported_key", "RSASSA-PSS")) == 1
	})
	if got := h.metric(`refrain_tls_handshake_errors_total{cause="unsupported_key"}`); got != 1 {
		t.Errorf("counted %v, want 1", got)
	}
}
