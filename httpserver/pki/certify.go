package pki

import (
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"time"
)

// AgentCommonName returns the common name in the certificate of a host:
// agent-<host>.<suffix> (PROTOCOL T2). The error is a [*NameError].
func AgentCommonName(host, suffix string) (string, error) { return agentRole.commonName(host, suffix) }

// Certify issues a client certificate for a key that the CA does not have, under any CA
// and its key. The common name is its one alternative name as well, as agents of
// NixFleet expect it. A notAfter beyond the CA's own end becomes that.
func Certify(ca *x509.Certificate, signer crypto.Signer, commonName string, key crypto.PublicKey, notBefore, notAfter time.Time) (*x509.Certificate, error) {
	if err := checkCommonName(commonName); err != nil {
		return nil, err
	}
	notBefore, notAfter = wholeSecond(notBefore), wholeSecond(notAfter)
	if ca.NotAfter.Before(notAfter) {
		notAfter = ca.NotAfter
	}
	if !notBefore.Before(notAfter) {
		return nil, fmt.Errorf("not after is %s; want an instant later than not before, %s", notAfter.Format(time.RFC3339), notBefore.Format(time.RFC3339))
	}
	serial, err := newSerial()
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber:          serial,
		Subject:               pkix.Name{CommonName: commonName},
		DNSNames:              []string{commonName},
		NotBefore:             notBefore,
		NotAfter:              notAfter,
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageDigitalSignature,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, ca, key, signer)
	if err != nil {
		return nil, fmt.Errorf("create a certificate: %w", err)
	}
	return x509.ParseCertificate(der)
}
