package agent

import (
	"fmt"
	"time"

	"github.com/refrain-fleet/refrain/core/rollout"
	"github.com/refrain-fleet/refrain/core/wire"
)

// bootstrap follows the snapshots of a heartbeat's answer (PROTOCOL A4). The
// table of the cases is in the package comment.
func (a *Agent) bootstrap(snapshots []wire.Snapshot, out *Output) {
	for i := range snapshots {
		s := &snapshots[i]
		if s.State == wire.Failed {
			a.compareFailed(s, out)
			continue
		}
		if err := a.check(s); err != nil {
			out.Notices = append(out.Notices, Notice{Kind: NoticeDefect, RolloutID: s.RolloutID, Status: 200, Detail: err.Error()})
			continue
		}
		if p := a.find(s.RolloutID); p != nil {
			a.compare(p, s, out)
		} else {
			a.recover(s, out)
		}
	}
}

// compareFailed follows the snapshot of a record that has failed: a plane whose state
// is older than what it had acknowledged may lack the rollback (PROTOCOL H8), or all of
// this life of the agent, if an earlier one has failed (E13). There is nothing that an
// agent could take from it.
func (a *Agent) compareFailed(s *wire.Snapshot, out *Output) {
	p := a.find(s.RolloutID)
	if p == nil || p.superseded || s.Hostname != a.cfg.Hostname {
		a.ignore(s, "it has failed, and nothing is known here that came after", out)
		return
	}
	if s.LastEventSeq > maxUsed {
		a.ignore(s, fmt.Sprintf("its last event is %d; want at most %d", s.LastEventSeq, maxUsed), out)
		return
	}
	if l := p.notFailed(); l != nil && l.event.Seq <= s.LastEventSeq && p.sending.renumbers < maxDriftRenumbers {
		p.sending.renumbers++
		a.reserve(p, s.LastEventSeq, out)
		a.renumber(p, l.event.Seq, out)
		return
	}
	a.beginReplay(p, s.LastEventSeq+1, out)
}

// notFailed returns the event that contradicts a record that is Failed: the rollback, or
// the activation of a host that has not failed; nil if there is none.
func (p *progress) notFailed() *logged {
	switch p.rec.State {
	case wire.Soaking, wire.Converged:
		return p.kind(wire.KindActivationCompleted)
	case wire.Reverted:
		return p.kind(wire.KindRollbackComplete)
	default:
		return nil
	}
}

// check says why a snapshot cannot be followed.
func (a *Agent) check(s *wire.Snapshot) error {
	if !s.State.Active() {
		return fmt.Errorf("the snapshot is %v; want an active state", s.State)
	}
	if s.LastEventSeq > maxUsed {
		return fmt.Errorf("its last event is %d; want at most %d", s.LastEventSeq, maxUsed)
	}
	rec := rollout.FromSnapshot(*s, 0, 0)
	return a.own(&rec)
}

// maxUsed bounds the numbers that a plane can say it has used. No rollout has so
// many events; a number near the largest would leave none for those to come, and
// the agent could not write them down.
const maxUsed = wire.MaxSeq / 2

// own verifies a record that was made of something from outside.
func (a *Agent) own(rec *rollout.Record) error {
	if rec.Hostname != a.cfg.Hostname {
		return fmt.Errorf("it is for host %s; want %s", rec.Hostname, a.cfg.Hostname)
	}
	return rec.Check()
}

func (a *Agent) ignore(s *wire.Snapshot, why string, out *Output) {
	out.Notices = append(out.Notices, Notice{Kind: NoticeIgnored, RolloutID: s.RolloutID, To: s.State, Seq: s.LastEventSeq, Detail: why})
}

// compare holds a snapshot against the agent's own log.
func (a *Agent) compare(p *progress, s *wire.Snapshot, out *Output) {
	if p.superseded {
		a.ignore(s, "a newer rollout of the channel was taken up", out)
		return
	}
	p.sending.unknown = false
	if l := p.unshown(s); l != nil {
		a.reserve(p, s.LastEventSeq, out)
		a.renumber(p, l.event.Seq, out)
		return
	}
	if p.lastNumber() > s.LastEventSeq {
		// Ours reaches further: what the plane lacks goes out.
		a.beginReplay(p, s.LastEventSeq+1, out)
		return
	}
	if p.rec.State < s.State && a.switching.rollout != p.id() {
		a.recoverSteps(p, s, out)
	}
	a.reserve(p, s.LastEventSeq, out)
}

// unshown returns the first event whose number the snapshot covers and whose
// effect it does not show, so that the plane must have used the number for
// something else; nil if there is none. What a snapshot does not carry counts
// as shown.
func (p *progress) unshown(s *wire.Snapshot) *logged {
	for i := range p.log {
		l := &p.log[i]
		if l.event.Seq > s.LastEventSeq {
			return nil
		}
		if l.refused {
			continue // it would be refused again
		}
		shown := true
		switch l.event.Body.Kind() {
		case wire.KindDispatchAck:
			shown = s.State != wire.Pending
		case wire.KindActivationStarted:
			shown = s.ActivationStartedAt.IsSet()
		case wire.KindActivationDeferred:
			shown = s.State == wire.Deferred || s.State == wire.Soaking
		case wire.KindActivationCompleted:
			shown = s.State == wire.Soaking
		case wire.KindActivationFailed, wire.KindFailed, wire.KindRollbackComplete, wire.KindConverged:
			shown = false // an end, but the snapshot is of an active record
		}
		if !shown {
			return l
		}
	}
	return nil
}

// recover takes up a rollout of which the agent has lost everything.
func (a *Agent) recover(s *wire.Snapshot, out *Output) {
	if !a.mayRecover(s, out) {
		return
	}
	if a.cfg.SignedOnly {
		a.ask(s.RolloutID, s, out)
		return
	}
	soak, known := soakOf(s)
	a.recoverWith(s, soak, known, wire.Time{}, out)
}

// mayRecover reports whether a rollout that is not known here is to be taken up from a
// snapshot.
func (a *Agent) mayRecover(s *wire.Snapshot, out *Output) bool {
	if s.State == wire.Pending {
		return false // not taken up yet; its dispatch comes by a poll
	}
	for _, q := range a.rollouts {
		if q.superseded || q.channel != s.RolloutID.Channel() {
			continue
		}
		if !a.newer(s, q) {
			a.ignore(s, "a newer rollout of the channel was taken up", out)
			return false
		}
		if a.switching.rollout == q.id() {
			a.ignore(s, "an older rollout of the channel is being activated", out)
			return false
		}
	}
	return true
}

// recoverWith takes up a rollout of a snapshot. The soak time may be unknown, and
// signedAt is unset unless signed artifacts were asked for.
func (a *Agent) recoverWith(s *wire.Snapshot, soak wire.Count, known bool, signedAt wire.Time, out *Output) {
	t := Taken{
		Record: rollout.FromSnapshot(wire.Snapshot{
			RolloutID: s.RolloutID, Hostname: s.Hostname, State: wire.Pending, TargetClosure: s.TargetClosure,
			DispatchedAt: s.DispatchedAt, SoakDueAt: s.SoakDueAt,
		}, 0, soak),
		Recovered: true, SoakUnknown: wire.Flag(!known), SignedAt: signedAt,
	}
	a.recoverSteps(a.takeUp(t, out), s, out)
}

// newer reports whether a snapshot is of a newer rollout than q, of the same
// channel.
//
// It is, if it was dispatched later: both instants are by the plane's clock.
// But that may have been set back, and one that was never dispatched has no
// instant: the closure of a host need not change from one rollout to the next,
// and then a heartbeat confirms its record before anything is dispatched (H4),
// and nothing is any more. So if q is at an end and there is nothing to
// activate, or nothing was ever dispatched, the plane's word is enough: it lists
// what is not superseded. In the second case the host may have gone back to an
// older rollout meanwhile, which a plane that lost its disk can dispatch before
// it has read the manifest of the newer; it is activated again.
func (a *Agent) newer(s *wire.Snapshot, q *progress) bool {
	return q.rec.DispatchedAt.Before(s.DispatchedAt) ||
		q.finished() && s.State == wire.Soaking && (a.current == s.TargetClosure || !s.DispatchedAt.IsSet())
}

// soakOf derives the soak time from a snapshot: the plane's deadline is the
// dispatch plus the soak time, or the completion plus it on a record that was
// never dispatched.
func soakOf(s *wire.Snapshot) (wire.Count, bool) {
	from := s.DispatchedAt
	if !from.IsSet() {
		from = s.ActivationCompletedAt
	}
	if !from.IsSet() || !s.SoakDueAt.IsSet() {
		return 0, false
	}
	soak := s.SoakDueAt.Std().Sub(from.Std())
	if soak < 0 || soak%time.Second != 0 || soak/time.Second > 1<<31-1 {
		return 0, false
	}
	return wire.Count(soak / time.Second), true
}

// recoverSteps writes events to the log that lead from where the agent is to
// where the snapshot is. They get the last numbers that the snapshot covers, so
// they count as acknowledged, and a plane that is wiped later can be sent all
// of it. If it covers too few, because a confirmation (H4) led there, the rest
// is sent, and takes the place of the confirmation.
//
// Soaking is followed only if the host runs the target, and would after a boot,
// Deferred only if the next boot brings the target: the agent is the truth about
// its host. Otherwise the activation is begun again. What becomes of it a
// Deferred record takes, whatever it is.
func (a *Agent) recoverSteps(p *progress, s *wire.Snapshot, out *Output) {
	soaked := s.State == wire.Soaking && a.runs(s.TargetClosure)
	var steps []wire.EventBody
	if p.rec.State == wire.Pending {
		before := s.CurrentClosureAtDispatch
		if before == "" || a.cfg.SignedOnly { // a plane's word is nothing to go back to
			before = a.current
		}
		if before == "" {
			before = s.TargetClosure
		}
		steps = append(steps, wire.DispatchAck{CurrentClosureAtDispatch: before, ReceivedAt: s.DispatchAckedAt})
	}
	if p.rec.State <= wire.Activating && s.ActivationStartedAt.IsSet() && !p.rec.ActivationStartedAt.IsSet() {
		steps = append(steps, wire.ActivationStarted{StartedAt: s.ActivationStartedAt, SwitchMethod: a.cfg.SwitchMethod})
	}
	switch {
	case s.State == wire.Deferred && a.staged == s.TargetClosure:
		steps = append(steps, wire.ActivationDeferred{Component: "unknown", DeferredAt: a.last.Wall})
	case soaked:
		steps = append(steps, wire.ActivationCompleted{ObservedCurrentClosure: s.TargetClosure, CompletedAt: s.ActivationCompletedAt})
	}
	if len(steps) == 0 {
		return
	}
	seq := p.lastNumber() + 1
	if covered := wire.Seq(len(steps)); s.LastEventSeq >= seq+covered-1 {
		seq = s.LastEventSeq - covered + 1
	}
	out.Notices = append(out.Notices, Notice{Kind: NoticeRecovered, RolloutID: p.id(), From: p.rec.State, To: s.State, Seq: s.LastEventSeq})
	for _, step := range steps {
		a.appendEventAs(p, seq, step, out)
		seq++
	}
	if s.LastEventSeq > p.acked {
		a.commit(Entry{Kind: EntryAcknowledged, RolloutID: p.id(), Seq: s.LastEventSeq}, out)
	}
}
