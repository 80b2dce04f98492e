package check

import (
	"fmt"
	"slices"

	"github.com/refrain-fleet/refrain/core/plane"
	"github.com/refrain-fleet/refrain/core/wire"
	"github.com/refrain-fleet/refrain/sim/scenario"
)

// The facts about a record once more (PROTOCOL Y3).

// expect is what a record waits for.
func (c *explained) expect(r *recordCopy, why *wire.HostWhy) []expected {
	switch r.last.State {
	case wire.Converged:
		return c.elsewhere(nil, r)
	case wire.Failed, wire.Reverted:
		cause, by := wire.CauseFailed, enforced(r, false)
		if r.last.State == wire.Reverted {
			cause = wire.CauseReverted
		}
		if len(by) == 0 {
			by = []string{string(c.l.names[r.host])}
		}
		return []expected{{cause: cause, by: by, since: r.last.EndedAt}}
	}
	var facts []expected
	if r.last.State == wire.Pending {
		facts = c.withheld(r)
	}
	withheld := len(facts)
	facts = c.unheard(facts, r, why)
	self := []string{string(c.l.names[r.host])}
	switch r.last.State {
	case wire.Pending:
		if withheld == 0 {
			facts = append(facts, c.queued(r, why))
		}
	case wire.Activating:
		began := r.last.ActivationStartedAt
		if !began.IsSet() {
			began = r.last.DispatchAckedAt
		}
		facts = append(facts, expected{cause: wire.CauseActivation, by: self, since: began})
	case wire.Deferred:
		facts = append(facts, expected{cause: wire.CauseReboot, by: self})
	case wire.Soaking:
		facts = c.soaks(facts, r, why)
	}
	return facts
}

// withheld is what holds back the dispatch of a Pending record, by the ledger.
func (c *explained) withheld(r *recordCopy) (facts []expected) {
	o, d := r.of, &c.l.live
	if d.held[o] {
		facts = append(facts, expected{cause: wire.CauseHeld, by: []string{string(o.channel)}, do: fmt.Sprintf("refrain rollout choose %s", o.id)})
	}
	if o.halted() {
		facts = append(facts, expected{cause: wire.CauseHalted, by: c.halter(r), do: fmt.Sprintf("refrain rollout resume %s", o.id)})
	}
	if d.aborted[o] {
		facts = append(facts, expected{cause: wire.CauseAborted, by: []string{string(o.id)}})
	}
	if last := o.wavesTurned(d) - 1; r.wave > last && last >= 0 && o.holding[last] > 0 {
		var by []string
		for _, first := range o.records {
			if s := first.last.State; first.wave == last && s != wire.Converged && s != wire.Deferred && !d.excused[first] {
				by = append(by, string(c.l.names[first.host]))
			}
		}
		slices.Sort(by)
		facts = append(facts, expected{cause: wire.CauseWave, by: by, do: "refrain host why " + by[0]})
	}
	quarantined := d.quarantined[closureOn{o.channel, r.target}]
	if quarantined {
		facts = append(facts, expected{cause: wire.CauseQuarantine, by: []string{string(r.target)}, do: fmt.Sprintf("refrain quarantine clear %s %s", o.channel, r.target)})
	}
	switch unbacked := c.l.unbacked(o); {
	case unbacked && c.l.backed[o]:
		facts = append(facts, expected{cause: wire.CauseFreshness, by: []string{string(o.channel)}, since: c.l.fresh[o.id]})
	case unbacked:
		facts = append(facts, expected{cause: wire.CauseRelease, by: []string{string(o.id)}})
	}
	if queued := d.turned[waveOf{o.id, r.wave}] && d.inForce(o) && !o.halted() && !d.aborted[o] && !quarantined; queued {
		if number, _ := c.l.gateOf(r); number != "" {
			facts = append(facts, c.gate(r, number))
		}
	}
	return facts
}

// halter is who halts a rollout. Of several hosts the plane names the one that it saw
// first, and any is right.
func (c *explained) halter(r *recordCopy) []string {
	for _, one := range c.whys[r.host].Rollouts {
		for i := range one.Facts {
			if f := &one.Facts[i]; f.Cause == wire.CauseHalted && one.RolloutID == r.of.id && f.By.Count == 1 {
				if by := c.l.copyOf(c.l.number(wire.Hostname(f.By.Names[0])), r.of.id); by != nil && !c.l.live.excused[by] && (by.last.State == wire.Failed || by.last.State == wire.Reverted) {
					return namesOf(f)
				}
			}
		}
	}
	return []string{"a host that has failed and is not excused"}
}

// gate is the gate that holds a record back, with what it is by.
func (c *explained) gate(r *recordCopy, number string) expected {
	gates := &r.of.manifest.Gates
	x := expected{cause: wire.CauseGate}
	switch number {
	case "S46":
		host := string(c.l.names[r.host])
		switch d := &c.l.live; {
		case d.paused[r.of]:
			x.gate, x.by, x.do = wire.GatePaused, []string{string(r.of.channel)}, fmt.Sprintf("refrain rollout resume %s", r.of.channel)
		case d.excused[r]:
			x.gate, x.by = wire.GateSkipped, []string{host}
		default:
			x.gate, x.by, x.do = wire.GateCordoned, []string{host}, "refrain host uncordon "+host
		}
	case "S42":
		x.gate = wire.GateChannelEdge
		for _, e := range gates.ChannelEdges {
			if x.by == nil && c.l.comesFirst(e.Gates) != "" {
				x.by, x.do = []string{string(e.Gates)}, fmt.Sprintf("refrain rollout why %s", e.Gates)
			}
		}
	case "S33":
		x.gate = wire.GateHostEdge
		for _, e := range gates.Edges {
			first := c.l.copyOf(c.l.number(e.Gates), r.of.id)
			s := first.last.State
			done := s == wire.Converged || s == wire.Deferred || c.l.live.excused[first]
			if x.by == nil && e.Gated == c.l.names[r.host] && !done {
				x.by, x.do = []string{string(e.Gates)}, fmt.Sprintf("refrain host why %s", e.Gates)
			}
		}
	case "S43":
		x.gate = wire.GateCompliance
		var failing *recordCopy
		for _, first := range r.of.records {
			earlier := failing == nil || first.wave < failing.wave || first.wave == failing.wave && c.l.names[first.host] < c.l.names[failing.host]
			if !c.l.live.excused[first] && failsEnforced(first) && earlier {
				failing = first
			}
		}
		x.by, x.do = []string{string(c.l.names[failing.host])}, fmt.Sprintf("refrain host why %s", c.l.names[failing.host])
	case "S32":
		x.gate = wire.GateBudget
		for _, b := range gates.Budgets {
			flying := 0
			for _, name := range b.Hosts {
				if n := c.l.number(wire.Hostname(name)); n > 0 && n != r.host && c.l.flies(n) {
					flying++
				}
			}
			if x.by == nil && slices.Contains(b.Hosts, wire.Name(c.l.names[r.host])) && flying >= int(b.MaxInFlight) {
				x.by = []string{string(b.Name)}
			}
		}
	}
	return x
}

// unheard is what keeps plane and host from hearing of each other.
func (c *explained) unheard(facts []expected, r *recordCopy, why *wire.HostWhy) []expected {
	name := c.l.names[r.host]
	self := []string{string(name)}
	if c.l.logsNothing() {
		facts = append(facts, expected{cause: wire.CauseStore})
	}
	if before := c.l.live.revoked[wire.CommonName(name)]; before.IsSet() && c.refusedSince(r, why, before) {
		facts = append(facts, expected{cause: wire.CauseRevoked, by: self, since: before})
	}
	switch why.Reachability {
	case wire.Unreachable:
		facts = append(facts, expected{cause: wire.CauseUnreachable, by: self})
	case wire.NeverSeen:
		facts = append(facts, expected{cause: wire.CauseNeverSeen, by: self})
	}
	if r.last.State != wire.Pending && c.l.toAsk[r] {
		facts = append(facts, expected{cause: wire.CauseReplay, by: self})
	}
	return facts
}

// refusedSince reports whether a revocation explains a silence. If the host was heard at
// about its instant, or the plane's clock was set, what the plane says is taken.
func (c *explained) refusedSince(r *recordCopy, why *wire.HostWhy, before wire.Time) bool {
	h := &c.hosts[r.host]
	if why.Reachability != wire.Reachable || !h.beats {
		return true
	}
	if !c.clocks && h.beats && !h.wall.Before(before) {
		return false
	}
	return c.says(r, why, wire.CauseRevoked)
}

// says reports whether the plane gives a cause for a record: where the checker cannot
// tell, either is right.
func (c *explained) says(r *recordCopy, why *wire.HostWhy, cause wire.Cause) bool {
	return slices.ContainsFunc(why.Rollouts, func(one wire.RecordWhy) bool {
		return one.RolloutID == r.of.id && slices.ContainsFunc(one.Facts, func(f wire.Fact) bool { return f.Cause == cause })
	})
}

// queued is what a record waits for that nothing holds back.
func (c *explained) queued(r *recordCopy, why *wire.HostWhy) expected {
	for _, other := range c.l.hosts[r.host] {
		if other != r && other.last.State == wire.Activating {
			return expected{cause: wire.CauseBusy, by: []string{string(other.of.id)}}
		}
	}
	x := expected{cause: wire.CausePoll, by: []string{string(c.l.names[r.host])}}
	now := c.last
	if at, held := c.held[r]; held {
		x.cause, x.next = wire.CauseAcknowledgement, why.At.Add(at+quietFor-now)
	} else if at, given := c.given[r]; given {
		x.cause, x.next = wire.CauseAcknowledgement, why.At.Add(at+offeredAgain-now)
	} else if _, before := c.fielded[r]; before && c.hosts[r.host].field && c.says(r, why, wire.CauseAcknowledgement) {
		x.cause = wire.CauseAcknowledgement // until a heartbeat has come; when it has, S13 judges
	}
	return x
}

// elsewhere adds that a host has said that it runs another closure than its target.
func (c *explained) elsewhere(facts []expected, r *recordCopy) []expected {
	h := &c.hosts[r.host]
	after := r.last.ActivationCompletedAt
	if after.Before(r.last.EndedAt) {
		after = r.last.EndedAt
	}
	if h.closure == "" || h.closure == r.target || !after.Before(h.beat) {
		return facts
	}
	for _, other := range c.l.hosts[r.host] {
		if r.last.State == wire.Converged && c.l.live.inForce(other.of) && other.target == h.closure && other.last.State != wire.Pending {
			return facts
		}
	}
	return append(facts, expected{cause: wire.CauseClosure, by: []string{string(h.closure)}, since: h.beat})
}

// soaks is what a Soaking record waits for.
func (c *explained) soaks(facts []expected, r *recordCopy, why *wire.HostWhy) []expected {
	facts = c.elsewhere(facts, r)
	before := len(facts)
	h := &c.hosts[r.host]
	if failing := enforced(r, true); len(failing) > 0 {
		facts = append(facts, expected{cause: wire.CauseProbe, by: failing})
	}
	var unknown []string
	for _, p := range r.last.Probes {
		if p.Mode == wire.Enforce && p.Status == 0 {
			unknown = append(unknown, string(p.Name))
		}
	}
	if len(unknown) > 0 && !h.field {
		facts = append(facts, expected{cause: wire.CauseProbe, by: unknown, since: r.last.ActivationCompletedAt})
	}
	self := []string{string(c.l.names[r.host])}
	due := r.last.ActivationCompletedAt.Add(r.of.soak(r.wave))
	if h.field && r.last.SoakDueAt.IsSet() {
		due = r.last.SoakDueAt
	}
	// By the host's clock, which the last heartbeat told; what has passed since the last
	// request may or may not count.
	clock, latest := why.At, why.At
	if h.beats {
		clock, latest = h.beat, h.beat.Add(c.last-h.at)
	}
	soaks := latest.Before(due)
	if !soaks && clock.Before(due) {
		soaks = c.says(r, why, wire.CauseSoak)
	}
	switch {
	case soaks:
		facts = append(facts, expected{cause: wire.CauseSoak, by: self, since: r.last.ActivationCompletedAt, next: due})
	case len(facts) == before:
		facts = append(facts, expected{cause: wire.CauseReport, by: self, since: due})
	}
	return facts
}

// enforced lists the enforce-mode probes that have failed at their last run, or with all
// false those that do not pass.
func enforced(r *recordCopy, failed bool) (names []string) {
	for _, p := range r.last.Probes {
		if p.Mode == wire.Enforce && p.Status != wire.Pass && (!failed || p.Status == wire.Fail) {
			names = append(names, string(p.Name))
		}
	}
	return names
}

// whySays reports whether the plane says that a host waits for what is expected, and what
// it says.
func whySays(p *plane.Plane, n int, e *scenario.Expect) (met bool, state string) {
	why, _ := p.WhyHost(scenario.HostName(n), e.Rollout)
	if len(why.Rollouts) == 0 {
		return false, "waits in no such rollout"
	}
	facts := why.Rollouts[0].Facts
	for i := range facts {
		f := &facts[i]
		met = met || (f.Cause.String() == e.Is || f.Gate != 0 && f.Gate.String() == e.Is) && (e.By == "" || slices.Contains(f.By.Names, e.By))
	}
	if e.Is == scenario.None {
		met = len(facts) == 0
	}
	return met, "waits for " + describeFacts(facts)
}
