package plane_test

import (
	"time"

	"github.com/refrain-fleet/refrain/core/rollout"
	"github.com/refrain-fleet/refrain/core/wire"
)

// plot is what becomes of an activation on a virtual host.
type plot int

const (
	// smooth: activated, probed, converged.
	smooth plot = iota
	// rebooting: the switch takes effect at the next boot only.
	rebooting
	// failing: the switch fails.
	failing
	// failingLate: the switch fails, but the new closure is current already
	// (decision 006).
	failingLate
	// sick: a probe fails for too long and the host goes back.
	sick
	// sickStaying: the same, but the policy is to halt only.
	sickStaying
)

var plots = []plot{smooth, rebooting, failing, failingLate, sick, sickStaying}

// kinds are the events of a plot, in order.
var plotKinds = map[plot][]wire.EventKind{
	smooth: {wire.KindDispatchAck, wire.KindActivationStarted, wire.KindActivationCompleted,
		wire.KindProbeTopologyDeclared, wire.KindProbeObservedFirst, wire.KindProbeResult, wire.KindConverged},
	rebooting: {wire.KindDispatchAck, wire.KindActivationStarted, wire.KindActivationDeferred,
		wire.KindActivationCompleted, wire.KindProbeResult, wire.KindConverged},
	failing:     {wire.KindDispatchAck, wire.KindActivationStarted, wire.KindActivationFailed},
	failingLate: {wire.KindDispatchAck, wire.KindActivationStarted, wire.KindActivationFailed},
	sick: {wire.KindDispatchAck, wire.KindActivationStarted, wire.KindActivationCompleted,
		wire.KindProbeTopologyDeclared, wire.KindProbeResult, wire.KindProbeFailureFirst, wire.KindFailed, wire.KindRollbackComplete},
	sickStaying: {wire.KindDispatchAck, wire.KindActivationCompleted, wire.KindProbeResult,
		wire.KindProbeFailureFirst, wire.KindFailed},
}

// job is a virtual agent's work on one rollout: its log, from which it sends,
// and its own record, the truth that the plane mirrors.
type job struct {
	host   wire.Hostname
	id     wire.RolloutID
	target wire.Closure
	plot   plot
	was    wire.Closure // what ran before

	log  []wire.Event
	next int // index in log of the event to send next
	own  rollout.Record
}

func newJob(host wire.Hostname, id wire.RolloutID, target, was wire.Closure, soakSeconds wire.Count, p plot) *job {
	return &job{
		host: host, id: id, target: target, was: was, plot: p,
		own: rollout.New(id, host, target, 0, soakSeconds),
	}
}

func (j *job) String() string { return string(j.host) + " " + string(j.id) }

// finished reports whether the plot has come to its end.
func (j *job) finished() bool { return len(j.log) == len(plotKinds[j.plot]) }

// outstanding reports whether the agent still has work or something to tell,
// so that its heartbeats name the rollout.
func (j *job) outstanding() bool { return !j.finished() || j.next < len(j.log) }

// live lets the host take the next step of its plot at an instant of its own
// clock, and writes down what there is to tell of it.
func (j *job) live(now wire.Time) {
	if j.finished() {
		return
	}
	ev := wire.Event{Seq: wire.Seq(len(j.log) + 1), Body: j.body(plotKinds[j.plot][len(j.log)], now)}
	if r := j.own.Apply(ev); r.Outcome != rollout.Applied {
		panic("a plot has an event that its own record does not take: " + ev.String() + ": " + r.Detail)
	}
	j.log = append(j.log, ev)
}

// body makes the event of a kind at an instant.
func (j *job) body(k wire.EventKind, now wire.Time) wire.EventBody {
	status := wire.Pass
	if j.plot == sick || j.plot == sickStaying {
		status = wire.Fail
	}
	switch k {
	case wire.KindDispatchAck:
		return wire.DispatchAck{CurrentClosureAtDispatch: j.was, ReceivedAt: now}
	case wire.KindActivationStarted:
		return wire.ActivationStarted{StartedAt: now, SwitchMethod: "switch"}
	case wire.KindActivationCompleted:
		return wire.ActivationCompleted{ObservedCurrentClosure: j.target, CompletedAt: now}
	case wire.KindActivationDeferred:
		return wire.ActivationDeferred{Component: "kernel", DeferredAt: now}
	case wire.KindActivationFailed:
		return wire.ActivationFailed{ExitCode: 4, FailedAt: now}
	case wire.KindProbeTopologyDeclared:
		return wire.ProbeTopologyDeclared{DeclaredAt: now, Probes: []wire.ProbeDeclaration{
			{ProbeName: "http", ProbeKind: "tcp", Mode: wire.Enforce},
			{ProbeName: "mail", ProbeKind: "tcp", Mode: wire.Observe},
		}}
	case wire.KindProbeObservedFirst:
		return wire.ProbeObservedFirst{ProbeName: "http", Mode: wire.Enforce, ObservedAt: now}
	case wire.KindProbeResult:
		return wire.ProbeResult{ProbeName: "http", Mode: wire.Enforce, Status: status, ObservedAt: now}
	case wire.KindProbeFailureFirst:
		return wire.ProbeFailureFirst{ProbeName: "http", Mode: wire.Enforce, FirstFailedAt: now}
	case wire.KindFailed:
		return wire.HealthFailed{FailedAt: now, SustainedDurationSecs: 120, FailingProbes: wire.Names{"http"}, PolicyApplied: wire.RollbackAndHalt}
	case wire.KindRollbackComplete:
		return wire.RollbackComplete{RevertedToClosure: j.was, CompletedAt: now}
	default:
		return wire.HostConverged{ConvergedAt: later(now, j.soaked()), CurrentClosure: j.target}
	}
}

// soaked is when the host has run its target for the soak time.
func (j *job) soaked() wire.Time {
	return j.own.ActivationCompletedAt.Add(time.Duration(j.own.SoakSeconds) * time.Second)
}

func later(a, b wire.Time) wire.Time {
	if a.Before(b) {
		return b
	}
	return a
}

// runs is the closure that the host runs after what its log tells so far.
func (j *job) runs() wire.Closure {
	switch j.own.State {
	case wire.Soaking, wire.Converged:
		return j.target
	case wire.Failed:
		if j.plot == failing {
			return j.was
		}
		return j.target
	case wire.Activating:
		if j.plot == failingLate && len(j.log) == 2 {
			return j.target
		}
		return j.was
	default:
		return j.was
	}
}

// acknowledged notes the answer to the event with index i of the log.
func (j *job) acknowledged(i int) { j.next = max(j.next, i+1) }

// replay sends again from number n on (PROTOCOL A3).
func (j *job) replay(n wire.Seq) { j.next = min(len(j.log), int(max(n, 1))-1) }
