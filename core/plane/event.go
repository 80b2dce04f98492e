package plane

import (
	"fmt"
	"time"

	"github.com/refrain-fleet/refrain/core/rollout"
	"github.com/refrain-fleet/refrain/core/wire"
)

// event takes one event of an agent (PROTOCOL E).
func (p *Plane) event(in *Event, out *Output) {
	env, dialect := &in.Envelope, in.Dialect
	h := &p.table.hosts[p.touch(env.Hostname, out)]
	ref, known := h.find(env.RolloutID)
	if !known { // E8
		detail := fmt.Sprintf("the plane has no record of %s in %s", h.name, env.RolloutID)
		if dialect != wire.DialectField {
			detail += "; keep the event until a heartbeat asks for it"
		}
		p.refuseEvent(in, 0, wire.Refuse(wire.UnknownRollout, "rolloutId", detail), out)
		return
	}
	rec := ref.record()
	// E5. What is in the log was taken, also by a version that took every event.
	if !p.walking && rec.AddsNothing(dialect, env.Event) {
		p.stats.Absorbed++
		p.replayArrived(ref, env.Event, rec.LastEventSeq)
		reply(out, dependsOn(out, h.name), wire.Outcome{Code: wire.NoContent})
		return
	}
	if p.logsNothing() && logs(rec, in) {
		p.withheld(out)
		return
	}
	if p.scarce && !p.walking && rec.OnlyObserves(dialect, env.Event) { // G11
		refusal := wire.Unavailable(wire.StoreUnavailable, 0)
		refusal.Detail = "nothing was applied; little disk is free, and an event that changes nothing of its record is taken once more is"
		if dialect == wire.DialectField {
			refusal.Detail = "little disk is free, and the event changes nothing of its record"
		}
		p.refuseEvent(in, dependsOn(out, h.name), refusal, out) // a field agent's is discarded
		return
	}
	cost := time.Duration(0)
	if !p.walking && (env.Event.Seq > rec.LastEventSeq || dialect == wire.DialectField) { // what the log has was charged before it was taken
		cost = p.costOf(env)
		if wait := p.missing(ref, cost); wait > 0 && logs(rec, in) {
			p.overBudget(wait, dependsOn(out, h.name), out)
			return
		}
	}
	from, seq, failed := rec.State, rec.LastEventSeq, fails(rec)
	result := rec.ApplyAs(dialect, env.Event)
	notice := Notice{Hostname: h.name, RolloutID: ref.rollout.id, Seq: env.Event.Seq, Detail: env.Event.Body.Kind().String()}
	switch result.Outcome {
	case rollout.Duplicate: // E3
		p.stats.Duplicates++
		p.replayArrived(ref, env.Event, seq)
		reply(out, dependsOn(out, h.name), wire.Outcome{Code: wire.NoContent})
	case rollout.Applied, rollout.Absorbed: // E4, E5
		if rec.CurrentClosure == rec.TargetClosure {
			rec.CurrentClosure = rec.TargetClosure // keep one string, not two equal ones
		}
		outcome := wire.Name("applied")
		if result.Outcome == rollout.Absorbed {
			outcome = "absorbed"
			notice.Kind = NoticeAbsorbed
			out.Notices = append(out.Notices, notice)
			p.stats.Absorbed++
		} else {
			p.stats.Applied++
		}
		p.charge(ref, cost)
		p.replayArrived(ref, env.Event, seq)
		out.changedRecord(ref)
		kept := &Event{*env, dialect}
		kept.Envelope.Event = env.Event.Cut() // E10
		p.log(out, Entry{
			Input: kept, Hostname: h.name, RolloutID: ref.rollout.id,
			Kind: wire.Name(env.Event.Body.Kind().String()), Outcome: outcome,
		})
		needs := len(out.Entries)
		p.forgetRetake(ref) // the agent knows of it
		p.stirred = p.stirred || fails(rec) != failed
		p.moved(ref, from, out)
		reply(out, needs, wire.Outcome{Code: wire.NoContent}) // E2
	case rollout.Gap: // E6
		refusal := wire.Refuse(wire.Gap, "event.seq", result.Detail)
		if dialect != wire.DialectField { // which could not answer it
			p.stats.Gaps++
			p.askReplay(h.name, ref.rollout.id, rec.LastEventSeq, out)
			refusal.Replay, refusal.ReplayFrom = true, rec.LastEventSeq
		}
		p.refuseEvent(in, dependsOn(out, h.name), refusal, out)
	case rollout.Rejected: // E7
		if dialect != wire.DialectField {
			p.stats.Rejected++
			notice.Kind = NoticeRejected
			notice.Detail += ": " + result.Detail
			out.Notices = append(out.Notices, notice)
		}
		p.refuseEvent(in, dependsOn(out, h.name), wire.Refuse(wire.Rejected, "event", result.Detail), out)
	default:
		panic(fmt.Sprintf("plane: unknown outcome %v", result.Outcome))
	}
}

// logs reports whether an event would be logged.
func logs(rec *rollout.Record, in *Event) bool {
	tried := rec.Clone()
	outcome := tried.ApplyAs(in.Dialect, in.Envelope.Event).Outcome
	return outcome == rollout.Applied || outcome == rollout.Absorbed
}

// moved carries out what follows from a record's new state: counts, the
// quarantine of what was rolled back, the rollout's halt, the next wave.
func (p *Plane) moved(ref recordRef, from wire.State, out *Output) {
	r, rec := ref.rollout, ref.record()
	if rec.State == from {
		return
	}
	p.stirred = true
	p.forgetRetake(ref)
	if from == wire.Pending {
		p.offers.end(ref)
		if r.isExcused(ref.index) {
			r.skipped--
		}
		r.unblock(ref.index)
	}
	p.taken(ref)
	r.counts[from]--
	r.counts[rec.State]++
	r.waves[rec.Wave][from]--
	r.waves[rec.Wave][rec.State]++
	p.stats.Records[from]--
	p.stats.Records[rec.State]++
	if from.Active() != rec.State.Active() && r.inForce() {
		by := int32(1)
		if from.Active() {
			by = -1
		}
		p.table.vitals[p.know(rec.Hostname)].active += by
	}
	excused := r.isExcused(ref.index)
	if holdsBack(from, excused) {
		r.holding[rec.Wave]--
	}
	if excused && from == wire.Failed && rec.State.Active() { // E13: its next failure is another one
		excused, r.excused[ref.index] = false, false
	}
	if holdsBack(rec.State, excused) {
		r.holding[rec.Wave]++
	}
	out.Notices = append(out.Notices, Notice{
		Kind: NoticeTransition, Hostname: rec.Hostname, RolloutID: r.id, From: from, To: rec.State, Seq: rec.LastEventSeq,
	})
	if rec.State == wire.Reverted {
		p.quarantineTarget(r, rec, out)
	}
	if r.failed(ref.index) && !r.halted() && !r.superseded() {
		r.haltedBy, r.stale = rec.Hostname, true
		out.changedRollout(r)
		out.Notices = append(out.Notices, Notice{Kind: NoticeHalted, Hostname: rec.Hostname, RolloutID: r.id, To: rec.State})
	}
	if from == wire.Failed && rec.State.Active() && r.haltedBy == rec.Hostname {
		p.unhalt(r, out)
	}
	p.advance(r, out)
}

// unhalt lets a rollout go on whose halt was caused by a host that has not failed, as
// has turned out (PROTOCOL E13), unless another host has.
func (p *Plane) unhalt(r *rolloutState, out *Output) {
	r.nameHalt(out)
	if !r.halted() {
		p.dispatchDue(r, out)
	}
}
