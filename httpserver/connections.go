package httpserver

import (
	"context"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
)

// connection is an open connection of an agent or an operator.
type connection struct {
	// turn is closed when the connection is to be closed: with the next answer.
	turn chan struct{}
}

// connections are those of the control plane's listener.
type connections struct {
	ending atomic.Bool // some connection has its turn
	all    atomic.Bool // every answer is the last of its connection

	mu     sync.Mutex
	open   map[net.Conn]*connection
	closed chan struct{} // of new connections; nil unless their turn is at once
}

type connectionKey struct{}

// begin is [http.Server.ConnContext].
func (c *connections) begin(ctx context.Context, of net.Conn) context.Context {
	c.mu.Lock()
	defer c.mu.Unlock()
	conn := &connection{turn: c.closed}
	if conn.turn == nil {
		conn.turn = make(chan struct{})
		if c.open == nil {
			c.open = make(map[net.Conn]*connection)
		}
		c.open[of] = conn
	}
	return context.WithValue(ctx, connectionKey{}, conn)
}

// changed is [http.Server.ConnState].
func (c *connections) changed(of net.Conn, state http.ConnState) {
	if state == http.StateClosed || state == http.StateHijacked {
		c.mu.Lock()
		defer c.mu.Unlock()
		delete(c.open, of)
	}
}

// end says that the server will end: from now on the turn of a new connection is
// at once. It returns the open ones, in no order; [connections.giveTurn] gives
// them theirs.
func (c *connections) end() []net.Conn {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ending.Store(true)
	if c.closed == nil {
		c.closed = make(chan struct{})
		close(c.closed)
	}
	list := make([]net.Conn, 0, len(c.open))
	for of := range c.open { // order-free: which of them is first does not matter
		list = append(list, of)
	}
	return list
}

// giveTurn gives a connection its turn, if it is still open.
func (c *connections) giveTurn(of net.Conn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if conn := c.open[of]; conn != nil {
		delete(c.open, of)
		close(conn.turn)
	}
}

// endAll says that every answer from now on is the last of its connection. Polls
// that wait are not woken by it: closing the gate answers them, in the order that
// PROTOCOL D3 says, and none of them may ask for its answer before.
func (c *connections) endAll() { c.all.Store(true) }

// turnOf returns the channel that is closed at the turn of a request's
// connection; nil if the request did not come over one of the listener's.
func turnOf(r *http.Request) <-chan struct{} {
	if conn, ok := r.Context().Value(connectionKey{}).(*connection); ok {
		return conn.turn
	}
	return nil
}

// isLast reports whether the answer to a request is the last of its connection.
func (c *connections) isLast(r *http.Request) bool {
	if !c.ending.Load() {
		return false // the only thing that a heartbeat pays
	}
	if c.all.Load() {
		return true
	}
	select {
	case <-turnOf(r):
		return true
	default:
		return false
	}
}
