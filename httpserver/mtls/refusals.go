package mtls

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/benbjohnson/clock"
)

// cause is why a handshake failed. The set is fixed.
type cause uint8

const (
	causeUnknownCA      cause = iota // the client's certificate is of a CA that is not trusted
	causeExpired                     // it has expired
	causeNotYetValid                 // it is not valid yet
	causeWrongUsage                  // it is not one for clients
	causeBadClient                   // it is wrong in another way
	causeUnsupportedKey              // its key is of a kind that crypto/tls does not verify
	causeOldVersion                  // the client does not speak TLS 1.3
	causeNotTLS                      // the client does not speak TLS
	causeServerRefused               // the client refused the server's certificate, or sent another alert
	causeHungUp                      // the client closed the connection within the handshake
	causeTimeout                     // the client did not go on in time
	causeLongChain                   // the client sent too many certificates
	causeBadKey                      // one of them, not its own, has a key that is not accepted
	causeLarge                       // the client sent too much
	causeBusy                        // too many handshakes at once: it got no turn in time
	causeOther

	causeCount int = iota
)

var causeWords = [causeCount]string{
	causeUnknownCA: "unknown_ca", causeExpired: "expired", causeNotYetValid: "not_yet_valid", causeWrongUsage: "wrong_usage",
	causeBadClient: "bad_certificate", causeUnsupportedKey: "unsupported_key", causeOldVersion: "old_version", causeNotTLS: "not_tls", causeServerRefused: "client_alert",
	causeHungUp: "closed", causeTimeout: "timeout",
	causeLongChain: "long_chain", causeBadKey: "refused_key", causeLarge: "too_large", causeBusy: "busy", causeOther: "other",
}

// causeAdvice is what to look at first.
var causeAdvice = [causeCount]string{
	causeUnknownCA:   "the client's CA is not in the client CA file",
	causeExpired:     "renew the client's certificate",
	causeNotYetValid: "compare the clocks of the client's CA and of this machine",
	causeWrongUsage:  "the client shows a certificate that is not for clients",
	causeBadClient:   "the client's certificate cannot be verified",
	// To crypto/tls such a key is "an unsupported public key of type <nil>".
	causeUnsupportedKey: "the client's certificate declares a kind of key that is not supported, such as RSASSA-PSS; issue it with an ECDSA or Ed25519 key, or an RSA key declared as rsaEncryption",
	causeOldVersion:     "the client does not speak TLS 1.3",
	causeNotTLS:         "the client does not speak TLS; the URL begins with https",
	causeServerRefused:  "the client refused the server's certificate: compare its CA file and the name in its URL",
	causeHungUp:         "the client closed the connection within the handshake",
	causeTimeout:        "the client did not complete the handshake in time",
	causeLongChain:      "the client sends more certificates than the client CAs or max intermediates allow; want its own, and at most those between it and a client CA",
	causeBadKey:         "issue the CAs between the client and the client CA with keys that are accepted: P-256, P-384, Ed25519, or RSA of 2048 to 4096 bits",
	causeLarge:          "the client sends more than a handshake has",
	causeBusy:           "too many handshakes at once, of this address or overall; an address that stands for many clients can be exempt",
	causeOther:          "see detail",
}

// logEvery is how often a cause is logged at most.
const logEvery = time.Minute

// refusals counts failed handshakes by cause, and logs each cause once a minute with
// how many there were.
type refusals struct {
	now   func() time.Time
	clock clock.Clock
	log   *slog.Logger

	mu     sync.Mutex
	causes [causeCount]struct {
		total    uint64
		unlogged uint64
		peer     string // an example of the unlogged ones
		name     string
		detail   string
		timer    *clock.Timer // until which nothing is logged; nil if there is none
	}
	silent uint64
	ended  bool
}

func newRefusals(now func() time.Time, clk clock.Clock, log *slog.Logger) *refusals {
	return &refusals{now: now, clock: clk, log: log}
}

// add counts a failed handshake. A connection that the server closed itself is none,
// and one on which the other side never sent a byte is counted apart: load balancers
// probe a port in this way.
func (r *refusals) add(p *peer, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !p.sent.Load() && hungUp(err) {
		r.silent++
		return
	}
	if errors.Is(err, net.ErrClosed) {
		return
	}
	is := causeOf(p, err, r.now())
	c := &r.causes[is]
	c.total++
	c.unlogged++
	c.peer, c.name, c.detail = p.RemoteAddr().String(), nameIn(err), clip(err.Error())
	if c.timer == nil && !r.ended {
		r.write(is)
		c.timer = r.clock.AfterFunc(logEvery, func() { r.due(is) })
	}
}

// due logs what came within a minute after the last line of a cause.
func (r *refusals) due(is cause) {
	r.mu.Lock()
	defer r.mu.Unlock()
	c := &r.causes[is]
	if r.ended || c.timer == nil {
		return
	}
	c.timer = nil
	if c.unlogged > 0 {
		r.write(is)
		c.timer = r.clock.AfterFunc(logEvery, func() { r.due(is) })
	}
}

// write logs a cause; mu must be held.
func (r *refusals) write(is cause) {
	c := &r.causes[is]
	attrs := []any{"cause", causeWords[is], "count", c.unlogged, "advice", causeAdvice[is], "last_peer", c.peer}
	if c.name != "" {
		attrs = append(attrs, "last_name", c.name)
	}
	r.log.Info("TLS handshakes refused", append(attrs, "last_error", c.detail)...)
	c.unlogged = 0
}

// close logs the rest and stops the timers.
func (r *refusals) close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ended = true
	for is := range cause(causeCount) {
		c := &r.causes[is]
		if c.timer != nil {
			c.timer.Stop()
			c.timer = nil
		}
		if c.unlogged > 0 {
			r.write(is)
		}
	}
}

func hungUp(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}

// causeOf finds the cause in the error of a handshake.
func causeOf(p *peer, err error, now time.Time) cause {
	var unverified *tls.CertificateVerificationError
	var plain tls.RecordHeaderError
	var network *net.OpError
	switch {
	case errors.Is(err, errLongChain):
		return causeLongChain
	case errors.Is(err, errBadKey):
		return causeBadKey
	case errors.Is(err, errLargeHandshake):
		return causeLarge
	case errors.Is(err, errBusy):
		return causeBusy
	case errors.As(err, &unverified):
		return causeOfClient(unverified.Err, now)
	case p.hello && len(p.versions) > 0 && !slices.Contains(p.versions, tls.VersionTLS13):
		return causeOldVersion
	case strings.Contains(err.Error(), "unsupported public key"): // crypto/tls has no error value for it
		return causeUnsupportedKey
	case errors.As(err, &plain):
		return causeNotTLS
	case errors.As(err, &network) && network.Op == "remote error":
		return causeServerRefused
	case hungUp(err):
		return causeHungUp
	case errors.Is(err, os.ErrDeadlineExceeded):
		return causeTimeout
	}
	return causeOther
}

// causeOfClient finds the cause in the verification of a client's certificate.
func causeOfClient(err error, now time.Time) cause {
	var unknown x509.UnknownAuthorityError
	var invalid x509.CertificateInvalidError
	switch {
	case errors.As(err, &unknown):
		return causeUnknownCA
	case !errors.As(err, &invalid):
		return causeBadClient
	case invalid.Reason == x509.Expired && now.Before(invalid.Cert.NotBefore):
		return causeNotYetValid
	case invalid.Reason == x509.Expired:
		return causeExpired
	case invalid.Reason == x509.IncompatibleUsage:
		return causeWrongUsage
	}
	return causeBadClient
}

// nameIn is the common name in a client certificate that was not verified.
func nameIn(err error) string {
	var unverified *tls.CertificateVerificationError
	if errors.As(err, &unverified) && len(unverified.UnverifiedCertificates) > 0 {
		return clip(unverified.UnverifiedCertificates[0].Subject.CommonName)
	}
	return ""
}

// maxDetail bounds what a stranger can put into a log line, in bytes.
const maxDetail = 300

func clip(s string) string {
	if len(s) > maxDetail {
		s = s[:maxDetail] + "…"
	}
	return strings.ToValidUTF8(s, "?")
}
