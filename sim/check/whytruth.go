package check

import (
	"slices"
	"strings"

	"github.com/refrain-fleet/refrain/core/wire"
	"github.com/refrain-fleet/refrain/sim/world"
)

// explained is S51: what the plane says a host or a rollout waits for is so, and is all
// of it (PROTOCOL Y). The causes are worked out once more, from the copies of records and
// decisions, from the requests of hosts, and from the manifests.
type explained struct {
	*whyModel
	clocks bool // the plane's wall clock may be set
}

func newExplained(s *Checks) {
	c := &explained{whyModel: s.why()}
	s.on(world.EventPlaneClock, func(*world.Event) { c.clocks = true })
	c.onHost = append(c.onHost, c.host)
	c.onRollout = append(c.onRollout, c.rollout)
	s.on(world.EventStepEnded, c.stepEnded)
}

// expected is a fact as the checker has it. A text that is empty, and a time that is not
// set, are not compared.
type expected struct {
	cause wire.Cause
	gate  wire.Gate
	by    []string
	since wire.Time
	next  wire.Time
	do    string
}

func (x expected) String() string {
	word := x.cause.String()
	if x.gate != 0 {
		word = x.gate.String()
	}
	return word + " by " + strings.Join(x.by, "+")
}

func describeFacts(facts []wire.Fact) string {
	var parts []string
	for i := range facts {
		parts = append(parts, expected{cause: facts[i].Cause, gate: facts[i].Gate, by: namesOf(&facts[i])}.String())
	}
	return "[" + strings.Join(parts, ", ") + "]"
}

func namesOf(f *wire.Fact) (names []string) {
	for _, name := range f.By.Names {
		names = append(names, string(name))
	}
	return names
}

func (c *explained) host(w *world.World, n int, why *wire.HostWhy) {
	at := 0
	all := true
	for _, r := range c.l.hosts[n] {
		if c.l.live.superseded(r.of) {
			continue
		}
		if at == len(why.Rollouts) || why.Rollouts[at].RolloutID != r.of.id {
			w.Violate("S51", "h%d is in %s, and that is not explained; want every rollout that is not superseded", n, r.of.id)
			return
		}
		is := &why.Rollouts[at]
		at++
		want := c.expect(r, why)
		c.compare(w, r, is, want)
		if atTarget := len(want) == 0; bool(is.AtTarget) != atTarget {
			w.Violate("S51", "h%d is said to be at its target in %s: %v; want %v", n, r.of.id, is.AtTarget, atTarget)
		}
		all = all && len(want) == 0
	}
	if at != len(why.Rollouts) || bool(why.AtTarget) != all {
		w.Violate("S51", "h%d is explained in %d rollouts, at its target: %v; want %d and %v", n, len(why.Rollouts), why.AtTarget, at, all)
	}
	c.reachability(w, n, why)
}

// compare compares the facts with those that the checker has, in their order.
func (c *explained) compare(w *world.World, r *recordCopy, is *wire.RecordWhy, want []expected) {
	same := len(is.Facts) == len(want)
	for i := 0; same && i < len(want); i++ {
		f, x := &is.Facts[i], &want[i]
		same = f.Cause == x.cause && f.Gate == x.gate && int(f.By.Count) == len(x.by) &&
			slices.Equal(namesOf(f), x.by[:min(len(x.by), wire.MaxGroupNames)])
	}
	if !same {
		w.Violate("S51", "h%d, which is %v in %s, waits for %s by what the plane says; want %v", r.host, r.last.State, r.of.id, describeFacts(is.Facts), want)
		return
	}
	for i := range want {
		f, x := &is.Facts[i], &want[i]
		if x.since.IsSet() && f.Since != x.since || x.next.IsSet() && f.NextAt != x.next {
			w.Violate("S51", "h%d waits in %s for %v since %v, until %v; want since %v, until %v", r.host, r.of.id, *x, f.Since, f.NextAt, x.since, x.next)
		}
		if string(f.Do) != x.do {
			w.Violate("S51", "h%d waits in %s for %v, and the command that helps is %q; want %q", r.host, r.of.id, *x, f.Do, x.do)
		}
	}
}

// reachability judges what is said of a host that is not heard.
func (c *explained) reachability(w *world.World, n int, why *wire.HostWhy) {
	h := &c.hosts[n]
	silence := 3 * w.Scenario().Fleet.Interval
	switch {
	case why.Reachability == wire.Unreachable && h.any && w.Now()-h.at < silence:
		w.Violate("S51", "h%d is said to be unreachable, and its last request came %v ago; want at least %v", n, w.Now()-h.at, silence)
	case why.Reachability == wire.NeverSeen && h.any:
		w.Violate("S51", "h%d is said to be never seen, and a request of it came %v ago; want none since the plane started", n, w.Now()-h.at)
	}
}

// rollout judges what is said of a rollout by what was said of its hosts.
func (c *explained) rollout(w *world.World, o *openedRollout, why *wire.RolloutWhy) {
	d := &c.l.live
	if state := o.state(d); why.State != state || int(why.Hosts) != len(o.records) {
		w.Violate("S51", "%s is explained as %v with %d hosts; want %v with %d", o.id, why.State, why.Hosts, state, len(o.records))
	}
	wave := slices.IndexFunc(o.holding, func(n int) bool { return n > 0 })
	if bool(why.WaveOpen) != (wave >= 0) || wave >= 0 && int(why.Wave) != wave {
		w.Violate("S51", "the first wave of %s that is not done is said to be %d (%v); want %d", o.id, why.Wave, why.WaveOpen, wave)
	}
	if d.superseded(o) {
		if by := d.superseder[o]; len(why.Facts) != 1 || why.Facts[0].Cause != wire.CauseSuperseded || !slices.Equal(namesOf(&why.Facts[0]), []string{string(by)}) || bool(why.AtTarget) {
			w.Violate("S51", "%s waits for %s; want [superseded by %s]", o.id, describeFacts(why.Facts), by)
		}
		return
	}
	waiting := make(map[wire.Hostname]wire.RecordWhy)
	for _, r := range o.records {
		for _, one := range c.whys[r.host].Rollouts {
			if one.RolloutID == o.id && len(one.Facts) > 0 {
				waiting[c.l.names[r.host]] = one
			}
		}
	}
	if int(why.Waiting) != len(waiting) || bool(why.AtTarget) != (len(waiting) == 0) {
		w.Violate("S51", "%d hosts of %s are said to wait, at its target: %v; want %d", why.Waiting, o.id, why.AtTarget, len(waiting))
	}
	grouped := 0
	for i := range why.Groups {
		g := &why.Groups[i]
		grouped += int(g.Hosts.Count)
		for _, name := range g.Hosts.Names {
			one, waits := waiting[wire.Hostname(name)]
			if !waits || one.Facts[0].Cause != g.Fact.Cause || one.Facts[0].Gate != g.Fact.Gate {
				w.Violate("S51", "%s of %s is in the group that waits for %v; want it where its first fact is: %s", name, o.id, g.Fact.Cause, describeFacts(one.Facts))
			}
		}
	}
	if grouped != len(waiting) {
		w.Violate("S51", "the groups of %s have %d hosts; want each of the %d that wait in one", o.id, grouped, len(waiting))
	}
	c.lastBlocker(w, o, why, wave, waiting)
	c.whole(w, o, why)
}

// lastBlocker judges the host that has the most before it.
func (c *explained) lastBlocker(w *world.World, o *openedRollout, why *wire.RolloutWhy, wave int, waiting map[wire.Hostname]wire.RecordWhy) {
	last := &why.Last
	if last.IsUnset() != (wave < 0) {
		w.Violate("S51", "%s has the last blocker %q; want one exactly if a wave is not done", o.id, last.Hostname)
	}
	if last.IsUnset() {
		return
	}
	one, waits := waiting[last.Hostname]
	if !waits || int(one.Wave) != wave || one.Facts[len(one.Facts)-1].Cause != last.Fact.Cause {
		w.Violate("S51", "the last blocker of %s is %s with %v; want a host of wave %d with its last fact: %s", o.id, last.Hostname, last.Fact.Cause, wave, describeFacts(one.Facts))
	}
}

// whole judges the facts about a rollout as a whole.
func (c *explained) whole(w *world.World, o *openedRollout, why *wire.RolloutWhy) {
	d := &c.l.live
	ended := o.states[wire.Converged] + o.states[wire.Failed] + o.states[wire.Reverted]
	var want []wire.Cause
	for _, one := range []struct {
		cause wire.Cause
		so    bool
	}{
		{wire.CauseHeld, d.held[o]}, {wire.CauseHalted, o.halted()}, {wire.CauseAborted, d.aborted[o] && o.states[wire.Pending] > 0},
		{wire.CauseRelease, c.l.unbacked(o) && !c.l.backed[o] && o.states[wire.Pending] > 0},
		{wire.CauseFreshness, c.l.unbacked(o) && c.l.backed[o] && o.states[wire.Pending] > 0},
		{wire.CauseStore, c.l.logsNothing() && ended < len(o.records)},
	} {
		if one.so {
			want = append(want, one.cause)
		}
	}
	var is []wire.Cause
	for i := range why.Facts {
		is = append(is, why.Facts[i].Cause)
	}
	if !slices.Equal(is, want) {
		w.Violate("S51", "%s as a whole waits for %v; want %v", o.id, is, want)
	}
}

// stepEnded judges what is left when the fleet has come to rest: of a host that can be
// reached, only what nothing but an operator, a boot or another host ends.
func (c *explained) stepEnded(e *world.Event) {
	w := e.World
	if !w.Settled() || w.Plane() == nil {
		return
	}
	for n := 1; n < len(c.hosts); n++ {
		if w.HostKind(n) != world.FullHost || lockedOut(w, n) {
			continue
		}
		why, known := w.Plane().WhyHost(c.l.names[n], "")
		for i := 0; known && i < len(why.Rollouts); i++ {
			id := why.Rollouts[i].RolloutID
			known := slices.ContainsFunc(w.Opened(), func(at int) bool { return w.Scenario().Rollouts[at].ID == id })
			if o := c.l.live.find(id); o == nil || c.l.live.held[o] || !known {
				continue // a fleet is at rest whatever hosts still do about it
			}
			for j := range why.Rollouts[i].Facts {
				f := &why.Rollouts[i].Facts[j]
				if !slices.Contains(atRest, f.Cause) {
					w.Violate("S51", "at rest h%d waits in %s for %s; want nothing that ends by itself", n, why.Rollouts[i].RolloutID, describeFacts(why.Rollouts[i].Facts))
				}
			}
		}
	}
}

// atRest are the causes that remain.
var atRest = []wire.Cause{
	wire.CauseHeld, wire.CauseHalted, wire.CauseAborted, wire.CauseWave, wire.CauseQuarantine, wire.CauseRelease, wire.CauseFreshness, wire.CauseGate,
	wire.CauseReplay, wire.CauseReboot, wire.CauseClosure, wire.CauseFailed, wire.CauseReverted,
}

// lockedOut reports whether a host's certificate is refused, for now.
func lockedOut(w *world.World, n int) bool {
	before := w.Revoked(wire.CommonName(w.Identity(n).CommonName))
	return w.NotBefore(n).Before(before) || w.PlaneWall().Before(w.NotBefore(n))
}
