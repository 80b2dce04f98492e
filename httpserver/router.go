package httpserver

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/gorilla/mux"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/refrain-fleet/refrain/core/wire"
)

// role is whose routes a route is one of (PROTOCOL T4).
type role uint8

const (
	agents role = iota
	operators
)

// bodyRule says what a route does with a body.
type bodyRule uint8

const (
	noBody       bodyRule = iota // ignored, like every body of a GET
	needsBody                    // a JSON document
	optionalBody                 // a JSON document, or nothing at all
)

// endpoint is one route with its method. The router finds it; [Server.serve]
// does with it what all routes have in common, and nothing else.
type endpoint struct {
	// name labels the metrics.
	name string
	role role
	body bodyRule
	// limit is the largest body in bytes.
	limit int64
	// parse reads body and query (PROTOCOL T7: 400, 422). It reports false if
	// it has set the outcome of a refusal. Nil if there is nothing to read.
	parse func(*exchange) bool
	// serve does what the route is for and sets the outcome. The caller is by
	// then known to be who it may be.
	serve func(*exchange)

	counters [classCount]prometheus.Counter
}

// ServeHTTP implements [http.Handler], which the router wants of what it is
// given. It is not called: the server asks the router for the match and serves
// the endpoint itself, since the router would copy the request twice to hang
// the variables and the route on it.
func (*endpoint) ServeHTTP(http.ResponseWriter, *http.Request) {
	panic("httpserver: an endpoint was served by the router")
}

// newRouter makes the router. Paths are not cleaned and not redirected, and
// are matched as they were sent: a rollout ID has '@' and may have '/', which
// clients send as %2F (PROTOCOL R5).
func (s *Server) newRouter() *mux.Router {
	r := mux.NewRouter().SkipClean(true).UseEncodedPath().StrictSlash(false)
	s.registerHeartbeat(r) // first: it is nearly every request
	s.registerEvents(r)
	s.registerDispatch(r)
	s.registerRollouts(r)
	s.registerHosts(r)
	s.registerFleetAdmin(r)
	return r
}

// handle registers an endpoint.
func (s *Server) handle(r *mux.Router, method, path string, e endpoint) {
	if e.limit == 0 {
		e.limit = s.cfg.MaxBody
	}
	e.counters = s.metrics.route(e.name)
	var route *mux.Route
	if strings.ContainsRune(path, '{') {
		route = r.Path(path)
	} else {
		route = r.MatcherFunc(exactPath(path))
	}
	route.Methods(method).Handler(&e).Name(e.name)
}

// exactPath matches a path without variables by comparing it; the router's own
// way would be a regular expression. A path with escapes that it does not need
// is not the path.
func exactPath(path string) mux.MatcherFunc {
	return func(r *http.Request, _ *mux.RouteMatch) bool {
		return r.URL.Path == path && r.URL.RawPath == ""
	}
}

// findRoute is the first check of T7: route and method.
func (e *exchange) findRoute() bool {
	clear(e.match.Vars) // the router fills a map that is there
	e.match.Route, e.match.Handler, e.match.MatchErr = nil, nil, nil
	if e.server.router.Match(e.r, &e.match) {
		e.endpoint = e.match.Handler.(*endpoint)
		return true
	}
	if e.match.MatchErr == mux.ErrMethodMismatch {
		e.outcome = wire.Refuse(wire.MethodNotAllowed, "", "the route does not take "+clip(e.r.Method))
		e.outcome.Allow = e.server.allowed(e.r)
		return false
	}
	return e.refuse(wire.NotFound, "", "there is no route "+clip(e.r.URL.EscapedPath()))
}

// allowed lists the methods that the path of a request takes.
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

// clip bounds text that echoes a caller's bytes, and makes it harmless.
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
