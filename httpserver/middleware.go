package httpserver

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"runtime/debug"
	"strings"
	"time"

	"github.com/refrain-fleet/refrain/core/wire"
	"github.com/refrain-fleet/refrain/httpserver/mtls"
)

// ServeHTTP wraps the router, so that a request that the router refuses gets a
// request ID and a problem document like every other.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	mtls.Identify(r)
	e := exchanges.Get().(*exchange)
	e.server, e.w, e.r = s, w, r
	e.requestID = newRequestID()
	defer e.end()
	e.run()
	if e.gone {
		// Returning would make net/http answer 200.
		panic(http.ErrAbortHandler)
	}
	e.write()
}

// checks run before every route, in the order of PROTOCOL T7. The first one that
// fails sets the outcome. T4 is part of T7's identity, so it comes after the body
// was decoded; a caller with the wrong role only gets the smaller body limit.
var checks = [...]func(*exchange) bool{
	(*exchange).findRoute,      // 404, 405
	(*exchange).isInPace,       // 429
	(*exchange).hasCertificate, // 401
	(*exchange).isGood,         // 401
	(*exchange).namesDialect,   // 400
	(*exchange).speaksProtocol, // 426, 400
	(*exchange).hasMediaType,   // 415
	(*exchange).isPlain,        // 415
	(*exchange).readBody,       // 413
	(*exchange).parse,          // 400, 422
	(*exchange).isWhoItMayBe,   // 403
}

// run determines the outcome of the request. After the checks come admission (503)
// and the reducer.
func (e *exchange) run() {
	for _, passes := range checks {
		if !passes(e) {
			return
		}
	}
	e.endpoint.serve(e)
}

// end ends the exchange: it answers if the handler panicked, counts, and logs. It
// has to be deferred directly to be able to recover.
func (e *exchange) end() {
	r := recover()
	if e.readsHistory {
		e.readsHistory = false
		<-e.server.historyReaders
	}
	if r != nil && !e.gone {
		e.panicked(r)
		return // the buffers may be in any state
	}
	e.count()
	if code := e.outcome.Code; code.Unavailable() && !e.gone {
		e.server.logUnavailable(e, code)
	} else if e.server.log.Enabled(context.Background(), slog.LevelDebug) {
		e.logAtDebug()
	}
	e.keep()
	if r != nil {
		panic(r) // reset the connection
	}
}

func (e *exchange) panicked(r any) {
	s := e.server
	s.metrics.panics.Inc()
	s.log.Error("handler panicked", "panic", fmt.Sprint(r), "method", e.r.Method, "path", clip(e.r.URL.Path),
		"request_id", e.requestID, "stack", string(debug.Stack()))
	if e.answered {
		panic(http.ErrAbortHandler) // a part of an answer was sent: reset the connection
	}
	e.outcome = wire.Refuse(wire.Internal, "", "a defect in the plane; its log has details under this request ID")
	e.write()
	e.count()
}

func (e *exchange) logAtDebug() {
	e.server.log.LogAttrs(context.Background(), slog.LevelDebug, "request",
		slog.String("method", e.r.Method), slog.String("path", clip(e.r.URL.Path)),
		slog.String("name", e.identity.CommonName), slog.String("outcome", e.outcome.Code.String()),
		slog.Bool("gone", e.gone), slog.String("request_id", e.requestID))
}

// speaksProtocol checks the protocol header (PROTOCOL T6).
func (e *exchange) speaksProtocol() bool {
	values := e.r.Header[wire.HeaderProtocol]
	strict := e.server.cfg.StrictProtocol && (e.endpoint.versioned || e.dialect != wire.DialectField && e.endpoint.role != anybody)
	switch code := wire.CheckProtocolHeader(values, strict); code {
	case wire.OK:
		return true
	case wire.ProtocolRequired:
		return e.refuse(code, wire.HeaderProtocol, "send "+wire.HeaderProtocol+": 1")
	case wire.UnsupportedProtocol:
		return e.refuse(code, wire.HeaderProtocol, "the plane supports version 1 only, not "+clip(values[0]))
	default:
		return e.refuse(code, wire.HeaderProtocol, "want the header once, with the value 1")
	}
}

// hasMediaType checks that a body that will be read is declared as JSON. Parameters
// of the media type are ignored: JSON is UTF-8.
func (e *exchange) hasMediaType() bool {
	if !e.readsBody() {
		return true
	}
	values := e.r.Header[wire.HeaderContentType]
	if len(values) == 1 {
		if values[0] == wire.MediaJSON {
			return true
		}
		if media, _, err := mime.ParseMediaType(values[0]); err == nil && media == wire.MediaJSON {
			return true
		}
	}
	return e.refuse(wire.UnsupportedMediaType, wire.HeaderContentType, "send "+wire.HeaderContentType+": "+wire.MediaJSON)
}

// isPlain checks that a body that will be read is sent as it is. The header is a
// list, which may come in several lines; "identity" and nothing at all are no
// encoding (RFC 9110, 8.4).
func (e *exchange) isPlain() bool {
	values := e.r.Header["Content-Encoding"]
	if len(values) == 0 || !e.readsBody() {
		return true
	}
	for _, line := range values {
		for coding := range strings.SplitSeq(line, ",") {
			if coding = strings.TrimSpace(coding); coding != "" && !strings.EqualFold(coding, "identity") {
				return e.refuse(wire.UnsupportedEncoding, "Content-Encoding", "is "+clip(coding)+"; want the JSON as it is, without a content coding")
			}
		}
	}
	return true
}

// readsBody reports whether the request has a body that the route reads.
func (e *exchange) readsBody() bool {
	switch e.endpoint.body {
	case needsBody:
		return true
	case optionalBody:
		return e.r.ContentLength != 0
	default:
		return false
	}
}

// readBody reads the body, up to its limit. A declared length is checked before
// anything is read, so that a client that waits for "100 Continue" does not send a
// body that is refused.
func (e *exchange) readBody() bool {
	e.body = e.body[:0]
	if !e.readsBody() {
		return true
	}
	if e.isFieldEvent() {
		return e.readFieldBody()
	}
	limit := e.endpoint.limit
	if !e.hasRole() {
		limit = min(limit, e.server.cfg.MaxBody)
	}
	length := e.r.ContentLength
	if length > limit {
		return e.tooLarge(limit)
	}
	body := e.r.Body
	if length < 0 || length > smallBody {
		_ = http.NewResponseController(e.w).SetReadDeadline(time.Now().Add(bodyTimeout))
	}
	if length < 0 {
		// With this reader the server closes the connection if the limit is
		// exceeded, and does not read on to the next request.
		body = http.MaxBytesReader(e.w, body, limit)
	}
	var err error
	if e.body, err = readAll(body, e.body, length); err == nil {
		return true
	}
	if _, ok := err.(*http.MaxBytesError); ok {
		return e.tooLarge(limit)
	}
	return e.refuse(wire.NotJSON, "", "the body is incomplete: "+clip(err.Error()))
}

func (e *exchange) tooLarge(limit int64) bool {
	return e.refuse(wire.BodyTooLarge, "", fmt.Sprintf("want at most %d bytes", limit))
}

// readAll reads r to its end into buf, growing it as needed. length is the declared
// length, or negative; it determines the initial size only up to a bound.
func readAll(r io.Reader, buf []byte, length int64) ([]byte, error) {
	// One byte more than declared, so that the end is reached without growing.
	if want := int(min(max(length+1, 1<<10), maxKept)); cap(buf) < want {
		buf = make([]byte, 0, want)
	}
	for {
		n, err := r.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		if err == io.EOF {
			return buf, nil
		}
		if err != nil {
			return buf, err
		}
		if len(buf) == cap(buf) {
			buf = append(buf, 0)[:len(buf)]
		}
	}
}

// parse reads body and query as the route defines.
func (e *exchange) parse() bool { return e.endpoint.parse == nil || e.endpoint.parse(e) }

// decode reads the body as a document (PROTOCOL T7: 400, 422).
func decode[T any](e *exchange, s *wire.Schema[T], into *T) bool {
	read := wire.DecodeDocument[T]
	if e.endpoint.role == operators {
		read = wire.DecodeOperatorDocument[T]
	}
	switch err := read(&e.decoder, s, e.body, into).(type) {
	case nil:
		return true
	case *wire.SyntaxError:
		return e.refuse(wire.NotJSON, "", err.Error())
	case *wire.FieldError:
		return e.refuse(wire.WrongShape, err.Field, err.Problem)
	default:
		return e.refuse(wire.WrongShape, "", err.Error())
	}
}
