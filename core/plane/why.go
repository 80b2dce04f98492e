package plane

import (
	"fmt"
	"time"

	"github.com/refrain-fleet/refrain/core/rollout"
	"github.com/refrain-fleet/refrain/core/wire"
)

// Why a host is not at its target (PROTOCOL Y). What is said follows from the reducer's
// own state and from the functions that decide by it, so an explanation cannot differ
// from what is decided. It changes nothing.

// QueryHostWhy asks why a host is not at its target (PROTOCOL Y1). One reply.
type QueryHostWhy struct {
	Hostname wire.Hostname
	// RolloutID is the one rollout that is asked about; empty for all that are not
	// superseded.
	RolloutID wire.RolloutID
}

func (*QueryHostWhy) isInput() {}

// String implements [Input].
func (in *QueryHostWhy) String() string {
	if in.RolloutID != "" {
		return fmt.Sprintf("why-host %s rollout=%s", in.Hostname, in.RolloutID)
	}
	return fmt.Sprintf("why-host %s", in.Hostname)
}

var hostWhySchema = wire.Schema[QueryHostWhy]{Fields: []wire.Field[QueryHostWhy]{
	{Name: "hostname", Presence: wire.Required, Of: func(in *QueryHostWhy) wire.Value { return &in.Hostname }},
	{Name: "rollout_id", Presence: wire.Optional, Of: func(in *QueryHostWhy) wire.Value { return &in.RolloutID }},
}}

// queryHostWhy answers with the facts about one host.
func (p *Plane) queryHostWhy(in *QueryHostWhy, out *Output) {
	why, known := p.WhyHost(in.Hostname, in.RolloutID)
	switch {
	case known:
		reply(out, len(out.Entries), wire.Outcome{Code: wire.OK, Document: &why})
	case in.RolloutID != "" && p.byID[in.RolloutID] == nil:
		reply(out, len(out.Entries), p.unknownRollout(in.RolloutID))
	case in.RolloutID != "":
		reply(out, len(out.Entries), wire.Refuse(wire.UnknownHost, "hostname", fmt.Sprintf("%s is no host of %s", in.Hostname, in.RolloutID)))
	default:
		reply(out, len(out.Entries), wire.Refuse(wire.UnknownHost, "hostname", fmt.Sprintf("no host %s is known", in.Hostname)))
	}
}

// WhyHost says why a host is not at its target: in one rollout, or with an empty ID in
// all that are not superseded. It reports false for a host that is not known, or not in
// the rollout.
func (p *Plane) WhyHost(name wire.Hostname, id wire.RolloutID) (wire.HostWhy, bool) {
	at, known := p.find(name)
	if !known {
		return wire.HostWhy{}, false
	}
	h := &p.table.hosts[at]
	why := wire.HostWhy{
		Hostname: h.name, At: p.last.Wall, Reachability: p.table.vitals[at].reachability(), CurrentClosure: h.closure, AtTarget: true,
	}
	views := newWhyViews()
	for _, ref := range h.records {
		r := ref.rollout
		if r.staged || id == "" && r.superseded() || id != "" && r.id != id {
			continue
		}
		rec := ref.record()
		facts := p.factsOf(at, ref, views)
		why.AtTarget = why.AtTarget && len(facts) == 0
		why.Rollouts = append(why.Rollouts, wire.RecordWhy{
			RolloutID: r.id, State: rec.State, Wave: rec.Wave, TargetClosure: rec.TargetClosure, AtTarget: len(facts) == 0, Facts: facts,
		})
	}
	return why, id == "" || len(why.Rollouts) > 0
}

// whyViews is what is found out once for all hosts of a rollout.
type whyViews struct {
	gates gateViews
	waves map[*rolloutState]wire.Fact
}

func newWhyViews() *whyViews {
	return &whyViews{gates: make(gateViews), waves: make(map[*rolloutState]wire.Fact)}
}

// factsOf lists what has to be over before a record is at its target, in the order of
// [wire.Causes]; nil if it is. at is the host's place in the plane's table.
func (p *Plane) factsOf(at int, ref recordRef, views *whyViews) []wire.Fact {
	r, rec := ref.rollout, ref.record()
	if r.superseded() {
		return []wire.Fact{p.supersededFact(r)}
	}
	switch rec.State {
	case wire.Converged:
		return p.closureFact(nil, at, ref)
	case wire.Failed, wire.Reverted:
		return []wire.Fact{endedFact(r, rec)}
	}
	var facts []wire.Fact
	if rec.State == wire.Pending {
		facts = p.withheldFacts(ref, views)
	}
	held := len(facts)
	facts = p.hostFacts(facts, at, ref)
	switch rec.State {
	case wire.Pending:
		if held == 0 {
			facts = append(facts, p.queuedFact(at, ref))
		}
	case wire.Activating:
		facts = append(facts, p.activationFact(ref))
	case wire.Deferred:
		facts = append(facts, wire.Fact{Cause: wire.CauseReboot, By: group(rec.Hostname),
			Reason: "the switch was deferred to the next boot; the wave does not wait for it",
			Next:   "the host reports what it has booted"})
	case wire.Soaking:
		facts = p.soakFacts(facts, at, ref)
	}
	return facts
}

// withheldFacts is what holds the dispatch of a Pending record back.
func (p *Plane) withheldFacts(ref recordRef, views *whyViews) (facts []wire.Fact) {
	r, rec := ref.rollout, ref.record()
	if r.held {
		facts = append(facts, heldFact(r))
	}
	if r.halted() {
		facts = append(facts, p.haltedFact(r))
	}
	if !r.aborted.IsUnset() {
		facts = append(facts, abortedFact(r))
	}
	if last := r.wavesDispatched - 1; int(rec.Wave) > last && last >= 0 && r.holding[last] > 0 {
		if _, known := views.waves[r]; !known {
			views.waves[r] = r.waveFact()
		}
		facts = append(facts, views.waves[r])
	}
	if entry, there := p.quarantine[quarantineKey{r.id.Channel(), rec.TargetClosure}]; there {
		facts = append(facts, wire.Fact{Cause: wire.CauseQuarantine, By: group(rec.TargetClosure), Since: entry.Since,
			Reason: wire.Text(fmt.Sprintf("%s rolled back from %s on channel %s", entry.Hostname, rec.TargetClosure, r.id.Channel())),
			Next:   "nothing, until an operator clears the quarantine or a rollout with another closure is opened",
			Do:     wire.Text(fmt.Sprintf("refrain quarantine clear %s %s", r.id.Channel(), rec.TargetClosure))})
	}
	if p.unbacked(r) {
		facts = append(facts, p.unbackedFact(r))
	}
	if b := p.blockedBy(ref, views.gates); b.Gate != 0 {
		facts = append(facts, gateFact(b))
	}
	return facts
}

// hostFacts is what keeps the plane and the host from hearing of each other.
func (p *Plane) hostFacts(facts []wire.Fact, at int, ref recordRef) []wire.Fact {
	v, name := &p.table.vitals[at], p.table.hosts[at].name
	if p.logsNothing() {
		facts = append(facts, p.storeFact())
	}
	heard := p.last.Wall.Add(v.heard - p.clock())
	silent := v.gone || v.unseen || !v.lastHeartbeatAt.IsSet()
	if before := p.revocations[wire.CommonName(name)]; before.IsSet() && (silent || heard.Before(before)) {
		facts = append(facts, wire.Fact{Cause: wire.CauseRevoked, By: group(name), Since: before,
			Reason: wire.Text(fmt.Sprintf("certificates of %s that were issued before %v are refused, and no heartbeat came since", name, before)),
			Next:   "the host is heard again with a certificate that was issued later"})
	}
	switch {
	case v.gone:
		facts = append(facts, wire.Fact{Cause: wire.CauseUnreachable, By: group(name), Since: heard,
			Reason: wire.Text(fmt.Sprintf("no request of %s came for %v", name, span(p.clock()-v.heard))),
			Next:   "with its next request it goes on"})
	case v.unseen:
		facts = append(facts, wire.Fact{Cause: wire.CauseNeverSeen, By: group(name), Since: heard,
			Reason: wire.Text(fmt.Sprintf("no request of %s has ever come; its name may be wrong, or its agent not installed", name)),
			Next:   "it is unreachable if none comes until then", NextAt: heard.Add(p.cfg.silence())})
	}
	if ref.record().State != wire.Pending && p.marked(ref) {
		facts = append(facts, wire.Fact{Cause: wire.CauseReplay, By: group(name),
			Reason: "the plane was restored from an older state, and its record may be behind the host",
			Next:   "the answer to a heartbeat of the host asks for its events"})
	}
	return facts
}

// queuedFact is what a Pending record waits for that nothing holds back.
func (p *Plane) queuedFact(host int, ref recordRef) wire.Fact {
	rec := ref.record()
	for _, other := range p.table.hosts[host].records {
		if o := other.record(); other != ref && !other.rollout.staged && o.State == wire.Activating {
			return wire.Fact{Cause: wire.CauseBusy, By: group(other.rollout.id), Since: began(o),
				Reason: wire.Text(fmt.Sprintf("%s activates %s first, one at a time", rec.Hostname, other.rollout.id)),
				Next:   "the host takes the dispatch up once that has reached Soaking or an end"}
		}
	}
	fact := wire.Fact{Cause: wire.CauseAcknowledgement, By: group(rec.Hostname), Since: rec.DispatchedAt,
		Reason: "the dispatch was offered, and the host has not acknowledged it", Next: "it is offered again if no acknowledgement comes"}
	if at, waits := p.restarted[ref]; waits {
		fact.Reason = "the dispatch was offered, and the agent has started anew since: its switch may run"
		fact.NextAt = p.wallOf(at + RetakeAfter)
	} else if at, open := p.offers.open[ref]; open {
		fact.NextAt = p.wallOf(at + ReofferAfter)
	} else if _, waits := p.unheard[ref]; waits && p.table.vitals[host].field {
		fact.Reason = "the dispatch may have been offered before, and no heartbeat says since whether the agent has started anew"
		fact.Next = "it is offered again once a heartbeat of the host has come"
	} else {
		fact.Cause = wire.CausePoll
		fact.Reason, fact.Next = "the dispatch is queued, and no poll has asked for it yet", "the host's next poll is answered with it"
	}
	return fact
}

// activationFact is what an Activating record waits for.
func (p *Plane) activationFact(ref recordRef) wire.Fact {
	r, rec := ref.rollout, ref.record()
	fact := wire.Fact{Cause: wire.CauseActivation, By: group(rec.Hostname), Since: began(rec),
		Reason: "the host is switching to its target", Next: "the host reports how the switch has ended"}
	if !rec.ActivationStartedAt.IsSet() {
		fact.Reason = "the host has acknowledged the dispatch, and not said yet that it switches"
	}
	if since, counts := p.retakes[ref]; counts && r.inForce() && !r.stopped() && !p.quarantined(r, rec) { // D4
		fact.Next = "if nothing is heard until then, its next poll is answered with the dispatch again"
		fact.NextAt = p.wallOf(since + RetakeAfter)
	}
	return fact
}

// soakFacts is what a Soaking record waits for.
func (p *Plane) soakFacts(facts []wire.Fact, at int, ref recordRef) []wire.Fact {
	rec := ref.record()
	facts = p.closureFact(facts, at, ref)
	before := len(facts)
	field := p.table.vitals[at].field
	failing, notRun := wire.HostGroup{}, wire.HostGroup{}
	var since wire.Time
	for i := range rec.Probes {
		switch q := &rec.Probes[i]; {
		case q.Mode != wire.Enforce || q.Passes():
		case q.Status == wire.Fail:
			failing.Add(wire.Hostname(q.Name))
			if first := q.FirstFailedAt; first.IsSet() && (!since.IsSet() || first.Before(since)) {
				since = first
			}
		case !field: // one of a field agent that has not run does not count (E11)
			notRun.Add(wire.Hostname(q.Name))
		}
	}
	if failing.Count > 0 {
		facts = append(facts, wire.Fact{Cause: wire.CauseProbe, By: failing, Since: since,
			Reason: wire.Text(fmt.Sprintf("probes of mode enforce that fail: %d", failing.Count)),
			Next:   "the host reports a pass, or Failed once one has failed for as long as its agent allows (120 s by default)"})
	}
	if notRun.Count > 0 {
		facts = append(facts, wire.Fact{Cause: wire.CauseProbe, By: notRun, Since: rec.ActivationCompletedAt,
			Reason: wire.Text(fmt.Sprintf("probes of mode enforce that have not run yet: %d", notRun.Count)), Next: "the host reports their first results"})
	}
	due := soakDue(rec, field)
	if p.hostClock(at).Before(due) {
		return append(facts, wire.Fact{Cause: wire.CauseSoak, By: group(rec.Hostname), Since: rec.ActivationCompletedAt,
			Reason: wire.Text(fmt.Sprintf("it has to run its target for %v", rec.Soak())),
			Next:   "the host reports Converged, if its probes pass", NextAt: due})
	}
	if len(facts) == before {
		facts = append(facts, wire.Fact{Cause: wire.CauseReport, By: group(rec.Hostname), Since: due,
			Reason: "the soak is over, and the host has not reported Converged yet",
			Next:   "the host reports Converged after its next round of probes"})
	}
	return facts
}

// hostClock is what the clock of a host shows, as far as its last heartbeat says: at most
// an interval less than it does. Until the first it is taken for the plane's.
func (p *Plane) hostClock(at int) wire.Time {
	v := &p.table.vitals[at]
	if !v.lastHeartbeatAt.IsSet() {
		return p.last.Wall
	}
	return v.lastHeartbeatAt.Add(p.clock() - v.heard)
}

// soakDue is when the soak of a Soaking record ends: that of an agent of ours counts from
// the activation (A8), that of a field agent ends at the deadline that it was given (D4).
func soakDue(rec *rollout.Record, field bool) wire.Time {
	if field && rec.SoakDueAt.IsSet() {
		return rec.SoakDueAt
	}
	return rec.ActivationCompletedAt.Add(rec.Soak())
}

// closureFact adds that a host has said, after its switch, that it runs another closure
// than its target. One that another rollout has brought there does not (A10).
func (p *Plane) closureFact(facts []wire.Fact, at int, ref recordRef) []wire.Fact {
	h, rec := &p.table.hosts[at], ref.record()
	after := rec.ActivationCompletedAt
	if after.Before(rec.EndedAt) {
		after = rec.EndedAt
	}
	said := p.table.vitals[at].lastHeartbeatAt
	if h.closure == "" || h.closure == rec.TargetClosure || !after.Before(said) {
		return facts
	}
	for _, other := range h.records {
		o := other.record()
		if rec.State == wire.Converged && other.rollout.inForce() && o.TargetClosure == h.closure && o.State != wire.Pending {
			return facts
		}
	}
	return append(facts, wire.Fact{Cause: wire.CauseClosure, By: group(h.closure), Since: said,
		Reason: wire.Text(fmt.Sprintf("the host said last that it runs %s; its target is %s", h.closure, rec.TargetClosure)),
		Next:   "nothing by itself, if it was switched by hand; else its agent reports what has become of the rollout"})
}

// began is when an activation began, as far as it is known.
func began(rec *rollout.Record) wire.Time {
	if rec.ActivationStartedAt.IsSet() {
		return rec.ActivationStartedAt
	}
	return rec.DispatchAckedAt
}

// wallOf is when the plane's wall clock will show an instant of its monotonic clock.
func (p *Plane) wallOf(at time.Duration) wire.Time { return p.last.Wall.Add(at - p.last.Mono) }

// span is a length of time for people, in whole seconds.
func span(d time.Duration) time.Duration { return d.Truncate(time.Second) }

// group is a group of one name.
func group[S ~string](name S) (g wire.HostGroup) {
	g.Add(wire.Hostname(name))
	return g
}
