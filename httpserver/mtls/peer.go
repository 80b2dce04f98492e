package mtls

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// maxHandshakeBytes is how much a client may send before its certificates are
	// accepted. A hello and a chain within the bounds have less than half of it. It
	// bounds what is parsed.
	maxHandshakeBytes = 32 << 10
	// handshakeRead is how much is read at a time until then, so that the beginning
	// of a large request does not count as a handshake.
	handshakeRead = 4 << 10
)

var (
	errLargeHandshake = errors.New("the handshake is too large")
	errBusy           = errors.New("too many handshakes at once, of this address or overall")
)

// peer is one connection below TLS.
type peer struct {
	net.Conn
	of     *Connections
	key    addressKey
	closed chan struct{}
	once   sync.Once
	// sent says that the other side has sent a byte.
	sent     atomic.Bool
	deadline atomic.Pointer[time.Time] // for reading; nil if there is none

	// What follows is written by the connection's own goroutine. versions are
	// those that the client offered.
	hello    bool
	versions []uint16
	received int
	judged   bool // its certificates are accepted, or it has none
	chains   [][]*x509.Certificate

	running atomic.Bool // it has a slot of Connections.handshakes

	state *tls.ConnectionState // since the first request; guarded by Connections.mu
	ca    string

	place place // guarded by limits.mu
}

// Read implements [net.Conn]. The first byte of a handshake waits for a slot; a
// connection without a byte needs none.
func (p *peer) Read(b []byte) (int, error) {
	if p.judged {
		return p.Conn.Read(b)
	}
	n, err := p.Conn.Read(b[:min(len(b), handshakeRead)])
	if n == 0 {
		return n, err
	}
	if p.received += n; p.received > maxHandshakeBytes {
		return 0, errLargeHandshake
	}
	if !p.sent.Swap(true) {
		if err := p.of.handshakes.acquire(p); err != nil {
			return 0, err
		}
		if isGone(p.Conn) {
			return 0, io.ErrUnexpectedEOF // it did not wait for its turn
		}
	}
	return n, err
}

// SetReadDeadline implements [net.Conn]. The deadline also bounds the wait for a slot.
func (p *peer) SetReadDeadline(t time.Time) error {
	if t.IsZero() {
		p.deadline.Store(nil)
	} else {
		p.deadline.Store(&t)
	}
	return p.Conn.SetReadDeadline(t)
}

// SetDeadline implements [net.Conn].
func (p *peer) SetDeadline(t time.Time) error {
	if err := p.SetReadDeadline(t); err != nil {
		return err
	}
	return p.SetWriteDeadline(t)
}

// Close implements [net.Conn].
func (p *peer) Close() error {
	p.once.Do(func() {
		close(p.closed)
		p.of.handshakes.release(p)
		p.of.limits.leave(p)
	})
	return p.Conn.Close()
}

// noteHello records what a client offers, for the cause of a failure.
func (p *peer) noteHello(hello *tls.ClientHelloInfo) {
	p.hello, p.versions = true, slices.Clone(hello.SupportedVersions)
}

// accept records that the client's certificates were verified, or that it has none:
// what a stranger can make the server compute is over.
func (p *peer) accept(chains [][]*x509.Certificate) {
	p.judged, p.chains = true, chains
	p.of.handshakes.release(p)
}

// peerOf finds the peer below a TLS connection; nil if it is not one of a [Connections].
func peerOf(conn net.Conn) *peer {
	if secured, is := conn.(*tls.Conn); is {
		conn = secured.NetConn()
	}
	p, _ := conn.(*peer)
	return p
}

type peerKey struct{}

// Context is for [http.Server.ConnContext]; [Identify] needs it.
func (c *Connections) Context(ctx context.Context, conn net.Conn) context.Context {
	return context.WithValue(ctx, peerKey{}, peerOf(conn))
}

// Identify fills in the verified chains of the connection of a request, which crypto/tls
// does not know, since [Credentials] verifies them itself. Call it first in a handler.
// net/http has one TLS state for all requests of a connection, which come one after the
// other.
func Identify(r *http.Request) {
	if r.TLS == nil || len(r.TLS.PeerCertificates) == 0 || r.TLS.VerifiedChains != nil {
		return
	}
	if p, _ := r.Context().Value(peerKey{}).(*peer); p != nil {
		r.TLS.VerifiedChains = p.chains
	}
}
