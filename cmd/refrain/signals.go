package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"slices"
	"syscall"
	"time"

	"github.com/refrain-fleet/refrain/httpserver"
	"github.com/refrain-fleet/refrain/sim/search"
)

// interruption is the cause of a context that a signal has ended.
type interruption struct{ signal syscall.Signal }

// Error implements error.
func (i *interruption) Error() string { return "interrupted by " + i.name() }

func (i *interruption) name() string {
	if i.signal == syscall.SIGTERM {
		return "SIGTERM"
	}
	return "SIGINT"
}

// code is the exit code that a shell reports for a process that died of the
// signal: 130 for SIGINT, 143 for SIGTERM.
func (i *interruption) code() int { return 128 + int(i.signal) }

// failure is the error of a command that was interrupted and has said so itself.
func (i *interruption) failure() error {
	return &commandError{err: i, code: i.code(), reported: true}
}

// interrupted returns the signal that has ended a context; nil if none has.
func interrupted(ctx context.Context) *interruption {
	if i, is := errors.AsType[*interruption](context.Cause(ctx)); is && ctx.Err() != nil {
		return i
	}
	return nil
}

// interruptible returns a context that the first SIGINT or SIGTERM ends. A second
// one is not caught and kills the process.
func interruptible(parent context.Context) (ctx context.Context, stop func()) {
	ctx, end := context.WithCancelCause(parent)
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM)
	go func() {
		select {
		case s := <-signals:
			signal.Stop(signals)
			number, _ := s.(syscall.Signal)
			end(&interruption{number})
		case <-ctx.Done():
		}
	}()
	return ctx, func() {
		signal.Stop(signals)
		end(nil)
	}
}

// endSoon ends the process if it goes on for nearly a second after a signal. It is
// for commands that run worlds or a reducer by themselves, where nothing can be
// interrupted; search.Run does better. returned says that the command is over.
func endSoon(ctx context.Context, errs io.Writer) (returned func()) {
	done := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		i := interrupted(ctx)
		if i == nil {
			return
		}
		select {
		case <-done:
		case <-time.After(900 * time.Millisecond):
			fmt.Fprintf(errs, "refrain: %v, and a run did not end; it was at\n%s\n", i, search.WorldStacks())
			os.Exit(i.code())
		}
	})
	return func() {
		stop()
		close(done)
	}
}

// serveSignals handles signals: SIGHUP reads the certificate files again; SIGUSR1, where
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
	// The server logs what it does with files that have changed.
	changed, err := server.ReloadCertificates()
	if err == nil && !changed {
		log.Info("certificates not reloaded: the files are those in use")
	}
}
