package httpserver

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/gorilla/mux"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/refrain-fleet/refrain/core/wire"
)

// role is the kind of caller that a route is for (PROTOCOL T4).
type role uint8

const (
	agents role = iota
	operators
	// anyClient: agents and operators.
	anyClient
	// anybody: no certificate is needed.
	anybody
)

// bodyRule is what a route does with a body.
type bodyRule uint8

const (
	noBody       bodyRule = iota // ignored, like every body of a GET
	needsBody                    // a JSON document
	optionalBody                 // a JSON document, or none
)

// endpoint is one route with its method. The router finds it, the checks use it,
// and serve does what the route is for.
type endpoint struct {
	// name labels the metrics.
	name string
	// method and path are what it was registered for.
	method, path string
	role         role
	body         bodyRule
	// limit is the largest body in bytes; fieldLimit is that of field agents, 0 if it
	// is the same.
	limit, fieldLimit int64
	// versioned says that a strict server wants the protocol header of every caller
	// (PROTOCOL T6).
	versioned bool
	// paced bounds the requests of an address (PROTOCOL N6).
	paced bool
	// parse reads body and query (PROTOCOL T7: 400, 422). It returns false if it
	// has refused the request. Nil if there is nothing to read.
	parse func(*exchange) bool
	// serve does what the route is for and sets the outcome. All checks have
	// passed by then.
	serve func(*exchange)

	counters [classCount]prometheus.Counter
}

// ServeHTTP implements [http.Handler], which the router requires. It is not called:
// the server asks the router for the match and serves the endpoint itself, since
// the router would copy the request twice to attach the variables and the route.
func (*endpoint) ServeHTTP(http.ResponseWriter, *http.Request) {
	panic("httpserver: an endpoint was served by the router")
}

// newRouter returns the router. Paths are not cleaned, not redirected, and matched
// as they were sent: a rollout ID has '@' and may have '/', which clients send as
// %2F (PROTOCOL R5).
func (s *Server) newRouter() *mux.Router {
	r := mux.NewRouter().SkipClean(true).UseEncodedPath().StrictSlash(false)
	s.registerHeartbeat(r) // first, since nearly every request is one
	s.registerEvents(r)
	s.registerDispatch(r)
	s.registerRollouts(r)
	s.registerHosts(r)
	s.registerFleetAdmin(r)
	s.registerActs(r)
	s.registerSteering(r)
	s.registerReleases(r)
	s.registerFieldRoutes(r)
	s.registerFieldViews(r)
	s.registerEnrolment(r)
	return r
}

// handle registers an endpoint.
func (s *Server) handle(r *mux.Router, method, path string, e endpoint) {
	if e.limit == 0 {
		e.limit = s.cfg.MaxBody
	}
	e.method, e.path = method, path
	e.counters = s.metrics.route(e.name)
	var route *mux.Route
	if strings.ContainsRune(path, '{') {
		route = r.Path(path)
	} else {
		route = r.MatcherFunc(exactPath(path))
	}
	route.Methods(method).Handler(&e).Name(e.name)
	s.endpoints = append(s.endpoints, &e)
}

// exactPath matches a path without variables by comparison, where the router would
// use a regular expression. A path with unnecessary escapes does not match.
func exactPath(path string) mux.MatcherFunc {
	return func(r *http.Request, _ *mux.RouteMatch) bool {
		return r.URL.Path == path && r.URL.RawPath == ""
	}
}

// findRoute is the first check of T7: route and method.
func (e *exchange) findRoute() bool {
	clear(e.match.Vars) // the router reuses the map
	e.match.Route, e.match.Handler, e.match.MatchErr = nil, nil, nil
	if e.server.router.Match(e.r, &e.match) {
		e.endpoint = e.match.Handler.(*endpoint)
		return true
	}
	if e.match.MatchErr == mux.ErrMethodMismatch {
		e.outcome = wire.Refuse(wire.MethodNotAllowed, "", "the route does not support "+clip(e.r.Method))
		e.outcome.Allow = e.server.allowed(e.r)
		return false
	}
	return e.refuse(wire.NotFound, "", "no route "+clip(e.r.URL.EscapedPath()))
}

// allowed lists the methods that the path of a request supports.
func (s *Server) allowed(r *http.Request) string {
	var methods []string
	for _, method := range []string{http.MethodGet, http.MethodPost} {
		probe := *r
		probe.Method = method
		if s.router.Match(&probe, new(mux.RouteMatch)) {
			methods = append(methods, method)
		}
	}
	return strings.Join(methods, ", ")
}

// variable returns a variable of the path, unescaped.
func (e *exchange) variable(name string) string {
	raw := e.match.Vars[name]
	if v, err := url.PathUnescape(raw); err == nil {
		return v
	}
	return raw
}

// clip shortens text that echoes a caller's bytes, and replaces control characters.
func clip(s string) string { return clipTo(s, 100) }

func clipTo(s string, limit int) string {
	if len(s) > limit {
		s = strings.ToValidUTF8(s[:limit], "") + "…"
	}
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return '?'
		}
		return r
	}, strings.ToValidUTF8(s, "?"))
}
