package scenarios_test

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"pgregory.net/rapid"

	"github.com/refrain-fleet/refrain/core/wire"
	"github.com/refrain-fleet/refrain/sim/scenario"
)

// A metamorphic property runs two scenarios of which it knows only how they
// have to be related. The changed one is what is drawn, printed and judged; the
// plain one is made from it by leaving out what the property is about. So one
// file says both.

// comesTo writes down, without any instant, what a run has come to: what the
// first hosts run, what they have told, what the plane says of them, and what
// it says of the rollouts. Two runs that came to the same have the same text.
func (r *run) comesTo(hosts int) string {
	var b strings.Builder
	s := *r.world.Scenario()
	for i := range s.Rollouts {
		o := &s.Rollouts[i]
		status, known := r.world.Plane().Rollout(o.ID)
		if !known {
			fmt.Fprintf(&b, "%s is not known\n", o.ID)
			continue
		}
		fmt.Fprintf(&b, "%s is %v: waves dispatched %d, superseded by %q, halted by %q, %s quarantined: %v\n", o.ID, status.State,
			status.WavesDispatched, status.SupersededBy, status.HaltedBy, o.Target, r.world.Plane().Quarantined(o.ID.Channel(), o.Target))
		for _, n := range hostsOf(&s, o) {
			fmt.Fprintf(&b, "  h%d runs %s", n, r.world.Runs(n))
			if rec := recordOf(r.world, o.ID, n); rec != nil {
				fmt.Fprintf(&b, "; plane: %v failing %v", rec, rec.FailingProbes())
			}
			a := r.world.Agent(n)
			if own := ownRecord(a, o.ID); own != nil {
				fmt.Fprintf(&b, "; agent: %v", own)
			}
			fmt.Fprintf(&b, "; told %s\n", strings.Join(kinds(a.History(o.ID, nil)), ", "))
		}
	}
	for n := 1; n <= hosts; n++ {
		status, known := r.world.Plane().Host(scenario.HostName(n))
		fmt.Fprintf(&b, "h%d: known %v, %v, runs %s\n", n, known, status.Reachability, status.CurrentClosure)
	}
	return b.String()
}

// same verifies that two runs came to the same.
func same(v *verdict, plain, changed *run, hosts int) {
	if plain.result.Violation != nil || changed.result.Violation != nil {
		return
	}
	a, b := plain.comesTo(hosts), changed.comesTo(hosts)
	if a == b {
		return
	}
	linesA, linesB := strings.Split(a, "\n"), strings.Split(b, "\n")
	for i := range min(len(linesA), len(linesB)) {
		if linesA[i] != linesB[i] {
			v.errorf("without the change:\n%s\nwith it:\n%s", linesA[i], linesB[i])
		}
	}
}

// without returns the scenario without the faults of a kind.
func without(s scenario.Scenario, k scenario.FaultKind) scenario.Scenario {
	s.Faults = slices.DeleteFunc(slices.Clone(s.Faults), func(f scenario.Fault) bool { return f.Kind == k })
	return s
}

// drawDecided draws a fleet whose fate is decided by what is wrong with which
// host, and not by when anything happens: what goes wrong does so for the whole
// run, without a count that somebody else could use up; the second rollout and
// the operator come long after everything before has come to rest; and the
// inbox and the timeouts are out of reach. Under these premises the metamorphic
// relations hold; outside of them they need not: a count is used up by a
// duplicate, and a halt that races with a resume goes either way.
func drawDecided(t *rapid.T, hosts int) scenario.Scenario {
	s := drawFleet(t, hosts)
	s.Active = 45 * time.Minute
	s.Fleet.Interval = between(t, "interval of the run", 20*time.Second, time.Minute, time.Second)
	s.Fleet.Probes, s.Fleet.ProbeInterval = number(t, "probes of the run", 1, 2), 30*time.Second
	first := &s.Rollouts[0]
	first.Targets = scenario.Hosts{First: 1, Last: hosts}
	if rapid.Bool().Draw(t, "roll back") {
		first.Policy = wire.RollbackAndHalt
	}
	for _, k := range []scenario.FaultKind{scenario.ActivationFail, scenario.ProbeFail, scenario.ActivationDefer} {
		if rapid.IntRange(0, 2).Draw(t, k.String()) == 0 {
			n := number(t, "which", 1, hosts)
			s.Faults = append(s.Faults, scenario.Fault{Kind: k, For: s.Active, Hosts: scenario.Hosts{First: n, Last: n}})
		}
	}
	if rapid.Bool().Draw(t, "resume") {
		s.Acts = append(s.Acts, scenario.Act{Kind: scenario.ActResume, At: 25 * time.Minute, Rollout: first.ID})
	}
	if rapid.Bool().Draw(t, "second rollout") {
		s.Rollouts = append(s.Rollouts, scenario.Rollout{
			At: 32 * time.Minute, ID: "stable@r2", Target: "c2", Targets: first.Targets, Policy: wire.Halt,
			Waves: []time.Duration{time.Minute},
		})
	}
	return s
}
