package agent_test

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/refrain-fleet/refrain/core/agent"
	"github.com/refrain-fleet/refrain/core/wire"
)

// operation draws one input that a rig could get now: answers to what is open
// and ends of what runs, mostly, and whatever else happens to a host.
func operation(t *rapid.T, r *rig, sick bool) agent.Input {
	x := rapid.SampledFrom([]agent.Answer{
		ok, accepted, accepted, accepted, silence, rejected, {Status: 404}, {Status: 401}, {Status: 422},
		{Status: 503, RetryAfter: 3 * time.Second},
		replayFrom(409, 0), replayFrom(409, 2), replayFrom(200, 0), replayFrom(200, 3), replayFrom(200, 40),
	}).Draw(t, "answer")
	status := wire.Pass
	if sick != (rapid.IntRange(0, 9).Draw(t, "status") == 0) {
		status = wire.Fail
	}
	closure := rapid.SampledFrom([]wire.Closure{"c0", "c1", "c2", ""}).Draw(t, "closure")
	probes := [][]wire.ProbeDeclaration{nil, {enforce("p")}, {enforce("p"), {ProbeName: "q", ProbeKind: "exec", Mode: wire.Observe}}}
	var choices []agent.Input
	for _, q := range r.requests {
		switch q.Kind {
		case agent.RequestHeartbeat:
			in := &agent.HeartbeatAnswered{ID: q.ID, Answer: x, Response: wire.HeartbeatResponse{ReceivedAt: q.Heartbeat.At}}
			if rapid.Bool().Draw(t, "snapshot") {
				s := snapshotOf(rapid.SampledFrom(wire.States[:]).Draw(t, "state"), wire.Seq(rapid.IntRange(1, 12).Draw(t, "seq")))
				s.RolloutID = rapid.SampledFrom([]wire.RolloutID{r1, r1, r1, r2, r3}).Draw(t, "shown")
				if s.State == wire.Pending {
					s.LastEventSeq = 0
				}
				in.Response.Bootstrap = []wire.Snapshot{s}
			}
			choices = append(choices, in)
		case agent.RequestEvent:
			choices = append(choices, &agent.EventAnswered{ID: q.ID, Answer: x})
		case agent.RequestPoll:
			id := rapid.SampledFrom([]wire.RolloutID{r1, r2, r3, e1}).Draw(t, "rollout")
			d := r.dispatch(id, rapid.SampledFrom([]wire.Closure{"c1", "c2"}).Draw(t, "target"), rapid.SampledFrom([]time.Duration{0, minute}).Draw(t, "soak"))
			if rapid.IntRange(0, 3).Draw(t, "set back") == 0 { // the plane's clock
				d.EnqueuedAt = d.EnqueuedAt.Add(-20 * minute)
			}
			d.OnHealthFailure = rapid.SampledFrom([]wire.HealthPolicy{wire.Halt, wire.RollbackAndHalt}).Draw(t, "policy")
			choices = append(choices, &agent.PollAnswered{ID: q.ID, Answer: x, Dispatch: d})
		}
	}
	for _, e := range r.effects {
		switch e.Kind {
		case agent.EffectActivate:
			result := rapid.SampledFrom([]agent.ActivationResult{agent.ActivationCompleted, agent.ActivationDeferred, agent.ActivationFailed}).Draw(t, "result")
			in := &agent.ActivationEnded{ID: e.ID, Result: result, CurrentClosure: closure, Component: "kernel"}
			if result == agent.ActivationCompleted {
				in.CurrentClosure = e.Closure
			}
			choices = append(choices, in)
		case agent.EffectRollback:
			choices = append(choices, &agent.RollbackEnded{ID: e.ID, CurrentClosure: rapid.SampledFrom([]wire.Closure{e.Closure, closure}).Draw(t, "back")})
		case agent.EffectProbe:
			p := rapid.SampledFrom(e.Probes).Draw(t, "probe")
			choices = append(choices, &agent.Probed{ID: e.ID, Probe: p.ProbeName, Status: status, Reason: "refused"})
		}
	}
	switch i := rapid.IntRange(0, 4*len(choices)+5).Draw(t, "choice"); {
	case i < 4*len(choices):
		return choices[i/4]
	case i == 4*len(choices):
		return &agent.ClosureObserved{CurrentClosure: closure, NextBoot: rapid.SampledFrom([]wire.Closure{"", "c1", "c2"}).Draw(t, "staged")}
	case i == 4*len(choices)+1:
		return &agent.ProbesDeclared{Probes: rapid.SampledFrom(probes).Draw(t, "probes")}
	default:
		return &agent.Timer{}
	}
}

// settle takes what an input answers out of what is open. An effect of probes
// stays: answering a probe twice is harmless.
func (r *rig) settle(in agent.Input) {
	id := uint64(0)
	switch in := in.(type) {
	case *agent.HeartbeatAnswered:
		id = in.ID
	case *agent.EventAnswered:
		id = in.ID
	case *agent.PollAnswered:
		id = in.ID
	case *agent.ActivationEnded:
		id = in.ID
	case *agent.RollbackEnded:
		id = in.ID
	}
	for i := range r.requests {
		if r.requests[i].ID == id {
			r.requests = append(r.requests[:i], r.requests[i+1:]...)
			return
		}
	}
	for i := range r.effects {
		if r.effects[i].ID == id {
			r.effects = append(r.effects[:i], r.effects[i+1:]...)
			return
		}
	}
}

// rapidRig makes a rig for a property.
func rapidRig(t *rapid.T, legacy bool) *rig {
	a, err := agent.New(agent.Config{Hostname: "h1", Seed: 7, Legacy: legacy})
	if err != nil {
		t.Fatal(err)
	}
	return &rig{t: t, cfg: a.Config(), a: a}
}

// TestAgentsInTheSameStateGoOnTheSame drives an agent by anything that could
// happen to it, and after every step compares three agents: the one, a copy made
// of its written state at a random step, and one made of its log. Check runs all
// the way.
func TestAgentsInTheSameStateGoOnTheSame(t *testing.T) { // PROTOCOL A: determinism, and A1
	rapid.Check(t, func(t *rapid.T) {
		r := rapidRig(t, rapid.Bool().Draw(t, "legacy"))
		r.start("c0", agent.ProcessStart, enforce("p"))
		twin, err := r.a.Clone()
		if err != nil {
			t.Fatal(err)
		}
		var twinOut agent.Output
		walked, err := agent.New(r.cfg)
		if err != nil {
			t.Fatal(err)
		}
		sick := rapid.Bool().Draw(t, "sick")
		for range rapid.IntRange(1, 150).Draw(t, "steps") {
			r.now += time.Duration(rapid.SampledFrom([]int{0, 0, 1, 10, 130}).Draw(t, "seconds")) * time.Second
			if rapid.IntRange(0, 30).Draw(t, "clock") == 0 {
				r.off = time.Duration(rapid.IntRange(-3600, 3600).Draw(t, "offset")) * time.Second
			}
			in := operation(t, r, sick)
			r.settle(in)
			r.step(in)
			if rapid.IntRange(0, 9).Draw(t, "clone") == 0 {
				// The state after the step, from the state before it.
				if twin, err = twin.Clone(); err != nil {
					t.Fatal(err)
				}
			}
			twinOut.Reset()
			twin.Step(wire.Instant{Mono: r.now, Wall: r.wall()}, in, &twinOut)
			state := r.a.AppendState(nil)
			if other := twin.AppendState(nil); !bytes.Equal(state, other) {
				t.Fatalf("after %v:\n%s\nthe twin:\n%s", in, state, other)
			}
			if got, want := describe(&twinOut), describe(&r.out); got != want {
				t.Fatalf("after %v the twin asks for:\n%s\nwant:\n%s", in, got, want)
			}
			for _, e := range r.out.Appends {
				if err := walked.Apply(e); err != nil {
					t.Fatalf("after %v: %v", in, err)
				}
			}
			durable := r.a.AppendDurable(nil)
			if other := walked.AppendDurable(nil); !bytes.Equal(durable, other) {
				t.Fatalf("after %v:\n%s\nby the log:\n%s", in, durable, other)
			}
		}
		// A log of lines, and a compacted one with lines behind it, say the same.
		var lines []byte
		for i := range r.log {
			lines = r.log[i].AppendLine(lines)
		}
		durable := r.a.AppendDurable(nil)
		for _, text := range [][]byte{lines, durable} {
			restored, err := agent.Restore(r.cfg, text)
			if err != nil {
				t.Fatal(err)
			}
			if got := restored.AppendDurable(nil); !bytes.Equal(got, durable) {
				t.Fatalf("restored:\n%s\nwant:\n%s", got, durable)
			}
		}
	})
}

// describe writes down a whole output, entries as their lines.
func describe(o *agent.Output) string {
	var b []byte
	for i := range o.Appends {
		b = o.Appends[i].AppendLine(b)
	}
	s := string(b)
	for _, q := range o.Requests {
		s += q.String() + "\n"
	}
	for _, e := range o.Effects {
		s += e.String() + "\n"
	}
	for _, n := range o.Notices {
		s += n.String() + "\n"
	}
	return s + o.NextTimer.String()
}

func TestATornLastLineWasNeverDurable(t *testing.T) { // PROTOCOL A1
	r := on(t, "c0")
	r.converged(r1, "c1")
	var whole []byte
	for i := range r.log {
		whole = r.log[i].AppendLine(whole)
	}
	for cut := range whole {
		a, err := agent.Restore(r.cfg, whole[:cut])
		if err != nil {
			t.Fatalf("cut at byte %d: %v", cut, err)
		}
		if err := a.Check(); err != nil {
			t.Fatalf("cut at byte %d: %v", cut, err)
		}
	}
}

func TestALogThatCannotBeFollowedNamesItsLine(t *testing.T) { // PROTOCOL A1
	r := on(t, "c0")
	r.offer(r.dispatch(r1, "c1", 0))
	var taken, ack []byte
	taken = r.log[0].AppendLine(nil)
	ack = r.log[1].AppendLine(nil)
	twice := append(append([]byte(nil), taken...), taken...)
	early := append(append([]byte(nil), ack...), taken...)
	again := append(append(append([]byte(nil), taken...), ack...), ack...)
	completed := agent.Entry{Kind: agent.EntryEvent, RolloutID: r1, Event: wire.Event{Seq: 1, Body: wire.ActivationCompleted{ObservedCurrentClosure: "c1", CompletedAt: epoch}}}
	illegal := completed.AppendLine(append([]byte(nil), taken...))
	for _, row := range []struct{ name, state, want string }{
		{"a word", "nonsense {}\n", "state line 1 (nonsense): unknown word"},
		{"a document", "acknowledged {\"seq\":1}\n", "state line 1 (acknowledged): rollout_id: is missing"},
		{"a number", "acknowledged {\"rollout_id\":\"a@b\",\"seq\":0}\n", "state line 1 (acknowledged): seq: want 1 or more"},
		{"taken twice", string(twice), "state line 2 (taken): the rollout was taken up before"},
		{"never taken", string(early), "state line 1 (event): the rollout was never taken up"},
		{"a number twice", string(again), "state line 3 (event): the numbers up to 1 are used"},
		{"an illegal event", string(illegal), "state line 2 (event): it is rejected: ActivationCompleted is taken in Activating or Deferred"},
		{"another host", strings.Replace(string(taken), `"h1"`, `"h2"`, 1), "state line 1 (taken): the record is of host h2; want h1"},
		{"a random", `process {"mono":0,"random":"xyz","issued":0,"heartbeat_open":0,"heartbeat_sent":0,"heartbeat_at":0,"heartbeat_failures":0,"heartbeat_started":0,"heartbeat_turn":0,"poll_open":0,"poll_sent":0,"poll_at":0,"poll_failures":0,"switch_id":0,"switch_kind":0,"round_id":0,"round_at":0}` + "\n",
			"state line 1 (process): random: want a hexadecimal number"},
		{"sending of nothing", `failing {"rollout_id":"a@b","probe_name":"p","since":0}` + "\n", "state line 1 (failing): rollout a@b was never taken up"},
	} {
		t.Run(row.name, func(t *testing.T) {
			_, err := agent.Restore(r.cfg, []byte(row.state))
			if err == nil || !strings.HasPrefix(err.Error(), row.want) {
				t.Fatalf("error %v; want %s …", err, row.want)
			}
		})
	}
	a, err := agent.New(r.cfg)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range []agent.Entry{
		{Kind: agent.EntryTaken, RolloutID: r1},
		{Kind: agent.EntryTaken, RolloutID: r2, Taken: r.log[0].Taken},
		{Kind: 99, RolloutID: r1},
	} {
		if err := a.Apply(e); err == nil {
			t.Errorf("%v is taken", e.Kind)
		}
	}
}

func TestAnAgentThatNeverStartedAsksForNothing(t *testing.T) { // PROTOCOL A
	r := newRig(t)
	r.step(&agent.Timer{})
	equal(t, "next timer", r.out.NextTimer, agent.NoTimer)
	equal(t, "requests", len(r.requests), 0)
}

func TestAConfigurationSaysWhatIsWrongWithIt(t *testing.T) { // PROTOCOL A5, A6, A7
	for _, row := range []struct {
		change func(*agent.Config)
		want   string
	}{
		{func(c *agent.Config) { c.Hostname = "" }, `agent: hostname is ""; want 1 to 253`},
		{func(c *agent.Config) { c.HeartbeatInterval = time.Millisecond }, "agent: heartbeat interval is 1ms; want at least 1s"},
		{func(c *agent.Config) { c.RequestTimeout = -1 }, "agent: request timeout is -1ns; want more than 0"},
		{func(c *agent.Config) { c.PollWait = 2 * time.Minute }, "agent: poll wait is 2m0s; want whole seconds from 1s to 1m"},
		{func(c *agent.Config) { c.PollWait = 1500 * time.Millisecond }, "agent: poll wait is 1.5s; want whole seconds"},
		{func(c *agent.Config) { c.BackoffBase = time.Hour }, "agent: backoff base is 1h0m0s; want more than 0 and at most the heartbeat interval, 1m0s"},
		{func(c *agent.Config) { c.ProbeInterval = 1 }, "agent: probe interval is 1ns; want at least 100ms"},
		{func(c *agent.Config) { c.SustainedFailure = -1 }, "agent: sustained failure is -1ns; want more than 0"},
		{func(c *agent.Config) { c.KeepFinished = -1 }, "agent: keep finished is -1; want at least 1"},
		{func(c *agent.Config) { c.SignedWindow = -1 }, "agent: signed window is -1ns; want more than 0"},
		{func(c *agent.Config) { c.SignedOnly, c.Legacy = true, true }, "agent: signed only is set for a legacy agent"},
	} {
		cfg := agent.Config{Hostname: "h1"}
		row.change(&cfg)
		if _, err := agent.New(cfg); err == nil || !strings.HasPrefix(err.Error(), row.want) {
			t.Errorf("error %v; want %s …", err, row.want)
		}
		if _, err := agent.Restore(cfg, nil); err == nil {
			t.Errorf("%s: Restore takes it", row.want)
		}
	}
	a, err := agent.New(agent.Config{Hostname: "h1"})
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "configuration", a.Config(), agent.Config{
		Hostname: "h1", HeartbeatInterval: minute, RequestTimeout: 10 * time.Second, PollWait: minute,
		BackoffBase: time.Second, ProbeInterval: 10 * time.Second, SustainedFailure: 2 * minute, SwitchMethod: "switch", KeepFinished: 16,
		SignedWindow: time.Hour,
	})
}
