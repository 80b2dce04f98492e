package httpserver

import (
	"net/http"

	"github.com/gorilla/mux"

	"github.com/refrain-fleet/refrain/core/plane"
	"github.com/refrain-fleet/refrain/core/wire"
)

// registerHosts registers the operators' routes about hosts (PROTOCOL R5).
func (s *Server) registerHosts(r *mux.Router) {
	s.handle(r, http.MethodGet, "/v1/operator/hosts", endpoint{
		name: "hosts", role: operators, body: noBody,
		parse: parseHosts, serve: serveInput,
	})
	s.handle(r, http.MethodGet, "/v1/operator/hosts/{hostname}", endpoint{
		name: "host", role: operators, body: noBody,
		parse: parseHost, serve: serveInput,
	})
	s.handle(r, http.MethodGet, "/v1/operator/hosts/{hostname}/why", endpoint{
		name: "host_why", role: operators, body: noBody,
		parse: parseHostWhy, serve: serveInput,
	})
}

func parseHosts(e *exchange) bool {
	p := e.parameters()
	e.input = &plane.QueryHosts{After: after(p, wire.ParseHostname), Limit: p.limit(), Filter: plane.HostFilter{
		Reachability: word(p, "reachability", wire.ParseReachability),
		Closure:      word(p, "closure", wire.ParseClosure),
		Channel:      word(p, "channel", wire.ParseChannel),
		State:        word(p, "state", wire.ParseState),
	}}
	return p.allKnown()
}

func parseHost(e *exchange) bool {
	e.input = &plane.QueryHost{Hostname: e.hostVariable()}
	return noParameters(e)
}

func parseHostWhy(e *exchange) bool {
	p := e.parameters()
	e.input = &plane.QueryHostWhy{Hostname: e.hostVariable(), RolloutID: word(p, "rollout", wire.ParseRolloutID)}
	return p.allKnown()
}

// hostVariable returns the host that the path names. No host has a name that is none, so
// the plane answers 404.
func (e *exchange) hostVariable() wire.Hostname {
	s := e.variable("hostname")
	name, err := wire.ParseHostname(s)
	if err != nil {
		return wire.Hostname(clip(s))
	}
	return name
}
