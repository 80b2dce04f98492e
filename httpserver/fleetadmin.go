package httpserver

import (
	"net/http"

	"github.com/gorilla/mux"

	"github.com/refrain-fleet/refrain/core/plane"
	"github.com/refrain-fleet/refrain/core/wire"
)

// registerFleetAdmin registers the operators' routes about the whole fleet,
// quarantined closures and revoked certificates (PROTOCOL R3, R5, T5).
func (s *Server) registerFleetAdmin(r *mux.Router) {
	s.handle(r, http.MethodGet, "/v1/operator/status", endpoint{
		name: "status", role: operators, body: noBody,
		parse: func(e *exchange) bool { e.input = &plane.QueryStatus{}; return noParameters(e) }, serve: serveInput,
	})
	s.handle(r, http.MethodGet, "/v1/operator/quarantine", endpoint{
		name: "quarantine", role: operators, body: noBody,
		parse: func(e *exchange) bool { e.input = &plane.QueryQuarantine{}; return noParameters(e) }, serve: serveInput,
	})
	s.handle(r, http.MethodPost, "/v1/operator/quarantine/clear", endpoint{
		name: "clear_quarantine", role: operators, body: needsBody,
		parse: parseClearQuarantine, serve: serveInput,
	})
	s.handle(r, http.MethodGet, "/v1/operator/revocations", endpoint{
		name: "revocations", role: operators, body: noBody,
		parse: func(e *exchange) bool { e.input = &plane.QueryRevocations{}; return noParameters(e) }, serve: serveInput,
	})
	s.handle(r, http.MethodPost, "/v1/operator/revocations", endpoint{
		name: "revoke", role: operators, body: needsBody,
		parse: parseRevocation, serve: serveRevocation,
	})
}

func parseClearQuarantine(e *exchange) bool {
	var doc wire.QuarantineEntry
	if !noParameters(e) || !decode(e, &wire.QuarantineEntrySchema, &doc) {
		return false
	}
	e.input = &plane.ClearQuarantine{Channel: doc.Channel, Closure: doc.Closure}
	return true
}

func parseRevocation(e *exchange) bool {
	var doc wire.RevocationRequest
	if !noParameters(e) || !decode(e, &wire.RevocationRequestSchema, &doc) {
		return false
	}
	suffix := e.server.cfg.AgentCNSuffix
	id := wire.ParseIdentity(string(doc.CommonName), suffix)
	in := &plane.Revoke{CommonName: doc.CommonName, Before: doc.RevokedBefore, Holder: plane.Holder{Judge: true, Force: bool(doc.Force)}}
	in.Also, _ = id.OtherSpelling(suffix)
	in.Holder.Hostname, _ = id.Hostname()
	e.input = in
	return true
}

// serveRevocation adds what only the server knows: which operators it has seen.
// Whoever asks is among them.
func serveRevocation(e *exchange) {
	in := e.input.(*plane.Revoke)
	if id := wire.ParseIdentity(string(in.CommonName), e.server.cfg.AgentCNSuffix); id.Operator {
		in.Holder.Seen = e.server.operators.has(id.Name)
	}
	serveInput(e)
}
