package mtls

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/benbjohnson/clock"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/refrain-fleet/refrain/httpserver/pki"
	"github.com/refrain-fleet/refrain/internal/certfile"
)

// Config says where the credentials are.
type Config struct {
	// CertFile and KeyFile are PEM files with the server's certificate chain and
	// key, ClientCAFile one with the CAs of the clients. The fields in the next
	// line replace them if they are set: they are taken as they are.
	CertFile, KeyFile, ClientCAFile string
	Certificate                     *tls.Certificate
	ClientCAs                       *x509.CertPool
	// Suffix is the end of the common names that clients have.
	Suffix string
	// Now is the wall clock. It is required.
	Now func() time.Time
	// Clock has the timers. It is required.
	Clock clock.Clock
	// Logger takes the log lines. It is required.
	Logger *slog.Logger
}

// Credentials are the server's pair and the client CAs in use. Its methods may be
// called by several goroutines.
type Credentials struct {
	cfg         Config
	files       []string // that are read, in the order of Config
	connections *Connections
	current     atomic.Pointer[set]
	refused     atomic.Pointer[refusal] // what is in the files, if it cannot be used

	mu      sync.Mutex // one reload at a time; guards what follows
	pending *reading   // what the last poll read, if it was not in use
	warned  time.Time

	reloads *prometheus.CounterVec
}

// set is what is used together. It does not change.
type set struct {
	texts  certfile.Texts
	pair   *tls.Certificate
	roots  []*x509.Certificate // nil for Config.ClientCAs
	config *tls.Config
	loaded time.Time
}

// reading is what reading the files gave.
type reading struct {
	texts certfile.Texts // nil if they could not be read
	err   error
}

// same reports whether another reading gave the same.
func (r *reading) same(texts certfile.Texts, err error) bool {
	return r.texts.Equal(texts) && fmt.Sprint(r.err) == fmt.Sprint(err)
}

// refusal is a reading that is not used, and why.
type refusal struct {
	reading
	since time.Time
}

// NewCredentials reads the files for the first time. The error names the file and
// the reason.
func NewCredentials(cfg Config, connections *Connections) (*Credentials, error) {
	c := &Credentials{cfg: cfg, connections: connections, reloads: prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "refrain_certificate_reloads_total",
		Help: "Changes of the certificate files, by outcome: applied, or refused, so that the last good set stays in use.",
	}, []string{"outcome"})}
	for _, outcome := range []string{outcomeApplied, outcomeRefused} {
		c.reloads.WithLabelValues(outcome)
	}
	if cfg.Certificate == nil {
		c.files = append(c.files, cfg.CertFile, cfg.KeyFile)
	}
	if cfg.ClientCAs == nil {
		c.files = append(c.files, cfg.ClientCAFile)
	}
	texts, err := c.read(nil)
	if err != nil {
		return nil, err
	}
	s, err := c.parse(texts)
	if err != nil {
		return nil, err
	}
	c.current.Store(s)
	c.warn(s)
	return c, nil
}

const (
	outcomeApplied = "applied"
	outcomeRefused = "refused"
)

// read reads the files. The error names the field of Config.
func (c *Credentials) read(known certfile.Texts) (certfile.Texts, error) {
	texts, err := certfile.Read(known, c.files...)
	switch {
	case err == nil:
		return texts, nil
	case certfile.FileOf(err) == c.cfg.ClientCAFile && c.cfg.ClientCAs == nil:
		return nil, fmt.Errorf("client ca: %w", err)
	}
	return nil, fmt.Errorf("certificate: %w", err)
}

// parse makes a set of the contents of the files.
func (c *Credentials) parse(texts certfile.Texts) (*set, error) {
	now := c.cfg.Now()
	s := &set{texts: texts, pair: c.cfg.Certificate, loaded: now}
	if s.pair == nil {
		pair, err := certfile.Pair(c.cfg.CertFile, c.cfg.KeyFile, texts[0], texts[1])
		if err != nil {
			return nil, fmt.Errorf("certificate: %w", err)
		}
		if err := certfile.CheckServer(c.cfg.CertFile, pair, now); err != nil {
			return nil, fmt.Errorf("certificate: %w", err)
		}
		s.pair, texts = pair, texts[2:]
	}
	pool := c.cfg.ClientCAs
	if pool == nil {
		roots, err := certfile.CAs(c.cfg.ClientCAFile, texts[0], x509.ExtKeyUsageClientAuth, now)
		if err == nil {
			err = c.checkSuffix(roots)
		}
		if err != nil {
			return nil, fmt.Errorf("client ca: %w", err)
		}
		s.roots, pool = roots, certfile.Pool(roots)
	}
	s.config = &tls.Config{
		MinVersion: tls.VersionTLS13,
		NextProtos: []string{"http/1.1"},
		// Given, not verified: crypto/tls would verify a chain of any length. See verify.
		ClientAuth: tls.RequestClientCert,
		ClientCAs:  pool,
		// A resumed session would skip the verification of the certificate.
		SessionTicketsDisabled: true,
		Time:                   c.cfg.Now,
		Certificates:           []tls.Certificate{*s.pair},
	}
	return s, nil
}

// checkSuffix refuses CAs that issue no certificate with the configured suffix: every
// agent would be taken for one of an older fleet, under its whole common name.
func (c *Credentials) checkSuffix(roots []*x509.Certificate) error {
	var others []string
	for _, ca := range roots {
		suffix, known := pki.SuffixOf(ca)
		if !known || suffix == c.cfg.Suffix {
			return nil
		}
		if !slices.Contains(others, suffix) { // the old CA and the new one, within a rotation
			others = append(others, suffix)
		}
	}
	return &certfile.Error{File: c.cfg.ClientCAFile, Problem: fmt.Sprintf(
		"a CA of refrain pki for the suffix %s; no certificate of it ends in agent cn suffix %q, want that suffix or another CA",
		strings.Join(others, " and "), c.cfg.Suffix)}
}

// TLSConfig is the configuration of a listener of [Connections.Listen]. Each handshake
// uses the set that is current when it begins.
func (c *Credentials) TLSConfig() *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS13,
		GetConfigForClient: func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
			p := peerOf(hello.Conn)
			if p == nil {
				return nil, errNotListened
			}
			p.noteHello(hello)
			s := c.current.Load()
			config := s.config.Clone()
			config.VerifyConnection = func(state tls.ConnectionState) error {
				return c.connections.judge(p, s, state.PeerCertificates)
			}
			return config, nil
		},
	}
}

var errNotListened = errors.New("mtls: a connection of another listener")

// Leaf is the server's certificate in use.
func (c *Credentials) Leaf() *x509.Certificate { return c.current.Load().leaf() }

func (s *set) leaf() *x509.Certificate {
	if s.pair.Leaf != nil {
		return s.pair.Leaf
	}
	leaf, err := x509.ParseCertificate(s.pair.Certificate[0])
	if err != nil {
		return new(x509.Certificate) // one that was given in memory, and does not serve
	}
	return leaf
}

// Trusts reports whether the client certificate of a connection verifies under the
// client CAs in use, now. The handshake verified it under those of its time.
func (c *Credentials) Trusts(state *tls.ConnectionState, now time.Time) bool {
	s := c.current.Load()
	if s.roots == nil {
		return true // they never change
	}
	for _, chain := range state.VerifiedChains {
		verifiedBy := chain[len(chain)-1]
		for _, root := range s.roots {
			if (root == verifiedBy || bytes.Equal(root.Raw, verifiedBy.Raw)) && !now.After(root.NotAfter) {
				return true
			}
		}
	}
	// A CA that was renewed with its old key verifies the same certificates.
	return len(state.PeerCertificates) > 0 && s.verifies(state.PeerCertificates, now)
}

func (s *set) verifies(chain []*x509.Certificate, now time.Time) bool {
	_, err := s.verify(chain, now)
	return err == nil
}

// errNoFiles is the result of reloading credentials that were given in memory.
var errNoFiles = errors.New("the certificates are not read from files")
