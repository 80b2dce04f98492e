package httpserver

import (
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/gorilla/mux"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/refrain-fleet/refrain/core/artifact"
	"github.com/refrain-fleet/refrain/core/driver"
	"github.com/refrain-fleet/refrain/core/gate"
	"github.com/refrain-fleet/refrain/core/plane"
	"github.com/refrain-fleet/refrain/core/wire"
)

// exchange is one request and its answer, with every buffer that the way
// between them needs. Exchanges are kept and used again, so that a heartbeat
// allocates little but what it brings.
type exchange struct {
	server *Server
	w      http.ResponseWriter
	r      *http.Request

	requestID   string
	match       mux.RouteMatch
	endpoint    *endpoint
	names       []string // the common names of the certificate
	certificate driver.Certificate
	identity    wire.Identity
	hostname    wire.Hostname // of an agent that has one
	claimed     wire.Hostname // what the body says; empty if it says nothing
	dialect     wire.Dialect  // of an agent

	// What parse has read besides what is in pending.
	wait     time.Duration    // of a poll
	input    plane.Input      // of an operator's request
	unread   *plane.Discarded // an event of a field agent that cannot be read
	rollout  wire.RolloutID   // whose events are asked for
	afterSeq wire.Seq         // the page of them
	limit    int
	token    *artifact.Token // of an enrolment
	csr      string          // of an enrolment or a renewal, in PEM
	// readsHistory says that the exchange is one of the server's historyReaders.
	readsHistory bool

	body    []byte
	decoder wire.Decoder
	pending *pending
	outcome wire.Outcome
	// gone says that the client disconnected, so that nothing is answered.
	gone     bool
	answered bool

	answer wire.Answer
	values [maxHeaders][1]string // where the values of the answer's headers live
}

// maxHeaders is how many headers an answer has at most: the request ID, and
// what [wire.Outcome.Write] makes.
const maxHeaders = 6

// maxKept is the largest buffer in bytes that is kept for the next request. A
// manifest's is not: it would stay for ever.
const maxKept = 64 << 10

var exchanges = sync.Pool{New: func() any {
	return &exchange{pending: newPending(), match: mux.RouteMatch{Vars: make(map[string]string)}}
}}

// keep gives the exchange back for another request.
func (e *exchange) keep() {
	if cap(e.body) > maxKept {
		e.body = nil
	}
	if cap(e.answer.Body) > maxKept {
		e.answer.Body = nil
	}
	e.server, e.w, e.r, e.endpoint = nil, nil, nil, nil
	e.requestID, e.identity, e.hostname, e.claimed = "", wire.Identity{}, "", ""
	e.certificate = driver.Certificate{}
	clear(e.names) // do not keep the connection's certificate
	e.input, e.unread, e.dialect = nil, nil, wire.DialectRefrain
	e.token, e.csr = nil, ""
	e.outcome = wire.Outcome{}
	e.gone, e.answered = false, false
	p := e.pending
	p.Input, p.By, p.Outcome = nil, wire.Actor{}, wire.Outcome{}
	p.event = plane.Event{} // an event may be large; a heartbeat is overwritten
	exchanges.Put(e)
}

// refuse sets the outcome of a refusal. It returns false, so that a check can
// return what it returns.
func (e *exchange) refuse(code wire.Code, field, detail string) bool {
	e.outcome = wire.Refuse(code, field, detail)
	return false
}

// ask puts an input through the gate and takes over its outcome.
func (e *exchange) ask(in plane.Input, class gate.Class) {
	p := e.pending
	p.By = e.actor()
	reusable := e.server.admission.ask(p, in, e.caller(), class)
	e.takeOver(reusable)
}

// askPoll is ask for a poll that waits for work.
func (e *exchange) askPoll() {
	p := e.pending
	reusable, gone := e.server.admission.askPoll(p, e.caller(), e.wait, e.certificate, e.r.Context().Done(), turnOf(e.r))
	e.gone = gone
	e.takeOver(reusable)
}

// takeOver takes over the outcome of what was asked.
func (e *exchange) takeOver(reusable bool) {
	e.outcome = e.pending.Outcome
	if !reusable {
		e.pending = newPending()
	}
}

// caller is who the gate counts the request for (PROTOCOL G6).
func (e *exchange) caller() gate.Caller {
	if e.identity.Operator {
		return gate.Operator(e.identity.Name)
	}
	return gate.Host(e.hostname)
}

// write sends the answer that the outcome makes.
func (e *exchange) write() {
	e.answered = true
	e.outcome.Write(e.requestID, &e.answer)
	header := e.w.Header()
	e.values[0][0] = e.requestID
	header[wire.HeaderRequestID] = e.values[0][:]
	for i := range e.answer.Header {
		h := &e.answer.Header[i]
		e.values[i+1][0] = h.Value
		header[http.CanonicalHeaderKey(h.Name)] = e.values[i+1][:]
	}
	if len(e.answer.Body) > 1024 {
		// net/http works out the length of a short body itself; a long one it
		// would send in chunks.
		header["Content-Length"] = []string{strconv.Itoa(len(e.answer.Body))}
	}
	// Without an identity there is nothing more to say on a connection, whatever was
	// asked: kept open, it would only take a descriptor from a host (decision 033).
	if e.outcome.Code.Status() == http.StatusUnauthorized || e.leaf() == nil || e.isChunked() || e.server.closing.isLast(e.r) {
		header["Connection"] = []string{"close"}
	}
	e.w.WriteHeader(e.answer.Status)
	if len(e.answer.Body) > 0 {
		// An error means that the client has disconnected.
		_, _ = e.w.Write(e.answer.Body)
	}
}

// isChunked reports whether the request has a Transfer-Encoding. If it has a
// Content-Length as well, another reader may take what follows the chunks for a part of
// its body, so it must not be read as a request (RFC 9112, 6.1). net/http removes the
// Content-Length, so which of them have both is not known.
func (e *exchange) isChunked() bool { return len(e.r.TransferEncoding) > 0 }

// count counts the exchange by route and class.
func (e *exchange) count() {
	counters := &e.server.noRoute
	if e.endpoint != nil {
		counters = &e.endpoint.counters
	}
	e.class(counters).Inc()
}

func (e *exchange) class(counters *[classCount]prometheus.Counter) prometheus.Counter {
	if e.gone {
		return counters[classGone]
	}
	return counters[classOf(e.outcome.Code.Status())]
}

// newRequestID makes the ID of a request: a UUID of version 7, which sorts by
// time in logs. An ID that a caller sends is not trusted.
func newRequestID() string {
	id, err := uuid.NewV7()
	if err != nil {
		return "" // no random numbers to be had; an ID is only for people
	}
	return id.String()
}
