package machine

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/refrain-fleet/refrain/internal/certfile"
)

// contactTimeout bounds one attempt to reach a plane.
const contactTimeout = 5 * time.Second

// Contact reaches the plane over a new connection, and returns its status and Date
// header. Any HTTP answer over TLS by a server of our CA is contact, also a 503. The
// host's certificate is presented if its files can be read.
func (c *Config) Contact(ctx context.Context) (status int, date string, err error) {
	texts, err := certfile.Read(nil, c.CAFile)
	if err != nil {
		return 0, "", fmt.Errorf("ca: %w", err)
	}
	cas, err := certfile.CAs(c.CAFile, texts[0], x509.ExtKeyUsageServerAuth, time.Now())
	if err != nil {
		return 0, "", fmt.Errorf("ca: %w", err)
	}
	pair := new(tls.Certificate)
	if read, err := tls.LoadX509KeyPair(c.CertFile, c.KeyFile); err == nil {
		pair = &read
	}
	transport := &http.Transport{
		TLSClientConfig: &tls.Config{
			MinVersion: tls.VersionTLS13, RootCAs: certfile.Pool(cas),
			GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return pair, nil },
		},
		DisableKeepAlives: true,
	}
	ctx, cancel := timeout(ctx, contactTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimSuffix(c.URL, "/")+"/healthz", nil)
	if err != nil {
		return 0, "", err
	}
	response, err := transport.RoundTrip(request)
	if err != nil {
		return 0, "", err
	}
	_, _ = io.CopyN(io.Discard, response.Body, 4<<10)
	response.Body.Close()
	return response.StatusCode, response.Header.Get("Date"), nil
}
