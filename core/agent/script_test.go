package agent_test

import (
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"

	"github.com/refrain-fleet/refrain/core/agent"
	"github.com/refrain-fleet/refrain/core/wire"
)

// TestStories plays the files of testdata, each of which shows one behaviour
// as a conversation. Run with -rewrite to write down what the agent does now,
// and read the difference.
//
// Every command prints what the agent then asks for: entries (+), requests (>),
// effects (*) and notices (!). Timers that come due in between are stepped, and
// Check runs after every step. Jitter is that of a fixed seed.
//
//	new [legacy] [probe=NAME:MODE …]        an agent that knows nothing
//	start CLOSURE [reboot]                  its process starts on its log, with
//	                                        the probes of new
//	advance D                               lets time pass
//	dispatch ID CLOSURE [soak=D] [policy=P] answers the open poll
//	heartbeat STATUS [replay=N] [retry=D]   answers the open heartbeat, or the
//	                                        next one; each line of the input is
//	                                        a snapshot:
//	                                        ID STATE CLOSURE SEQ [unconfirmed]
//	event STATUS [replay=N] [retry=D]       answers the open event
//	events STATUS                           answers events until none is open
//	poll STATUS                             answers the open poll
//	activated [closure=C] | deferred | failed
//	rolledback CLOSURE                      ends the rollback
//	probed NAME=STATUS …                    answers the running round
//	observed CLOSURE                        the host was switched by hand
//	clock D                                 sets the wall clock off by D
//	state [durable]                         prints the canonical lines
//	show                                    prints the agent's own description
//
// A status of 0 is no answer.
func TestStories(t *testing.T) { // PROTOCOL A
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no files in testdata: %v", err)
	}
	for _, path := range files {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txt"), func(t *testing.T) {
			s := &script{rig: newRig(t)}
			datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
				s.rig.t, s.t, s.d = t, t, d
				s.said.Reset()
				s.run()
				if s.said.Len() == 0 {
					return "nothing\n"
				}
				return s.said.String()
			})
		})
	}
}

// script is the state of one file.
type script struct {
	*rig
	t      *testing.T
	d      *datadriven.TestData
	probes []wire.ProbeDeclaration
	said   strings.Builder
}

func (s *script) run() {
	arg := func(i int) string { return s.d.CmdArgs[i].Key }
	switch s.d.Cmd {
	case "new":
		s.fresh()
	case "start":
		s.rig.make()
		boot := agent.ProcessStart
		if s.d.HasArg("reboot") {
			boot = agent.Reboot
		}
		s.say(&agent.ProbesDeclared{Probes: s.probes})
		s.say(&agent.Started{CurrentClosure: wire.Closure(arg(0)), Boot: boot})
	case "advance":
		s.pass(s.now + s.duration(arg(0)))
	case "dispatch":
		s.dispatched(wire.RolloutID(arg(0)), wire.Closure(arg(1)))
	case "heartbeat":
		s.snapshots(s.wait(agent.RequestHeartbeat))
	case "event":
		s.reply(s.wait(agent.RequestEvent))
	case "events":
		for len(s.open(agent.RequestEvent)) > 0 {
			s.reply(s.take(agent.RequestEvent))
		}
	case "poll":
		s.reply(s.wait(agent.RequestPoll))
	case "activated":
		e := s.effect(agent.EffectActivate)
		in := &agent.ActivationEnded{ID: e.ID, Result: agent.ActivationCompleted, CurrentClosure: e.Closure}
		if s.d.HasArg("closure") {
			s.d.ScanArgs(s.t, "closure", (*string)(&in.CurrentClosure))
		}
		s.say(in)
	case "deferred":
		s.say(&agent.ActivationEnded{ID: s.effect(agent.EffectActivate).ID, Result: agent.ActivationDeferred, CurrentClosure: s.a.CurrentClosure(), Component: "kernel"})
	case "failed":
		s.say(&agent.ActivationEnded{ID: s.effect(agent.EffectActivate).ID, Result: agent.ActivationFailed, CurrentClosure: s.a.CurrentClosure(), ExitCode: 1, StderrTail: "unit failed"})
	case "rolledback":
		s.say(&agent.RollbackEnded{ID: s.effect(agent.EffectRollback).ID, CurrentClosure: wire.Closure(arg(0))})
	case "probed":
		e := s.effect(agent.EffectProbe)
		for _, a := range s.d.CmdArgs {
			status := map[string]wire.ProbeStatus{"pass": wire.Pass, "fail": wire.Fail}[a.Vals[0]]
			s.say(&agent.Probed{ID: e.ID, Probe: wire.Name(a.Key), Status: status, Reason: "connection refused"})
		}
	case "observed":
		s.say(&agent.ClosureObserved{CurrentClosure: wire.Closure(arg(0))})
	case "clock":
		s.off = s.duration(arg(0))
	case "state":
		if s.d.HasArg("durable") {
			s.said.Write(s.a.AppendDurable(nil))
		} else {
			s.said.Write(s.a.AppendState(nil))
		}
	case "show":
		fmt.Fprintln(&s.said, s.a)
	default:
		s.d.Fatalf(s.t, "unknown command %s", s.d.Cmd)
	}
}

func (s *script) fresh() {
	s.cfg.Legacy = s.d.HasArg("legacy")
	s.log, s.now, s.off, s.probes = nil, 0, 0, nil
	for _, a := range s.d.CmdArgs {
		if a.Key == "probe" {
			for _, v := range a.Vals {
				name, mode, _ := strings.Cut(v, ":")
				m := map[string]wire.Mode{"enforce": wire.Enforce, "observe": wire.Observe, "disabled": wire.Disabled}[mode]
				s.probes = append(s.probes, wire.ProbeDeclaration{ProbeName: wire.Name(name), ProbeKind: "exec", Mode: m})
			}
		}
	}
}

// say steps an input and writes down what comes of it.
func (s *script) say(in agent.Input) {
	s.t.Helper()
	s.step(in)
	at := fmt.Sprintf("%-6v ", s.now.Round(100*time.Millisecond))
	for _, e := range s.out.Appends {
		fmt.Fprintf(&s.said, "%s+ %v\n", at, e)
	}
	for _, q := range s.out.Requests {
		fmt.Fprintf(&s.said, "%s> %v\n", at, q)
	}
	for _, e := range s.out.Effects {
		fmt.Fprintf(&s.said, "%s* %v\n", at, e)
	}
	for _, n := range s.out.Notices {
		fmt.Fprintf(&s.said, "%s! %v\n", at, n)
	}
}

// pass lets time pass, with every timer that comes due.
func (s *script) pass(end time.Duration) {
	for s.a.NextTimer() <= end {
		s.now = max(s.now, s.a.NextTimer())
		s.say(&agent.Timer{})
	}
	s.now = end
}

// wait takes the open request of a kind, or waits for the next one.
func (s *script) wait(kind agent.RequestKind) agent.Request {
	for len(s.open(kind)) == 0 {
		s.pass(s.a.NextTimer())
	}
	return s.take(kind)
}

func (s *script) duration(v string) time.Duration {
	d, err := time.ParseDuration(v)
	if err != nil {
		s.d.Fatalf(s.t, "%v", err)
	}
	return d
}

// x is the answer that a command describes.
func (s *script) x() agent.Answer {
	status, err := strconv.Atoi(s.d.CmdArgs[0].Key)
	if err != nil {
		s.d.Fatalf(s.t, "%v", err)
	}
	x := agent.Answer{Status: status}
	if s.d.HasArg("replay") {
		x.Replay = true
		s.d.ScanArgs(s.t, "replay", (*uint64)(&x.ReplayFrom))
	}
	if s.d.HasArg("retry") {
		var v string
		s.d.ScanArgs(s.t, "retry", &v)
		x.RetryAfter = s.duration(v)
	}
	return x
}

func (s *script) reply(q agent.Request) {
	if q.Kind == agent.RequestEvent {
		s.say(&agent.EventAnswered{ID: q.ID, Answer: s.x()})
	} else {
		s.say(&agent.PollAnswered{ID: q.ID, Answer: s.x()})
	}
}

func (s *script) dispatched(id wire.RolloutID, target wire.Closure) {
	soak := time.Duration(0)
	if s.d.HasArg("soak") {
		var v string
		s.d.ScanArgs(s.t, "soak", &v)
		soak = s.duration(v)
	}
	q := s.wait(agent.RequestPoll)
	d := s.dispatch(id, target, soak)
	if s.d.HasArg("policy") {
		var v string
		s.d.ScanArgs(s.t, "policy", &v)
		d.OnHealthFailure = map[string]wire.HealthPolicy{"halt": wire.Halt, "rollback-and-halt": wire.RollbackAndHalt}[v]
	}
	s.say(&agent.PollAnswered{ID: q.ID, Answer: ok, Dispatch: d})
}

// snapshots answers a heartbeat, with a snapshot for each line of the input.
func (s *script) snapshots(q agent.Request) {
	in := &agent.HeartbeatAnswered{ID: q.ID, Answer: s.x(), Response: wire.HeartbeatResponse{ReceivedAt: q.Heartbeat.At}}
	for line := range strings.Lines(s.d.Input) {
		f := strings.Fields(line)
		seq, err := strconv.Atoi(f[3])
		if err != nil {
			s.d.Fatalf(s.t, "%v", err)
		}
		for _, state := range wire.States {
			if state.String() == f[1] {
				b := snapshotOf(state, wire.Seq(seq))
				if len(f) > 4 {
					b = confirmed(wire.Seq(seq))
				}
				b.RolloutID, b.TargetClosure = wire.RolloutID(f[0]), wire.Closure(f[2])
				b.Channel = b.RolloutID.Channel()
				if b.CurrentClosure != "" {
					b.CurrentClosure = b.TargetClosure
				}
				in.Response.Bootstrap = append(in.Response.Bootstrap, b)
			}
		}
	}
	s.say(in)
}
