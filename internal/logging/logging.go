// Package logging makes the program's logger. Nothing in the program waits for
// its log: between them is a bounded buffer, which one goroutine writes out.
//
//   - A reader that does not read (a full pipe) fills the buffer. Lines that
//     find no room are dropped and counted, and the log says at that place how
//     many are missing as soon as it is read again.
//   - A reader that has gone (EPIPE), a full disk: lines that cannot be written
//     are counted and said in the same way, and the program goes on.
//   - A flood of lines of one kind, that is of one level and text, is cut down
//     to one a second, which says how many were left out.
//   - At the end, [Log.Close] writes out what is in the buffer for as long as
//     it is told to, and no longer.
//
// The lines that are written are in the order in which they were logged.
package logging

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"time"

	"github.com/benbjohnson/clock"
)

// Format is the form of the lines.
type Format string

// The formats.
const (
	Text Format = "text" // key=value
	JSON Format = "json" // an object per line
)

// Defaults of [Options].
const (
	DefaultBuffer = 1 << 20
	DefaultBurst  = 100
)

// CloseTimeout is for how long a program that ends writes out its log.
const CloseTimeout = time.Second

// Options configure a log. Zero values mean the defaults.
type Options struct {
	// Format is the form of the lines. Default [Text].
	Format Format
	// Level is the lowest level that is logged. Default info. Whoever asks for
	// debug gets every line: nothing is left out as a flood.
	Level slog.Level
	// Buffer is how many bytes of lines wait for the writer at most. Default
	// 1 MiB.
	Buffer int
	// Burst is how many lines of a kind are written within a second before the
	// rest of them is left out as a flood. Default 100.
	Burst int
	// Clock is the source of time. Default: the system clock.
	Clock clock.Clock
}

// Log is a logger with its buffer.
type Log struct {
	*slog.Logger
	queue *queue
	flood *flood // nil if nothing is left out
}

// New makes a log whose lines go to w, one Write each. It takes a goroutine
// until [Log.Close].
func New(w io.Writer, o Options) *Log {
	if o.Buffer == 0 {
		o.Buffer = DefaultBuffer
	}
	if o.Burst == 0 {
		o.Burst = DefaultBurst
	}
	if o.Clock == nil {
		o.Clock = clock.New()
	}
	l := &Log{queue: newQueue(w, o.Buffer, func(lost uint64) []byte { return lossLine(&o, lost) })}
	handler := newHandler(l.queue, &o)
	if o.Level >= slog.LevelInfo {
		l.flood = newFlood(handler, o.Clock, o.Burst)
		handler = l.flood.handler(handler)
	}
	l.Logger = slog.New(handler)
	return l
}

func newHandler(w io.Writer, o *Options) slog.Handler {
	options := &slog.HandlerOptions{Level: o.Level}
	if o.Format == JSON {
		return slog.NewJSONHandler(w, options)
	}
	return slog.NewTextHandler(w, options)
}

// lossLine is the line that stands where lines are missing.
func lossLine(o *Options, lost uint64) []byte {
	var line bytes.Buffer
	r := slog.NewRecord(o.Clock.Now(), slog.LevelError, "log lines are missing here: the log was not read, or could not be written", 0)
	r.AddAttrs(slog.Uint64("missing", lost))
	_ = newHandler(&line, o).Handle(context.Background(), r) // a buffer takes everything
	return line.Bytes()
}

// Dropped returns how many lines were lost: they found no room in the buffer,
// or could not be written.
func (l *Log) Dropped() uint64 { return l.queue.lostTotal.Load() }

// Suppressed returns how many lines were left out as a flood.
func (l *Log) Suppressed() uint64 {
	if l.flood == nil {
		return 0
	}
	return l.flood.suppressed.Load()
}

// Close writes out what is in the buffer, for at most the given time, and
// reports whether all of it was written. What is logged afterwards is lost.
func (l *Log) Close(within time.Duration) (complete bool) {
	if l.flood != nil {
		l.flood.tellAll()
	}
	return l.queue.close(within)
}
