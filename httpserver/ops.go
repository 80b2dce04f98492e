package httpserver

import (
	"fmt"
	"net/http"
	"net/http/pprof"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// opsWriteTimeout bounds an answer of the ops listener. A profile takes 30 s by
// default.
const opsWriteTimeout = time.Minute

// newOps returns the server of the ops listener: plain HTTP for probes and scrapers
// on the same machine, and the flight recorder's trigger. It does not authenticate
// its callers, see guardOps, and does not change the plane.
func (s *Server) newOps() *http.Server {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /livez", s.livez)
	mux.HandleFunc("GET /readyz", s.readyz)
	mux.HandleFunc("POST /debug/flight", s.debugFlight)
	if s.cfg.OpsPprof {
		mux.HandleFunc("GET /debug/pprof/", pprof.Index) // and the profiles by name
		mux.HandleFunc("GET /debug/pprof/cmdline", pprof.Cmdline)
		mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
		mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
		mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	}
	if s.cfg.OpsPage {
		mux.Handle(opsPagePath, http.StripPrefix(strings.TrimSuffix(opsPagePath, "/"), s.live.page))
	}
	mux.Handle("GET /metrics", promhttp.HandlerFor(s.metrics.registry, promhttp.HandlerOpts{ErrorLog: s.errors.logger()}))
	return &http.Server{
		Handler:        s.guardOps(mux),
		ErrorLog:       s.errors.logger(),
		ReadTimeout:    readTimeout,
		WriteTimeout:   opsWriteTimeout,
		MaxHeaderBytes: maxHeaderBytes,
	}
}

// livez fails if the plane is wedged, and only then (PROTOCOL G7). A supervisor
// that restarts the process for it must not restart a plane that is busy, that
// drains, or whose disk is full.
func (s *Server) livez(w http.ResponseWriter, _ *http.Request) {
	if inbox := s.admission.look(); inbox.wedged {
		probe(w, fmt.Sprintf("wedged: %d requests in the inbox, the oldest for %v, and none has finished for longer than %v",
			inbox.depth, inbox.oldest.Round(time.Millisecond), s.cfg.ReplyTimeout))
		return
	}
	probe(w, "")
}

// probe answers a probe: 200, or 503 with the problem.
func probe(w http.ResponseWriter, wrong string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	if wrong != "" {
		w.WriteHeader(http.StatusServiceUnavailable)
		fmt.Fprintln(w, wrong)
		return
	}
	fmt.Fprintln(w, "ok")
}
