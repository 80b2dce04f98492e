package main

import (
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/refrain-fleet/refrain/internal/logging"
)

// logFlags are the flags of every command that logs; such a command embeds
// them.
type logFlags struct {
	LogFormat string `default:"text" enum:"text,json" help:"The format of log lines: ${enum}."`
	LogLevel  string `default:"info" enum:"debug,info,warn,error" help:"The lowest level that is logged: ${enum}."`
}

// openLog makes the command's log, which writes to w. The command closes it when
// it ends.
func (f logFlags) openLog(w io.Writer) *logging.Log {
	var level slog.Level
	if err := level.UnmarshalText([]byte(f.LogLevel)); err != nil {
		panic(err) // the flag's enum allows levels only
	}
	return openLog(w, logging.Options{Format: logging.Format(f.LogFormat), Level: level})
}

// openLog is the one place in the program that makes a logger.
func openLog(w io.Writer, o logging.Options) *logging.Log { return logging.New(w, o) }

// outliveReaders is for commands that run as a service: from here on a closed pipe
// is an error of the write (EPIPE), and not a signal that ends the process. Others
// end with the reader of their output, as users of pipes expect.
func outliveReaders() {
	// The channel is never read. Ignoring the signal instead would be inherited
	// by the processes that an agent starts.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
}

// writeBounded writes text that nothing may wait for: a pipe that is full and not
// read holds it up for a moment only.
func writeBounded(w io.Writer, text string) {
	written := make(chan struct{})
	go func() {
		defer close(written)
		_, _ = io.WriteString(w, text) // there is no other place to say it
	}()
	select {
	case <-written:
	case <-time.After(logging.CloseTimeout):
	}
}
