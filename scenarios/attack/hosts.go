package attack

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/refrain-fleet/refrain/core/wire"
	"github.com/refrain-fleet/refrain/httpserver/pki"
)

const (
	honestHosts   = 20
	honestRollout = wire.RolloutID("honest@1")
	honestClosure = "honest-closure"
	// requestTimeout is that of an agent (PROTOCOL A6).
	requestTimeout = 10 * time.Second
	beatEvery      = 200 * time.Millisecond
	eventEvery     = 2 * time.Second
	pollWait       = 5 * time.Second
	// freshEvery is after how many heartbeats half of the hosts make new connections.
	freshEvery = 5
)

// honest is an honest host: what an agent does, more often.
type honest struct {
	name   string
	url    string
	client *http.Client
	ledger *ledger
	fresh  bool // makes new connections all the time
	seq    int  // of the event to be sent
}

// newHonest issues the certificates of the honest hosts.
func newHonest(authority *pki.Authority, ca *x509.Certificate, address string, l *ledger) ([]*honest, error) {
	var hosts []*honest
	for i := range honestHosts {
		name := honestName(i)
		pair, err := authority.IssueAgent(name, pki.Validity{})
		if err != nil {
			return nil, err
		}
		hosts = append(hosts, &honest{name: name, url: "https://" + address, client: newClient(pair, ca), ledger: l, fresh: i%2 == 0, seq: 1})
	}
	return hosts, nil
}

func honestName(i int) string { return fmt.Sprintf("honest-%d", i) }

func newClient(pair tls.Certificate, ca *x509.Certificate) *http.Client {
	roots := x509.NewCertPool()
	roots.AddCert(ca)
	return &http.Client{Transport: &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: roots, Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS13},
	}}
}

// live sends heartbeats and events and polls until ctx ends.
func (h *honest) live(ctx context.Context) {
	var all sync.WaitGroup
	all.Go(func() {
		for sent := 1; ctx.Err() == nil; sent++ {
			h.measured(false, h.heartbeat)
			if h.fresh && sent%freshEvery == 0 {
				h.client.CloseIdleConnections()
			}
			pause(ctx, beatEvery)
		}
	})
	all.Go(func() {
		for ctx.Err() == nil {
			h.measured(true, h.event)
			pause(ctx, eventEvery)
		}
	})
	all.Go(func() {
		for ctx.Err() == nil {
			h.poll(ctx)
		}
	})
	all.Wait()
	h.client.CloseIdleConnections()
}

// measured makes a request and notes it.
func (h *honest) measured(event bool, do func(context.Context) error) {
	ctx, cancel := context.WithTimeout(context.Background(), requestTimeout)
	defer cancel()
	r := h.ledger.begin(event)
	err := do(ctx)
	h.ledger.end(r, time.Since(r.at), causeOf(err))
}

func (h *honest) heartbeat(ctx context.Context) error {
	body := fmt.Sprintf(`{"hostname":%q,"rollout_id":%q,"current_closure":%q,"at":%q}`, h.name, honestRollout, honestClosure, now())
	_, err := send(ctx, h.client, http.MethodPost, h.url+heartbeatPath, body)
	return err
}

// event sends an event, which is sent again unless it is answered (PROTOCOL E9).
func (h *honest) event(ctx context.Context) error {
	_, err := send(ctx, h.client, http.MethodPost, h.url+eventsPath, eventOf(h.name, honestRollout, honestClosure, h.seq, 0))
	if err == nil {
		h.seq++
	}
	return err
}

// poll polls. What counts is how late the answer is.
func (h *honest) poll(ctx context.Context) {
	began := time.Now()
	wait := pollWait
	// A poll under way is given up at the end, which is no failure.
	polling, cancel := context.WithTimeout(ctx, wait+requestTimeout)
	defer cancel()
	status, err := send(polling, h.client, http.MethodGet, fmt.Sprint(h.url, dispatchPath, int(wait/time.Second)), "")
	if ctx.Err() != nil {
		return
	}
	took := time.Since(began)
	r := request{at: began, took: took}
	if err == nil && status == http.StatusNoContent && took >= wait {
		r.at, r.took = began.Add(wait), took-wait
	}
	h.ledger.add(r, causeOf(err))
	if took < wait {
		pause(ctx, time.Second) // it has work, or was refused
	}
}

// send makes a request; the error is one if the answer is not a 2xx.
func send(ctx context.Context, client *http.Client, method, url, body string) (status int, err error) {
	r, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader(body))
	if err != nil {
		return 0, err
	}
	r.Header.Set(wire.HeaderAgent, wire.AgentVersion)
	if body != "" {
		r.Header.Set(wire.HeaderContentType, wire.MediaJSON)
	}
	response, err := client.Do(r)
	if err != nil {
		return 0, err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(io.LimitReader(response.Body, maxBody))
	switch {
	case err != nil:
		return response.StatusCode, err
	case response.StatusCode >= http.StatusMultipleChoices:
		return response.StatusCode, statusError(response.StatusCode, text)
	}
	return response.StatusCode, nil
}

// refusal is an answer that is no 2xx.
type refusal struct{ text string }

func (r *refusal) Error() string { return r.text }

func statusError(status int, body []byte) error {
	_, rest, _ := strings.Cut(string(body), `"reason":"`)
	reason, _, _ := strings.Cut(rest, `"`)
	return &refusal{strings.TrimSpace(fmt.Sprint(status, " ", reason))}
}

// causeOf says why a request failed, without details that differ from host to host;
// empty if it did not.
func causeOf(err error) string {
	var broken *url.Error
	if errors.As(err, &broken) {
		err = broken.Err
	}
	var network *net.OpError
	switch {
	case err == nil:
		return ""
	case errors.Is(err, context.DeadlineExceeded):
		return "no answer in time"
	case errors.As(err, &network) && network.Err != nil:
		return network.Op + ": " + network.Err.Error()
	}
	return err.Error()
}
