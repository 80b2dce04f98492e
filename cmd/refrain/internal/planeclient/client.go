// Package planeclient speaks to a plane as an operator does: one request after the
// other over mutual TLS, tried again while the plane answers 503. It has no state and
// decides nothing about the fleet.
package planeclient

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/refrain-fleet/refrain/core/wire"
	"github.com/refrain-fleet/refrain/httpagent"
	"github.com/refrain-fleet/refrain/internal/certfile"
)

// Config says which plane, and as whom.
type Config struct {
	// URL is that of the plane, without a path.
	URL string
	// CAFile has the CA that signed the plane's certificate, CertFile and KeyFile the
	// operator's, PEM.
	CAFile, CertFile, KeyFile string
	// Timeout is how long a request is tried again while the plane answers 503 or 429;
	// 0 for not at all.
	Timeout time.Duration
	// Waits is told of each wait before a request is tried again; nil for no report.
	Waits func(why string, d time.Duration)
}

// attemptTimeout bounds one attempt of a request. The plane answers within its reply
// timeout, 5 s by default, and a manifest may take a while to send.
const attemptTimeout = 60 * time.Second

// maxAnswer bounds an answer. The largest is a page of hosts, of about 4 MiB.
const maxAnswer = 32 << 20

// Client sends requests. Make one with [New].
type Client struct {
	cfg  Config
	http *http.Client
}

// New reads the files. The error names the file at fault.
func New(cfg Config) (*Client, error) {
	if err := httpagent.CheckURL(cfg.URL); err != nil {
		return nil, fmt.Errorf("the plane's URL: %w", err)
	}
	texts, err := certfile.Read(nil, cfg.CAFile, cfg.CertFile, cfg.KeyFile)
	if err != nil {
		return nil, err
	}
	now := time.Now()
	cas, err := certfile.CAs(cfg.CAFile, texts[0], x509.ExtKeyUsageServerAuth, now)
	if err != nil {
		return nil, err
	}
	pair, err := certfile.ClientPair(cfg.CertFile, cfg.KeyFile, texts[1], texts[2], now)
	if err != nil {
		return nil, err
	}
	return &Client{cfg: cfg, http: &http.Client{
		Transport: &http.Transport{
			TLSClientConfig: &tls.Config{
				MinVersion: tls.VersionTLS13,
				RootCAs:    certfile.Pool(cas),
				// Not Certificates: that field's are withheld from a server that names
				// other CAs, whose refusal says more.
				GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return pair, nil },
			},
			DisableCompression: true,
		},
		// The certificate is for the plane, not for where a redirect leads.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Timeout:       attemptTimeout,
	}}, nil
}

// URL returns the address of the plane.
func (c *Client) URL() string { return c.cfg.URL }

// Close closes the connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Request is one request. Without a body it is a GET, unless Post is set.
type Request struct {
	Path  string // escaped
	Query url.Values
	Body  []byte
	Post  bool
}

// Answer is an answer of status 2xx.
type Answer struct {
	Status int
	Body   []byte
	// RetryAfter is that of a 202.
	RetryAfter time.Duration
}

// Refusal is the error of an answer that is not 2xx: what the plane says.
type Refusal struct {
	Status  int
	Problem wire.Problem
	// RetryAfter is when to come back, of a 503 or a 429.
	RetryAfter time.Duration
}

// Error implements error.
func (r *Refusal) Error() string {
	if r.Problem.Reason == "" {
		return fmt.Sprintf("the plane answers %d without a problem document; is it a refrain plane?", r.Status)
	}
	text := fmt.Sprintf("%d %s: ", r.Status, r.Problem.Reason)
	if r.Problem.Field != "" {
		text += string(r.Problem.Field) + ": "
	}
	if r.Problem.Detail == "" {
		return text + string(r.Problem.Title)
	}
	return text + string(r.Problem.Detail)
}

// temporary reports whether the request may be sent again as it is.
func (r *Refusal) temporary() bool {
	return r.Status == http.StatusServiceUnavailable || r.Status == http.StatusTooManyRequests
}

// Do sends a request. The error is a [*Refusal] if the plane refused it, or a
// [*Unreachable]. While the plane answers 503 or 429 the request is sent again, after
// what the plane asks for, up to the timeout; every operator's request may be sent
// twice.
func (c *Client) Do(ctx context.Context, r Request) (*Answer, error) {
	limit := time.Now().Add(c.cfg.Timeout)
	for {
		answer, err := c.attempt(ctx, r)
		var refusal *Refusal
		if !errors.As(err, &refusal) || !refusal.temporary() || time.Now().Add(refusal.RetryAfter).After(limit) {
			return answer, err
		}
		if c.cfg.Waits != nil {
			c.cfg.Waits(refusal.Error(), refusal.RetryAfter)
		}
		if err := Sleep(ctx, refusal.RetryAfter); err != nil {
			return nil, err
		}
	}
}

// Sleep waits, or returns why ctx has ended.
func Sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (c *Client) attempt(ctx context.Context, r Request) (*Answer, error) {
	target := strings.TrimSuffix(c.cfg.URL, "/") + r.Path
	if len(r.Query) > 0 {
		target += "?" + r.Query.Encode()
	}
	method := http.MethodGet
	if r.Body != nil || r.Post {
		method = http.MethodPost
	}
	request, err := http.NewRequestWithContext(ctx, method, target, bytes.NewReader(r.Body))
	if err != nil {
		return nil, err
	}
	request.Header.Set(wire.HeaderProtocol, strconv.Itoa(wire.ProtocolVersion))
	if r.Body != nil {
		request.Header.Set(wire.HeaderContentType, wire.MediaJSON)
	}
	response, err := c.http.Do(request)
	if err != nil {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		return nil, c.unreachable(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer+1))
	switch {
	case err != nil && ctx.Err() != nil:
		return nil, context.Cause(ctx)
	case err != nil:
		return nil, c.unreachable(err)
	case len(body) > maxAnswer:
		return nil, fmt.Errorf("%s: the answer has more than %d bytes", r.Path, maxAnswer)
	}
	retryAfter := time.Second
	if seconds, err := strconv.Atoi(response.Header.Get(wire.HeaderRetryAfter)); err == nil && seconds > 0 {
		retryAfter = time.Duration(seconds) * time.Second
	}
	if response.StatusCode/100 == 2 {
		return &Answer{Status: response.StatusCode, Body: body, RetryAfter: retryAfter}, nil
	}
	refusal := &Refusal{Status: response.StatusCode, RetryAfter: retryAfter}
	if err := wire.DecodeDocument(new(wire.Decoder), &wire.ProblemSchema, body, &refusal.Problem); err != nil {
		refusal.Problem = wire.Problem{}
	}
	return nil, refusal
}
