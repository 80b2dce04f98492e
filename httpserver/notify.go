package httpserver

import (
	"context"

	"github.com/coreos/go-systemd/v22/daemon"
)

// notify tells the service manager something. Without one (no NOTIFY_SOCKET in
// the environment) it does nothing.
func (s *Server) notify(state string) {
	if _, err := daemon.SdNotify(false, state); err != nil {
		s.log.Warn("the service manager cannot be notified", "state", state, "error", err)
	}
}

// watchdog feeds the service manager's watchdog, twice in its interval, as long
// as the plane is not wedged (PROTOCOL G7). It ends with ctx, or at once if
// there is no watchdog to feed.
func (s *Server) watchdog(ctx context.Context) {
	interval, err := daemon.SdWatchdogEnabled(false)
	if err != nil {
		s.log.Warn("the watchdog cannot be fed", "error", err)
		return
	}
	if interval <= 0 {
		return
	}
	ticker := s.cfg.Clock.Ticker(interval / 2)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			if !s.admission.look().wedged {
				s.notify(daemon.SdNotifyWatchdog)
			}
		}
	}
}
