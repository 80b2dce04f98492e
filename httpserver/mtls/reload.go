package mtls

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"strings"
	"time"

	"github.com/refrain-fleet/refrain/internal/certfile"
)

const (
	// pollEvery is how often the files are read. A change is applied after one to
	// two of these.
	pollEvery = time.Second
	// remindEvery is the time between two warnings of the same expiry.
	remindEvery = 24 * time.Hour
)

// Watch polls the files until ctx ends. It does nothing if there are none, or one
// that cannot be read twice, such as a pipe.
func (c *Credentials) Watch(ctx context.Context) {
	if len(c.files) == 0 || !certfile.Regular(c.files...) {
		return
	}
	ticker := c.cfg.Clock.Ticker(pollEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			c.poll()
		}
	}
}

// poll reads the files, and uses them if they have changed and have been the same
// for two polls.
func (c *Credentials) poll() {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.current.Load()
	texts, err := c.read(s.texts)
	switch {
	case err == nil && texts.Equal(s.texts):
		c.pending = nil
		c.recovered()
	case c.pending == nil || !c.pending.same(texts, err):
		c.pending = &reading{texts, err} // wait for the next poll
	default:
		_, _ = c.replace(texts, err, false)
	}
	c.warn(c.current.Load())
	c.connections.warnOfClients(c.cfg.Now())
}

// Reload reads the files now. It reports whether something else is used than
// before. After an error the last good set stays in use, and the error says why.
func (c *Credentials) Reload() (changed bool, err error) {
	if len(c.files) == 0 {
		return false, errNoFiles
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	texts, err := c.read(c.current.Load().texts)
	if err == nil && texts.Equal(c.current.Load().texts) {
		c.recovered()
		return false, nil
	}
	return c.replace(texts, err, true)
}

// recovered ends a refusal without a reload: the files have what is used again. mu
// must be held.
func (c *Credentials) recovered() {
	if c.refused.Swap(nil) != nil {
		c.cfg.Logger.Info("the certificate files have again what is in use")
	}
}

// replace uses the contents of the files, or keeps the last good set. A refusal is
// counted once until the contents change, and logged as often unless asked is set: an
// operator who asked is answered. mu must be held.
func (c *Credentials) replace(texts certfile.Texts, err error, asked bool) (changed bool, _ error) {
	var next *set
	if err == nil {
		next, err = c.parse(texts)
	}
	if err != nil {
		before := c.refused.Load()
		known := before != nil && before.same(texts, err)
		if !known {
			c.refused.Store(&refusal{reading: reading{texts, err}, since: c.cfg.Now()})
			c.reloads.WithLabelValues(outcomeRefused).Inc()
		}
		if asked || !known {
			c.cfg.Logger.Error("the certificate files are refused; the last good set stays in use",
				"error", err, "loaded", c.current.Load().loaded.UTC().Format(time.RFC3339))
		}
		return false, err
	}
	before := c.current.Swap(next)
	c.pending, c.warned = nil, time.Time{}
	c.refused.Store(nil)
	c.reloads.WithLabelValues(outcomeApplied).Inc()
	closed := 0
	if c.cfg.ClientCAs == nil && !sameRoots(before.roots, next.roots) {
		closed = c.connections.closeUnless(func(p *peer) bool { return c.Trusts(p.state, c.cfg.Now()) })
	}
	c.cfg.Logger.Info("certificates reloaded",
		"server", describe(next.leaf()), "server_changed", !next.leaf().Equal(before.leaf()),
		"client_cas", describeAll(next.roots), "client_cas_changed", !sameRoots(before.roots, next.roots),
		"connections_closed", closed)
	return true, nil
}

func sameRoots(a, b []*x509.Certificate) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if !a[i].Equal(b[i]) {
			return false
		}
	}
	return true
}

// warn logs what is wrong with a set that can be used, at its start and once a day.
// mu must be held, or c new.
func (c *Credentials) warn(s *set) {
	now := c.cfg.Now()
	if !c.warned.IsZero() && now.Sub(c.warned) < remindEvery {
		return
	}
	c.warned = now
	if c.cfg.Certificate == nil {
		if problem := certfile.KeyWarning(c.cfg.KeyFile); problem != "" {
			c.cfg.Logger.Warn("the key of the server's certificate is not protected", "problem", problem)
		}
	}
	for _, problem := range c.expiring(s, now) {
		c.cfg.Logger.Warn("a certificate has to be renewed", "problem", problem)
	}
}

// expiring lists the certificates of files that have expired or soon will.
func (c *Credentials) expiring(s *set, now time.Time) (problems []string) {
	add := func(problem string) {
		if problem != "" {
			problems = append(problems, problem)
		}
	}
	if c.cfg.Certificate == nil {
		add(certfile.Expiry(c.cfg.CertFile+": the server's certificate", s.leaf(), now))
	}
	for _, ca := range s.roots {
		add(certfile.Expiry(c.cfg.ClientCAFile+": the client CA "+Fingerprint(ca), ca, now))
	}
	return problems
}

// Notes are what an operator has to know of the certificates, for /readyz. They do
// not make a server unready: it serves with the last good set. It does not block.
func (c *Credentials) Notes() (notes []string) {
	s := c.current.Load()
	if r := c.refused.Load(); r != nil {
		notes = append(notes, fmt.Sprintf("certificate files refused since %s: %v; the set that was loaded at %s stays in use",
			r.since.UTC().Format(time.RFC3339), r.err, s.loaded.UTC().Format(time.RFC3339)))
	}
	return append(notes, c.expiring(s, c.cfg.Now())...)
}

// Fingerprint is the beginning of the SHA-256 of a certificate, in hexadecimal: 16
// characters, enough to tell the CAs of a bundle apart.
func Fingerprint(certificate *x509.Certificate) string {
	sum := sha256.Sum256(certificate.Raw)
	return hex.EncodeToString(sum[:8])
}

func describe(certificate *x509.Certificate) string {
	return fmt.Sprintf("%s until %s", Fingerprint(certificate), certificate.NotAfter.UTC().Format(time.RFC3339))
}

func describeAll(certificates []*x509.Certificate) string {
	words := make([]string, len(certificates))
	for i, certificate := range certificates {
		words[i] = describe(certificate)
	}
	return strings.Join(words, ", ")
}
