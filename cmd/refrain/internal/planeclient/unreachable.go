package planeclient

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
)

// Unreachable is the error of a request without an answer.
type Unreachable struct {
	// Problem says what failed, on which file or address, and Hint what to do.
	Problem, Hint string
	// Fault says that a file, a name or a certificate is wrong: to try again is of no use.
	Fault bool
	cause error
}

// Error implements error.
func (u *Unreachable) Error() string { return u.Problem }

// Unwrap returns the cause.
func (u *Unreachable) Unwrap() error { return u.cause }

// unreachable explains why there was no answer: which file is at fault, if one is.
func (c *Client) unreachable(err error) error {
	var target *url.Error
	if errors.As(err, &target) {
		err = target.Err
	}
	u := &Unreachable{cause: err, Fault: true}
	var authority x509.UnknownAuthorityError
	var name x509.HostnameError
	var invalid x509.CertificateInvalidError
	var record tls.RecordHeaderError
	var operation *net.OpError
	switch {
	case errors.As(err, &authority):
		u.Problem = fmt.Sprintf("%s: the plane's certificate was not signed by the CA in %s", c.cfg.URL, c.cfg.CAFile)
		u.Hint = "--ca names the CA that signed the plane's certificate"
	case errors.As(err, &name):
		u.Problem = fmt.Sprintf("%s: the plane's certificate is for %s", c.cfg.URL, strings.Join(namesOf(name.Certificate), ", "))
		u.Hint = "--url names the plane as its certificate does"
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		u.Problem = fmt.Sprintf("%s: the plane's certificate is not valid now: %s", c.cfg.URL, invalid.Detail)
		u.Hint = "renew the plane's certificate, or set the clock of this machine"
	case errors.As(err, &record):
		u.Problem = fmt.Sprintf("%s: what listens there does not speak TLS", c.cfg.URL)
		u.Hint = "--url names the listener for agents and operators, not that of /readyz and /metrics"
	case strings.Contains(err.Error(), "remote error: tls:"):
		_, alert, _ := strings.Cut(err.Error(), "remote error: tls: ")
		u.Problem = fmt.Sprintf("%s: the plane refuses the certificate in %s: %s", c.cfg.URL, c.cfg.CertFile, alert)
		u.Hint = "--cert and --key name a certificate of an operator, signed by the fleet's CA"
	case errors.As(err, &operation) && operation.Op == "dial":
		u.Fault = false
		u.Problem = fmt.Sprintf("%s: cannot connect: %v", c.cfg.URL, operation.Err)
		u.Hint = "is the plane running there? --url names another one"
	default:
		u.Fault = false
		u.Problem = fmt.Sprintf("%s: no answer: %v", c.cfg.URL, err)
	}
	return u
}

func namesOf(certificate *x509.Certificate) []string {
	names := append([]string(nil), certificate.DNSNames...)
	for _, ip := range certificate.IPAddresses {
		names = append(names, ip.String())
	}
	if len(names) == 0 {
		names = []string{"no name"}
	}
	return names
}
