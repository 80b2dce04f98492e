package httpserver

import (
	"context"
	"net"
	"time"
)

// startDraining says that the server will end: /readyz fails, and no poll begins to
// wait. Everything else is answered as before.
func (s *Server) startDraining() (open []net.Conn) {
	s.draining.Store(true)
	s.admission.drain() // first: who comes to a connection's turn finds it so
	return s.closing.end()
}

// drainConnections closes the connections one after the other: the turn of the
// i-th of n comes at i/n of the first three quarters of Config.DrainTime. At its
// turn a connection is closed with its next answer, and a poll that waits on it is
// answered then (PROTOCOL D3). The last quarter is for the answers of the last
// connections. So a fleet comes to its next plane, or to the next process of this
// one, over that time, and no request is cut off. Without a connection there is
// nobody to wait for.
func (s *Server) drainConnections(ctx context.Context, open []net.Conn) {
	over := s.cfg.DrainTime
	if over <= 0 || len(open) == 0 {
		return
	}
	s.log.Info("draining", "connections", len(open), "over", over)
	start, turns := s.cfg.Clock.Now(), over/4*3
	for i, of := range open {
		if !s.pauseUntil(ctx, start.Add(turns*time.Duration(i)/time.Duration(len(open)))) {
			return
		}
		s.closing.giveTurn(of)
	}
	s.pauseUntil(ctx, start.Add(over))
}

// pauseUntil reports false if ctx or the loop ended first.
func (s *Server) pauseUntil(ctx context.Context, at time.Time) bool {
	wait := at.Sub(s.cfg.Clock.Now())
	if wait <= 0 {
		return true
	}
	timer := s.cfg.Clock.Timer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
	case <-s.loop.done:
	}
	return false
}

// drain lets no poll begin to wait any more.
func (a *admission) drain() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.front.Drain()
}

// release answers a poll, if it waits.
func (a *admission) release(p *pending) {
	a.mu.Lock()
	now := a.now()
	a.front.Release(now, &p.Request)
	a.unlock(now.Mono)
}
