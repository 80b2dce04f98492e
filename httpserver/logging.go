package httpserver

import (
	"context"
	"log"
	"log/slog"
	"strings"
	"sync/atomic"

	"github.com/benbjohnson/clock"

	"github.com/refrain-fleet/refrain/core/plane"
	"github.com/refrain-fleet/refrain/core/wire"
	"github.com/refrain-fleet/refrain/internal/logging"
)

// throttle allows one log line a second of each kind and counts the others, so that
// a thousand refusals a second do not flood the log. The metrics stay exact.
type throttle = logging.Throttle[string]

func newThrottle(c clock.Clock) *throttle { return logging.NewThrottle[string](c, 1) }

// unavailableLines are the log lines of the seven reasons (PROTOCOL G8).
var unavailableLines = map[wire.Code]struct {
	level slog.Level
	line  string
}{
	wire.NotStarted:   {slog.LevelWarn, "refused: the plane is not started"},
	wire.Saturated:    {slog.LevelWarn, "refused: the inbox, or the caller's share of it, is full"},
	wire.Closed:       {slog.LevelError, "refused: the inbox is closed"},
	wire.DroppedReply: {slog.LevelError, "dropped without a reply"},
	wire.Timeout:      {slog.LevelError, "timeout: the reducer did not reply in time; it may be wedged"},

	wire.StoreUnavailable: {slog.LevelWarn, "refused: it needs the disk, and commits fail"},
	wire.OverBudget:       {slog.LevelWarn, "refused: the host has used up its event budget for the rollout"},
}

// logUnavailable logs a 503.
func (s *Server) logUnavailable(e *exchange, code wire.Code) {
	suppressed, ok, _ := s.throttle.Allow(code.Reason())
	if !ok {
		return
	}
	route := ""
	if e.endpoint != nil {
		route = e.endpoint.name
	}
	l := unavailableLines[code]
	s.log.LogAttrs(context.Background(), l.level, l.line,
		slog.String("reason", code.Reason()), slog.String("route", route), slog.String("name", e.identity.CommonName),
		slog.Duration("retry_after", e.outcome.RetryAfter), slog.String("request_id", e.requestID),
		slog.Uint64("suppressed", suppressed))
}

// errorLog receives the log lines of net/http. Those of failed handshakes are written
// at debug: [mtls.Connections] counts and logs them by cause.
type errorLog struct {
	log      *slog.Logger
	throttle *throttle
}

// Write implements [io.Writer], for one line of a [log.Logger].
func (w *errorLog) Write(line []byte) (int, error) {
	text := strings.TrimSpace(string(line))
	if strings.Contains(text, "TLS handshake error") {
		w.log.Debug("handshake failed", "detail", clipTo(text, 300))
	} else if suppressed, ok, _ := w.throttle.Allow("net/http"); ok {
		w.log.Warn("net/http", "detail", clipTo(text, 300), "suppressed", suppressed)
	}
	return len(line), nil
}

func (w *errorLog) logger() *log.Logger { return log.New(w, "", 0) }

// noticeLog writes the plane's notices to the log. It has a goroutine of its own,
// so that the loop does not format them. If that is too slow for too long, notices
// are dropped and counted.
type noticeLog struct {
	log      *slog.Logger
	throttle *throttle
	queue    chan plane.Notice
	stop     chan struct{}
	dropped  atomic.Uint64
}

func newNoticeLog(l *slog.Logger, t *throttle) *noticeLog {
	return &noticeLog{log: l, throttle: t, queue: make(chan plane.Notice, 4096), stop: make(chan struct{})}
}

// put queues notices. It never blocks.
func (n *noticeLog) put(list []plane.Notice) {
	for i := range list {
		if !n.log.Enabled(context.Background(), noticeLevel(&list[i])) {
			continue
		}
		if kind := list[i].Kind; kind == plane.NoticeRejected || kind == plane.NoticeDiscarded {
			// One host can cause any number of them at no cost. They must neither
			// flood the log nor displace other notices. The counters of these
			// events stay exact.
			suppressed, ok, _ := n.throttle.Allow(noticeLines[kind])
			if !ok {
				continue
			}
			list[i].Count = int(suppressed)
		}
		select {
		case n.queue <- list[i]:
		default:
			n.dropped.Add(1)
		}
	}
}

// run writes notices until stop is closed, and then those that are queued.
func (n *noticeLog) run() {
	for {
		select {
		case notice := <-n.queue:
			n.write(&notice)
		case <-n.stop:
			for {
				select {
				case notice := <-n.queue:
					n.write(&notice)
				default:
					return
				}
			}
		}
	}
}

// noticeLevel returns the log level of a notice. What a steady heartbeat, or a
// replay after it, can cause is logged at debug.
func noticeLevel(n *plane.Notice) slog.Level {
	switch n.Kind {
	case plane.NoticeReplayAsked, plane.NoticeReplayPutOff:
		return slog.LevelDebug
	case plane.NoticeTransition:
		if n.To == wire.Failed || n.To == wire.Reverted {
			return slog.LevelWarn
		}
		return slog.LevelInfo
	case plane.NoticeRejected, plane.NoticeDiscarded, plane.NoticeHalted, plane.NoticeQuarantined, plane.NoticeUnreachable, plane.NoticeHeld, plane.NoticeRevokedUnseen,
		plane.NoticeDuplicateIdentity:
		return slog.LevelWarn
	case plane.NoticeObserverSuspect:
		return slog.LevelError
	default:
		return slog.LevelInfo
	}
}

func (n *noticeLog) write(notice *plane.Notice) {
	attrs := make([]slog.Attr, 0, 10)
	text := func(key, value string) {
		if value != "" {
			attrs = append(attrs, slog.String(key, value))
		}
	}
	text("host", string(notice.Hostname))
	text("rollout", string(notice.RolloutID))
	if notice.From != 0 {
		text("from", notice.From.String())
	}
	if notice.To != 0 {
		text("to", notice.To.String())
	}
	if notice.Seq != 0 {
		attrs = append(attrs, slog.Uint64("seq", uint64(notice.Seq)))
	}
	switch notice.Kind {
	case plane.NoticeOpened, plane.NoticeObserverSuspect:
		attrs = append(attrs, slog.Int("hosts", notice.Count))
	case plane.NoticeWave:
		attrs = append(attrs, slog.Int("wave", notice.Count))
	case plane.NoticeCredited:
		attrs = append(attrs, slog.Int("seconds", notice.Count))
	case plane.NoticeRejected, plane.NoticeDiscarded:
		if notice.Count > 0 {
			attrs = append(attrs, slog.Int("suppressed", notice.Count))
		}
	}
	if by := notice.By; by != nil {
		text("operator", string(by.Name))
		text("fingerprint", string(by.Fingerprint))
		text("request_id", string(by.Request))
		text("hash", string(notice.Hash))
	}
	text("detail", notice.Detail)
	n.log.LogAttrs(context.Background(), noticeLevel(notice), noticeLines[notice.Kind], attrs...)
}

// noticeLines are the log lines of the notices.
var noticeLines = [plane.NoticeKindCount]string{
	plane.NoticeReplayAsked:     "replay requested",
	plane.NoticeConfirmed:       "record confirmed by a heartbeat",
	plane.NoticeAbsorbed:        "event absorbed",
	plane.NoticeRejected:        "event rejected",
	plane.NoticeTransition:      "record changed its state",
	plane.NoticeOpened:          "rollout opened",
	plane.NoticeSuperseded:      "rollout superseded",
	plane.NoticeHeld:            "rollout held: of several manifests nothing says which is the newest, so nothing of the channel is dispatched; choose the one that shall be in force",
	plane.NoticeWave:            "wave dispatched",
	plane.NoticeHalted:          "rollout halted",
	plane.NoticeResumed:         "rollout resumed",
	plane.NoticeChosen:          "rollout chosen: it is in force",
	plane.NoticeQuarantined:     "closure quarantined",
	plane.NoticeCleared:         "quarantine cleared",
	plane.NoticeRevoked:         "certificates revoked",
	plane.NoticeRevokedUnseen:   "revoked a name whose holder the plane has not seen; check its spelling",
	plane.NoticeUnreachable:     "host unreachable",
	plane.NoticeReachable:       "host reachable again",
	plane.NoticeObserverSuspect: "so many hosts fell silent at once that the plane suspects itself; no host is marked unreachable",
	plane.NoticeCredited:        "the plane was impaired; every host is credited with the time",
	plane.NoticeReplayPutOff:    "replay put off: as many as may be are under way",

	plane.NoticeDiscarded: "event of a field agent discarded: it can never be applied",

	plane.NoticeActed: "act of an operator",

	plane.NoticeDuplicateIdentity: "two machines send heartbeats in one host's name; revoke the name and issue it again to the right one",

	plane.NoticeSteered: "an operator steers",
}
