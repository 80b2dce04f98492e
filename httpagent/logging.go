package httpagent

import (
	"context"
	"log/slog"

	"github.com/refrain-fleet/refrain/core/agent"
)

// logExchange reports a request that has ended to the observer and the log. Of
// failures in a row of one kind only the first is logged, and the success after
// them.
func (s *session) logExchange(x Exchange) {
	s.cfg.Observer.Exchanged(x)
	failed := x.Status == 0 || x.Status >= 500
	var problem slog.Attr
	if x.Err != nil {
		problem = slog.Any("error", x.Err)
	} else {
		problem = slog.String("reason", string(x.Reason))
	}
	log := func(level slog.Level, line string) {
		s.cfg.Logger.LogAttrs(context.Background(), level, line,
			slog.String("request", x.Kind.String()), slog.Int("status", x.Status), problem)
	}
	switch {
	case x.Defect:
		log(slog.LevelError, "an answer of the plane could not be read")
	case failed && !s.failing[x.Kind]:
		log(slog.LevelWarn, "a request failed; the agent retries")
	case !failed && s.failing[x.Kind]:
		s.cfg.Logger.Info("requests are answered again", "request", x.Kind.String())
	}
	s.failing[x.Kind] = failed
}

// logNotice reports a notice of the reducer to the observer and the log.
func (s *session) logNotice(n *agent.Notice) {
	s.cfg.Observer.Noticed(*n)
	line := noticeLines[n.Kind]
	if !s.cfg.Logger.Enabled(context.Background(), line.level) {
		return
	}
	attrs := make([]slog.Attr, 0, 6)
	text := func(key, value string) {
		if value != "" {
			attrs = append(attrs, slog.String(key, value))
		}
	}
	text("rollout", string(n.RolloutID))
	if n.Kind == agent.NoticeTransition || n.Kind == agent.NoticeRecovered {
		text("from", n.From.String())
		text("to", n.To.String())
	}
	if n.Seq > 0 {
		attrs = append(attrs, slog.Uint64("seq", uint64(n.Seq)))
	}
	if n.Status > 0 {
		attrs = append(attrs, slog.Int("status", n.Status))
	}
	text("detail", n.Detail)
	s.cfg.Logger.LogAttrs(context.Background(), line.level, line.text, attrs...)
}

// noticeLines are the log lines of the notices, and their levels.
var noticeLines = [agent.NoticeKindCount]struct {
	level slog.Level
	text  string
}{
	agent.NoticeTaken:          {slog.LevelInfo, "dispatch taken up"},
	agent.NoticeWaiting:        {slog.LevelInfo, "dispatch waits for the activation that is running"},
	agent.NoticeKnown:          {slog.LevelDebug, "dispatch offered again"},
	agent.NoticeTransition:     {slog.LevelInfo, "record changed its state"},
	agent.NoticeReplay:         {slog.LevelInfo, "events are sent again"},
	agent.NoticeRejected:       {slog.LevelWarn, "event rejected by the plane"},
	agent.NoticeDefect:         {slog.LevelError, "one side has a defect"},
	agent.NoticeUnknown:        {slog.LevelWarn, "the plane does not know the rollout"},
	agent.NoticeUnauthorised:   {slog.LevelError, "the plane does not accept the certificate"},
	agent.NoticeRecovered:      {slog.LevelInfo, "state recovered from a snapshot of the plane"},
	agent.NoticeRenumbered:     {slog.LevelInfo, "events are sent again under new numbers"},
	agent.NoticeIgnored:        {slog.LevelWarn, "snapshot of the plane not followed"},
	agent.NoticeResumed:        {slog.LevelInfo, "interrupted switch begun again"},
	agent.NoticeRollback:       {slog.LevelWarn, "rolling back"},
	agent.NoticeRollbackFailed: {slog.LevelError, "rollback failed; the agent retries"},
	agent.NoticeStray:          {slog.LevelWarn, "the host runs another closure than its rollout wants"},
	agent.NoticeSuperseded:     {slog.LevelInfo, "rollout superseded"},
	agent.NoticeForgotten:      {slog.LevelDebug, "rollout forgotten"},
	agent.NoticeRefused:        {slog.LevelError, "refused: no signed release has the host do what the plane says"},
}
