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
		name: "events", role: agents, body: needsBody,
		parse: parseEvent, serve: serveEvent,
	})
}

func parseEvent(e *exchange) bool {
	envelope := &e.pending.event.Envelope
	if !decode(e, &wire.EventEnvelopeSchema, envelope) {
		return false
	}
	e.claimed = envelope.Hostname
	return true
}

func serveEvent(e *exchange) { e.ask(&e.pending.event, gate.Bulk) }
