package mtls

import (
	"crypto/tls"
	"crypto/x509"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/benbjohnson/clock"
)

// Connections knows the open connections of a listener, what handshakes failed of,
// and which client certificates expire soon. Its methods may be called by several
// goroutines.
type Connections struct {
	now      func() time.Time
	refusals *refusals
	clients  *clientExpiries

	mu   sync.Mutex
	open map[*peer]struct{}
	// byCA counts open connections by the CA that verified their client.
	byCA map[string]int
}

// NewConnections makes one. now is the wall clock, clk has the timers.
func NewConnections(now func() time.Time, clk clock.Clock, log *slog.Logger) *Connections {
	return &Connections{
		now: now, refusals: newRefusals(now, clk, log), clients: newClientExpiries(log),
		open: make(map[*peer]struct{}), byCA: make(map[string]int),
	}
}

// peer is one connection below TLS.
type peer struct {
	net.Conn
	// sent says that the other side has sent a byte.
	sent atomic.Bool
	// What follows is written by the connection's own goroutine. versions are
	// those that the client offered.
	hello    bool
	versions []uint16

	state *tls.ConnectionState // since the first request; guarded by Connections.mu
	ca    string
}

// Read implements [net.Conn].
func (p *peer) Read(b []byte) (int, error) {
	n, err := p.Conn.Read(b)
	if n > 0 && !p.sent.Load() {
		p.sent.Store(true)
	}
	return n, err
}

// noteHello records what a client offers, for the cause of a failure.
func noteHello(hello *tls.ClientHelloInfo) {
	if p, is := hello.Conn.(*peer); is {
		p.hello, p.versions = true, slices.Clone(hello.SupportedVersions)
	}
}

// Listen wraps a listener below TLS, so that its connections are known.
func (c *Connections) Listen(l net.Listener) net.Listener { return &listener{l} }

type listener struct{ net.Listener }

// Accept implements [net.Listener].
func (l *listener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &peer{Conn: conn}, nil
}

// State is for [http.Server.ConnState].
func (c *Connections) State(conn net.Conn, state http.ConnState) {
	secured, is := conn.(*tls.Conn)
	if !is {
		return
	}
	p, is := secured.NetConn().(*peer)
	if !is {
		return
	}
	switch state {
	case http.StateActive:
		if p.state == nil { // written by this goroutine only
			c.identified(p, secured.ConnectionState())
		}
	case http.StateClosed, http.StateHijacked:
		c.closed(p)
		// This repeats the result of the handshake; nil if it succeeded.
		if err := secured.Handshake(); err != nil {
			c.refusals.add(p, err)
		}
	}
}

// identified records whose connection it is.
func (c *Connections) identified(p *peer, state tls.ConnectionState) {
	ca := ""
	if len(state.VerifiedChains) > 0 {
		chain := state.VerifiedChains[0]
		ca = Fingerprint(chain[len(chain)-1])
		c.clients.seen(state.PeerCertificates[0], c.now())
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	p.state, p.ca = &state, ca
	c.open[p] = struct{}{}
	if ca != "" {
		c.byCA[ca]++
	}
}

func (c *Connections) closed(p *peer) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, is := c.open[p]; !is {
		return
	}
	delete(c.open, p)
	if p.ca != "" {
		if c.byCA[p.ca]--; c.byCA[p.ca] == 0 {
			delete(c.byCA, p.ca)
		}
	}
}

// closeUnless closes the connections of clients with a certificate that are not to
// be kept, and returns how many it closed. A request under way on one of them ends
// without an answer.
func (c *Connections) closeUnless(keep func(*peer) bool) (closed int) {
	c.mu.Lock()
	var known []*peer
	for p := range c.open {
		if p.ca != "" {
			known = append(known, p)
		}
	}
	c.mu.Unlock()
	for _, p := range known {
		if !keep(p) {
			_ = p.Conn.Close() // not through TLS, which would wait for a slow reader
			closed++
		}
	}
	return closed
}

// count returns how many open connections have a client that the CA verified.
func (c *Connections) count(ca *x509.Certificate) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.byCA[Fingerprint(ca)]
}

// warnOfClients logs, once a day, that client certificates expire soon.
func (c *Connections) warnOfClients(now time.Time) { c.clients.warn(now) }

// Close logs what was counted and not yet logged.
func (c *Connections) Close() { c.refusals.close() }
