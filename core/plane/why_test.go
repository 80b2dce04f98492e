package plane_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/refrain-fleet/refrain/core/plane"
	"github.com/refrain-fleet/refrain/core/wire"
)

// why asks why a host is not at its target, and returns the facts of its one rollout.
func (b *harness) why(h wire.Hostname) []wire.Fact {
	b.t.Helper()
	why, known := b.plane.WhyHost(h, "")
	if !known || len(why.Rollouts) != 1 {
		b.t.Fatalf("why %s: %v, %v; want one rollout", h, known, why)
	}
	facts := why.Rollouts[0].Facts
	if bool(why.AtTarget) != (len(facts) == 0) || why.AtTarget != why.Rollouts[0].AtTarget {
		b.t.Errorf("%s: at its target %v with the facts %v", h, why.AtTarget, facts)
	}
	return facts
}

// causes joins what a host waits for, each with what it waits for it by.
func causes(facts []wire.Fact) string {
	var words []string
	for _, f := range facts {
		word := f.Cause.String()
		if f.Gate != 0 {
			word = f.Gate.String()
		}
		var names []string
		for _, name := range f.By.Names {
			names = append(names, string(name))
		}
		words = append(words, word+"="+strings.Join(names, "+"))
	}
	return strings.Join(words, " ")
}

func TestWhy_NamesWhatAHostWaitsFor(t *testing.T) { // PROTOCOL Y2, Y3
	b := started(t)
	b.step(open("stable@r1", "h1=c2 h2=c2", "h3=c2"))
	equal(t, "a host of which nothing came", causes(b.why("h1")), "never_seen=h1 poll=h1")
	equal(t, "a host of the second wave", causes(b.why("h3")), "wave=h1+h2 never_seen=h3")
	equal(t, "until when", b.why("h1")[0].NextAt, at(180))
	b.step(&plane.Poll{Hostname: "h1"})
	offered := b.why("h1")
	equal(t, "a host that was offered its dispatch", causes(offered), "acknowledgement=h1")
	equal(t, "until when", offered[0].NextAt, at(15))
	b.tell("h1", "stable@r1", acked)
	equal(t, "a host that switches", causes(b.why("h1")), "activation=h1")
	equal(t, "one that is in the way", causes(b.why("h3")[:1]), "wave=h1+h2")
	b.tell("h1", "stable@r1", putOff)
	equal(t, "a host that waits for its boot", causes(b.why("h1")), "reboot=h1")
	equal(t, "the wave does not wait for it", causes(b.why("h3")[:1]), "wave=h2")
	b.tell("h1", "stable@r1", switched, arrived)
	equal(t, "a host that has converged", causes(b.why("h1")), "")
	b.tell("h2", "stable@r1", acked, switched, unhealthy)
	equal(t, "a host that has failed", causes(b.why("h2")), "failed=h2")
	halted := b.why("h3")
	equal(t, "a halted rollout", causes(halted[:2]), "halted=h2 wave=h2")
	equal(t, "what helps", string(halted[0].Do), "refrain rollout resume stable@r1")
	b.tell("h2", "stable@r1", rolledBack)
	equal(t, "a host that has gone back", causes(b.why("h2")), "reverted=h2")
	b.step(&plane.ResumeRollout{RolloutID: "stable@r1"})
	quarantined := b.why("h3")
	equal(t, "a quarantined target", causes(quarantined[:1]), "quarantine=c2")
	equal(t, "what helps", string(quarantined[0].Do), "refrain quarantine clear stable c2")
	b.step(open("stable@r2", "h1=c3"))
	old, _ := b.plane.WhyHost("h3", "stable@r1")
	equal(t, "a superseded rollout", causes(old.Rollouts[0].Facts), "superseded=stable@r2")
	if now, known := b.plane.WhyHost("h3", ""); !known || !bool(now.AtTarget) || len(now.Rollouts) != 0 {
		t.Errorf("a host in no rollout: %v, %v; want it at its target, with none", known, now)
	}
}

func TestWhy_SoaksByTheRulesOfTheDialect(t *testing.T) { // PROTOCOL Y3
	for _, c := range []struct {
		dialect    wire.Dialect
		until      wire.Time
		afterwards string
	}{
		{wire.DialectRefrain, at(20 + 600), "probe=disk"}, // from the activation on; a probe that has not run counts
		{wire.DialectField, at(600), "report=h1"},         // the deadline of the dispatch; it does not count
	} {
		b := started(t)
		in := open("stable@r1", "h1=c2")
		in.Manifest.Policy.Waves[0].SoakMinutes = 10
		b.step(in)
		b.step(&plane.Poll{Hostname: "h1", Dialect: c.dialect})
		b.tell("h1", "stable@r1", acked, wire.ActivationCompleted{ObservedCurrentClosure: "c2", CompletedAt: at(20)},
			wire.ProbeTopologyDeclared{Probes: []wire.ProbeDeclaration{{ProbeName: "disk", ProbeKind: "exec", Mode: wire.Enforce}}, DeclaredAt: at(21)})
		facts := b.why("h1")
		equal(t, c.dialect.String()+": until when it soaks", facts[len(facts)-1].NextAt, c.until)
		b.now = 11 * time.Minute
		beat := heartbeat("h1", "stable@r1", "c2")
		beat.Dialect, beat.Request.At = c.dialect, at(660)
		b.step(beat)
		equal(t, c.dialect.String()+": afterwards", causes(b.why("h1")), c.afterwards)
	}
}

func TestWhy_NamesProbesAndAnotherClosure(t *testing.T) { // PROTOCOL Y3
	b := started(t)
	b.step(open("stable@r1", "h1=c2"))
	b.step(heartbeat("h1", "stable@r1", "c1"))
	b.tell("h1", "stable@r1", acked, wire.ActivationCompleted{ObservedCurrentClosure: "c2", CompletedAt: at(0)},
		wire.ProbeResult{ProbeName: "http", Mode: wire.Enforce, Status: wire.Fail, ObservedAt: at(9)},
		wire.ProbeResult{ProbeName: "load", Mode: wire.Observe, Status: wire.Fail, ObservedAt: at(9)},
		wire.ProbeFailureFirst{ProbeName: "http", Mode: wire.Enforce, FirstFailedAt: at(9)})
	facts := b.why("h1")
	equal(t, "a probe that fails", causes(facts), "probe=http")
	equal(t, "since when", facts[0].Since, at(9))
	beat := heartbeat("h1", "stable@r1", "c9")
	beat.Request.At = at(60)
	b.step(beat)
	equal(t, "a host that was switched by hand", causes(b.why("h1")[:1]), "closure=c9")
}

func TestWhy_NamesAHostThatCannotBeHeard(t *testing.T) { // PROTOCOL Y3
	b := started(t)
	b.step(open("stable@r1", "h1=c2"))
	b.step(heartbeat("h1", "stable@r1", "c1"))
	b.tickFor(time.Minute)
	b.step(&plane.Revoke{CommonName: "agent-h1.fleet", Also: "h1"})
	equal(t, "a host whose certificates are refused", causes(b.why("h1")), "revoked=h1 poll=h1")
	b.tickFor(3 * interval)
	equal(t, "one that is silent as well", causes(b.why("h1")), "revoked=h1 unreachable=h1 poll=h1")
	b.step(heartbeat("h1", "stable@r1", "c1"))
	equal(t, "one with a newer certificate", causes(b.why("h1")), "poll=h1")
	b.step(&plane.Storage{Unavailable: true})
	equal(t, "a plane without a disk", causes(b.why("h1")), "store= poll=h1")
}

func TestWhy_NamesTheGate(t *testing.T) { // PROTOCOL Y3, W6
	b := started(t)
	in := open("stable@r1", "h1=c2 h2=c2 h3=c2")
	in.Manifest.Gates = wire.Gates{
		Edges:   []wire.HostEdge{{Gates: "h1", Gated: "h2"}},
		Budgets: []wire.DisruptionBudget{{Name: "all", Hosts: wire.Names{"h1", "h3"}, MaxInFlight: 1}},
	}
	b.step(in)
	equal(t, "a host that another comes before", causes(b.why("h2")[:1]), "host_edge=h1")
	b.step(&plane.Poll{Hostname: "h1"})
	equal(t, "a host beyond its budget", causes(b.why("h3")[:1]), "budget=all")
	b.step(open("edge@r1", "h4=c2"))
	for gate := wire.Gate(1); int(gate) < wire.GateCount; gate++ {
		if gate.String() == "?" {
			t.Errorf("gate %d has no word", gate)
		}
	}
}

func TestWhy_AHeldRolloutWantsAChoice(t *testing.T) { // PROTOCOL Y3, R6
	b := started(t)
	one, two := open("stable@r1", "h1=c2"), open("stable@r2", "h1=c3")
	peers := []plane.Peer{{RolloutID: "stable@r1"}, {RolloutID: "stable@r2"}}
	b.step(&plane.FileManifest{Manifest: one.Manifest, Peers: peers})
	b.step(&plane.FileManifest{Manifest: two.Manifest, Peers: peers})
	why, _ := b.plane.WhyHost("h1", "")
	for _, r := range why.Rollouts {
		equal(t, string(r.RolloutID), causes(r.Facts[:1]), "held=stable")
		equal(t, "what helps", string(r.Facts[0].Do), "refrain rollout choose "+string(r.RolloutID))
	}
	equal(t, "both are explained", len(why.Rollouts), 2)
}

func TestWhy_GroupsTheHostsOfARollout(t *testing.T) { // PROTOCOL Y4
	b := started(t)
	b.step(open("stable@r1", "h1=c2 h2=c2 h5=c2", "h3=c2 h4=c2"))
	for _, h := range []wire.Hostname{"h1", "h2", "h3", "h4", "h5"} {
		b.step(heartbeat(h, "stable@r1", "c1"))
	}
	b.tell("h1", "stable@r1", acked)
	b.tell("h5", "stable@r1", acked, switched, arrived)
	why, _ := b.plane.WhyRollout("stable@r1")
	equal(t, "hosts that wait", why.Waiting, 4)
	equal(t, "the first wave that is not done", why.Wave, 0)
	var groups []string
	for _, g := range why.Groups {
		groups = append(groups, g.Fact.Cause.String()+":"+strings.Join(words(g.Hosts.Names), "+"))
	}
	if want := []string{"poll:h2", "activation:h1", "wave:h3+h4"}; !slices.Equal(groups, want) {
		t.Errorf("the groups are %v; want %v", groups, want)
	}
	equal(t, "the last blocker", string(why.Last.Hostname)+" "+why.Last.Fact.Cause.String(), "h2 poll")
	b.tell("h2", "stable@r1", acked, broken)
	why, _ = b.plane.WhyRollout("stable@r1")
	equal(t, "what concerns it as a whole", causes(why.Facts), "halted=h2")
	equal(t, "the last blocker", string(why.Last.Hostname)+" "+why.Last.Fact.Cause.String(), "h2 failed")
	b.step(&plane.ResumeRollout{RolloutID: "stable@r1"})
	b.tell("h1", "stable@r1", switched, arrived)
	b.tell("h3", "stable@r1", acked, switched, arrived)
	b.tell("h4", "stable@r1", acked, switched, arrived)
	why, _ = b.plane.WhyRollout("stable@r1")
	if bool(why.AtTarget) || bool(why.WaveOpen) || !why.Last.IsUnset() || why.Waiting != 1 {
		t.Errorf("a rollout that ended with a failure: %+v; want one host that waits, and no wave", why)
	}
	b.step(open("stable@r2", "h1=c2"))
	why, _ = b.plane.WhyRollout("stable@r1")
	equal(t, "a superseded one", causes(why.Facts), "superseded=stable@r2")
	b.tell("h1", "stable@r2", acked, switched, arrived)
	why, _ = b.plane.WhyRollout("stable@r2")
	if !bool(why.AtTarget) || len(why.Groups)+len(why.Facts) > 0 {
		t.Errorf("a rollout whose hosts have converged: %+v; want nothing to wait for", why)
	}
	if _, known := b.plane.WhyRollout("stable@r9"); known {
		t.Error("a rollout that is not known is explained")
	}
}

func words(names wire.Names) (list []string) {
	for _, name := range names {
		list = append(list, string(name))
	}
	return list
}

func TestWhy_NeverSuggestsWhatChangesNothing(t *testing.T) { // PROTOCOL Y2
	b := started(t)
	b.step(open("stable@r1", "h1=c2 h2=c2", "h3=c2"))
	b.tell("h1", "stable@r1", acked, broken)
	for _, h := range []wire.Hostname{"h1", "h2", "h3"} {
		for _, f := range b.why(h) {
			if strings.Contains(string(f.Do), "resume") != (f.Cause == wire.CauseHalted) {
				t.Errorf("%s waits for %v, and is told to run %q", h, f.Cause, f.Do)
			}
		}
	}
	before := b.durable()
	b.step(&plane.ResumeRollout{RolloutID: "stable@r1"})
	if b.durable() == before {
		t.Error("the command that was suggested changes nothing")
	}
	for _, f := range b.why("h2") {
		if f.Cause == wire.CauseHalted {
			t.Errorf("it is still halted: %v", f)
		}
	}
}
