package agent_test

import (
	"bytes"
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/refrain-fleet/refrain/core/agent"
	"github.com/refrain-fleet/refrain/core/wire"
)

// TestEveryLogThatAnAgentWritesCanBeRead drives an agent by anything that could
// happen to it: answers of every kind in every order, snapshots, dispatches of a
// plane whose clock was set back, histories that become long, and crashes with any
// prefix of a step's appends. After every step the log so far, every prefix of it
// that a crash could leave, and the compacted log have to give an agent again: the
// same one, in the same state, that goes on the same.
func TestEveryLogThatAnAgentWritesCanBeRead(t *testing.T) { // PROTOCOL A1
	rapid.Check(t, func(t *rapid.T) {
		r := rapidRig(t, rapid.IntRange(0, 4).Draw(t, "legacy") == 0)
		if rapid.Bool().Draw(t, "one channel is kept") {
			r.cfg.KeepFinished = 1
			r.make()
		}
		r.start("c0", agent.ProcessStart, hostSet...)
		l := &logReader{rig: r}
		l.read(t)
		sick := rapid.IntRange(0, 3).Draw(t, "sick") == 0
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			r.now += time.Duration(rapid.SampledFrom([]int{0, 0, 1, 10, 130}).Draw(t, "seconds")) * time.Second
			switch rapid.IntRange(0, 60).Draw(t, "what") {
			case 0:
				names := rapid.SampledFrom([]wire.Name{"", "p", "q", "r"})
				r.flap(rapid.IntRange(1, 500).Draw(t, "rounds"), names.Draw(t, "flapping"), names.Draw(t, "failing"))
				l.read(t)
				continue
			case 1, 2, 3:
				l.crash(t)
				continue
			}
			in := operation(t, r, sick)
			r.settle(in)
			r.step(in)
			l.read(t)
		}
	})
}

var hostSet = []wire.ProbeDeclaration{enforce("p"), observed("q"), observed("r")}

func observed(name wire.Name) wire.ProbeDeclaration {
	return wire.ProbeDeclaration{ProbeName: name, ProbeKind: "exec", Mode: wire.Observe}
}

// flap lets rounds of probes end: one probe changes its result with every round,
// one fails, the others pass. Events are accepted, except for a Converged, which is
// refused.
func (r *rig) flap(rounds int, flapping, failing wire.Name) {
	for i := range rounds {
		for {
			n := slices.IndexFunc(r.requests, func(q agent.Request) bool { return q.Kind == agent.RequestEvent })
			if n < 0 {
				break
			}
			in := &agent.EventAnswered{ID: r.requests[n].ID, Answer: accepted}
			if r.requests[n].Event.Event.Body.Kind() == wire.KindConverged {
				in.Answer = rejected
			}
			r.settle(in)
			r.step(in)
		}
		if n := slices.IndexFunc(r.effects, func(e agent.Effect) bool { return e.Kind == agent.EffectProbe }); n >= 0 {
			e := r.effects[n]
			r.effects = slices.Delete(r.effects, n, n+1)
			for _, p := range e.Probes {
				status := wire.Pass
				if p.ProbeName == failing || p.ProbeName == flapping && i%2 == 0 {
					status = wire.Fail
				}
				r.step(&agent.Probed{ID: e.ID, Probe: p.ProbeName, Status: status})
			}
		}
		r.now = max(r.now, min(r.a.NextTimer(), r.now+10*time.Second))
		r.step(&agent.Timer{})
	}
}

// PROTOCOL A1, A7
func TestALongLogKeepsSinceWhenAProbeFailsThoughItsResultIsSentAgain(t *testing.T) {
	r := on(t, "c0", hostSet...)
	r.offer(r.dispatch(r1, "c1", 0))
	r.activated()
	r.flap(1000, "r", "q")
	if r.noticed(agent.NoticeRejected) < 5 {
		t.Fatalf("%d events were refused; the test wants several", r.noticed(agent.NoticeRejected))
	}
	for _, p := range r.view(r1).Record.Probes {
		equal(t, fmt.Sprintf("probe %s fails since an instant that is known", p.Name), p.FirstFailedAt.IsSet(), p.Status == wire.Fail)
	}
}

// PROTOCOL A1, A4
func TestAPlaneCannotUseUpTheNumbersOfEvents(t *testing.T) {
	for _, row := range []struct {
		number  wire.Seq
		defects int
	}{{wire.MaxSeq, 1}, {wire.MaxSeq/2 + 1, 1}, {wire.MaxSeq / 2, 0}} {
		r := on(t, "c0")
		r.offer(r.dispatch(r1, "c1", 0))
		r.accept()
		r.heartbeat(replayFrom(200, row.number)) // it names r1
		r.activated()
		r.accept()
		equal(t, "state", r.state(r1), wire.Converged)
		equal(t, "defects of a replay", r.noticed(agent.NoticeDefect), row.defects)

		r.heartbeat(ok, snapshotOf(wire.Activating, row.number)) // nothing is outstanding
		r.accept()
		equal(t, "defects of a snapshot", r.noticed(agent.NoticeDefect), 2*row.defects)
		var lines []byte
		for i := range r.log {
			lines = r.log[i].AppendLine(lines)
		}
		if _, err := agent.Restore(r.cfg, lines); err != nil {
			t.Fatal(err)
		}
	}
}

// logReader reads a rig's log again after every step.
type logReader struct {
	*rig
	lines []byte // what was durable before the last step
	known int    // how many entries of the log lines has
}

// read verifies the invariant for the steps since it was asked last.
func (l *logReader) read(t *rapid.T) {
	before := l.active(t, l.restore(t, l.lines))
	for i := range l.log[l.known:] {
		e := &l.log[l.known+i]
		if e.Kind == agent.EntryTaken {
			before[e.RolloutID] = true
		}
		l.lines = e.AppendLine(l.lines)
		// A rollout that was superseded is not active again because of a crash.
		for id := range l.active(t, l.restore(t, l.lines)) {
			if !before[id] {
				t.Fatalf("after a crash behind %v %s is active again:\n%s", e, id, l.lines)
			}
		}
	}
	l.known = len(l.log)
	durable := l.a.AppendDurable(nil)
	whole, compacted := l.restore(t, l.lines), l.restore(t, durable)
	if got := whole.AppendDurable(nil); !bytes.Equal(got, durable) {
		t.Fatalf("restored:\n%s\nwant:\n%s\nfrom:\n%s", got, durable, l.lines)
	}
	if got, want := l.wake(whole), l.wake(compacted); got != want {
		t.Fatalf("the whole log gives:\n%s\nthe compacted one:\n%s", got, want)
	}
}

// restore reads lines, and what the agent that they give makes of them.
func (l *logReader) restore(t *rapid.T, lines []byte) *agent.Agent {
	a, err := agent.Restore(l.cfg, lines)
	if err != nil {
		t.Fatalf("%v:\n%s", err, lines)
	}
	durable := a.AppendDurable(nil)
	again, err := agent.Restore(l.cfg, durable)
	if err != nil {
		t.Fatalf("compacted: %v:\n%s", err, durable)
	}
	if got := again.AppendDurable(nil); !bytes.Equal(got, durable) {
		t.Fatalf("compacted:\n%s\nthen:\n%s", durable, got)
	}
	return a
}

// active lists the rollouts that are not superseded.
func (l *logReader) active(t *rapid.T, a *agent.Agent) map[wire.RolloutID]bool {
	ids := map[wire.RolloutID]bool{}
	for _, v := range a.Views(nil) {
		if !v.Superseded {
			ids[v.Record.RolloutID] = true
		}
	}
	return ids
}

// wake starts a process on what an agent knows, and says what it does.
func (l *logReader) wake(a *agent.Agent) string {
	var out agent.Output
	now := wire.Instant{Mono: l.now, Wall: l.wall()}
	for _, in := range []agent.Input{&agent.ProbesDeclared{Probes: []wire.ProbeDeclaration{enforce("p")}}, &agent.Started{CurrentClosure: "c1"}, &agent.Timer{}} {
		a.Step(now, in, &out)
	}
	return string(a.AppendState(nil)) + describe(&out)
}

// crash ends the process in its next step, with a prefix of the step's appends
// durable, and sometimes with its log written anew.
func (l *logReader) crash(t *rapid.T) {
	in := operation(t, l.rig, false)
	l.step(in)
	keep := l.known + rapid.IntRange(0, len(l.log)-l.known).Draw(t, "durable")
	l.log = l.log[:keep]
	for i := range l.log[l.known:] {
		l.lines = l.log[l.known+i].AppendLine(l.lines)
	}
	l.known = keep
	l.a = l.restore(t, l.lines)
	if rapid.Bool().Draw(t, "written anew") {
		l.lines = l.a.AppendDurable(nil)
	}
	l.requests, l.effects = nil, nil
	boot := rapid.SampledFrom([]agent.Boot{agent.ProcessStart, agent.Reboot}).Draw(t, "boot")
	l.start(rapid.SampledFrom([]wire.Closure{"c0", "c1", "c2"}).Draw(t, "runs"), boot, hostSet...)
	l.read(t)
}
