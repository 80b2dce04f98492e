package httpserver

import (
	"log/slog"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
)

// verifiedMetrics are those of signed files that are read and verified: a release, or
// the list of revocations.
type verifiedMetrics struct {
	refused  prometheus.Gauge
	signedAt prometheus.Gauge
	refusals map[string]prometheus.Counter // by reason
}

// verifiedReport says how the last reading of signed files has ended.
type verifiedReport struct {
	verifiedMetrics
	logger   *slog.Logger
	line     string // of the log, for what is refused
	at       slog.Attr
	problem  atomic.Pointer[string] // nil if there is none
	reported string                 // what was wrong at the last scan; of scan alone
}

// refuse reports what is wrong: in the log and in the counter once until it changes.
func (r *verifiedReport) refuse(reason string, err error) {
	text := err.Error()
	r.refused.Set(1)
	r.problem.Store(&text)
	if r.reported == text {
		return
	}
	r.reported = text
	if counter := r.refusals[reason]; counter != nil {
		counter.Inc()
	}
	r.logger.Error(r.line, r.at, "reason", reason, "error", text)
}

// accept reports that nothing is wrong.
func (r *verifiedReport) accept() {
	r.reported = ""
	r.refused.Set(0)
	r.problem.Store(nil)
}
