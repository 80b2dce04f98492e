package httpagent

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/refrain-fleet/refrain/internal/certfile"
)

// lookEvery is how often the files are looked at, at most, by the real clock.
const lookEvery = time.Second

// credentials are the host's certificate and the CAs that it trusts, as one set with
// the connections that use it. The files are looked at before a request. If they have
// changed, the requests from then on go over new connections; if they cannot be used,
// the set before stays in use as a whole, since a renewal may be in progress.
type credentials struct {
	certFile, keyFile, caFile string // empty if given in memory
	cfg                       *Config
	log                       *slog.Logger

	mu      sync.Mutex
	texts   certfile.Texts // of the set in use
	current *http.Client
	looked  time.Time
	refused string // why the files are not used; logged once
}

// newCredentials reads the files for the first time.
func newCredentials(c *Config) (*credentials, error) {
	cr := &credentials{cfg: c, log: c.Logger}
	if c.Certificate == nil {
		cr.certFile, cr.keyFile = c.CertFile, c.KeyFile
	}
	if c.RootCAs == nil {
		cr.caFile = c.CAFile
	}
	texts, err := cr.read()
	if err != nil {
		return nil, err
	}
	if cr.current, err = cr.parse(texts); err != nil {
		return nil, err
	}
	cr.texts, cr.looked = texts, c.Clock.base.Now()
	if cr.keyFile != "" {
		if problem := certfile.KeyWarning(cr.keyFile); problem != "" {
			cr.log.Warn("the key of the certificate is not protected", "problem", problem)
		}
	}
	return cr, nil
}

// files are the files to read: certificate and key, then the CAs.
func (cr *credentials) files() (files []string) {
	if cr.certFile != "" {
		files = append(files, cr.certFile, cr.keyFile)
	}
	if cr.caFile != "" {
		files = append(files, cr.caFile)
	}
	return files
}

// read reads the files. The error names the field of Config.
func (cr *credentials) read() (certfile.Texts, error) {
	texts, err := certfile.Read(cr.texts, cr.files()...)
	switch {
	case err == nil:
		return texts, nil
	case cr.caFile != "" && certfile.FileOf(err) == cr.caFile:
		return nil, fmt.Errorf("ca: %w", err)
	}
	return nil, fmt.Errorf("certificate: %w", err)
}

// parse makes a client of the contents of the files.
func (cr *credentials) parse(texts certfile.Texts) (*http.Client, error) {
	pair, roots := cr.cfg.Certificate, cr.cfg.RootCAs
	now := cr.cfg.Clock.base.Now()
	if cr.certFile != "" {
		var err error
		if pair, err = certfile.Pair(cr.certFile, cr.keyFile, texts[0], texts[1]); err == nil {
			err = certfile.CheckClient(cr.certFile, pair)
		}
		if err != nil {
			return nil, fmt.Errorf("certificate: %w", err)
		}
		if problem := certfile.Expiry(cr.certFile+": the certificate of this host", pair.Leaf, now); problem != "" {
			cr.log.Warn("the certificate has to be renewed", "problem", problem)
		}
		texts = texts[2:]
	}
	if cr.caFile != "" {
		cas, err := certfile.CAs(cr.caFile, texts[0], x509.ExtKeyUsageServerAuth, now)
		if err != nil {
			return nil, fmt.Errorf("ca: %w", err)
		}
		roots = certfile.Pool(cas)
	}
	return newHTTPClient(cr.cfg, pair, roots), nil
}

// client returns the client for a request.
func (cr *credentials) client() *http.Client {
	cr.mu.Lock()
	defer cr.mu.Unlock()
	if now := cr.cfg.Clock.base.Now(); len(cr.files()) > 0 && now.Sub(cr.looked) >= lookEvery {
		cr.looked = now
		cr.look()
	}
	return cr.current
}

// look uses the files if they have changed; mu must be held.
func (cr *credentials) look() {
	texts, err := cr.read()
	if err == nil && texts.Equal(cr.texts) {
		cr.refused = ""
		return
	}
	var next *http.Client
	if err == nil {
		next, err = cr.parse(texts)
	}
	if err != nil {
		if cr.refused != err.Error() {
			cr.refused = err.Error()
			cr.log.Warn("the certificate files cannot be used; the previous ones stay in use", "error", err)
		}
		return
	}
	cr.log.Info("certificates reloaded")
	// Connections with a request under way are closed when it has ended.
	cr.current.CloseIdleConnections()
	cr.texts, cr.current, cr.refused = texts, next, ""
}

// closeIdle closes the connections that have no request under way.
func (cr *credentials) closeIdle() {
	cr.mu.Lock()
	defer cr.mu.Unlock()
	cr.current.CloseIdleConnections()
}

// newHTTPClient makes a client with connections of its own.
func newHTTPClient(c *Config, pair *tls.Certificate, roots *x509.CertPool) *http.Client {
	var protocols http.Protocols
	protocols.SetHTTP1(true)
	return &http.Client{
		Transport: &http.Transport{
			TLSClientConfig: &tls.Config{
				MinVersion: tls.VersionTLS13,
				RootCAs:    roots,
				// Not Certificates: that field's are withheld from a server that names
				// other CAs, which has to answer and to count it.
				GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return pair, nil },
				Time:                 c.Clock.base.Now,
			},
			Protocols:           &protocols,
			MaxIdleConnsPerHost: maxConnections,
			// A connection outlives the time to the next heartbeat. A plane with the
			// same interval keeps it for half a minute longer than two intervals;
			// this side ends it first, or a request could meet its end.
			IdleConnTimeout:    2*c.Clock.slowed(c.Agent.HeartbeatInterval) + 25*time.Second,
			DisableCompression: true,
		},
		// The certificate is for the plane, not for another server that a redirect
		// names.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}
