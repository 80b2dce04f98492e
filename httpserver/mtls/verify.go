package mtls

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/refrain-fleet/refrain/internal/certfile"
)

// Sizes of RSA keys in bits.
const (
	minRSA = 2048
	maxRSA = 4096
)

var (
	errLongChain = errors.New("too many certificates")
	errBadKey    = errors.New("the key is not accepted")
)

// judge accepts or refuses the certificates of a client. crypto/tls calls it before it
// has looked at any signature of the client; the one that shows that the client has the
// key of the first certificate comes after it, so a stranger's is never verified.
func (c *Connections) judge(p *peer, s *set, certificates []*x509.Certificate) error {
	if len(certificates) == 0 {
		p.accept(nil)
		return nil
	}
	certificates = s.withoutRoots(certificates)
	if err := s.bound(certificates, c.bounds.MaxIntermediates); err != nil {
		return &tls.CertificateVerificationError{UnverifiedCertificates: certificates, Err: err}
	}
	if isClosed(p) || isGone(p.Conn) {
		return io.ErrUnexpectedEOF
	}
	c.verifications.Add(1)
	chains, err := s.verify(certificates, c.now())
	if err != nil {
		return &tls.CertificateVerificationError{UnverifiedCertificates: certificates, Err: err}
	}
	p.accept(chains)
	return nil
}

// withoutRoots leaves the CAs in use out of what a client sends after its own
// certificate. OpenSSL sends them along if it finds them among those that it trusts;
// they are known and cost nothing.
func (s *set) withoutRoots(certificates []*x509.Certificate) []*x509.Certificate {
	rest := certificates[:1:1]
	for _, certificate := range certificates[1:] {
		if !slices.ContainsFunc(s.roots, certificate.Equal) {
			rest = append(rest, certificate)
		}
	}
	return rest
}

// bound refuses certificates by their number and keys alone, so that what a stranger
// sends costs the server little more than to read it.
func (s *set) bound(certificates []*x509.Certificate, maxIntermediates int) error {
	if s.roots != nil && !s.haveCAsBelow() {
		maxIntermediates = 0
	}
	if n := len(certificates) - 1; n > maxIntermediates {
		return fmt.Errorf("%w: %d after the client's own; want at most %d", errLongChain, n, maxIntermediates)
	}
	// The key of the client's own certificate is used when a CA has vouched for it. A
	// flaw of it is answered to the request (decision 029).
	for i, certificate := range certificates[1:] {
		if problem := keyProblem(certificate.PublicKey); problem != "" {
			return fmt.Errorf("%w: certificate %d after the client's own has %s; want P-256, P-384, Ed25519, or RSA of %d to %d bits", errBadKey, i+1, problem, minRSA, maxRSA)
		}
	}
	return nil
}

// haveCAsBelow reports whether a CA in use may have CAs below it.
func (s *set) haveCAsBelow() bool {
	for _, ca := range s.roots {
		if ca.MaxPathLen != 0 || !ca.MaxPathLenZero {
			return true
		}
	}
	return false
}

// keyProblem says what is wrong with the key of a certificate that a client sends after
// its own. Such a key is used before anything vouches for it, so it must not be a slow one.
func keyProblem(key any) string {
	switch key := key.(type) {
	case ed25519.PublicKey:
		return ""
	case *ecdsa.PublicKey:
		if key.Curve == elliptic.P256() || key.Curve == elliptic.P384() {
			return ""
		}
		return "a key of the curve " + key.Curve.Params().Name
	case *rsa.PublicKey:
		if bits := key.N.BitLen(); bits < minRSA || bits > maxRSA {
			return fmt.Sprintf("an RSA key of %d bits", bits)
		}
		return ""
	}
	return "a key of another kind"
}

// verify verifies a client's certificates, the first one being its own, and returns
// the chains to the client CAs.
func (s *set) verify(certificates []*x509.Certificate, now time.Time) ([][]*x509.Certificate, error) {
	return certificates[0].Verify(x509.VerifyOptions{
		Roots: s.config.ClientCAs, Intermediates: certfile.Pool(certificates[1:]), CurrentTime: now,
		KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	})
}
