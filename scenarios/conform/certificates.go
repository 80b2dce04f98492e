package conform

import (
	"crypto/tls"
	"crypto/x509"
	"sync"
	"time"

	"github.com/benbjohnson/clock"

	"github.com/refrain-fleet/refrain/httpserver/pki"
	"github.com/refrain-fleet/refrain/sim/record"
	"github.com/refrain-fleet/refrain/sim/scenario"
)

// suffix is what the names in a simulated fleet's certificates end in.
const suffix = "sim"

// aroundTheWorld is how long before and after a world begins certificates are
// good at the longest. No scenario is longer, and no plane's clock further off.
const aroundTheWorld = 20 * 365 * 24 * time.Hour

// Certificates are those of simulated fleets and of the servers that are played
// to. They cost more than what is played, so they are issued once and kept; one
// value serves any number of tapes, from any number of goroutines.
type Certificates struct {
	authority *pki.Authority
	pool      *x509.CertPool
	server    tls.Certificate

	mu     sync.Mutex
	issued map[record.TapeCertificate]*tls.Certificate
}

// NewCertificates makes a CA and the server's certificate.
func NewCertificates() (*Certificates, error) {
	then := clock.NewMock()
	then.Set(scenario.Epoch.Std().Add(-aroundTheWorld))
	authority, err := pki.New(pki.Config{Suffix: suffix, Clock: then, ValidFor: 2 * aroundTheWorld})
	if err != nil {
		return nil, err
	}
	server, err := authority.IssueServer([]string{"127.0.0.1"}, pki.Validity{NotAfter: scenario.Epoch.Std().Add(aroundTheWorld)})
	if err != nil {
		return nil, err
	}
	return &Certificates{
		authority: authority, pool: authority.Pool(), server: server, issued: make(map[record.TapeCertificate]*tls.Certificate),
	}, nil
}

// of returns the certificate that a request came with.
func (c *Certificates) of(t record.TapeCertificate) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if cert := c.issued[t]; cert != nil {
		return cert, nil
	}
	cert, err := c.authority.IssueClient(t.CommonName, pki.Validity{
		NotBefore: t.NotBefore.Std(), NotAfter: scenario.Epoch.Std().Add(aroundTheWorld),
	})
	if err != nil {
		return nil, err
	}
	c.issued[t] = &cert
	return &cert, nil
}
