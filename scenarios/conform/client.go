package conform

import (
	"bytes"
	"context"
	"crypto/tls"
	"io"
	"net/http"
	"time"

	"github.com/refrain-fleet/refrain/sim/record"
	"github.com/refrain-fleet/refrain/sim/scenario"
)

// response is what a server answered.
type response struct {
	at     time.Duration // virtual
	status int
	header http.Header
	body   []byte
	err    error // there was none
}

// clients are the senders of one life of the server: for each certificate the
// connections that are kept open.
type clients struct {
	certificates *Certificates
	base         string
	kept         map[record.TapeCertificate]*http.Transport
}

func (c *clients) transport(t record.TapeCertificate, fresh bool) (*http.Transport, error) {
	if kept := c.kept[t]; kept != nil && !fresh {
		return kept, nil
	}
	cert, err := c.certificates.of(t)
	if err != nil {
		return nil, err
	}
	transport := &http.Transport{
		TLSClientConfig: &tls.Config{
			RootCAs: c.certificates.pool, Certificates: []tls.Certificate{*cert},
			Time: func() time.Time { return scenario.Epoch.Std() },
		},
		MaxIdleConnsPerHost: 64, DisableCompression: true,
	}
	if !fresh {
		c.kept[t] = transport
	}
	return transport, nil
}

// send sends a request and posts its answer. With fresh it uses a connection of
// its own.
func (c *clients) send(ctx context.Context, r *record.TapeRequest, fresh bool, done func(response), now func() time.Duration) error {
	transport, err := c.transport(r.Certificate, fresh)
	if err != nil {
		return err
	}
	url := c.base + r.Path
	if r.Query != "" {
		url += "?" + r.Query
	}
	var body io.Reader
	if r.Method != http.MethodGet {
		body = bytes.NewReader(r.Body)
	}
	req, err := http.NewRequestWithContext(ctx, r.Method, url, body)
	if err != nil {
		return err
	}
	for _, h := range r.Header {
		req.Header.Add(h.Name, h.Value)
	}
	go func() {
		r := exchange(transport, req)
		r.at = now()
		done(r)
		if fresh {
			transport.CloseIdleConnections()
		}
	}()
	return nil
}

func exchange(transport *http.Transport, req *http.Request) (r response) {
	resp, err := transport.RoundTrip(req)
	if err != nil {
		return response{err: err}
	}
	defer resp.Body.Close()
	r.status, r.header = resp.StatusCode, resp.Header
	r.body, r.err = io.ReadAll(resp.Body)
	return r
}

// closeIdle closes the connections that nobody uses.
func (c *clients) closeIdle() {
	for _, transport := range c.kept {
		transport.CloseIdleConnections()
	}
}
