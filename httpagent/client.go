package httpagent

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/refrain-fleet/refrain/core/agent"
	"github.com/refrain-fleet/refrain/core/wire"
)

const (
	heartbeatPath = "/v1/agent/heartbeat"
	eventsPath    = "/v1/agent/events"
	dispatchPath  = "/v1/agent/dispatch?wait="

	// maxAnswer bounds the body of an answer. The largest is the one to a
	// heartbeat with a snapshot of each active rollout of the host.
	maxAnswer = 4 << 20
	// maxConnections is how many requests of a host can be under way at a time.
	maxConnections = 4
)

// protocol is the value of the protocol header (PROTOCOL T6).
var protocol = strconv.Itoa(wire.ProtocolVersion)

// client sends requests to the plane: one exchange per request, over TLS 1.3
// with the host's certificate. Its methods may be called by several goroutines.
type client struct {
	credentials *credentials
	base        string
	clock       *Clock
}

func newClient(c *Config) (*client, error) {
	credentials, err := newCredentials(c)
	if err != nil {
		return nil, err
	}
	return &client{credentials: credentials, base: strings.TrimSuffix(c.URL, "/"), clock: c.Clock}, nil
}

// errTimeout is why a request ended at its client timeout (PROTOCOL A6).
var errTimeout = errors.New("no answer within the client timeout")

// buffers are what reading an answer needs. A request's body is not one of
// them: net/http may still read it when the exchange is over.
type buffers struct {
	body    bytes.Buffer
	decoder wire.Decoder
}

var bufferPool = sync.Pool{New: func() any { return new(buffers) }}

// exchange sends a request of the reducer and makes the input that answers it.
// ctx ends with the session.
func (c *client) exchange(ctx context.Context, r *agent.Request) (agent.Input, Exchange) {
	b := bufferPool.Get().(*buffers)
	defer bufferPool.Put(b)
	start := c.clock.base.Now()
	x := Exchange{Kind: r.Kind}
	a := c.answerTo(ctx, r, b, &x)
	x.Elapsed = c.clock.base.Since(start)

	switch r.Kind {
	case agent.RequestHeartbeat:
		in := &agent.HeartbeatAnswered{ID: r.ID, Answer: a}
		decodeOK(b, &wire.HeartbeatResponseSchema, &x, &in.Response)
		return in, x
	case agent.RequestEvent:
		return &agent.EventAnswered{ID: r.ID, Answer: a}, x
	case agent.RequestPoll:
		in := &agent.PollAnswered{ID: r.ID, Answer: a}
		decodeOK(b, &wire.DispatchSchema, &x, &in.Dispatch)
		return in, x
	default:
		panic(fmt.Sprintf("httpagent: unknown request %v", r.Kind))
	}
}

// decodeOK reads the document of a 200, strictly. One that is no such document
// is left empty, which the reducer takes as a 200 that says nothing.
func decodeOK[T any](b *buffers, s *wire.Schema[T], x *Exchange, into *T) {
	if x.Status != http.StatusOK {
		return
	}
	if err := wire.DecodeDocument(&b.decoder, s, b.body.Bytes(), into); err != nil {
		*into = *new(T)
		x.Defect, x.Err = true, fmt.Errorf("the answer of the plane cannot be read: %w", err)
	}
}

// answerTo sends a request, waits for its answer and reads it as far as it is
// the same for every kind. The body is left in b.
func (c *client) answerTo(ctx context.Context, r *agent.Request, b *buffers, x *Exchange) agent.Answer {
	response, err := c.do(ctx, r, b)
	if err != nil {
		x.Err = err
		return agent.Answer{}
	}
	a, err := readHeader(response)
	if err != nil {
		// Without the header the status means something else, for instance that
		// an event is rejected. So it counts as no answer.
		x.Defect, x.Err = true, err
		return agent.Answer{}
	}
	x.Status, x.Replay, x.RetryAfter = a.Status, a.Replay, a.RetryAfter
	a.RetryAfter = c.clock.sped(a.RetryAfter)
	if a.Status >= 400 {
		var p wire.Problem
		if wire.DecodeDocument(&b.decoder, &wire.ProblemSchema, b.body.Bytes(), &p) == nil {
			x.Reason = p.Reason
		}
	}
	if a.Status == http.StatusUnauthorized {
		// The certificate of a connection is that of its handshake. The next
		// one may be good.
		c.credentials.closeIdle()
	}
	return a
}

// do sends a request and reads the whole answer.
func (c *client) do(ctx context.Context, r *agent.Request, b *buffers) (*http.Response, error) {
	// Not WithTimeout: the deadline of a clock that is not the machine's means
	// nothing to the network.
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	timer := c.clock.base.AfterFunc(r.Timeout, func() { cancel(errTimeout) })
	defer timer.Stop()

	request, err := c.request(ctx, r)
	if err != nil {
		return nil, err
	}
	response, err := c.credentials.client().Do(request)
	if err == nil {
		defer response.Body.Close()
		b.body.Reset()
		_, err = b.body.ReadFrom(io.LimitReader(response.Body, maxAnswer+1))
		if err == nil && b.body.Len() > maxAnswer {
			err = fmt.Errorf("the answer has more than %d bytes", maxAnswer)
		}
	}
	if err != nil && context.Cause(ctx) == errTimeout {
		err = errTimeout
	}
	if err != nil {
		return nil, err
	}
	return response, nil
}

// request puts a request of the reducer into HTTP.
func (c *client) request(ctx context.Context, r *agent.Request) (*http.Request, error) {
	if r.Kind == agent.RequestPoll {
		seconds := strconv.FormatInt(int64(r.Wait/time.Second), 10)
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, c.base+dispatchPath+seconds, nil)
		if err == nil {
			request.Header.Set(wire.HeaderProtocol, protocol)
			request.Header.Set(wire.HeaderAgent, wire.AgentVersion)
		}
		return request, err
	}
	path, body := heartbeatPath, []byte(nil)
	if r.Kind == agent.RequestEvent {
		path, body = eventsPath, wire.EventEnvelopeSchema.Append(nil, &r.Event)
	} else {
		body = wire.HeartbeatRequestSchema.Append(nil, &r.Heartbeat)
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, c.base+path, bytes.NewReader(body))
	if err == nil {
		request.Header.Set(wire.HeaderProtocol, protocol)
		request.Header.Set(wire.HeaderAgent, wire.AgentVersion)
		request.Header.Set(wire.HeaderContentType, wire.MediaJSON)
	}
	return request, err
}
