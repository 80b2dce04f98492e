package httpserver

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
)

// Shutdown stops the server, in this order:
//
//  1. /readyz fails, and the streams of the live page end. Everything else is
//     answered as before, except that no poll begins to wait.
//  2. Over Config.DrainTime one connection after the other is closed with its next
//     answer; a poll that waits on it is answered 503 closed (PROTOCOL D3).
//  3. Admission is closed: new requests are answered 503 closed, and so are
//     waiting polls, at once.
//  4. The loop answers the requests in the inbox, for Config.ShutdownTimeout at
//     most. Requests that are left then are answered without it.
//  5. Connections are closed as they become idle.
//  6. The store is closed.
//
// When ctx ends, the remaining steps do not wait. The error says what failed; a
// second call returns the result of the first.
func (s *Server) Shutdown(ctx context.Context) error {
	s.shutdown.Do(func() { s.ended = s.end(ctx) })
	return s.ended
}

func (s *Server) end(ctx context.Context) error {
	s.mu.Lock()
	before := s.stage
	s.stage = stageClosing
	if s.stopLoad != nil {
		s.stopLoad()
	}
	s.mu.Unlock()
	defer s.giveUp()
	defer s.stopBack()
	if before >= stageListening {
		s.notify(daemon.SdNotifyStopping)
		s.log.Info("shutting down")
	}

	open := s.startDraining()
	s.live.drain()
	if before >= stageStarted {
		s.drainConnections(ctx, open)
	}
	s.closing.endAll()
	s.admission.close()
	var errs []error
	if before >= stageStarted && !s.drain(ctx) {
		errs = append(errs, fmt.Errorf("httpserver: shutdown drain timeout: %d requests still in the inbox", s.InboxDepth()))
	}
	s.admission.abandon()
	s.giveUp()

	if before >= stageListening {
		bounded, cancel := context.WithTimeout(ctx, closeTimeout)
		defer cancel()
		if err := s.http.Shutdown(bounded); err != nil {
			// Every request has been answered, but a peer may not read, or may
			// have connected without sending anything.
			s.log.Warn("closing connections that did not become idle", "error", err)
			_ = s.http.Close()
		}
		s.connections.Close()
		s.stopBack()
		_ = s.ops.Close()
		s.live.close()
		close(s.notices.stop)
		s.running.Wait()
	} else if s.cfg.Listener != nil {
		_ = s.cfg.Listener.Close()
	}

	if before >= stageStarted && !s.loopEnded() {
		// The loop may still use the store.
		return errors.Join(append(errs, errors.New("httpserver: reducer loop did not stop; store not closed"))...)
	}
	if err := s.cfg.Store.Close(); err != nil {
		errs = append(errs, fmt.Errorf("httpserver: close store: %w", err))
	}
	return errors.Join(errs...)
}

// drain waits until the loop has answered the requests in the inbox. It returns
// false if that took too long.
func (s *Server) drain(ctx context.Context) bool {
	timer := s.cfg.Clock.Timer(s.cfg.ShutdownTimeout)
	defer timer.Stop()
	select {
	case <-s.loop.done:
		return true
	case <-timer.C:
	case <-ctx.Done():
	}
	return false
}

// loopEnded waits a moment for an abandoned loop to stop, and reports whether it
// has.
func (s *Server) loopEnded() bool {
	timer := time.NewTimer(closeTimeout)
	defer timer.Stop()
	select {
	case <-s.loop.done:
		return true
	case <-timer.C:
		return false
	}
}
