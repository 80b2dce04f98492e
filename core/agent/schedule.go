package agent

import (
	"time"

	"github.com/refrain-fleet/refrain/core/wire"
)

// maxRetryAfter bounds what an agent takes from a Retry-After. A plane asks for
// at most one heartbeat interval (PROTOCOL G4); a proxy in between may ask for
// anything.
const maxRetryAfter = time.Hour

// line is what the heartbeat and the poll have in common: one request at a
// time, and a time for the next one.
type line struct {
	open     uint64        // ID of the open request, or 0
	sent     time.Duration // when it was sent
	at       time.Duration // when the next one is due
	failures wire.Count    // in a row
}

// due returns when the next request is to be sent; NoTimer while one is open.
func (l *line) due() time.Duration {
	if l.open != 0 {
		return NoTimer
	}
	return l.at
}

// firstTenth draws when the first requests after a start are sent, so that
// hosts that start together do not ask together (PROTOCOL A5).
func (a *Agent) firstTenth() time.Duration {
	if a.cfg.Legacy {
		return 0
	}
	return a.rng.between(0, a.cfg.HeartbeatInterval/10)
}

// interval draws one heartbeat interval, jittered by a tenth (PROTOCOL A5).
func (a *Agent) interval() time.Duration {
	tenth := a.cfg.HeartbeatInterval / 10
	return a.rng.between(a.cfg.HeartbeatInterval-tenth, a.cfg.HeartbeatInterval+tenth)
}

// backoff draws the time to wait after so many failures in a row: exponential
// with full jitter from the base on, capped at the interval, and not less than
// the plane's Retry-After (A5, E9). A tenth of the base is the least, so that
// no draw is a retry at once.
func (a *Agent) backoff(failures wire.Count, floor time.Duration) time.Duration {
	bound := a.cfg.HeartbeatInterval
	if doublings := max(failures, 1) - 1; doublings < 32 && a.cfg.BackoffBase < bound>>doublings {
		bound = a.cfg.BackoffBase << doublings
	}
	drawn := a.rng.between(min(a.cfg.BackoffBase/10, bound), bound)
	return max(drawn, min(floor, maxRetryAfter))
}

// counted returns failures plus one, without overflow.
func counted(failures wire.Count) wire.Count { return min(failures+1, 1<<20) }

// answerClass says what an answer's status means for its request.
type answerClass uint8

const (
	// done: the plane did what was asked.
	done answerClass = iota
	// retry: the same request again, after a backoff (E9).
	retry
	// wait: the same request again, an interval later. A sooner retry could not
	// succeed.
	wait
	// judged: the answer is about this document, so the same again would get
	// the same answer.
	judged
)

// classify returns the class of a status code.
func classify(status int) answerClass {
	switch {
	case status >= 200 && status < 300:
		return done
	case status == 400, status == 404, status == 409, status == 413, status == 422:
		return judged
	case status == 0, status == 408, status == 429, status >= 500:
		return retry
	default: // 401, 403, 405, 415, 426 and whatever else there may be
		return wait
	}
}

// noticeDefect adds the notice of an answer that no retry can change.
func (a *Agent) noticeDefect(id wire.RolloutID, seq wire.Seq, status int, detail string, out *Output) {
	kind := NoticeDefect
	if status == 401 || status == 403 {
		kind = NoticeUnauthorised
	}
	out.Notices = append(out.Notices, Notice{Kind: kind, RolloutID: id, Seq: seq, Status: status, Detail: detail})
}

// scheduleRetry sets when a heartbeat or a poll that failed is retried.
func (a *Agent) scheduleRetry(l *line, x Answer, detail string, out *Output) {
	l.failures = counted(l.failures)
	if a.cfg.Legacy {
		l.at = a.nextTick()
		return
	}
	if r := classify(x.Status); r == retry || r == done {
		l.at = a.last.Mono + a.backoff(l.failures, x.RetryAfter)
		return
	}
	a.noticeDefect("", 0, x.Status, detail, out)
	l.at = a.last.Mono + max(a.interval(), min(x.RetryAfter, maxRetryAfter))
}
