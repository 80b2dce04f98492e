package logging

import (
	"cmp"
	"context"
	"log/slog"
	"maps"
	"slices"
	"sync/atomic"
	"time"

	"github.com/benbjohnson/clock"
)

// flood cuts floods of lines of one kind down.
type flood struct {
	plain      slog.Handler // without the attributes of any logger
	clock      clock.Clock
	throttle   *Throttle[lineKind]
	suppressed atomic.Uint64
}

// lineKind is what the lines of a kind have in common.
type lineKind struct {
	level slog.Level
	text  string
}

func newFlood(plain slog.Handler, c clock.Clock, burst int) *flood {
	return &flood{plain: plain, clock: c, throttle: NewThrottle[lineKind](c, burst)}
}

// handler wraps a handler.
func (f *flood) handler(next slog.Handler) slog.Handler { return &floodHandler{next, f} }

type floodHandler struct {
	slog.Handler
	flood *flood
}

// Handle implements [slog.Handler].
func (h *floodHandler) Handle(ctx context.Context, r slog.Record) error {
	kind := lineKind{r.Level, r.Message}
	suppressed, ok, first := h.flood.throttle.Allow(kind)
	if !ok {
		h.flood.suppressed.Add(1)
		if first {
			// If another line comes in the next second, it says it.
			h.flood.clock.AfterFunc(time.Second+100*time.Millisecond, func() {
				h.flood.tell(kind, h.flood.throttle.Leftover(kind))
			})
		}
		return nil
	}
	if suppressed > 0 {
		r = r.Clone()
		r.AddAttrs(slog.Uint64("suppressed", suppressed))
	}
	return h.Handler.Handle(ctx, r)
}

// WithAttrs implements [slog.Handler].
func (h *floodHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return h.flood.handler(h.Handler.WithAttrs(attrs))
}

// WithGroup implements [slog.Handler].
func (h *floodHandler) WithGroup(name string) slog.Handler {
	return h.flood.handler(h.Handler.WithGroup(name))
}

// tell says how many lines of a kind were left out.
func (f *flood) tell(kind lineKind, suppressed uint64) {
	if suppressed == 0 {
		return
	}
	r := slog.NewRecord(f.clock.Now(), kind.level, "lines were left out: too many of one kind", 0)
	r.AddAttrs(slog.String("kind", kind.text), slog.Uint64("suppressed", suppressed))
	_ = f.plain.Handle(context.Background(), r) // the buffer takes everything
}

// tellAll says what was left out and not said yet.
func (f *flood) tellAll() {
	left := f.throttle.Leftovers()
	for _, kind := range slices.SortedFunc(maps.Keys(left), func(a, b lineKind) int { return cmp.Compare(a.text, b.text) }) {
		f.tell(kind, left[kind])
	}
}
