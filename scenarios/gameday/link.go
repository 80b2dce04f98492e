package gameday

import (
	"math/rand/v2"
	"net"
	"sync"
	"time"

	"github.com/refrain-fleet/refrain/sim/scenario"
)

// link is a proxy between one host and the plane: it carries bytes, and delays,
// blocks and cuts connections as networks do.
type link struct {
	listener net.Listener
	to       string // the plane's address
	draws    *rand.Rand

	mu      sync.Mutex
	changed *sync.Cond
	blocked [2]int // by direction: how many partitions block it
	delay   time.Duration
	cut     int // how many of a thousand pieces end their connection
	resets  [2]int
	conns   map[net.Conn]bool
	closed  bool
	running sync.WaitGroup
}

// The directions of a link.
const (
	up = iota
	down
)

func newLink(to string, seed uint64) (*link, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	l := &link{listener: listener, to: to, draws: rand.New(rand.NewPCG(seed, 0x6c696e6b)), conns: map[net.Conn]bool{}}
	l.changed = sync.NewCond(&l.mu)
	l.running.Go(l.accept)
	return l, nil
}

func (l *link) address() string { return l.listener.Addr().String() }

func (l *link) accept() {
	for {
		near, err := l.listener.Accept()
		if err != nil {
			return
		}
		far, err := net.Dial("tcp", l.to)
		if err != nil {
			refuse(near)
			continue
		}
		l.mu.Lock()
		if l.closed {
			l.mu.Unlock()
			_, _ = near.Close(), far.Close()
			return
		}
		l.conns[near], l.conns[far] = true, true
		l.mu.Unlock()
		pieces := new([2]int)
		l.running.Go(func() { l.carry(near, far, up, pieces) })
		l.running.Go(func() { l.carry(far, near, down, pieces) })
	}
}

// refuse closes a connection so that the other side sees a reset.
func refuse(c net.Conn) {
	if tcp, is := c.(*net.TCPConn); is {
		_ = tcp.SetLinger(0)
	}
	_ = c.Close()
}

// carry carries bytes of one direction until the connection ends.
func (l *link) carry(from, to net.Conn, way int, pieces *[2]int) {
	defer l.end(from, to)
	buffer := make([]byte, 64<<10)
	for {
		n, err := from.Read(buffer)
		if n > 0 && !l.pass(way, pieces) {
			return
		}
		if n > 0 {
			if _, err := to.Write(buffer[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// pass returns when a piece may be forwarded; false ends the connection.
func (l *link) pass(way int, pieces *[2]int) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	pieces[way]++
	// The first pieces are the handshake's.
	if established := pieces[way] > 1; established && l.resets[way] > 0 {
		l.resets[way]--
		return false
	}
	if l.cut > 0 && l.draws.IntN(1000) < l.cut {
		return false
	}
	if delay := l.delay; delay > 0 {
		l.mu.Unlock()
		time.Sleep(delay)
		l.mu.Lock()
	}
	for l.blocked[way] > 0 && !l.closed {
		l.changed.Wait()
	}
	return !l.closed
}

func (l *link) end(a, b net.Conn) {
	refuse(a)
	refuse(b)
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.conns, a)
	delete(l.conns, b)
}

// set changes what the link does.
func (l *link) set(change func(*link)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	change(l)
	l.changed.Broadcast()
}

// block blocks a direction, or unblocks it with by -1.
func (l *link) block(dir scenario.Dir, by int) {
	l.set(func(l *link) {
		if dir != scenario.Down {
			l.blocked[up] += by
		}
		if dir != scenario.Up {
			l.blocked[down] += by
		}
	})
}

func (l *link) close() {
	_ = l.listener.Close()
	l.set(func(l *link) {
		l.closed = true
		for c := range l.conns {
			_ = c.Close()
		}
	})
	l.running.Wait()
}
