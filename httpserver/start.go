package httpserver

import (
	"context"
	"errors"
	"fmt"

	"github.com/coreos/go-systemd/v22/daemon"
)

// Start listens, unless [Server.Listen] was called, loads the log and brings
// the plane up. When it returns nil the plane takes requests. ctx bounds the
// start only.
func (s *Server) Start(ctx context.Context) error {
	if s.Addr() == nil {
		if err := s.Listen(); err != nil {
			return err
		}
	}
	s.mu.Lock()
	if s.stage != stageListening {
		s.mu.Unlock()
		return errors.New("httpserver: the server is started already, or is shut down")
	}
	s.stage = stageStarted
	loading, stopLoad := context.WithCancel(s.loop.life)
	defer stopLoad()
	s.stopLoad = stopLoad
	go s.loop.run(loading)
	s.mu.Unlock()

	stop := context.AfterFunc(ctx, stopLoad)
	err := <-s.loop.loaded
	stop()
	if err != nil {
		return fmt.Errorf("httpserver: %w", err)
	}
	if err := s.started(func() {
		if s.cfg.ManifestDir != "" {
			m := &manifests{
				opener: opener{log: s.log, clock: s.cfg.Clock, admission: s.admission, caller: manifestCaller},
				dir:    s.cfg.ManifestDir, limit: s.cfg.MaxManifest, refused: s.metrics.badManifests,
			}
			s.running.Go(func() { m.run(s.back) })
		}
	}); err != nil {
		return err
	}
	if s.releases != nil {
		// So that the first agent finds one. The plane may take its time, so a shutdown
		// does not wait for it.
		s.releases.first()
	}
	return s.started(s.startRest)
}

// started does something unless the server was shut down meanwhile.
func (s *Server) started(do func()) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stage != stageStarted {
		return errors.New("httpserver: the server was shut down while it started")
	}
	do()
	return nil
}

// startRest starts what follows the start; mu must be held.
func (s *Server) startRest() {
	if s.releases != nil {
		s.running.Go(func() { s.releases.run(s.back, s) })
	}
	if s.revokes != nil {
		s.running.Go(func() { s.revokes.run(s.back) })
	}
	s.running.Go(func() { s.watchDescriptors(s.back) })
	s.notify(daemon.SdNotifyReady)
	s.log.Info("serving", "address", s.listener.Addr().String(), "ops_address", s.opsAddress())
}
