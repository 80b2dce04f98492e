package httpserver

import (
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/refrain-fleet/refrain/core/gate"
	"github.com/refrain-fleet/refrain/core/plane"
	"github.com/refrain-fleet/refrain/core/wire"
	"github.com/refrain-fleet/refrain/httpserver/mtls"
	"github.com/refrain-fleet/refrain/httpserver/page"
)

const (
	// pageCaller is the gate's caller for the live page, whoever looks at it: all pages
	// together may have as many requests in the inbox as one operator.
	pageCaller gate.Caller = "page:"
	// pageWriteTimeout bounds an answer of the page; its streams bound each write.
	pageWriteTimeout = 30 * time.Second
	// opsPagePath is where the page is on the ops listener.
	opsPagePath = "/page/"
)

// livePage is the page of the fleet for operators' browsers (decision 065). It has a
// listener of its own, with the operators' mutual TLS; on the ops listener it is only if
// Config.OpsPage says so.
type livePage struct {
	server   *Server
	page     *page.Page
	endpoint endpoint // for the checks of callers, and for counting
	http     *http.Server
	listener net.Listener // nil without a listener of its own
}

// newLivePage makes the page; nil if it is not served.
func newLivePage(s *Server) *livePage {
	if s.cfg.PageListen == "" && !s.cfg.OpsPage {
		return nil
	}
	l := &livePage{server: s, endpoint: endpoint{name: "page", role: operators, counters: s.metrics.route("page")}}
	asker := opener{admission: s.admission, caller: pageCaller}
	l.page = page.New(page.Config{
		Title: s.cfg.AgentCNSuffix, Build: s.cfg.Build, Clock: s.cfg.Clock,
		Inbox:   s.inboxForPage,
		Ask:     func(in plane.Input) wire.Outcome { return asker.askOnce(in) },
		Allowed: func(r *http.Request) bool { return r.TLS == nil || l.check(nil, r) },
	})
	l.http = &http.Server{
		Handler:           l,
		Protocols:         s.http.Protocols, // HTTP/1.1, see newHTTP
		TLSConfig:         s.credentials.TLSConfig(),
		ConnContext:       s.connections.Context,
		ConnState:         s.connections.State,
		ErrorLog:          s.errors.logger(),
		ReadHeaderTimeout: readTimeout,
		ReadTimeout:       readTimeout,
		WriteTimeout:      pageWriteTimeout,
		IdleTimeout:       time.Minute,
		MaxHeaderBytes:    maxHeaderBytes,
	}
	return l
}

// validatePage checks what the page needs.
func (c *Config) validatePage() error {
	if c.OpsPage && c.OpsListen == OpsOff {
		return fmt.Errorf("ops page is set, and ops listen is %s; want an ops listener, or page listen", OpsOff)
	}
	return nil
}

// listen opens the listener and serves.
func (l *livePage) listen() error {
	s := l.server
	if s.cfg.PageListen != "" {
		var err error
		if l.listener, err = net.Listen("tcp", s.cfg.PageListen); err != nil {
			return fmt.Errorf("httpserver: page listen: %w", err)
		}
		s.running.Go(func() { s.serve(func() error { return l.http.ServeTLS(s.connections.Listen(l.listener), "", "") }) })
		s.log.Info("serving the live page", "address", l.listener.Addr().String())
	}
	s.running.Go(func() { l.page.Run(s.back) })
	return nil
}

// drain ends the streams. Pages are answered until close.
func (l *livePage) drain() {
	if l != nil {
		l.page.Close()
	}
}

// close ends the listener and its connections.
func (l *livePage) close() {
	if l != nil {
		_ = l.http.Close()
	}
}

// ServeHTTP implements [http.Handler]: it serves the page to operators.
func (l *livePage) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	mtls.Identify(r)
	if !l.check(w, r) {
		return
	}
	counted := &statusWriter{ResponseWriter: w, status: http.StatusOK}
	defer func() { l.endpoint.counters[classOf(counted.status)].Inc() }()
	l.page.ServeHTTP(counted, r)
}

// check makes the checks of every operator's request of who sends it (PROTOCOL T1, T4, T5).
// With w it answers a request that does not pass.
func (l *livePage) check(w http.ResponseWriter, r *http.Request) bool {
	e := exchanges.Get().(*exchange)
	e.server, e.w, e.r, e.endpoint = l.server, w, r, &l.endpoint
	if w == nil {
		e.w = headerOnly{}
	}
	e.requestID = newRequestID()
	for _, passes := range []func(*exchange) bool{(*exchange).hasCertificate, (*exchange).isGood, (*exchange).isWhoItMayBe} {
		if !passes(e) {
			if w != nil {
				e.write()
				e.count()
			}
			e.keep()
			return false
		}
	}
	e.keep()
	return true
}

// headerOnly takes the headers of an answer that is not sent.
type headerOnly struct{ http.ResponseWriter }

// Header implements [http.ResponseWriter].
func (headerOnly) Header() http.Header { return http.Header{} }

// statusWriter keeps the status of an answer.
type statusWriter struct {
	http.ResponseWriter
	status int
}

// WriteHeader implements [http.ResponseWriter].
func (w *statusWriter) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

// Unwrap lets [http.ResponseController] find the connection.
func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// inboxForPage is what the page shows without asking the plane.
func (s *Server) inboxForPage() page.Inbox {
	inbox := s.admission.look()
	v := page.Inbox{Depth: inbox.depth, Capacity: inbox.capacity, Oldest: inbox.oldest, Polls: inbox.polls}
	for _, code := range wire.UnavailableCodes {
		v.Refused = append(v.Refused, page.Refused{Reason: code.Reason(), Count: inbox.stats.RefusedWith(code)})
	}
	for _, c := range s.health.look().Checks {
		if c.State != checkGood {
			v.Problems = append(v.Problems, c.Reason)
		}
	}
	return v
}

// PageAddr returns the address of the live page's own listener, or nil if there is none.
func (s *Server) PageAddr() net.Addr {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.live == nil || s.live.listener == nil {
		return nil
	}
	return s.live.listener.Addr()
}

// counts are the page's figures; zero without one.
func (l *livePage) counts() page.Counts {
	if l == nil {
		return page.Counts{}
	}
	return l.page.Counts()
}
