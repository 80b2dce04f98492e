package plane

import (
	"slices"

	"github.com/refrain-fleet/refrain/core/wire"
)

// heartbeat answers a heartbeat (PROTOCOL H). In the steady state (nothing
// drifts, nothing is to be confirmed or told) it allocates nothing.
func (p *Plane) heartbeat(in *Heartbeat, out *Output) {
	req := &in.Request
	i := p.touch(req.Hostname, out)
	if in.From != "" {
		p.heardFrom(i, in.From, out)
	}
	v := &p.table.vitals[i]
	before := v.lastHeartbeatAt
	v.lastHeartbeatAt = req.At // H1
	if req.CurrentClosure != "" {
		if print := uint32(fingerprint(string(req.CurrentClosure))); print != v.closurePrint {
			h := &p.table.hosts[i]
			v.closurePrint, h.closure = print, h.intern(req.CurrentClosure)
		}
	}
	entries := len(out.Entries)
	if p.isForgotten(req.Hostname) {
		p.comeBack(req.Hostname, out)
	}
	field := in.Dialect == wire.DialectField
	v.field = field
	if (req.RolloutID == "" || field) && v.active > 0 && !p.logsNothing() { // else a later one does
		p.confirmActive(&p.table.hosts[i], in, out)
	}
	if p.gated > 0 && req.RolloutID == "" && !p.logsNothing() {
		p.endOffers(&p.table.hosts[i], in, out)
	}
	answer := out.nextReply()
	answer.Outcome.Code = wire.OK
	answer.Outcome.Heartbeat.ReceivedAt = req.At
	switch {
	case field:
		if v.active > 0 {
			p.fieldHeartbeat(i, req, before, entries, out, answer)
		}
	case req.RolloutID == "" && (v.active > 0 || len(p.toReplay) > 0):
		h := &p.table.hosts[i]
		list := p.bootstrap(i, req, out)
		answer.Outcome.Heartbeat.Bootstrap = list
		answer.AfterEntries = dependsOn(out, h.name)
		if slices.ContainsFunc(list, queued) {
			// Another host's entry may have made the dispatch, by letting the
			// next wave go.
			answer.AfterEntries = len(out.Entries)
		}
	case req.RolloutID != "" && req.CurrentClosure != "":
		h := &p.table.hosts[i]
		ref, known := h.find(req.RolloutID)
		if known && (p.marked(ref) || ref.record().Drifted(req.CurrentClosure)) && p.mayReplay(i, ref, req, out) { // H8, H2, H9
			if ref.record().State != wire.Failed {
				delete(p.toReplay, ref)
			}
			from := ref.record().LastEventSeq
			answer.Outcome.Replay, answer.Outcome.ReplayFrom = true, from
			answer.AfterEntries = dependsOn(out, h.name)
			p.askReplay(h.name, ref.rollout.id, from, out)
		}
	}
}

func (p *Plane) askReplay(h wire.Hostname, id wire.RolloutID, from wire.Seq, out *Output) {
	p.stats.ReplaysAsked++
	out.Notices = append(out.Notices, Notice{Kind: NoticeReplayAsked, Hostname: h, RolloutID: id, Seq: from})
}

// confirmActive carries out H4: a host without an outstanding rollout that
// runs an active record's target has activated it.
func (p *Plane) confirmActive(h *host, in *Heartbeat, out *Output) {
	req := &in.Request
	for _, ref := range h.records {
		rec := ref.record()
		if req.CurrentClosure != rec.TargetClosure || !rec.State.Active() || rec.State == wire.Soaking || !ref.rollout.inForce() {
			continue
		}
		if in.Dialect != wire.DialectField || !p.switchesElsewhere(h, ref) {
			p.confirm(ref, req.CurrentClosure, req.At, out)
		}
	}
}

// confirm confirms one record, if the closure is its target and it is active.
// The log gets an entry of its own for each record, so that an entry has one
// effect.
func (p *Plane) confirm(ref recordRef, closure wire.Closure, at wire.Time, out *Output) {
	rec := ref.record()
	from := rec.State
	if !rec.Confirm(closure, at) {
		return
	}
	p.stats.Confirmed++
	out.changedRecord(ref)
	p.log(out, Entry{
		Input:    &Confirm{Hostname: rec.Hostname, RolloutID: ref.rollout.id, Closure: rec.TargetClosure, At: at},
		Hostname: rec.Hostname, RolloutID: ref.rollout.id, Kind: "confirmed", Outcome: "applied",
	})
	out.Notices = append(out.Notices, Notice{Kind: NoticeConfirmed, Hostname: rec.Hostname, RolloutID: ref.rollout.id, Detail: string(closure)})
	p.moved(ref, from, out)
}

// confirmLogged walks a confirmation of the log.
func (p *Plane) confirmLogged(in *Confirm, out *Output) {
	if ref, known := p.refTo(in.Hostname, in.RolloutID); known {
		p.confirm(ref, in.Closure, in.At, out)
	}
}

// bootstrap lists a snapshot of each active record (H3), and of each that is marked
// and Failed (H8); nil if there is none. The latter is listed as long as it is Failed:
// an answer may be lost, and nothing else would have the agent send what came after. One of a record beyond Pending calls for a
// replay (A4), so it may be put off (H9).
func (p *Plane) bootstrap(host int, req *wire.HeartbeatRequest, out *Output) []wire.Snapshot {
	var list []wire.Snapshot
	for _, ref := range p.table.hosts[host].records {
		rec := ref.record()
		failed := rec.State == wire.Failed && p.marked(ref)
		if (rec.State.Active() || failed) && ref.rollout.inForce() && (rec.State == wire.Pending || p.mayReplay(host, ref, req, out)) {
			list = append(list, rec.Snapshot())
		}
	}
	return list
}

// queued reports whether a snapshot names a dispatch that was not acknowledged.
func queued(s wire.Snapshot) bool { return s.State == wire.Pending && s.DispatchedAt.IsSet() }

// intern returns c as the string that a record of the host already holds, if
// one does, so that a host's closures are kept once.
func (h *host) intern(c wire.Closure) wire.Closure {
	for _, ref := range h.records {
		if t := ref.record().TargetClosure; t == c {
			return t
		}
	}
	return c
}
