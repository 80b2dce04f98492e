package httpserver

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
)

// Shutdown ends the server. In this order: admission is closed, so that new
// requests are answered 503 closed; polls that wait are answered so at once
// (PROTOCOL D3); the loop works off what is inside, for Config.ShutdownTimeout
// at most; who is still inside then is answered without it; connections are
// closed as they fall idle; the store is closed.
//
// When ctx ends, what is left of this is cut short. The error says what did
// not go as it should; a second call returns what the first did.
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

	s.admission.close()
	var errs []error
	if before >= stageStarted && !s.drain(ctx) {
		errs = append(errs, fmt.Errorf("httpserver: %d requests were inside when the time for working them off was over", s.InboxDepth()))
	}
	s.admission.abandon()
	s.giveUp()

	if before >= stageListening {
		bounded, cancel := context.WithTimeout(ctx, closeTimeout)
		defer cancel()
		if err := s.http.Shutdown(bounded); err != nil {
			// Everybody has been answered, but a peer may not read, or may have
			// connected and said nothing.
			s.log.Warn("connections that did not fall idle are cut", "error", err)
			_ = s.http.Close()
		}
		s.stopBack()
		_ = s.ops.Close()
		close(s.notices.stop)
		s.running.Wait()
	} else if s.cfg.Listener != nil {
		_ = s.cfg.Listener.Close()
	}

	if before >= stageStarted && !s.loopEnded() {
		// It may be about to use the store.
		return errors.Join(append(errs, errors.New("httpserver: the loop does not end; the store is left open"))...)
	}
	if err := s.cfg.Store.Close(); err != nil {
		errs = append(errs, fmt.Errorf("httpserver: close the store: %w", err))
	}
	return errors.Join(errs...)
}

// drain waits until the loop has worked off what is inside. It reports false
// if that took too long.
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

// loopEnded gives a loop that was given up a moment to notice it.
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
