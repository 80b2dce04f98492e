package plane

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/refrain-fleet/refrain/core/rollout"
	"github.com/refrain-fleet/refrain/core/wire"
)

// QueryRolloutWhy asks why a rollout is not at its target (PROTOCOL Y4). One reply.
type QueryRolloutWhy struct{ RolloutID wire.RolloutID }

func (*QueryRolloutWhy) isInput() {}

// String implements [Input].
func (in *QueryRolloutWhy) String() string { return fmt.Sprintf("why-rollout %s", in.RolloutID) }

var rolloutWhySchema = wire.Schema[QueryRolloutWhy]{Fields: []wire.Field[QueryRolloutWhy]{
	{Name: "rollout_id", Presence: wire.Required, Of: func(in *QueryRolloutWhy) wire.Value { return &in.RolloutID }},
}}

// queryRolloutWhy answers with what a rollout waits for.
func (p *Plane) queryRolloutWhy(in *QueryRolloutWhy, out *Output) {
	if why, known := p.WhyRollout(in.RolloutID); known {
		reply(out, len(out.Entries), wire.Outcome{Code: wire.OK, Document: &why})
		return
	}
	reply(out, len(out.Entries), p.unknownRollout(in.RolloutID))
}

// WhyRollout says why a rollout is not at its target. It reports false for one that is
// not known.
func (p *Plane) WhyRollout(id wire.RolloutID) (wire.RolloutWhy, bool) {
	r := p.byID[id]
	if opening, under := p.Opening(); r == nil && under && opening.RolloutID == id {
		return wire.RolloutWhy{RolloutID: id, At: p.last.Wall, State: wire.Opening, Hosts: opening.Hosts, Waiting: opening.Hosts, Facts: []wire.Fact{{
			Cause: wire.CausePreparing, By: group(id), Reason: wire.Text(fmt.Sprintf("%d of %d hosts are prepared", opening.Prepared, opening.Hosts)),
			Next: "it is opened once all are",
		}}}, true
	}
	if r == nil {
		return wire.RolloutWhy{}, false
	}
	why := wire.RolloutWhy{RolloutID: id, At: p.last.Wall, State: r.state(), Hosts: wire.Count(len(r.records)), Waves: wire.Count(len(r.policy.Waves))}
	if wave := slices.IndexFunc(r.holding, func(n int) bool { return n > 0 }); wave >= 0 {
		why.Wave, why.WaveOpen = wire.Count(wave), true
	}
	if r.superseded() {
		why.Waiting = why.Hosts
		why.Facts = []wire.Fact{p.supersededFact(r)}
		return why, true
	}
	why.Facts = p.rolloutFacts(r)
	p.groupHosts(r, &why)
	why.AtTarget = why.Waiting == 0
	return why, true
}

// rolloutFacts is what holds a rollout back as a whole. What concerns a rollout whose
// hosts are all at their end is left out.
func (p *Plane) rolloutFacts(r *rolloutState) (facts []wire.Fact) {
	if r.held {
		facts = append(facts, heldFact(r))
	}
	if r.halted() {
		facts = append(facts, p.haltedFact(r))
	}
	if r.counts[wire.Pending] > 0 && !r.aborted.IsUnset() {
		facts = append(facts, abortedFact(r))
	}
	if r.counts[wire.Pending] > 0 && p.unbacked(r) {
		facts = append(facts, p.unbackedFact(r))
	}
	if ended := r.counts[wire.Converged] + r.counts[wire.Failed] + r.counts[wire.Reverted]; ended < len(r.records) && p.logsNothing() {
		facts = append(facts, p.storeFact())
	}
	return facts
}

// groupKey is what hosts of a group have in common.
type groupKey struct {
	cause wire.Cause
	gate  wire.Gate
	by    string
}

// groupHosts puts the hosts of a rollout that are not at their target into groups, and
// finds the one that has the most before it.
func (p *Plane) groupHosts(r *rolloutState, why *wire.RolloutWhy) {
	views := newWhyViews()
	type placed struct {
		wire.WhyGroup
		inWave bool // it has a host that the first open wave waits for
	}
	var groups []placed
	places := make(map[groupKey]int)
	for i := range r.records {
		rec := &r.records[i]
		facts := p.factsOf(int(r.hosts[i]), recordRef{r, i}, views)
		if len(facts) == 0 {
			continue
		}
		why.Waiting++
		key := keyOf(rec, &facts[0])
		at, there := places[key]
		if !there {
			at = len(groups)
			places[key] = at
			groups = append(groups, placed{WhyGroup: wire.WhyGroup{Fact: facts[0], Wave: rec.Wave}})
		}
		g := &groups[at]
		g.Hosts.Add(rec.Hostname)
		g.Wave = min(g.Wave, rec.Wave)
		if bool(why.WaveOpen) && rec.Wave == why.Wave && holdsBack(rec.State, r.isExcused(i)) {
			g.inWave = true
			if last := facts[len(facts)-1]; why.Last.IsUnset() || before(&last, &why.Last.Fact) {
				why.Last = wire.HostFact{Hostname: rec.Hostname, Fact: last}
			}
		}
	}
	slices.SortStableFunc(groups, func(a, b placed) int {
		if a.inWave != b.inWave {
			if a.inWave {
				return -1
			}
			return 1
		}
		return cmp.Or(cmp.Compare(a.Fact.Cause, b.Fact.Cause), cmp.Compare(a.Wave, b.Wave))
	})
	for i := range groups {
		why.Groups = append(why.Groups, groups[i].WhyGroup)
	}
}

// before reports whether a host whose last fact is a has more before it than one whose is
// b: the earlier it is on the way of a dispatch, the more.
func before(a, b *wire.Fact) bool {
	ended := func(f *wire.Fact) bool { return f.Cause >= wire.CauseFailed } // nothing else ends it
	if ended(a) != ended(b) {
		return ended(a)
	}
	return a.Cause < b.Cause
}

// keyOf is the group of a host whose first fact this is. Hosts that each wait for
// themselves are one group.
func keyOf(rec *rollout.Record, fact *wire.Fact) groupKey {
	key := groupKey{cause: fact.Cause, gate: fact.Gate}
	if own := fact.By.Count == 1 && fact.By.Names[0] == wire.Name(rec.Hostname); !own && fact.Cause != wire.CauseProbe && fact.Cause < wire.CauseFailed {
		var names []string
		for _, name := range fact.By.Names {
			names = append(names, string(name))
		}
		key.by = strings.Join(names, " ")
	}
	return key
}

// supersededFact is what ends every wait of a superseded rollout.
func (p *Plane) supersededFact(r *rolloutState) wire.Fact {
	return wire.Fact{Cause: wire.CauseSuperseded, By: group(r.supersededBy),
		Reason: wire.Text(fmt.Sprintf("%s is the newer rollout of channel %s; nothing more of this one is dispatched", r.supersededBy, r.id.Channel())),
		Do:     wire.Text(fmt.Sprintf("refrain rollout why %s", r.supersededBy))}
}

func heldFact(r *rolloutState) wire.Fact {
	return wire.Fact{Cause: wire.CauseHeld, By: group(r.id.Channel()),
		Reason: wire.Text(fmt.Sprintf("the rollouts of channel %s came without an order, and no operator has said which is the newest", r.id.Channel())),
		Next:   "nothing, until an operator chooses one of them or opens another",
		Do:     wire.Text(fmt.Sprintf("refrain rollout choose %s", r.id))}
}

func (p *Plane) haltedFact(r *rolloutState) wire.Fact {
	fact := wire.Fact{Cause: wire.CauseHalted, By: group(r.haltedBy),
		Next: "nothing, until an operator resumes the rollout or opens another",
		Do:   wire.Text(fmt.Sprintf("refrain rollout resume %s", r.id))}
	if i, has := r.find(r.haltedBy); has {
		rec := &r.records[i]
		fact.Since = rec.EndedAt
		fact.Reason = wire.Text(fmt.Sprintf("%s is %s; resuming goes on without it", r.haltedBy, rec.State))
	}
	return fact
}

func abortedFact(r *rolloutState) wire.Fact {
	return wire.Fact{Cause: wire.CauseAborted, By: group(r.id), Since: r.aborted.Since,
		Reason: because("an operator has ended the rollout", r.aborted.Reason),
		Next:   "nothing, until another rollout of the channel is opened"}
}

// waveFact names the hosts that hold back the next wave.
func (r *rolloutState) waveFact() wire.Fact {
	wave := r.wavesDispatched - 1
	fact := wire.Fact{Cause: wire.CauseWave}
	for i := range r.records {
		if rec := &r.records[i]; int(rec.Wave) == wave && holdsBack(rec.State, r.isExcused(i)) {
			fact.By.Add(rec.Hostname)
		}
	}
	fact.Reason = wire.Text(fmt.Sprintf("hosts of wave %d that are not Converged or Deferred: %d", wave, fact.By.Count))
	fact.Next = wire.Text(fmt.Sprintf("wave %d is dispatched when every host of it is", wave+1))
	if fact.By.Count > 0 {
		fact.Do = wire.Text(fmt.Sprintf("refrain host why %s", fact.By.Names[0]))
	}
	return fact
}

// unbackedFact says why no release that is held backs a rollout (V6, V7).
func (p *Plane) unbackedFact(r *rolloutState) wire.Fact {
	if r.backed {
		until := p.freshUntil[r.id]
		return wire.Fact{Cause: wire.CauseFreshness, By: group(r.id.Channel()), Since: until,
			Reason: wire.Text(fmt.Sprintf("the freshness window of channel %s has passed since the release was signed", r.id.Channel())),
			Next:   "it goes on when the plane takes up a release that was signed later"}
	}
	return wire.Fact{Cause: wire.CauseRelease, By: group(r.id),
		Reason: "the release that the plane holds, if it holds one, does not have this rollout",
		Next:   "it goes on when the plane takes up a release that has it"}
}

// gateFact is a gate that holds the dispatch back.
func gateFact(b wire.Blocked) wire.Fact {
	fact := wire.Fact{Cause: wire.CauseGate, Gate: b.Gate, By: group(b.By), Reason: b.Reason, Next: "the dispatch is offered once the gate lets it go"}
	switch b.Gate {
	case wire.GateChannelEdge:
		fact.Do = wire.Text(fmt.Sprintf("refrain rollout why %s", b.By))
	case wire.GatePaused:
		fact.Next = "nothing, until an operator resumes the rollout or opens another"
		fact.Do = wire.Text(fmt.Sprintf("refrain rollout resume %s", b.By))
	case wire.GateCordoned:
		fact.Next = "nothing, until an operator lets the host have dispatches again"
		fact.Do = wire.Text(fmt.Sprintf("refrain host uncordon %s", b.By))
	case wire.GateSkipped:
		fact.Next = "nothing in this rollout; a newer one of the channel may bring the host on"
	case wire.GateHostEdge, wire.GateCompliance:
		fact.Do = wire.Text(fmt.Sprintf("refrain host why %s", b.By))
	}
	return fact
}

// storeFact says that nothing can be logged.
func (p *Plane) storeFact() wire.Fact {
	if !p.readOnly {
		return wire.Fact{Cause: wire.CauseStore, Reason: "the opening of a rollout is being made durable", Next: "the plane goes on once it is"}
	}
	return wire.Fact{Cause: wire.CauseStore, Reason: "the plane cannot make anything durable: what hosts report is refused and sent again",
		Next: "the plane tries again, every 5 s at the least"}
}

// endedFact is about a host that has failed.
func endedFact(r *rolloutState, rec *rollout.Record) wire.Fact {
	fact := wire.Fact{Cause: wire.CauseFailed, By: group(rec.Hostname), Since: rec.EndedAt,
		Reason: "the host has failed", Next: "nothing in this rollout; a newer one of the channel may bring the host on"}
	if failing := rec.FailingProbes(); len(failing) > 0 {
		fact.By = wire.HostGroup{}
		for _, name := range failing {
			fact.By.Add(wire.Hostname(name))
		}
		fact.Reason = "the host has failed: its probes did not pass"
	}
	if rec.State == wire.Reverted {
		fact.Cause = wire.CauseReverted
		fact.Reason = wire.Text(fmt.Sprintf("the host has failed, and has gone back to %s", rec.CurrentClosure))
	}
	if r.policy.OnHealthFailure == wire.RollbackAndHalt && rec.State == wire.Failed {
		fact.Next = "it may report that it has gone back; a newer rollout of the channel may bring it on"
	}
	return fact
}
