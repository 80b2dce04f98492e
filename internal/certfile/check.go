package certfile

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"time"
)

// WarnBefore is how long before its end a certificate is warned of.
const WarnBefore = 14 * 24 * time.Hour

// CAs reads a bundle and returns its certificates, without repetitions. Every one
// has to be a CA that can verify others for use, which is the extended key usage of a
// client or of a server. One that has expired is accepted if
// another one has not: it verifies nothing and does no harm.
func CAs(file string, text []byte, use x509.ExtKeyUsage, now time.Time) ([]*x509.Certificate, error) {
	list, lines, err := certificates(file, text, false)
	if err != nil {
		return nil, err
	}
	var found []*x509.Certificate
	good := false
	for i, ca := range list {
		if problem := caProblem(ca, use); problem != "" {
			return nil, &Error{file, lines[i], problem}
		}
		good = good || !now.After(ca.NotAfter)
		if !slices.ContainsFunc(found, ca.Equal) {
			found = append(found, ca)
		}
	}
	if !good {
		return nil, &Error{file, lines[0], fmt.Sprintf("the CA %q expired at %s; want one that is valid", list[0].Subject, stamp(list[0].NotAfter))}
	}
	return found, nil
}

func caProblem(ca *x509.Certificate, use x509.ExtKeyUsage) string {
	switch {
	case !ca.IsCA:
		return fmt.Sprintf("%q is not a CA, but %s; want the certificate of the CA that signed it", ca.Subject, kind(ca))
	case ca.KeyUsage != 0 && ca.KeyUsage&x509.KeyUsageCertSign == 0:
		return fmt.Sprintf("the CA %q may not sign certificates; want key usage keyCertSign", ca.Subject)
	case !may(ca, use):
		return fmt.Sprintf("the CA %q is restricted to other purposes than %s; want one without extended key usage, or with that one",
			ca.Subject, map[x509.ExtKeyUsage]string{x509.ExtKeyUsageClientAuth: "clientAuth", x509.ExtKeyUsageServerAuth: "serverAuth"}[use])
	case len(ca.UnhandledCriticalExtensions) > 0:
		return fmt.Sprintf("the CA %q has a critical extension that nothing here can verify (%v); want a CA without it",
			ca.Subject, ca.UnhandledCriticalExtensions[0])
	case bytes.Equal(ca.RawSubject, ca.RawIssuer) && ca.CheckSignatureFrom(ca) != nil:
		return fmt.Sprintf("damaged certificate: the CA %q does not match its own signature; copy the file again from where it was issued", ca.Subject)
	}
	return ""
}

// Pool makes a pool of CAs.
func Pool(cas []*x509.Certificate) *x509.CertPool {
	pool := x509.NewCertPool()
	for _, ca := range cas {
		pool.AddCert(ca)
	}
	return pool
}

// Pair reads a certificate chain and its key. The leaf is not judged; see
// [CheckServer] and [CheckClient].
func Pair(certFile, keyFile string, cert, key []byte) (*tls.Certificate, error) {
	if _, _, err := certificates(certFile, cert, true); err != nil {
		return nil, err
	}
	keys, err := blocks(keyFile, key)
	if err != nil {
		return nil, err
	}
	if !slices.ContainsFunc(keys, func(b block) bool { return isKey(b.Type) }) {
		return nil, &Error{keyFile, 0, "has no private key; want a PEM file with a block PRIVATE KEY"}
	}
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return nil, &Error{keyFile, 0, fmt.Sprintf("not the key of %s (%v); want the pair as it was issued", certFile, err)}
	}
	return &pair, nil
}

// CheckServer judges the leaf of a server's certificate.
func CheckServer(file string, pair *tls.Certificate, now time.Time) error {
	leaf := pair.Leaf
	problem := ""
	switch {
	case leaf.IsCA:
		problem = fmt.Sprintf("%q is a CA; want a certificate that it issued for the server", leaf.Subject)
	case !may(leaf, x509.ExtKeyUsageServerAuth):
		problem = fmt.Sprintf("%q is %s; want one that may authenticate a server (extended key usage serverAuth)", leaf.Subject, kind(leaf))
	case len(leaf.DNSNames)+len(leaf.IPAddresses) == 0:
		problem = fmt.Sprintf("%q has no DNS name and no IP address; clients verify nothing else, want the names at which they reach the server", leaf.Subject)
	default:
		problem = validityProblem(leaf, now)
	}
	return problemOf(file, problem)
}

// CheckClient judges the leaf of a client's certificate. Expiry is no part of it:
// an agent has to run to use the certificate that follows, and the plane refuses it
// until then.
func CheckClient(file string, pair *tls.Certificate) error {
	leaf := pair.Leaf
	problem := ""
	switch {
	case leaf.IsCA:
		problem = fmt.Sprintf("%q is a CA; want a certificate that it issued for this host", leaf.Subject)
	case !may(leaf, x509.ExtKeyUsageClientAuth):
		problem = fmt.Sprintf("%q is %s; want one that may authenticate a client (extended key usage clientAuth)", leaf.Subject, kind(leaf))
	}
	return problemOf(file, problem)
}

// ClientPair reads the certificate and the key of a client that uses it now, and not one
// that follows: it judges the leaf as [CheckClient] does, and refuses one that has expired.
func ClientPair(certFile, keyFile string, cert, key []byte, now time.Time) (*tls.Certificate, error) {
	pair, err := Pair(certFile, keyFile, cert, key)
	if err == nil {
		err = CheckClient(certFile, pair)
	}
	if err == nil && now.After(pair.Leaf.NotAfter) {
		err = problemOf(certFile, "the certificate expired at "+stamp(pair.Leaf.NotAfter))
	}
	if err != nil {
		return nil, err
	}
	return pair, nil
}

func problemOf(file, problem string) error {
	if problem == "" {
		return nil
	}
	return &Error{File: file, Problem: problem}
}

func validityProblem(leaf *x509.Certificate, now time.Time) string {
	switch {
	case now.After(leaf.NotAfter):
		return fmt.Sprintf("%q expired at %s; want one that is valid", leaf.Subject, stamp(leaf.NotAfter))
	case now.Before(leaf.NotBefore):
		return fmt.Sprintf("%q is not valid before %s, and it is %s; want one that is valid, or a right clock", leaf.Subject, stamp(leaf.NotBefore), stamp(now))
	}
	return ""
}

// may reports whether a certificate may be used for a purpose. One that lists no
// purpose may be used for every one (RFC 5280, 4.2.1.12).
func may(leaf *x509.Certificate, use x509.ExtKeyUsage) bool {
	return len(leaf.ExtKeyUsage)+len(leaf.UnknownExtKeyUsage) == 0 ||
		slices.Contains(leaf.ExtKeyUsage, use) || slices.Contains(leaf.ExtKeyUsage, x509.ExtKeyUsageAny)
}

// kind says what a leaf is for.
func kind(leaf *x509.Certificate) string {
	server, client := may(leaf, x509.ExtKeyUsageServerAuth), may(leaf, x509.ExtKeyUsageClientAuth)
	switch {
	case leaf.IsCA:
		return "a CA"
	case server && client:
		return "a certificate for servers and clients"
	case client:
		return "the certificate of a client, an agent or an operator"
	case server:
		return "the certificate of a server"
	}
	return "a certificate for neither servers nor clients"
}

// Expiry says when a certificate expires, if that is within [WarnBefore] or past;
// it is empty otherwise.
func Expiry(what string, certificate *x509.Certificate, now time.Time) string {
	left := certificate.NotAfter.Sub(now)
	switch {
	case left < 0:
		return fmt.Sprintf("%s expired at %s", what, stamp(certificate.NotAfter))
	case left <= WarnBefore:
		return fmt.Sprintf("%s expires at %s, in %s", what, stamp(certificate.NotAfter), Remaining(left))
	}
	return ""
}

// Remaining writes a duration for people: days, or hours and minutes below two days.
func Remaining(d time.Duration) string {
	if d >= 48*time.Hour {
		return fmt.Sprintf("%dd", int(d/(24*time.Hour)))
	}
	return d.Round(time.Minute).String()
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// IsFileError reports whether an error is about the content of a file, and not
// about reading it.
func IsFileError(err error) bool {
	var bad *Error
	return errors.As(err, &bad)
}
