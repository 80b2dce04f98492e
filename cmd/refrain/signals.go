package main

import (
	"log/slog"
	"os"
	"os/signal"
	"slices"
	"syscall"

	"github.com/refrain-fleet/refrain/httpserver"
)

// serveSignals handles signals: SIGHUP reloads the certificate; SIGUSR1, where
// it exists, writes a flight recording.
func serveSignals(server *httpserver.Server, log *slog.Logger) (stop func()) {
	signals := make(chan os.Signal, 1)
	done := make(chan struct{})
	signal.Notify(signals, slices.Concat([]os.Signal{syscall.SIGHUP}, recordSignals)...)
	go func() {
		for {
			select {
			case s := <-signals:
				onSignal(s, server, log)
			case <-done:
				return
			}
		}
	}()
	return func() {
		signal.Stop(signals)
		close(done)
	}
}

func onSignal(s os.Signal, server *httpserver.Server, log *slog.Logger) {
	if slices.Contains(recordSignals, s) {
		if _, err := server.RecordFlight("signal"); err != nil {
			log.Error("writing the flight recording failed", "error", err)
		}
		return
	}
	if err := server.ReloadCertificate(); err != nil {
		log.Error("reloading the certificate failed; the old one stays in use", "error", err)
	} else {
		log.Info("certificate reloaded")
	}
}
