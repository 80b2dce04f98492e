package plane

import (
	"fmt"

	"github.com/refrain-fleet/refrain/core/rollout"
	"github.com/refrain-fleet/refrain/core/wire"
)

// quarantineKey is what a quarantine is about (PROTOCOL R3).
type quarantineKey struct {
	channel wire.Channel
	closure wire.Closure
}

// resume lets a rollout go on that is halted or paused: the hosts that failed are
// excused (PROTOCOL R2, O2). Resuming any other changes nothing, so an operator may
// send it again.
func (p *Plane) resume(id wire.RolloutID, out *Output) {
	r := p.byID[id]
	if refusal, good := p.steerable(r, id, false); !good {
		reply(out, len(out.Entries), refusal)
		return
	}
	if !r.halted() && r.paused.IsUnset() {
		reply(out, len(out.Entries), wire.Outcome{Code: wire.OK, Document: r.status()})
		return
	}
	if p.withheld(out) {
		return
	}
	r.excuse(out)
	r.paused, r.stale = wire.Mark{}, true
	p.log(out, Entry{Input: &ResumeRollout{id}, RolloutID: id, Kind: "resumed", Outcome: "applied"})
	out.Notices = append(out.Notices, Notice{Kind: NoticeResumed, RolloutID: id})
	p.goOn(r, out)
}

// goOn dispatches what was withheld while a rollout was halted or held, and answers
// with the rollout.
func (p *Plane) goOn(r *rolloutState, out *Output) {
	if !p.advance(r, out) {
		p.dispatchDue(r, out)
	}
	reply(out, len(out.Entries), wire.Outcome{Code: wire.OK, Document: r.status()})
}

// excuse lets the hosts that failed pass.
func (r *rolloutState) excuse(out *Output) {
	for i := range r.records {
		if r.failed(i) {
			r.excuseAt(i)
			out.changedRecordAt(r, i)
		}
	}
	r.haltedBy = ""
	out.changedRollout(r)
	r.recount()
}

// judgeAnew has what operators hold back of the rollout in force of a channel worked out
// anew.
func (p *Plane) judgeAnew(channel wire.Channel) {
	if r := p.inForce[channel]; r != nil {
		r.stale = true
	}
}

func (p *Plane) unknownRollout(id wire.RolloutID) wire.Outcome {
	return wire.Refuse(wire.UnknownRollout, "id", fmt.Sprintf("no rollout %s is known", id))
}

func (p *Plane) quarantined(r *rolloutState, rec *rollout.Record) bool {
	if len(p.quarantine) == 0 {
		return false
	}
	_, there := p.quarantine[quarantineKey{r.id.Channel(), rec.TargetClosure}]
	return there
}

// quarantineTarget keeps a closure that a host rolled back from being
// dispatched on the channel again (PROTOCOL E, RollbackComplete; R3).
func (p *Plane) quarantineTarget(r *rolloutState, rec *rollout.Record, out *Output) {
	key := quarantineKey{r.id.Channel(), rec.TargetClosure}
	if _, there := p.quarantine[key]; there {
		return
	}
	p.quarantine[key] = wire.QuarantineEntry{
		Channel: key.channel, Closure: key.closure,
		Since: p.last.Wall, By: r.id, Hostname: rec.Hostname,
	}
	p.disturb(key.channel)
	p.judgeAnew(key.channel)
	out.changedQuarantine(key)
	out.Notices = append(out.Notices, Notice{Kind: NoticeQuarantined, Hostname: rec.Hostname, RolloutID: r.id, Detail: string(key.closure)})
}

// clearQuarantine lets a closure be dispatched on a channel again (R3).
func (p *Plane) clearQuarantine(channel wire.Channel, closure wire.Closure, out *Output) {
	key := quarantineKey{channel, closure}
	if _, there := p.quarantine[key]; !there {
		reply(out, len(out.Entries), wire.Refuse(wire.UnknownQuarantine, "closure",
			fmt.Sprintf("%s is not quarantined on channel %s", closure, channel)))
		return
	}
	if p.withheld(out) {
		return
	}
	delete(p.quarantine, key)
	p.disturb(channel)
	p.judgeAnew(channel)
	out.changedQuarantine(key)
	p.log(out, Entry{Input: &ClearQuarantine{channel, closure}, Kind: "cleared", Outcome: "applied"})
	out.Notices = append(out.Notices, Notice{Kind: NoticeCleared, Detail: string(closure)})
	if r := p.inForce[channel]; r != nil {
		p.dispatchDue(r, out)
	}
	reply(out, len(out.Entries), wire.Outcome{Code: wire.NoContent})
}
