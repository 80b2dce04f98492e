package httpserver

import (
	"context"

	"github.com/coreos/go-systemd/v22/daemon"
)

// notify sends a state to the service manager. Without one (no NOTIFY_SOCKET in the
// environment) it does nothing.
func (s *Server) notify(state string) {
	if _, err := daemon.SdNotify(false, state); err != nil {
		s.log.Warn("cannot notify the service manager", "state", state, "error", err)
	}
}

// watchdog returns a function that notifies the service manager's watchdog twice
// per interval, as long as the plane is not wedged (PROTOCOL G7), until ctx ends.
// It returns nil if there is no watchdog.
func (s *Server) watchdog(ctx context.Context) (feed func()) {
	interval, err := daemon.SdWatchdogEnabled(false)
	if err != nil {
		s.log.Warn("cannot read the watchdog interval; the watchdog is not notified", "error", err)
	}
	if interval <= 0 {
		return nil
	}
	ticker := s.cfg.Clock.Ticker(interval / 2)
	return func() {
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
}
