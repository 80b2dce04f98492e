package pki

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"time"

	"github.com/benbjohnson/clock"
)

// Default lifetimes, and the allowance for slow clocks.
const (
	// DefaultCAValidity is how long a CA is valid.
	DefaultCAValidity = 3650 * 24 * time.Hour
	// DefaultLeafValidity is how long a server's, an agent's or an operator's
	// certificate is valid.
	DefaultLeafValidity = 365 * 24 * time.Hour
	// Backdating is how long before their time of issue the CA's and the server's
	// certificates are valid.
	Backdating = time.Hour
)

// caCommonName marks the CAs of this package. The subject's organization is the
// suffix.
const caCommonName = "Refrain fleet CA"

const (
	certificateBlock = "CERTIFICATE"
	keyBlock         = "PRIVATE KEY" // PKCS #8, RFC 5958
)

// Config configures a new CA.
type Config struct {
	// Suffix is the end of the common names of agents and operators, without the
	// dot before it: 1 to 253 letters, digits, '-', '.' and '_'. It is required.
	Suffix string
	// ValidFor is how long the CA is valid, in whole seconds. Default:
	// DefaultCAValidity.
	ValidFor time.Duration
	// Clock is the source of the time of issue, the CA's and that of every leaf.
	// Default: the system clock.
	Clock clock.Clock
}

func (c *Config) validate() error {
	if err := checkLabels("cn suffix", c.Suffix); err != nil {
		return err
	}
	return checkValidFor(c.ValidFor)
}

// checkValidFor checks a lifetime; 0 stands for the default.
func checkValidFor(d time.Duration) error {
	if d < 0 || d > 0 && d < time.Second {
		return fmt.Errorf("lifetime is %v; want at least 1s", d)
	}
	return nil
}

// Validity is the period in which a leaf is valid. X.509 counts whole seconds, so
// fractions are truncated. The zero value means: from now on, for
// DefaultLeafValidity, but not longer than the CA.
type Validity struct {
	// NotBefore is the first instant. Default: now for clients; Backdating
	// earlier for the server.
	NotBefore time.Time
	// NotAfter is the last instant. Default: DefaultLeafValidity from now, or
	// the CA's own end if that is earlier. A value that is set is used as it is,
	// even beyond the CA's end.
	NotAfter time.Time
}

// An Authority is the CA of a fleet. It is immutable and safe for concurrent use.
type Authority struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
	suffix      string
	clock       clock.Clock
}

// New creates a CA with a new key. Its certificate may sign leaves and no other CA
// (path length 0).
func New(config Config) (*Authority, error) {
	if err := config.validate(); err != nil {
		return nil, err
	}
	if config.ValidFor == 0 {
		config.ValidFor = DefaultCAValidity
	}
	if config.Clock == nil {
		config.Clock = clock.New()
	}
	key, serial, err := newKeyAndSerial()
	if err != nil {
		return nil, err
	}
	now := wholeSecond(config.Clock.Now())
	template := &x509.Certificate{
		SerialNumber:          serial,
		Subject:               pkix.Name{CommonName: caCommonName, Organization: []string{config.Suffix}},
		NotBefore:             now.Add(-Backdating),
		NotAfter:              now.Add(config.ValidFor),
		IsCA:                  true,
		BasicConstraintsValid: true,
		MaxPathLenZero:        true,
		KeyUsage:              x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, fmt.Errorf("create the CA's certificate: %w", err)
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("read back the CA's certificate: %w", err)
	}
	return &Authority{certificate, key, config.Suffix, config.Clock}, nil
}

// Parse reads a CA that [New] made from the PEM of its certificate and key. A nil
// clk means the system clock. It refuses a CA that another tool made, since that
// has no suffix, and one that has expired.
func Parse(certificatePEM, keyPEM []byte, clk clock.Clock) (*Authority, error) {
	if clk == nil {
		clk = clock.New()
	}
	certificate, err := parseCertificate(certificatePEM)
	if err != nil {
		return nil, fmt.Errorf("certificate: %w", err)
	}
	key, err := parseKey(keyPEM)
	if err != nil {
		return nil, fmt.Errorf("key: %w", err)
	}
	suffix, ok := SuffixOf(certificate)
	if !ok {
		return nil, fmt.Errorf("certificate: subject is %q; want \"CN=%s,O=<suffix>\", as refrain pki init makes it", certificate.Subject, caCommonName)
	}
	if err := checkLabels("cn suffix", suffix); err != nil {
		return nil, fmt.Errorf("certificate: %w", err)
	}
	if !certificate.IsCA || certificate.KeyUsage&x509.KeyUsageCertSign == 0 {
		return nil, errors.New("certificate: not a CA certificate; want one that may sign others")
	}
	if !key.PublicKey.Equal(certificate.PublicKey) {
		return nil, errors.New("key: does not match the certificate")
	}
	if now := clk.Now(); now.After(certificate.NotAfter) {
		return nil, fmt.Errorf("certificate: expired at %s; want a new CA", certificate.NotAfter.Format(time.RFC3339))
	}
	return &Authority{certificate, key, suffix, clk}, nil
}

// SuffixOf returns the suffix of a CA that [New] made; false for one that another
// tool made, whose certificates may have any.
func SuffixOf(ca *x509.Certificate) (suffix string, ok bool) {
	if ca.Subject.CommonName != caCommonName || len(ca.Subject.Organization) != 1 {
		return "", false
	}
	return ca.Subject.Organization[0], true
}

// Suffix returns the end of the fleet's common names, without the dot.
func (a *Authority) Suffix() string { return a.suffix }

// Certificate returns the CA's certificate, which the caller must not change.
func (a *Authority) Certificate() *x509.Certificate { return a.certificate }

// Pool returns a new pool with the CA alone, for the ClientCAs or RootCAs of a
// [tls.Config].
func (a *Authority) Pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(a.certificate)
	return pool
}

// Pair returns the CA's own certificate and key, for [EncodePair].
func (a *Authority) Pair() tls.Certificate {
	return tls.Certificate{Certificate: [][]byte{a.certificate.Raw}, PrivateKey: a.key, Leaf: a.certificate}
}

// IssueServer issues a certificate for the server under DNS names, which may
// start with a wildcard label, and IP addresses; at least one. It authenticates
// servers only.
func (a *Authority) IssueServer(names []string, validity Validity) (tls.Certificate, error) {
	if len(names) == 0 {
		return tls.Certificate{}, errors.New("server names: none given; want at least one DNS name or IP address")
	}
	if err := repeated("server name", names); err != nil {
		return tls.Certificate{}, err
	}
	template := &x509.Certificate{ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}
	for _, name := range names {
		addr, err := parseServerName(name)
		switch {
		case err != nil:
			return tls.Certificate{}, err
		case addr.IsValid():
			template.IPAddresses = append(template.IPAddresses, net.IP(addr.AsSlice()))
		default:
			template.DNSNames = append(template.DNSNames, name)
		}
	}
	// Verifiers use the alternative names only. The common name is for people, and
	// is omitted if it would be too long.
	if len(names[0]) <= UpperBoundCommonName {
		template.Subject.CommonName = names[0]
	}
	return a.issue(template, validity, Backdating)
}

// IssueAgent issues the certificate of a host: agent-<host>.<suffix>
// (PROTOCOL T2). host is a hostname by T11 in which every dot separates two
// labels. The error for an invalid host is a [*NameError].
func (a *Authority) IssueAgent(host string, validity Validity) (tls.Certificate, error) {
	commonName, err := agentRole.commonName(host, a.suffix)
	if err != nil {
		return tls.Certificate{}, err
	}
	return a.IssueClient(commonName, validity)
}

// IssueOperator issues the certificate of an operator:
// operator-<name>.<suffix> (PROTOCOL T4). The name follows the rules of a
// hostname. The error for an invalid name is a [*NameError].
func (a *Authority) IssueOperator(name string, validity Validity) (tls.Certificate, error) {
	commonName, err := operatorRole.commonName(name, a.suffix)
	if err != nil {
		return tls.Certificate{}, err
	}
	return a.IssueClient(commonName, validity)
}

// IssueClient issues a client certificate with any common name of 1 to 512
// printable ASCII characters: hosts of older fleets have names without prefix and
// suffix (PROTOCOL T2), and tests need invalid ones. It authenticates clients
// only.
func (a *Authority) IssueClient(commonName string, validity Validity) (tls.Certificate, error) {
	if err := checkCommonName(commonName); err != nil {
		return tls.Certificate{}, err
	}
	template := &x509.Certificate{
		Subject:     pkix.Name{CommonName: commonName},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	// Not backdated: NotBefore is the instant that revocation compares (T5).
	return a.issue(template, validity, 0)
}

func (a *Authority) issue(template *x509.Certificate, validity Validity, backdating time.Duration) (tls.Certificate, error) {
	now := wholeSecond(a.clock.Now())
	template.NotBefore = wholeSecond(validity.NotBefore)
	if validity.NotBefore.IsZero() {
		template.NotBefore = now.Add(-backdating)
	}
	template.NotAfter = wholeSecond(validity.NotAfter)
	if validity.NotAfter.IsZero() {
		template.NotAfter = now.Add(DefaultLeafValidity)
		if end := a.certificate.NotAfter; end.Before(template.NotAfter) {
			template.NotAfter = end
		}
	}
	if !template.NotBefore.Before(template.NotAfter) {
		return tls.Certificate{}, fmt.Errorf("not after is %s; want an instant later than not before, %s",
			template.NotAfter.Format(time.RFC3339), template.NotBefore.Format(time.RFC3339))
	}
	key, serial, err := newKeyAndSerial()
	if err != nil {
		return tls.Certificate{}, err
	}
	template.SerialNumber = serial
	template.BasicConstraintsValid = true
	template.KeyUsage = x509.KeyUsageDigitalSignature
	der, err := x509.CreateCertificate(rand.Reader, template, a.certificate, key.Public(), a.key)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("create a certificate: %w", err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("read back a certificate: %w", err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}, nil
}

// wholeSecond truncates to the precision of X.509. The zero time stays zero.
func wholeSecond(t time.Time) time.Time { return t.UTC().Truncate(time.Second) }

// newKeyAndSerial generates a key and a serial number of 128 random bits, which is
// within the 20 bytes that RFC 5280 allows.
func newKeyAndSerial() (*ecdsa.PrivateKey, *big.Int, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, fmt.Errorf("generate a key: %w", err)
	}
	serial, err := newSerial()
	return key, serial, err
}

func newSerial() (*big.Int, error) {
	for {
		serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 128))
		if err != nil {
			return nil, fmt.Errorf("generate a serial number: %w", err)
		}
		// A serial number must be positive.
		if serial.Sign() > 0 {
			return serial, nil
		}
	}
}

// EncodePair writes the leaf of a pair as PEM, and its key as PKCS #8 in PEM.
func EncodePair(pair tls.Certificate) (certificatePEM, keyPEM []byte, err error) {
	der, err := x509.MarshalPKCS8PrivateKey(pair.PrivateKey)
	if err != nil {
		return nil, nil, fmt.Errorf("encode a key: %w", err)
	}
	certificatePEM = pem.EncodeToMemory(&pem.Block{Type: certificateBlock, Bytes: pair.Certificate[0]})
	return certificatePEM, pem.EncodeToMemory(&pem.Block{Type: keyBlock, Bytes: der}), nil
}

func parseCertificate(text []byte) (*x509.Certificate, error) {
	block, _ := pem.Decode(text)
	if block == nil || block.Type != certificateBlock {
		return nil, errors.New("no PEM block CERTIFICATE found")
	}
	return x509.ParseCertificate(block.Bytes)
}

func parseKey(text []byte) (*ecdsa.PrivateKey, error) {
	block, _ := pem.Decode(text)
	if block == nil || block.Type != keyBlock {
		return nil, errors.New("no PEM block PRIVATE KEY found")
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, err
	}
	if key, ok := key.(*ecdsa.PrivateKey); ok {
		return key, nil
	}
	return nil, fmt.Errorf("the key is a %T; want an ECDSA key", key)
}
