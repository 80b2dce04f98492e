package agent

import (
	"fmt"
	"time"

	"github.com/refrain-fleet/refrain/core/wire"
)

// heartbeatLine is the sending of heartbeats (PROTOCOL A5).
type heartbeatLine struct {
	line
	started time.Duration  // when the process did
	named   wire.RolloutID // what the open heartbeat said
	closure wire.Closure
	turn    wire.Count // whose turn it is to be named
}

// outstanding reports whether something of a rollout is unfinished or
// unacknowledged.
func (p *progress) outstanding() bool {
	return !p.superseded && (!p.finished() || p.unsent())
}

// nameOutstanding returns the rollout that the next heartbeat names: the
// outstanding one, or each in turn if there are several. One that the plane
// does not know may stay unknown for ever, so then a heartbeat that names none
// has its turn as well: only that one is answered with snapshots (H3).
func (a *Agent) nameOutstanding() wire.RolloutID {
	if a.cfg.Legacy {
		return ""
	}
	turns := wire.Count(0)
	for _, p := range a.rollouts {
		if p.outstanding() {
			turns++
		}
	}
	for _, p := range a.rollouts {
		if p.outstanding() && p.sending.unknown {
			turns++
			break
		}
	}
	if turns == 0 {
		return ""
	}
	a.heartbeat.turn = (a.heartbeat.turn + 1) % turns
	turn := a.heartbeat.turn
	for _, p := range a.rollouts {
		if p.outstanding() {
			if turn == 0 {
				return p.id()
			}
			turn--
		}
	}
	return ""
}

func (a *Agent) sendHeartbeat(out *Output) {
	h := &a.heartbeat
	h.open, h.sent = a.issue(), a.last.Mono
	h.named, h.closure = a.nameOutstanding(), a.current
	out.Requests = append(out.Requests, Request{})
	r := &out.Requests[len(out.Requests)-1]
	r.ID, r.Kind, r.Timeout = h.open, RequestHeartbeat, a.cfg.RequestTimeout
	r.Heartbeat = wire.HeartbeatRequest{Hostname: a.cfg.Hostname, RolloutID: h.named, CurrentClosure: h.closure, At: a.last.Wall}
}

// heartbeatAnswered takes the answer to a heartbeat (PROTOCOL H).
func (a *Agent) heartbeatAnswered(in *HeartbeatAnswered, out *Output) {
	h := &a.heartbeat
	if in.ID == 0 || in.ID != h.open {
		return
	}
	h.open = 0
	if a.cfg.Legacy {
		h.at = a.nextTick()
		return
	}
	// A receipt of null says that the plane could not process it.
	if in.Status != 200 || !in.Response.ReceivedAt.IsSet() {
		a.scheduleRetry(&h.line, in.Answer, "heartbeat", out)
		return
	}
	h.failures = 0
	h.at = max(h.sent+a.interval(), a.last.Mono)
	switch p := a.find(h.named); {
	case h.named == "":
		a.bootstrap(in.Response.Bootstrap, out)
	case p != nil && !p.superseded && in.Replay:
		a.drifted(p, in.ReplayFrom, h.closure, out)
	}
}

// maxDriftRenumbers bounds how often a process renumbers the events of a
// rollout because of a drift. Twice would be two earlier lives; more is a plane
// that does not accept the events, and the numbers must not grow without bound
// because of it.
const maxDriftRenumbers = 3

// drifted follows a heartbeat's Replay-From (PROTOCOL H2, A3). The plane says
// that it has taken the numbers up to from, and that nevertheless it does not
// know that the host runs closure. If an event up to there says just that, its
// number was used for something else (A4).
func (a *Agent) drifted(p *progress, from wire.Seq, closure wire.Closure, out *Output) {
	if from > maxUsed {
		a.noticeDefect(p.id(), from, 200, fmt.Sprintf("the replay is to begin at %d; want at most %d", from, maxUsed), out)
		return
	}
	p.sending.unknown = false
	a.reserve(p, from, out)
	if p.sending.renumbers < maxDriftRenumbers {
		for i := range p.log {
			l := &p.log[i]
			if reported, is := wire.ReportedClosure(l.event.Body); is && reported == closure && l.event.Seq <= from {
				p.sending.renumbers++
				a.renumber(p, l.event.Seq, out)
				return
			}
		}
	}
	a.replay(p, from, out)
}
