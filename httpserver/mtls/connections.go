package mtls

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/benbjohnson/clock"
)

// Limits bound the connections of a listener.
type Limits struct {
	// MaxConnections is how many may be open. 0 means no limit.
	MaxConnections int
	// MaxIntermediates is how many certificates a client may send after its own, if
	// any client CA may have CAs below it. Default 2. With CAs of path length 0
	// alone it is none.
	MaxIntermediates int
	// ExemptAddresses are networks whose addresses stand for many clients, such as
	// load balancers: what one address may have does not bound theirs. Default none.
	ExemptAddresses []netip.Prefix
}

// DefaultMaxIntermediates is the default of Limits.MaxIntermediates.
const DefaultMaxIntermediates = 2

// Connections knows the open connections of a listener, what handshakes failed of,
// and which client certificates expire soon. Its methods may be called by several
// goroutines.
type Connections struct {
	now        func() time.Time
	refusals   *refusals
	clients    *clientExpiries
	handshakes *handshakes
	limits     *limits
	bounds     Limits
	// verifications counts the chains whose signatures were looked at.
	verifications atomic.Uint64

	mu   sync.Mutex
	open map[*peer]struct{}
	// byCA counts open connections by the CA that verified their client.
	byCA map[string]int
}

// NewConnections makes one. now is the wall clock, clk has the timers.
func NewConnections(bounds Limits, now func() time.Time, clk clock.Clock, log *slog.Logger) *Connections {
	if bounds.MaxIntermediates == 0 {
		bounds.MaxIntermediates = DefaultMaxIntermediates
	}
	return &Connections{
		now: now, refusals: newRefusals(now, clk, log), clients: newClientExpiries(log),
		handshakes: newHandshakes(), limits: newLimits(bounds.MaxConnections, bounds.ExemptAddresses), bounds: bounds,
		open: make(map[*peer]struct{}), byCA: make(map[string]int),
	}
}

// Listen wraps a listener below TLS, so that its connections are known and bounded.
func (c *Connections) Listen(l net.Listener) net.Listener { return &listener{l, c} }

type listener struct {
	net.Listener
	of *Connections
}

// Accept implements [net.Listener].
func (l *listener) Accept() (net.Conn, error) {
	for {
		conn, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		p := &peer{Conn: conn, of: l.of, key: l.of.limits.keyOf(conn.RemoteAddr()), closed: make(chan struct{})}
		loser := l.of.limits.enter(p)
		if loser != nil {
			_ = loser.Close() // not through TLS, which would wait for a slow reader
		}
		if loser != p {
			return p, nil
		}
	}
}

// State is for [http.Server.ConnState].
func (c *Connections) State(conn net.Conn, state http.ConnState) {
	secured, is := conn.(*tls.Conn)
	p := peerOf(conn)
	if !is || p == nil {
		return
	}
	switch state {
	case http.StateActive:
		if p.state == nil { // written by this goroutine only
			state := secured.ConnectionState()
			state.VerifiedChains = p.chains
			c.identified(p, state)
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
		c.limits.identified(p, sha256.Sum256(state.PeerCertificates[0].Raw))
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
			_ = p.Close() // not through TLS, which would wait for a slow reader
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
