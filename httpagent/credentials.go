package httpagent

import (
	"crypto/tls"
	"fmt"
	"log/slog"
	"sync/atomic"
)

// credentials is the host's certificate for the next connection.
type credentials struct {
	certFile, keyFile string
	log               *slog.Logger
	last              atomic.Pointer[tls.Certificate]
}

// newCredentials reads the certificate for the first time.
func newCredentials(c *Config) (*credentials, error) {
	cr := &credentials{log: c.Logger}
	if c.Certificate != nil {
		cr.last.Store(c.Certificate)
		return cr, nil
	}
	cr.certFile, cr.keyFile = c.CertFile, c.KeyFile
	pair, err := tls.LoadX509KeyPair(cr.certFile, cr.keyFile)
	if err != nil {
		return nil, fmt.Errorf("certificate: %w", err)
	}
	cr.last.Store(&pair)
	return cr, nil
}

// next returns the certificate for a new connection: what the files have now,
// or what they had when they could last be read, since a renewal may be in
// progress.
func (cr *credentials) next(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
	if cr.certFile == "" {
		return cr.last.Load(), nil
	}
	pair, err := tls.LoadX509KeyPair(cr.certFile, cr.keyFile)
	if err != nil {
		cr.log.Warn("the certificate cannot be read; the previous one stays in use", "file", cr.certFile, "error", err)
		return cr.last.Load(), nil
	}
	cr.last.Store(&pair)
	return &pair, nil
}
