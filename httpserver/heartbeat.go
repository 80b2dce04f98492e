package httpserver

import (
	"net"
	"net/http"

	"github.com/gorilla/mux"

	"github.com/refrain-fleet/refrain/core/gate"
	"github.com/refrain-fleet/refrain/core/wire"
)

// registerHeartbeat registers the route of PROTOCOL H.
func (s *Server) registerHeartbeat(r *mux.Router) {
	s.handle(r, http.MethodPost, "/v1/agent/heartbeat", endpoint{
		name: "heartbeat", role: agents, body: needsBody,
		parse: parseHeartbeat, serve: serveHeartbeat,
	})
}

func parseHeartbeat(e *exchange) bool {
	req := &e.pending.heartbeat.Request
	if !decode(e, &wire.HeartbeatRequestSchema, req) {
		return false
	}
	e.claimed = req.Hostname
	return true
}

// serveHeartbeat is the one user of the inbox's reserve (PROTOCOL G5).
func serveHeartbeat(e *exchange) {
	e.pending.heartbeat.From, _, _ = net.SplitHostPort(e.r.RemoteAddr)
	e.pending.heartbeat.Dialect = e.dialect
	e.ask(&e.pending.heartbeat, gate.Heartbeat)
}
