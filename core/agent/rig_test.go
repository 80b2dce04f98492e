package agent_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/refrain-fleet/refrain/core/agent"
	"github.com/refrain-fleet/refrain/core/wire"
)

// rig holds one agent by hand: the test is the plane, the host and the clock.
// Check runs after every step.
type rig struct {
	t   failer
	cfg agent.Config
	a   *agent.Agent
	now time.Duration
	off time.Duration // of the wall clock
	out agent.Output

	log      []agent.Entry
	requests []agent.Request // open
	effects  []agent.Effect  // running
	notices  []agent.Notice
}

const minute = time.Minute

// r1, r2 and r3 are rollouts of one channel, e1 is of another.
const (
	r1 = wire.RolloutID("stable@r1")
	r2 = wire.RolloutID("stable@r2")
	r3 = wire.RolloutID("stable@r3")
	e1 = wire.RolloutID("edge@r1")
)

func newRig(t testing.TB) *rig {
	t.Helper()
	r := &rig{t: t, cfg: agent.Config{Hostname: "h1", Seed: 7}}
	r.make()
	return r
}

// on returns a rig whose agent has started on a closure, with the probes given.
func on(t testing.TB, closure wire.Closure, probes ...wire.ProbeDeclaration) *rig {
	t.Helper()
	r := newRig(t)
	r.start(closure, agent.ProcessStart, probes...)
	return r
}

func enforce(name wire.Name) wire.ProbeDeclaration {
	return wire.ProbeDeclaration{ProbeName: name, ProbeKind: "exec", Mode: wire.Enforce}
}

func (r *rig) make() {
	a, err := agent.New(r.cfg)
	if err != nil {
		r.t.Fatal(err)
	}
	for _, e := range r.log {
		if err := a.Apply(e); err != nil {
			r.t.Fatal(err)
		}
	}
	r.a, r.requests, r.effects = a, nil, nil
}

func (r *rig) start(closure wire.Closure, boot agent.Boot, probes ...wire.ProbeDeclaration) {
	r.step(&agent.ProbesDeclared{Probes: probes})
	r.step(&agent.Started{CurrentClosure: closure, Boot: boot})
}

// restart is a crash after which the agent comes up with its whole log.
func (r *rig) restart(closure wire.Closure, boot agent.Boot, probes ...wire.ProbeDeclaration) {
	r.make()
	r.start(closure, boot, probes...)
}

func (r *rig) wall() wire.Time { return epoch.Add(r.now + r.off) }

func (r *rig) step(in agent.Input) {
	r.t.Helper()
	r.out.Reset()
	r.a.Step(wire.Instant{Mono: r.now, Wall: r.wall()}, in, &r.out)
	if err := r.a.Check(); err != nil {
		r.t.Fatalf("after %v: %v", in, err)
	}
	r.log = append(r.log, r.out.Appends...)
	r.requests = append(r.requests, r.out.Requests...)
	r.effects = append(r.effects, r.out.Effects...)
	r.notices = append(r.notices, r.out.Notices...)
}

// advance lets time pass, with every timer that comes due.
func (r *rig) advance(d time.Duration) {
	r.t.Helper()
	end := r.now + d
	for steps := 0; r.a.NextTimer() <= end; steps++ {
		if steps > 1e5 {
			r.t.Fatalf("the timer spins at %v", r.now)
		}
		r.now = max(r.now, r.a.NextTimer())
		r.step(&agent.Timer{})
	}
	r.now = end
}

// open returns the open requests of a kind.
func (r *rig) open(kind agent.RequestKind) []agent.Request {
	return slices.DeleteFunc(slices.Clone(r.requests), func(q agent.Request) bool { return q.Kind != kind })
}

// take takes the oldest open request of a kind, letting time pass until there
// is one.
func (r *rig) take(kind agent.RequestKind) agent.Request {
	r.t.Helper()
	for range 1000 {
		if i := slices.IndexFunc(r.requests, func(q agent.Request) bool { return q.Kind == kind }); i >= 0 {
			q := r.requests[i]
			r.requests = slices.Delete(r.requests, i, i+1)
			return q
		}
		if r.a.NextTimer() == agent.NoTimer {
			break
		}
		r.advance(r.a.NextTimer() - r.now)
	}
	r.t.Fatalf("no %v is sent", kind)
	return agent.Request{}
}

// any takes the next request, of whatever kind.
func (r *rig) any() agent.Request {
	r.t.Helper()
	for len(r.requests) == 0 {
		r.advance(r.a.NextTimer() - r.now)
	}
	q := r.requests[0]
	r.requests = r.requests[1:]
	return q
}

// answer answers a request that was taken.
func (r *rig) answer(q agent.Request, x agent.Answer) {
	r.t.Helper()
	switch q.Kind {
	case agent.RequestHeartbeat:
		r.step(&agent.HeartbeatAnswered{ID: q.ID, Answer: x, Response: wire.HeartbeatResponse{ReceivedAt: q.Heartbeat.At}})
	case agent.RequestEvent:
		r.step(&agent.EventAnswered{ID: q.ID, Answer: x})
	default:
		r.step(&agent.PollAnswered{ID: q.ID, Answer: x})
	}
}

var (
	ok       = agent.Answer{Status: 200}
	accepted = agent.Answer{Status: 204}
	rejected = agent.Answer{Status: 409}
	silence  = agent.Answer{}
	busy     = agent.Answer{Status: 503, RetryAfter: 5 * time.Second}
)

func replayFrom(status int, seq wire.Seq) agent.Answer {
	return agent.Answer{Status: status, Replay: true, ReplayFrom: seq}
}

// heartbeat lets the next heartbeat be sent and answers it.
func (r *rig) heartbeat(x agent.Answer, snapshots ...wire.Snapshot) agent.Request {
	r.t.Helper()
	q := r.take(agent.RequestHeartbeat)
	r.step(&agent.HeartbeatAnswered{ID: q.ID, Answer: x, Response: wire.HeartbeatResponse{ReceivedAt: q.Heartbeat.At, Bootstrap: snapshots}})
	return q
}

// event lets the next event be sent and answers it.
func (r *rig) event(x agent.Answer) agent.Request {
	r.t.Helper()
	q := r.take(agent.RequestEvent)
	r.answer(q, x)
	return q
}

// accept answers events with 204 until none is open, and lists them.
func (r *rig) accept() []string {
	r.t.Helper()
	var sent []string
	for len(r.open(agent.RequestEvent)) > 0 {
		sent = append(sent, told(r.event(accepted)))
	}
	return sent
}

// told writes an event as kind#number.
func told(q agent.Request) string {
	return fmt.Sprintf("%v#%d", q.Event.Event.Body.Kind(), q.Event.Event.Seq)
}

// dispatch is what the plane offers for a rollout.
func (r *rig) dispatch(id wire.RolloutID, target wire.Closure, soak time.Duration) wire.Dispatch {
	return wire.Dispatch{
		Hostname: r.cfg.Hostname, RolloutID: id, TargetClosure: target,
		EnqueuedAt: epoch.Add(r.now), SoakDueAt: epoch.Add(r.now + soak), SoakSeconds: wire.Count(soak / time.Second),
		OnHealthFailure: wire.RollbackAndHalt,
	}
}

// offer answers the next poll with a dispatch.
func (r *rig) offer(d wire.Dispatch) {
	r.t.Helper()
	q := r.take(agent.RequestPoll)
	r.step(&agent.PollAnswered{ID: q.ID, Answer: ok, Dispatch: d})
}

// effect takes the running effect of a kind.
func (r *rig) effect(kind agent.EffectKind) agent.Effect {
	r.t.Helper()
	i := slices.IndexFunc(r.effects, func(e agent.Effect) bool { return e.Kind == kind })
	if i < 0 {
		r.t.Fatalf("no %v runs, but %v", kind, r.effects)
	}
	e := r.effects[i]
	r.effects = slices.Delete(r.effects, i, i+1)
	return e
}

// activated ends the running activation well.
func (r *rig) activated() {
	r.t.Helper()
	e := r.effect(agent.EffectActivate)
	r.step(&agent.ActivationEnded{ID: e.ID, Result: agent.ActivationCompleted, CurrentClosure: e.Closure})
}

// probe answers the running round of probes, all with the same status.
func (r *rig) probe(status wire.ProbeStatus) {
	r.t.Helper()
	e := r.effect(agent.EffectProbe)
	for _, p := range e.Probes {
		r.step(&agent.Probed{ID: e.ID, Probe: p.ProbeName, Status: status})
	}
}

// probing lets rounds of probes pass for a while.
func (r *rig) probing(d time.Duration, status wire.ProbeStatus) {
	r.t.Helper()
	for end := r.now + d; ; {
		if slices.ContainsFunc(r.effects, func(e agent.Effect) bool { return e.Kind == agent.EffectProbe }) {
			r.probe(status)
			continue
		}
		if r.a.NextTimer() > end {
			r.now = end
			return
		}
		r.advance(r.a.NextTimer() - r.now)
	}
}

// converged brings a rollout to Converged, all acknowledged.
func (r *rig) converged(id wire.RolloutID, target wire.Closure) {
	r.t.Helper()
	r.offer(r.dispatch(id, target, 0))
	r.activated()
	r.accept()
	if s := r.state(id); s != wire.Converged {
		r.t.Fatalf("%s is %v", id, s)
	}
}

// view returns what the agent shows of a rollout.
func (r *rig) view(id wire.RolloutID) *agent.View {
	for _, v := range r.a.Views(nil) {
		if v.Record.RolloutID == id {
			return &v
		}
	}
	return nil
}

// state returns the state of the agent's own record; 0 if it has none.
func (r *rig) state(id wire.RolloutID) wire.State {
	if v := r.view(id); v != nil {
		return v.Record.State
	}
	return 0
}

// history lists the events that are kept of a rollout.
func (r *rig) history(id wire.RolloutID) string {
	var words []string
	for _, e := range r.a.History(id, nil) {
		words = append(words, fmt.Sprintf("%v#%d", e.Body.Kind(), e.Seq))
	}
	return strings.Join(words, " ")
}

// noticed counts the notices of a kind.
func (r *rig) noticed(kind agent.NoticeKind) int {
	n := 0
	for _, m := range r.notices {
		if m.Kind == kind {
			n++
		}
	}
	return n
}

// equal fails the test unless got is what was wanted.
func equal[T comparable](t failer, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Fatalf("%s is %v; want %v", what, got, want)
	}
}
