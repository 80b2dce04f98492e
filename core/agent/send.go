package agent

import (
	"slices"
	"time"

	"github.com/refrain-fleet/refrain/core/wire"
)

// maxEventsOpen bounds the open events of a host. With a heartbeat they stay
// below the four requests that a plane takes of one host (PROTOCOL G6), even if
// one of them has timed out and is still being worked on.
const maxEventsOpen = 2

// sending is how the events of one rollout are sent. The next one to send is
// the first that is not acknowledged (PROTOCOL A2); a replay takes back
// acknowledgements (A3).
type sending struct {
	open    uint64        // ID of the open request, or 0
	openSeq wire.Seq      // the number of its event
	at      time.Duration // when the next one may go
	// replayFrom is the N of the last Replay-From that was followed, and
	// replayTo the last event that its replay has to send.
	replayFrom, replayTo wire.Seq
	// failures counts answers in a row that call for the same event again,
	// gaps answers in a row that called for a replay, and renumbers the
	// renumberings because of a drift.
	failures, gaps, renumbers wire.Count
	// unknown says that the plane does not know the rollout: nothing is sent
	// until it shows that it does (E8).
	unknown bool
}

// orphan is what is left of the sending of a rollout that was forgotten: an
// event without an answer, or the rest of a backoff. If the rollout is taken up
// again, nothing of it is sent before the orphan is done: one event at a time,
// and no sooner than the plane asked for (PROTOCOL A2, E9).
type orphan struct {
	rollout  wire.RolloutID
	open     uint64        // ID of the open request, or 0
	at       time.Duration // when the next event may go, once it has an answer
	failures wire.Count    // answers in a row that called for the same event again
}

// orphan keeps what has to outlive the rollout: its open request and its
// backoff.
func (a *Agent) orphan(p *progress) {
	if s := &p.sending; s.open != 0 || s.at > a.last.Mono {
		a.orphans = append(a.orphans, orphan{p.id(), s.open, s.at, s.failures})
	}
}

// pruneOrphans drops orphans whose backoff is over.
func (a *Agent) pruneOrphans() {
	if len(a.orphans) > 0 {
		a.orphans = slices.DeleteFunc(a.orphans, func(o orphan) bool { return o.open == 0 && o.at <= a.last.Mono })
	}
}

// orphanAnswered takes the answer to an event whose rollout is forgotten. Of
// the answer only the backoff still matters.
func (a *Agent) orphanAnswered(in *EventAnswered) {
	for i := range a.orphans {
		if o := &a.orphans[i]; o.open == in.ID && in.ID != 0 {
			o.open, o.failures = 0, counted(o.failures)
			o.at = a.retryAt(o.failures, in.Answer)
		}
	}
}

// orphansDone returns when no orphan of a rollout delays it any more; NoTimer
// while an orphan's event has no answer.
func (a *Agent) orphansDone(id wire.RolloutID) time.Duration {
	end := time.Duration(0)
	for _, o := range a.orphans {
		switch {
		case o.rollout != id:
		case o.open != 0:
			return NoTimer
		default:
			end = max(end, o.at)
		}
	}
	return end
}

// replaying reports whether a replay is on its way: whether it has an event left to
// send. Its last one may have been refused meanwhile (PROTOCOL E7), which
// acknowledges none before it.
func (p *progress) replaying() bool {
	l := p.next(p.acked)
	return l != nil && l.event.Seq <= p.sending.replayTo
}

// unsent reports whether an event waits to be sent, or is on its way.
func (p *progress) unsent() bool {
	return p.sending.open != 0 || p.next(p.acked) != nil
}

// retryAt returns when the next event may go after an answer to one.
func (a *Agent) retryAt(failures wire.Count, x Answer) time.Duration {
	switch r := classify(x.Status); {
	case r == retry && a.cfg.Legacy:
		return a.nextTick()
	case r == retry: // E9
		return a.last.Mono + a.backoff(failures, x.RetryAfter)
	case r == wait && !a.cfg.Legacy:
		return a.last.Mono + max(a.interval(), min(x.RetryAfter, maxRetryAfter))
	default:
		return a.last.Mono
	}
}

// sendDue returns when the next event of a rollout is to be sent.
func (a *Agent) sendDue(p *progress) time.Duration {
	s := &p.sending
	if s.open != 0 || s.unknown || p.next(p.acked) == nil || a.eventsOpen() >= maxEventsOpen {
		return NoTimer
	}
	return max(s.at, a.orphansDone(p.id()))
}

func (a *Agent) eventsOpen() int {
	n := 0
	for _, o := range a.orphans {
		if o.open != 0 {
			n++
		}
	}
	for _, p := range a.rollouts {
		if p.sending.open != 0 {
			n++
		}
	}
	return n
}

// send sends the next event of a rollout (PROTOCOL A2).
func (a *Agent) send(p *progress, out *Output) {
	l := p.next(p.acked)
	p.sending.open, p.sending.openSeq = a.issue(), l.event.Seq
	out.Requests = append(out.Requests, Request{
		ID: p.sending.open, Kind: RequestEvent, Timeout: a.cfg.RequestTimeout,
		Event: wire.EventEnvelope{Hostname: a.cfg.Hostname, RolloutID: p.id(), Event: l.event},
	})
}

// eventAnswered takes the answer to an event (PROTOCOL E).
func (a *Agent) eventAnswered(in *EventAnswered, out *Output) {
	p := a.sentBy(in.ID)
	if p == nil {
		a.orphanAnswered(in)
		return
	}
	s := &p.sending
	seq := s.openSeq
	s.open, s.openSeq = 0, 0
	if a.cfg.Legacy {
		a.legacyEventAnswered(p, seq, in.Answer, out)
		return
	}
	switch r := classify(in.Status); {
	case r == done: // E2, E3
		s.failures, s.gaps = 0, 0
		a.ackThrough(p, seq, out)
	case in.Status == 404: // E8
		s.failures = 0
		s.unknown = true
		out.Notices = append(out.Notices, Notice{Kind: NoticeUnknown, RolloutID: p.id(), Seq: seq, Status: in.Status})
	case in.Status == 409 && in.Replay: // E6
		s.failures = 0
		a.gap(p, seq, in.ReplayFrom, out)
	case r == judged: // E7, and documents that the plane cannot read
		s.failures = 0
		a.refuse(p, seq, in.Status, out)
	default: // E9, and what no retry can change
		s.failures = counted(s.failures)
		s.at = a.retryAt(s.failures, in.Answer)
		if r == wait {
			a.noticeDefect(p.id(), seq, in.Status, "the event is kept", out)
		}
	}
}

// sentBy returns the rollout whose event a request carries; nil if it is not
// open.
func (a *Agent) sentBy(id uint64) *progress {
	if id == 0 {
		return nil
	}
	for _, p := range a.rollouts {
		if p.sending.open == id {
			return p
		}
	}
	return nil
}

// ackThrough acknowledges the events up to one that has its final answer,
// unless a replay that came while it was in flight starts before it.
func (a *Agent) ackThrough(p *progress, seq wire.Seq, out *Output) {
	p.sending.at = a.last.Mono
	if first := p.next(p.acked); seq > p.acked && (first == nil || first.event.Seq >= seq) {
		a.commit(Entry{Kind: EntryAcknowledged, RolloutID: p.id(), Seq: seq}, out)
	}
}

// refuse notes that the plane does not take an event. It is not sent again
// unchanged (PROTOCOL E7).
func (a *Agent) refuse(p *progress, seq wire.Seq, status int, out *Output) {
	l := p.find(seq)
	if l == nil || l.refused {
		a.ackThrough(p, seq, out)
		return
	}
	kind := l.event.Body.Kind()
	if status == 409 {
		out.Notices = append(out.Notices, Notice{Kind: NoticeRejected, RolloutID: p.id(), Seq: seq, Status: status, Detail: kind.String()})
	} else {
		a.noticeDefect(p.id(), seq, status, kind.String()+" is not sent again", out)
	}
	a.commit(Entry{Kind: EntryRefused, RolloutID: p.id(), Seq: seq}, out)
	a.ackThrough(p, seq, out)
	switch {
	case kind == wire.KindConverged:
		a.convergeLater(p, out)
		a.displacedMeanwhile(p, out)
	case kind == wire.KindActivationFailed && status == 409 && p.kind(wire.KindFailed) == nil:
		a.appendFailed(p, out)
	}
}

// gap follows a 409 with Replay-From (PROTOCOL E6). If there is nothing to fill
// the gap with, asking again would give the same answer for ever, so the event
// is as good as rejected.
func (a *Agent) gap(p *progress, seq, from wire.Seq, out *Output) {
	first := p.next(from)
	if first == nil || first.event.Seq >= seq {
		a.refuse(p, seq, 409, out)
		return
	}
	a.beginReplay(p, from, out)
	// The first replay goes at once. Several in a row without an event accepted
	// in between mean that the plane does not keep what it reads.
	s := &p.sending
	s.at = a.last.Mono
	if s.gaps = counted(s.gaps); s.gaps > 1 {
		s.at += a.backoff(s.gaps, 0)
	}
}

// replay follows a Replay-From that is about the rollout as a whole (PROTOCOL
// A3): every event from that number on is sent again. While a replay is on its
// way only an earlier number counts.
func (a *Agent) replay(p *progress, from wire.Seq, out *Output) {
	p.sending.unknown = false
	if p.replaying() && from >= p.sending.replayFrom {
		return
	}
	a.beginReplay(p, from, out)
}

// beginReplay takes back the acknowledgements from a number on, if there are
// any; what is not acknowledged goes out anyway.
func (a *Agent) beginReplay(p *progress, from wire.Seq, out *Output) {
	p.sending.unknown = false
	from = max(from, 1)
	if first := p.next(from - 1); first == nil || first.event.Seq > p.acked {
		return
	}
	a.commit(Entry{Kind: EntryReplay, RolloutID: p.id(), Seq: from}, out)
	p.sending.replayFrom, p.sending.replayTo = from, p.last()
	out.Notices = append(out.Notices, Notice{Kind: NoticeReplay, RolloutID: p.id(), Seq: from})
}

// reserve notes that the plane has used the numbers up to seq (PROTOCOL A4).
func (a *Agent) reserve(p *progress, seq wire.Seq, out *Output) {
	if seq > p.lastNumber() {
		a.commit(Entry{Kind: EntryReserved, RolloutID: p.id(), Seq: seq}, out)
	}
}

// renumber sends the events from seq on again, under the next numbers, since
// the plane has used theirs for something else (PROTOCOL A4).
func (a *Agent) renumber(p *progress, seq wire.Seq, out *Output) {
	out.Notices = append(out.Notices, Notice{Kind: NoticeRenumbered, RolloutID: p.id(), Seq: seq})
	a.commit(Entry{Kind: EntryRenumbered, RolloutID: p.id(), Seq: seq}, out)
	p.sending.unknown = false
	p.sending.replayTo = 0
}
