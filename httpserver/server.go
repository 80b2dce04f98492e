package httpserver

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"github.com/gorilla/mux"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/refrain-fleet/refrain/core/plane"
	"github.com/refrain-fleet/refrain/httpserver/mtls"
	"github.com/refrain-fleet/refrain/httpserver/page"
)

// What a connection may take, in time and in size. The times are the real
// clock's: a peer that stalls is no part of the protocol.
const (
	// readTimeout bounds the TLS handshake, the headers of a request, and a
	// small body.
	readTimeout = 5 * time.Second
	// bodyTimeout bounds the reading of a larger body.
	bodyTimeout = 30 * time.Second
	// smallBody is the size in bytes of a body that mostly comes in one piece
	// with its headers, as a heartbeat's does.
	smallBody = 4 << 10
	// writeSlack is added to the longest time that a request may wait, for
	// writing its answer.
	writeSlack = 30 * time.Second
	// maxHeaderBytes is what net/http is told; it lets 4 KiB more pass.
	maxHeaderBytes = 16 << 10
	// closeTimeout bounds what is left to do once every request is answered.
	closeTimeout = 5 * time.Second
)

// Server is a running control plane.
type Server struct {
	cfg       Config
	log       *slog.Logger
	throttle  *throttle
	errors    *errorLog
	metrics   *metrics
	admission *admission
	revoked   *revocations
	operators seenOperators
	// historyReaders has a place for each history that is read or sent.
	historyReaders chan struct{}
	notices        *noticeLog
	flight         *flightLog
	health         healthChecks
	releases       *releases // nil without a directory of them
	revokes        *revocationList
	fieldItems     int        // see maxFieldItems
	enrolment      *enrolment // nil if the plane issues no certificates
	store          *storeHealth
	draining       atomic.Bool // the server will end
	// closing closes connections one by one while the server drains.
	closing connections

	router *mux.Router
	// endpoints are those of the router, in its order.
	endpoints []*endpoint
	noRoute   [classCount]prometheus.Counter
	loop      *loop

	credentials *mtls.Credentials
	connections *mtls.Connections
	http, ops   *http.Server
	live        *livePage // nil if it is not served

	mu          sync.Mutex // guards what follows
	stage       stage
	listener    net.Listener
	opsListener net.Listener
	stopLoad    context.CancelFunc

	giveUp   context.CancelFunc // ends the loop's life
	stopBack context.CancelFunc // ends what runs beside the loop
	back     context.Context
	running  sync.WaitGroup
	broken   chan error // a listener failed
	shutdown sync.Once
	ended    error // how the shutdown went
}

// stage is how far a server is in its life.
type stage uint8

const (
	stageNew stage = iota
	stageListening
	stageStarted // the loop runs
	stageClosing
)

// One pool for random numbers serves all request IDs of the process.
var enableRandPool = sync.OnceFunc(uuid.EnableRandPool)

// New makes a server that does nothing yet. The error names the field of cfg
// that is wrong. Whatever becomes of the server, call [Server.Shutdown].
func New(cfg Config) (*Server, error) {
	cfg = cfg.withDefaults()
	if err := cfg.validate(); err != nil {
		return nil, fmt.Errorf("httpserver: %w", err)
	}
	if cfg.ManifestDir != "" {
		cfg.ManifestDir = filepath.Clean(cfg.ManifestDir)
	}
	if _, err := plane.New(cfg.plane()); err != nil {
		return nil, fmt.Errorf("httpserver: %w", err)
	}
	enableRandPool()
	m := newMetrics()
	a, worker, err := newAdmission(&cfg, m)
	if err != nil {
		return nil, fmt.Errorf("httpserver: %w", err)
	}
	lines := newThrottle(cfg.Clock)
	s := &Server{
		cfg: cfg, log: cfg.Logger, metrics: m, admission: a,
		throttle:       lines,
		revoked:        new(revocations),
		notices:        newNoticeLog(cfg.Logger, lines),
		noRoute:        m.route("none"),
		fieldItems:     maxFieldItems,
		historyReaders: make(chan struct{}, maxHistoryReaders),
		store:          newStoreHealth(cfg.Store, cfg.DiskReserve),
		broken:         make(chan error, 3),
	}
	s.errors = &errorLog{log: cfg.Logger, throttle: s.throttle}
	m.registry.MustRegister(&collector{admission: a, metrics: m, store: s.store, notices: s.notices, lost: cfg.LogLosses, live: func() page.Counts { return s.live.counts() }})
	if s.flight, err = newFlightLog(&s.cfg, a); err != nil {
		return nil, fmt.Errorf("httpserver: %w", err)
	}
	a.late = s.flight.suspect
	s.addOwnChecks()
	s.addStoreChecks()
	if cfg.ReleaseDir != "" {
		s.releases = newReleases(&s.cfg, m, a)
		s.AddCheck(s.releases.check())
	}
	if cfg.RevocationsFile != "" {
		s.revokes = newRevocationList(&s.cfg, m, a)
		s.AddCheck(s.revokes.check())
	}
	if cfg.issuing() {
		s.enrolment = newEnrolment(&s.cfg, m.registry)
	}
	s.router = s.newRouter()
	if s.http, err = s.newHTTP(); err != nil {
		return nil, fmt.Errorf("httpserver: %w", err)
	}
	s.live = newLivePage(s)
	s.ops = s.newOps()
	var life context.Context
	life, s.giveUp = context.WithCancel(context.Background())
	a.abandoned = life.Done()
	s.back, s.stopBack = context.WithCancel(context.Background())
	s.loop = &loop{
		cfg: &s.cfg, clock: cfg.Clock, log: cfg.Logger, admission: a, worker: worker, store: cfg.Store, faults: cfg.Faults,
		metrics: m, revoked: s.revoked, notices: s.notices, flight: s.flight, health: s.store,
		life: life, loaded: make(chan error, 1), done: make(chan struct{}),
	}
	if s.releases != nil {
		s.loop.replaced = s.releases.planeReplaced
	}
	return s, nil
}

// newHTTP makes the control plane's HTTP server.
func (s *Server) newHTTP() (*http.Server, error) {
	s.connections = mtls.NewConnections(s.cfg.limits(), s.cfg.wall, s.cfg.Clock, s.log)
	var err error
	if s.credentials, err = mtls.NewCredentials(s.cfg.credentials(), s.connections); err != nil {
		return nil, err
	}
	s.metrics.registry.MustRegister(s.credentials)
	// Advisory: the server goes on with the last good set.
	s.AddCheck(Check{Name: "certificates", Advisory: true, Problem: func() string { return strings.Join(s.credentials.Notes(), "; ") }})
	// HTTP/1.1 only. An agent has at most three requests under way, so there is
	// little to multiplex; a connection then has one request at a time, which
	// makes every bound above a bound on a connection; and a stranger cannot
	// open streams. Clients that offer HTTP/2 as well settle for 1.1 by ALPN.
	var protocols http.Protocols
	protocols.SetHTTP1(true)
	return &http.Server{
		Handler:   s,
		Protocols: &protocols,
		TLSConfig: s.credentials.TLSConfig(),
		ConnContext: func(ctx context.Context, c net.Conn) context.Context {
			return s.connections.Context(s.closing.begin(ctx, c), c)
		},
		ConnState: func(c net.Conn, state http.ConnState) {
			s.connections.State(c, state)
			s.closing.changed(c, state)
		},
		ErrorLog:          s.errors.logger(),
		ReadHeaderTimeout: readTimeout,
		// net/http goes on reading while a handler waits, to see a caller go
		// away, and takes this deadline for one who did. So it must lie beyond
		// the answer.
		ReadTimeout:                  2*readTimeout + s.cfg.ReplyTimeout,
		WriteTimeout:                 maxWait + 2*s.cfg.ReplyTimeout + writeSlack,
		IdleTimeout:                  2*s.cfg.HeartbeatInterval + 30*time.Second,
		MaxHeaderBytes:               maxHeaderBytes,
		DisableGeneralOptionsHandler: true,
	}, nil
}

// ReloadCertificates reads the files of the server's certificate and of the client
// CAs now; they are also read when they change. It reports whether something else is
// used than before. New connections get the new certificate; an open connection whose
// client certificate verifies under none of the new CAs is closed. After an error the
// last good set of files stays in use as a whole.
func (s *Server) ReloadCertificates() (changed bool, err error) {
	changed, err = s.credentials.Reload()
	if err != nil {
		err = fmt.Errorf("httpserver: %w", err)
	}
	return changed, err
}

// Listen opens the listeners and answers requests: until [Server.Start] has
// brought the plane up, 503 not_started.
func (s *Server) Listen() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stage != stageNew {
		return errors.New("httpserver: the server listens already, or is shut down")
	}
	listener := s.cfg.Listener
	var err error
	if listener == nil {
		if listener, err = net.Listen("tcp", s.cfg.Listen); err != nil {
			return fmt.Errorf("httpserver: listen: %w", err)
		}
	}
	if s.cfg.OpsListen != OpsOff {
		if s.opsListener, err = s.cfg.listenOps(); err != nil {
			_ = listener.Close()
			return fmt.Errorf("httpserver: ops listen: %w", err)
		}
		if !isLocal(s.opsListener.Addr()) {
			s.log.Warn("the ops listener can be reached from other machines; it knows no caller and no encryption, want a loopback address or a unix socket",
				"address", s.opsListener.Addr().String())
		}
	}
	if s.live != nil {
		if err := s.live.listen(); err != nil {
			_ = listener.Close()
			if s.opsListener != nil {
				_ = s.opsListener.Close()
			}
			return err
		}
	}
	s.listener = listener
	s.stage = stageListening
	s.running.Go(s.notices.run)
	s.running.Go(func() { s.credentials.Watch(s.back) })
	if feed := s.watchdog(s.back); feed != nil {
		s.running.Go(feed)
	}
	s.running.Go(func() { s.serve(func() error { return s.http.ServeTLS(s.connections.Listen(listener), "", "") }) })
	if ops := s.opsListener; ops != nil {
		s.running.Go(func() { s.serve(func() error { return s.ops.Serve(ops) }) })
	}
	return nil
}

func (s *Server) serve(accept func() error) {
	if err := accept(); !errors.Is(err, http.ErrServerClosed) {
		s.broken <- fmt.Errorf("httpserver: a listener failed: %w", err)
	}
}

// opsAddress is the ops listener's address for people; mu must be held.
func (s *Server) opsAddress() string {
	if s.opsListener == nil {
		return OpsOff
	}
	return s.opsListener.Addr().String()
}

// Run starts the server and waits, see [Server.Start] and [Server.Wait].
func (s *Server) Run(ctx context.Context) error {
	if err := s.Start(ctx); err != nil {
		return errors.Join(err, s.Shutdown(context.WithoutCancel(ctx)))
	}
	return s.Wait(ctx)
}

// Wait serves until ctx ends or a listener fails, and then shuts the server
// down. It returns nil if all of that went well.
func (s *Server) Wait(ctx context.Context) error {
	var err error
	select {
	case <-ctx.Done():
	case err = <-s.broken:
	}
	// The shutdown has bounds of its own.
	return errors.Join(err, s.Shutdown(context.WithoutCancel(ctx)))
}

// Addr returns the address of the control plane, or nil if the server does not
// listen.
func (s *Server) Addr() net.Addr {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.listener == nil {
		return nil
	}
	return s.listener.Addr()
}

// OpsAddr returns the address of the ops listener, or nil if there is none.
func (s *Server) OpsAddr() net.Addr {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.opsListener == nil {
		return nil
	}
	return s.opsListener.Addr()
}

// InboxDepth returns how many requests are inside: waiting for the plane, or
// answered timeout and not finished.
func (s *Server) InboxDepth() int { return s.admission.look().depth }

// WaitingPolls returns how many dispatch polls wait for work.
func (s *Server) WaitingPolls() int { return s.admission.look().polls }
