package gameday

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/refrain-fleet/refrain/httpserver"
	"github.com/refrain-fleet/refrain/httpserver/pki"
	"github.com/refrain-fleet/refrain/httpserver/store"
	"github.com/refrain-fleet/refrain/httpserver/store/sqlite"
)

const suffix = "gameday.test"

// process is the plane's process: a server that can crash and restart on the
// same addresses and the same database.
type process struct {
	plan        *plan
	ca          *pki.Authority
	certificate tls.Certificate
	dir         string
	log         *slog.Logger
	address     string
	ops         string
	faults      *httpserver.Faults

	transition sync.Mutex // held while the process starts or ends

	mu       sync.Mutex // guards what follows
	capacity int
	server   *httpserver.Server // nil while it is down
	listener *cuttable
	disk     *disk
	bad      disk // the faults of the disk, also after a restart
	starts   int
	wipes    int
	// wrap stands between the disk and its database, for tests; may be nil.
	wrap func(store.Store) store.Store
}

func newProcess(p *plan, ca *pki.Authority, dir string, log *slog.Logger) (*process, error) {
	certificate, err := ca.IssueServer([]string{"127.0.0.1"}, pki.Validity{})
	if err != nil {
		return nil, err
	}
	return &process{
		plan: p, ca: ca, certificate: certificate, dir: dir, log: log, address: "127.0.0.1:0", ops: "127.0.0.1:0",
		faults: new(httpserver.Faults), capacity: p.scenario.Plane.Capacity,
	}, nil
}

func (p *process) database() string { return filepath.Join(p.dir, "plane.db") }

// manifests is the directory of manifests; empty if the scenario has none.
func (p *process) manifests() string {
	if p.plan.scenario.Plane.NoManifests {
		return ""
	}
	return filepath.Join(p.dir, "manifests")
}

// up starts the process: it listens, and is ready after late.
func (p *process) up(ctx context.Context, late time.Duration) error {
	p.transition.Lock()
	defer p.transition.Unlock()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.server != nil {
		return nil
	}
	opened, err := sqlite.Open(ctx, p.database())
	if err != nil {
		return err
	}
	var under store.Store = opened
	if p.wrap != nil {
		under = p.wrap(under)
	}
	p.disk = &disk{Store: under, slow: p.bad.slow, failing: p.bad.failing}
	listener, err := p.listen()
	if err != nil {
		return errors.Join(err, opened.Close())
	}
	p.listener = &cuttable{Listener: listener, conns: map[net.Conn]bool{}}
	s := &p.plan.scenario
	cfg := httpserver.Config{
		Listener: p.listener, OpsListen: p.ops, Certificate: &p.certificate, ClientCAs: p.ca.Pool(), AgentCNSuffix: suffix,
		InboxCapacity: p.capacity, BatchSize: s.Plane.Batch, ReplyTimeout: p.plan.real(s.Plane.ReplyTimeout),
		HeartbeatInterval: p.plan.real(s.Fleet.Interval), MaxReplays: s.Plane.Replays, ManifestDir: p.manifests(), ShutdownTimeout: 5 * time.Second,
		FlightDir: httpserver.FlightOff, Logger: p.log, Store: p.disk, Faults: p.faults,
	}
	server, err := httpserver.New(cfg)
	if err != nil {
		return errors.Join(err, listener.Close(), opened.Close())
	}
	if err := server.Listen(); err != nil {
		return errors.Join(err, server.Shutdown(ctx))
	}
	if p.starts == 0 { // every start uses the addresses of the first
		p.address, p.ops = server.Addr().String(), server.OpsAddr().String()
	}
	if late > 0 {
		p.mu.Unlock()
		sleep(ctx, late)
		p.mu.Lock()
	}
	if err := server.Start(ctx); err != nil {
		return errors.Join(err, server.Shutdown(context.WithoutCancel(ctx)))
	}
	p.server = server
	p.starts++
	return nil
}

// listen opens the plane's listener. The addresses may be in use for a moment
// by closing connections of the process before.
func (p *process) listen() (l net.Listener, err error) {
	for range 50 {
		if l, err = net.Listen("tcp", p.address); err == nil {
			return l, nil
		}
		time.Sleep(20 * time.Millisecond)
	}
	return nil, err
}

// crash ends the process at once: connections are reset, and nothing that it
// had begun reaches the disk any more.
func (p *process) crash(wipe bool) error {
	p.transition.Lock()
	defer p.transition.Unlock()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.server != nil {
		p.disk.set(func(d *disk) { d.dead = true })
		p.listener.cut()
		ended, cancel := context.WithCancel(context.Background())
		cancel()
		_ = p.server.Shutdown(ended) // its error says that it was cut short, as intended
		p.server = nil
	}
	if !wipe {
		return nil
	}
	p.wipes++
	for _, name := range []string{p.database(), p.database() + "-wal", p.database() + "-shm"} {
		if err := os.Remove(name); err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("wipe: %w", err)
		}
	}
	return nil
}

// stop shuts the process down gracefully.
func (p *process) stop(ctx context.Context) error {
	p.transition.Lock()
	defer p.transition.Unlock()
	p.mu.Lock()
	server := p.server
	p.server = nil
	p.mu.Unlock()
	if server == nil {
		return nil
	}
	return server.Shutdown(ctx)
}

// setDisk changes the faults of the disk, now and after a restart.
func (p *process) setDisk(change func(*disk)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	change(&p.bad)
	if p.disk != nil {
		p.disk.set(change)
	}
}

// epoch is how often the plane started, and how often it lost its disk.
func (p *process) epoch() (starts, wipes int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.starts, p.wipes
}

// opsURL is the URL of the ops listener.
func (p *process) opsURL() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return "http://" + p.ops
}

// cuttable is a listener whose connections can all be reset at once.
type cuttable struct {
	net.Listener
	mu    sync.Mutex
	conns map[net.Conn]bool
}

// Accept implements [net.Listener].
func (l *cuttable) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.conns[c] = true
	return &tracked{c, l}, nil
}

func (l *cuttable) cut() {
	_ = l.Listener.Close()
	l.mu.Lock()
	defer l.mu.Unlock()
	for c := range l.conns {
		refuse(c)
	}
}

// tracked removes itself from its listener when it is closed.
type tracked struct {
	net.Conn
	of *cuttable
}

// Close implements [net.Conn].
func (c *tracked) Close() error {
	c.of.mu.Lock()
	delete(c.of.conns, c.Conn)
	c.of.mu.Unlock()
	return c.Conn.Close()
}

// sleep waits for d of the real clock, or until ctx ends.
func sleep(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
