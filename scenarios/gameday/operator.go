package gameday

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/refrain-fleet/refrain/core/wire"
	"github.com/refrain-fleet/refrain/httpserver/pki"
)

// operator sends an operator's requests to the plane, without a link.
type operator struct {
	client  *http.Client
	address func() string
}

func newOperator(g *Game) (*operator, error) {
	cert, err := g.ca.IssueOperator("gameday", pki.Validity{})
	if err != nil {
		return nil, err
	}
	return &operator{
		client: &http.Client{
			Timeout:   10 * time.Second,
			Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: g.ca.Pool(), Certificates: []tls.Certificate{cert}}},
		},
		address: func() string { return "https://" + g.process.address },
	}, nil
}

// ask sends a request and returns status and body.
func (o *operator) ask(ctx context.Context, method, path string, body []byte) (status int, answer []byte, err error) {
	request, err := http.NewRequestWithContext(ctx, method, o.address()+path, bytes.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	if body != nil {
		request.Header.Set("Content-Type", wire.MediaJSON)
	}
	response, err := o.client.Do(request)
	if err != nil {
		return 0, nil, err
	}
	defer response.Body.Close()
	answer, err = io.ReadAll(response.Body)
	return response.StatusCode, answer, err
}

// postUntilAnswered repeats a POST until the answer is no 503, and no 202: an opening
// that is under way is asked for again.
func (o *operator) postUntilAnswered(ctx context.Context, path string, body []byte) (status int, answer []byte, err error) {
	for {
		status, answer, err = o.ask(ctx, http.MethodPost, path, body)
		if err == nil && status != http.StatusServiceUnavailable && status != http.StatusAccepted {
			return status, answer, nil
		}
		sleep(ctx, 200*time.Millisecond)
		if ctx.Err() != nil {
			return status, answer, ctx.Err()
		}
	}
}

// get reads one document; nil if the plane answers 404.
func get[T any](ctx context.Context, o *operator, path string, schema *wire.Schema[T]) (*T, error) {
	status, body, err := o.ask(ctx, http.MethodGet, path, nil)
	switch {
	case err != nil:
		return nil, err
	case status == http.StatusNotFound:
		return nil, nil
	case status != http.StatusOK:
		return nil, fmt.Errorf("%d %s", status, body)
	}
	doc := new(T)
	return doc, wire.DecodeDocument(new(wire.Decoder), schema, body, doc)
}

// rollout reads a rollout and its hosts.
func (o *operator) rollout(ctx context.Context, id wire.RolloutID) (*wire.RolloutStatus, error) {
	return get(ctx, o, "/v1/operator/rollouts/"+url.PathEscape(string(id))+"?limit=1000", &wire.RolloutStatusSchema)
}

// host reads a host.
func (o *operator) host(ctx context.Context, name wire.Hostname) (*wire.HostStatus, error) {
	return get(ctx, o, "/v1/operator/hosts/"+string(name), &wire.HostStatusSchema)
}
