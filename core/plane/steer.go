package plane

import (
	"fmt"

	"github.com/refrain-fleet/refrain/core/wire"
)

// Operators steer rollouts and hosts (PROTOCOL O). Whatever holds a dispatch back by
// that is one more reason of [Plane.Blocked], beside the gates of manifests.

// SteerAct is what an operator does.
type SteerAct uint8

// The acts. Return is none of an operator's: it is what the first heartbeat of a host
// that was forgotten does.
const (
	// Pause: nothing of the rollout is offered until it is resumed (O2).
	Pause SteerAct = iota + 1
	// Abort: nothing of the rollout is dispatched any more (O3).
	Abort
	// Skip: the rollout goes on without the host (O4).
	Skip
	// Cordon: the host is offered no dispatch until Uncordon (O5).
	Cordon
	Uncordon
	// Forget: the host is gone, until its next heartbeat: Return (O6).
	Forget
	Return

	steerActEnd
)

// steerWords are the words of the acts; steerKinds are the kinds of their entries.
var (
	steerWords = []string{"", "pause", "abort", "skip", "cordon", "uncordon", "forget", "return"}
	steerKinds = [steerActEnd]wire.Name{"", "paused", "aborted", "skipped", "cordoned", "uncordoned", "forgotten", "returned"}
)

// String returns the word of the act.
func (a SteerAct) String() string { return wire.WordOf(steerWords, a) }

// DecodeValue implements [wire.Value].
func (a *SteerAct) DecodeValue(d *wire.Decoder) error { return wire.DecodeWord(d, steerWords, a) }

// AppendValue implements [wire.Value].
func (a *SteerAct) AppendValue(dst []byte) []byte { return wire.AppendWord(dst, steerWords, *a) }

// IsUnset implements [wire.Value].
func (a *SteerAct) IsUnset() bool { return *a == 0 }

// steerActOf returns the act whose entries have a kind.
func steerActOf(kind wire.Name) (SteerAct, bool) {
	for a := Pause; a < steerActEnd; a++ {
		if steerKinds[a] == kind {
			return a, true
		}
	}
	return 0, false
}

// steer carries out an act. What is so already is answered the same, and changes
// nothing, so an operator may send an act again (O1).
func (p *Plane) steer(in *Steer, out *Output) {
	switch in.Act {
	case Pause, Abort, Skip:
		p.steerRollout(in, out)
	default:
		p.steerHost(in, out)
	}
}

// steerRollout carries out an act about a rollout.
func (p *Plane) steerRollout(in *Steer, out *Output) {
	r := p.byID[in.RolloutID]
	if refusal, good := p.steerable(r, in.RolloutID, in.Act == Abort); !good {
		reply(out, len(out.Entries), refusal)
		return
	}
	at, done := 0, false
	switch in.Act {
	case Pause:
		done = !r.paused.IsUnset()
	case Abort:
		done = !r.aborted.IsUnset()
	case Skip:
		if at, done = r.find(in.Hostname); !done {
			reply(out, len(out.Entries), wire.Refuse(wire.UnknownHost, "hostname",
				fmt.Sprintf("%s is no host of %s", in.Hostname, r.id)))
			return
		}
		done = r.isExcused(at) || r.records[at].State == wire.Converged
	}
	if done {
		reply(out, len(out.Entries), wire.Outcome{Code: wire.OK, Document: r.status()})
		return
	}
	if p.withheld(out) {
		return
	}
	mark := wire.Mark{Since: p.last.Wall, Reason: in.Reason}
	switch in.Act {
	case Pause:
		r.paused = mark
	case Abort:
		r.aborted = mark
	case Skip:
		r.excuseRecord(at, out)
	}
	r.stale = true
	out.changedRollout(r)
	p.logSteer(in, out)
	p.goOn(r, out)
}

// steerable refuses an act on a rollout that can no longer be steered, or not yet. One
// that is aborted can only be aborted again.
func (p *Plane) steerable(r *rolloutState, id wire.RolloutID, aborts bool) (wire.Outcome, bool) {
	switch {
	case r == nil:
		return p.unknownRollout(id), false
	case r.superseded():
		return wire.Refuse(wire.RolloutSuperseded, "id",
			fmt.Sprintf("%s is superseded by %s and dispatches nothing more", id, r.supersededBy)), false
	case r.held:
		return wire.Refuse(wire.RolloutHeld, "id",
			fmt.Sprintf("%s is held until an operator says which rollout of channel %s is in force; choose one first", id, id.Channel())), false
	case !r.aborted.IsUnset() && !aborts:
		return wire.Refuse(wire.RolloutAborted, "id",
			fmt.Sprintf("%s was aborted at %v and dispatches nothing more; open its manifest under a new channel_ref to go on", id, r.aborted.Since)), false
	}
	return wire.Outcome{}, true
}

// steerHost carries out an act about a host, whatever rollouts it is in.
func (p *Plane) steerHost(in *Steer, out *Output) {
	_, known := p.find(in.Hostname)
	if (!known || p.isForgotten(in.Hostname) && in.Act != Forget && in.Act != Return) && !p.walking {
		reply(out, len(out.Entries), wire.Refuse(wire.UnknownHost, "hostname", fmt.Sprintf("no host %s is known", in.Hostname)))
		return
	}
	key := holdKey{in.Hostname, Cordoned}
	if in.Act == Forget || in.Act == Return {
		key.hold = Forgotten
	}
	sets := in.Act == Cordon || in.Act == Forget
	switch _, there := p.holds[key]; {
	case there == sets:
	case p.withheld(out):
		return
	default:
		if sets {
			p.setHold(key, wire.Mark{Since: p.last.Wall, Reason: in.Reason})
		} else {
			p.dropHold(key)
		}
		if in.Act == Forget {
			p.skipForgotten(in.Hostname, out)
		}
		out.changedHold(key)
		for _, r := range p.rollouts {
			r.stale = true
		}
		p.stirred = true // a host that comes back may be in flight again (W1)
		p.logSteer(in, out)
	}
	reply(out, len(out.Entries), wire.Outcome{Code: wire.NoContent})
}

// skipForgotten lets every rollout that is not superseded go on without a host.
func (p *Plane) skipForgotten(name wire.Hostname, out *Output) {
	for _, r := range p.rollouts {
		i, has := r.find(name)
		if !has || r.superseded() || r.isExcused(i) || r.records[i].State == wire.Converged {
			continue
		}
		r.excuseRecord(i, out)
		if !p.advance(r, out) {
			p.dispatchDue(r, out)
		}
	}
	if p.opening != nil {
		p.disturb(p.opening.rollout.id.Channel())
	}
}

// excuseForgotten excuses the hosts of a rollout that is opened which are forgotten.
func (p *Plane) excuseForgotten(r *rolloutState) {
	if p.forgotten == 0 {
		return
	}
	r.excused = nil
	for i := range r.records {
		if p.isForgotten(r.records[i].Hostname) {
			r.excuseAt(i)
		}
	}
}

// comeBack notes the heartbeat of a host that was forgotten.
func (p *Plane) comeBack(name wire.Hostname, out *Output) {
	if !p.logsNothing() { // else a later one does
		p.steerHost(&Steer{Act: Return, Hostname: name}, out)
		out.Replies = out.Replies[:len(out.Replies)-1]
	}
}

// logSteer logs an act that has changed something.
func (p *Plane) logSteer(in *Steer, out *Output) {
	own := *in
	p.log(out, Entry{Input: &own, Hostname: in.Hostname, RolloutID: in.RolloutID, Kind: steerKinds[in.Act], Outcome: "applied"})
	detail := string(steerKinds[in.Act])
	if in.Reason != "" {
		detail += ": " + string(in.Reason)
	}
	out.Notices = append(out.Notices, Notice{Kind: NoticeSteered, Hostname: in.Hostname, RolloutID: in.RolloutID, Detail: detail})
}

// steeredBack says which act of an operator holds back the dispatch of record i, which
// is queued.
func (p *Plane) steeredBack(r *rolloutState, i int) (b wire.Blocked) {
	name := r.records[i].Hostname
	switch {
	case !r.paused.IsUnset():
		return wire.Blocked{Gate: wire.GatePaused, By: wire.Name(r.id.Channel()),
			Reason: because(fmt.Sprintf("%s is paused since %v", r.id, r.paused.Since), r.paused.Reason)}
	case r.isExcused(i):
		return wire.Blocked{Gate: wire.GateSkipped, By: wire.Name(name), Reason: wire.Text(fmt.Sprintf("%s goes on without %s", r.id, name))}
	}
	if mark, cordoned := p.holds[holdKey{name, Cordoned}]; cordoned {
		return wire.Blocked{Gate: wire.GateCordoned, By: wire.Name(name),
			Reason: because(fmt.Sprintf("%s is cordoned since %v", name, mark.Since), mark.Reason)}
	}
	return b
}

// steered reports whether an operator may hold back a dispatch of a rollout.
func (p *Plane) steered(r *rolloutState) bool {
	return !r.paused.IsUnset() || r.excused != nil || len(p.holds) > 0
}

// resteer works out anew what operators hold back of the rollouts without gates that a
// step may have changed it for, see [Plane.regate].
func (p *Plane) resteer(out *Output) {
	for _, r := range p.rollouts {
		if r.stale && !r.gated() && (r.blocked != nil || p.steered(r)) {
			p.regateOne(r, out)
		}
	}
}

// resteerAll does so for every rollout of a plane that was restored.
func (p *Plane) resteerAll(out *Output) {
	for _, r := range p.rollouts {
		r.stale = true
	}
	p.resteer(out)
}

// unblock notes that record i is Pending no more.
func (r *rolloutState) unblock(i int) {
	if !r.gated() && r.isBlocked(i) {
		r.blockedCounts[r.blocked[i]]--
		r.blocked[i] = 0
		if r.blockedCounts.IsUnset() {
			r.blocked = nil
		}
	}
}

// isQueued reports whether record i has a dispatch that its rollout would offer.
func (r *rolloutState) isQueued(i int) bool {
	rec := &r.records[i]
	return rec.State == wire.Pending && rec.DispatchedAt.IsSet() && r.inForce() && !r.stopped()
}

// excuseAt lets record i pass.
func (r *rolloutState) excuseAt(i int) {
	if r.excused == nil {
		r.excused = make([]bool, len(r.records))
	}
	r.excused[i] = true
}

// excuseRecord lets record i pass, and ends the rollout's halt if it was its only cause.
func (r *rolloutState) excuseRecord(i int, out *Output) {
	r.excuseAt(i)
	out.changedRecordAt(r, i)
	r.recount()
	if r.haltedBy == r.records[i].Hostname {
		r.nameHalt(out)
	}
}

// nameHalt names another cause of a rollout's halt, or ends it if there is none.
func (r *rolloutState) nameHalt(out *Output) {
	r.haltedBy, r.stale = "", true
	for k := range r.records {
		if r.failed(k) {
			r.haltedBy = r.records[k].Hostname
			break
		}
	}
	out.changedRollout(r)
}
