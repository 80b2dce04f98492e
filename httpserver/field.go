package httpserver

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/gorilla/mux"

	"github.com/refrain-fleet/refrain/core/plane"
	"github.com/refrain-fleet/refrain/core/wire"
	"github.com/refrain-fleet/refrain/internal/version"
)

const (
	// maxFieldEvent is the largest event of a field agent that is read, in bytes
	// (PROTOCOL E11).
	maxFieldEvent = 2 << 20
	// maxFieldDrained is the largest that is received to its end, so that the answer
	// 204 arrives (PROTOCOL E12).
	maxFieldDrained = 32 << 20
)

// namesDialect reads the dialect of an agent (PROTOCOL T12).
func (e *exchange) namesDialect() bool {
	if e.endpoint.role != agents {
		return true
	}
	var ok bool
	if e.dialect, ok = wire.CheckAgentHeader(e.r.Header[wire.HeaderAgent]); ok {
		return true
	}
	return e.refuse(wire.BadProtocolHeader, wire.HeaderAgent, "want the header once, with the value "+wire.AgentVersion+", or none from an agent of NixFleet")
}

// isFieldEvent reports whether the request is an event of a field agent, which is refused
// only if it helps to send it again.
func (e *exchange) isFieldEvent() bool {
	return e.endpoint.fieldLimit > 0 && e.dialect == wire.DialectField
}

// readFieldBody reads the body of an event of a field agent. One that is too large is
// received nevertheless, and discarded.
func (e *exchange) readFieldBody() bool {
	if e.r.ContentLength > maxFieldDrained {
		return e.tooLarge(maxFieldDrained)
	}
	_ = http.NewResponseController(e.w).SetReadDeadline(time.Now().Add(bodyTimeout))
	body := http.MaxBytesReader(e.w, e.r.Body, maxFieldDrained)
	var err error
	e.body, err = readAll(io.LimitReader(body, e.endpoint.fieldLimit+1), e.body, min(e.r.ContentLength, e.endpoint.fieldLimit+1))
	if err == nil && int64(len(e.body)) > e.endpoint.fieldLimit {
		e.unread = plane.DiscardUnread("", wire.BodyTooLarge, fmt.Sprintf("want at most %d bytes", e.endpoint.fieldLimit), e.body)
		_, err = io.Copy(io.Discard, body)
	}
	if err == nil {
		return true
	}
	if _, ok := err.(*http.MaxBytesError); ok {
		return e.tooLarge(maxFieldDrained)
	}
	return e.refuse(wire.NotJSON, "", "the body is incomplete: "+clip(err.Error()))
}

// decodeFieldEvent reads an event of a field agent. One that cannot be read will be
// discarded.
func (e *exchange) decodeFieldEvent(into *wire.EventEnvelope) {
	if e.unread != nil {
		return
	}
	switch err := wire.DecodeFieldEvent(&e.decoder, e.body, into).(type) {
	case nil:
	case *wire.SyntaxError:
		e.unread = plane.DiscardUnread("", wire.NotJSON, err.Error(), e.body)
	default:
		e.unread = plane.DiscardUnread("", wire.WrongShape, err.Error(), e.body)
	}
}

// registerFieldRoutes registers what tools around field agents ask (PROTOCOL T13).
func (s *Server) registerFieldRoutes(r *mux.Router) {
	s.handle(r, http.MethodGet, "/v1/whoami", endpoint{name: "whoami", role: anyClient, body: noBody, serve: serveWhoami})
	s.handle(r, http.MethodGet, "/healthz", endpoint{name: "healthz", role: anybody, body: noBody, serve: serveHealthz})
}

// serveWhoami says which name the certificate has.
func serveWhoami(e *exchange) {
	e.serveJSON(struct {
		CN       string `json:"cn"`
		IssuedAt string `json:"issuedAt"` // of the answer
	}{e.identity.CommonName, wire.TimeOf(e.server.cfg.wall()).String()})
}

// serveHealthz says that the server answers, and nothing of what it can do: that is
// what /livez and /readyz are for.
func serveHealthz(e *exchange) {
	e.serveJSON(struct {
		OK         bool    `json:"ok"`
		Version    string  `json:"version"`
		LastTickAt *string `json:"last_tick_at"`
	}{OK: true, Version: version.Read().Version})
}

func (e *exchange) serveJSON(doc any) {
	text, err := json.Marshal(doc)
	if err != nil {
		panic(err) // a struct of texts
	}
	e.outcome = wire.Outcome{Code: wire.OK, Document: &wire.File{Media: wire.MediaJSON, Bytes: text}}
}
