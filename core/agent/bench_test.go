package agent_test

import (
	"testing"
	"time"

	"github.com/refrain-fleet/refrain/core/agent"
	"github.com/refrain-fleet/refrain/core/wire"
)

// steadyRound is one heartbeat and one poll of a host with nothing to do: what
// every agent of a fleet does each minute. The inputs are used again.
type steadyRound struct {
	a         *agent.Agent
	out       agent.Output
	now       time.Duration
	timer     agent.Timer
	heartbeat agent.HeartbeatAnswered
	poll      agent.PollAnswered
}

// steady returns a host that has finished a rollout.
func steady(t testing.TB) *steadyRound {
	r := on(t, "c0", enforce("p"))
	r.offer(r.dispatch(r1, "c1", 0))
	r.activated()
	r.probe(wire.Pass)
	r.accept()
	equal(t, "outstanding", r.a.Outstanding(), false)
	s := &steadyRound{a: r.a, now: r.now}
	for _, q := range r.requests {
		if q.Kind == agent.RequestPoll {
			s.poll.ID = q.ID
		} else {
			s.heartbeat.ID = q.ID
		}
	}
	if s.heartbeat.ID != 0 {
		s.answer()
	}
	return s
}

func (s *steadyRound) step(in agent.Input) {
	s.out.Reset()
	s.a.Step(wire.Instant{Mono: s.now, Wall: epoch.Add(s.now)}, in, &s.out)
	for i := range s.out.Requests {
		if q := &s.out.Requests[i]; q.Kind == agent.RequestPoll {
			s.poll.ID = q.ID
		} else {
			s.heartbeat.ID = q.ID
		}
	}
}

func (s *steadyRound) answer() {
	s.heartbeat.Status, s.heartbeat.Response.ReceivedAt = 200, epoch
	s.step(&s.heartbeat)
	s.heartbeat.ID = 0
	if s.poll.ID != 0 {
		id := s.poll.ID
		s.poll = agent.PollAnswered{ID: id, Answer: agent.Answer{Status: 204}}
		s.step(&s.poll)
	}
}

func (s *steadyRound) run() {
	for s.heartbeat.ID == 0 {
		s.now = max(s.now, s.a.NextTimer())
		s.step(&s.timer)
	}
	s.answer()
}

func TestASteadyRoundAllocatesNothing(t *testing.T) { // PROTOCOL A5; docs/architecture.md, sizes
	s := steady(t)
	for range 10 {
		s.run()
	}
	if allocs := testing.AllocsPerRun(1000, s.run); allocs != 0 {
		t.Fatalf("%v allocations a round", allocs)
	}
}

func TestAHeartbeatThatNamesARolloutAllocatesNothing(t *testing.T) { // PROTOCOL A5
	r := soaking(t)
	s := &steadyRound{a: r.a, now: r.now}
	for _, q := range r.requests {
		if q.Kind == agent.RequestPoll {
			s.poll.ID = q.ID
		} else {
			s.heartbeat.ID = q.ID
		}
	}
	for range 10 {
		s.run()
	}
	if allocs := testing.AllocsPerRun(20, s.run); allocs != 0 {
		t.Fatalf("%v allocations a round", allocs)
	}
}

// BenchmarkSteadyRound is a heartbeat and a poll with their answers: three
// steps.
func BenchmarkSteadyRound(b *testing.B) {
	s := steady(b)
	b.ReportAllocs()
	for b.Loop() {
		s.run()
	}
}

// BenchmarkIdleTimer is a step at which nothing is due.
func BenchmarkIdleTimer(b *testing.B) {
	s := steady(b)
	b.ReportAllocs()
	for b.Loop() {
		s.step(&s.timer)
	}
}

// BenchmarkRollout is a whole rollout: dispatch, activation, one probe, seven
// events, all answered at once.
func BenchmarkRollout(b *testing.B) {
	var durable []byte
	var state int
	b.ReportAllocs()
	for b.Loop() {
		r := on(b, "c0", enforce("p"))
		r.offer(r.dispatch(r1, "c1", 0))
		r.activated()
		r.probe(wire.Pass)
		r.accept()
		durable = r.a.AppendDurable(durable[:0])
		state = len(r.a.AppendState(nil))
	}
	b.ReportMetric(float64(len(durable)), "log-bytes")
	b.ReportMetric(float64(state), "state-bytes")
}

// BenchmarkRestore reads the log of one finished rollout.
func BenchmarkRestore(b *testing.B) {
	r := on(b, "c0", enforce("p"))
	r.offer(r.dispatch(r1, "c1", 0))
	r.activated()
	r.probe(wire.Pass)
	r.accept()
	lines := r.a.AppendDurable(nil)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := agent.Restore(r.cfg, lines); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkWorld is a host's rollout in the world of the property test, with
// its plane: an hour of virtual time.
func BenchmarkWorld(b *testing.B) {
	for b.Loop() {
		w := newWorld(b, 1, 1)
		w.hosts[0].start(agent.ProcessStart)
		w.open(manifest(r1, wire.RollbackAndHalt, 5, toClosure("c1"), "h1"))
		w.run(time.Hour, nil)
		if why := w.disagreement(); why != "" {
			b.Fatal(why)
		}
	}
}
