package httpserver

import (
	"net/http"

	"github.com/gorilla/mux"

	"github.com/refrain-fleet/refrain/core/gate"
	"github.com/refrain-fleet/refrain/core/wire"
)

// registerEvents registers the route of PROTOCOL E.
func (s *Server) registerEvents(r *mux.Router) {
	s.handle(r, http.MethodPost, "/v1/agent/events", endpoint{
		name: "events", role: agents, body: needsBody, fieldLimit: maxFieldEvent,
		parse: parseEvent, serve: serveEvent,
	})
}

func parseEvent(e *exchange) bool {
	envelope := &e.pending.event.Envelope
	e.pending.event.Dialect = e.dialect
	if e.isFieldEvent() {
		e.decodeFieldEvent(envelope)
		if e.unread == nil {
			e.claimed = envelope.Hostname
		}
		return true
	}
	if !decode(e, &wire.EventEnvelopeSchema, envelope) {
		return false
	}
	e.claimed = envelope.Hostname
	return true
}

func serveEvent(e *exchange) {
	if e.unread != nil {
		e.unread.Hostname = e.hostname
		e.ask(e.unread, gate.Bulk)
		return
	}
	e.ask(&e.pending.event, gate.Bulk)
}
