package world

import (
	"strings"
	"time"

	"github.com/refrain-fleet/refrain/core/rollout"
	"github.com/refrain-fleet/refrain/core/wire"
	"github.com/refrain-fleet/refrain/sim/scenario"
)

// A hostile host that is in a rollout makes up events about itself: some that its
// record takes and some that it must not, with the next number, with one that was
// used and with one that leaves a gap. It may ruin its own record, and nothing
// else.

// nextKinds are the kinds of events that lead on from a state, so that such a
// record gets beyond its first state.
var nextKinds = [...][]wire.EventKind{
	wire.Pending:    {wire.KindDispatchAck},
	wire.Activating: {wire.KindActivationStarted, wire.KindActivationCompleted, wire.KindActivationCompleted, wire.KindActivationDeferred, wire.KindActivationFailed},
	wire.Deferred:   {wire.KindActivationCompleted, wire.KindActivationCompleted, wire.KindActivationFailed},
	wire.Soaking: {wire.KindProbeTopologyDeclared, wire.KindProbeObservedFirst, wire.KindProbeResult, wire.KindProbeResult,
		wire.KindProbeFailureFirst, wire.KindConverged, wire.KindConverged, wire.KindConverged, wire.KindFailed},
	wire.Failed: {wire.KindRollbackComplete},
}

// madeUpEvent is an event about the host's own record.
func (h *hostNode) madeUpEvent(rec *rollout.Record, now wire.Time) wire.Event {
	s := &h.machine
	kind := wire.KindDispatchAck + wire.EventKind(s.IntN(int(wire.KindConverged-wire.KindDispatchAck)+1))
	if leading := nextKinds[min(int(rec.State), len(nextKinds)-1)]; len(leading) > 0 && s.Chance(700) {
		kind = leading[s.IntN(len(leading))]
	}
	seq := rec.LastEventSeq + 1
	if s.Chance(300) {
		seq = max(1, rec.LastEventSeq+wire.Seq(s.IntN(4)))
	}
	return wire.Event{Seq: seq, Body: h.madeUpBody(kind, rec, now)}
}

func (h *hostNode) madeUpBody(kind wire.EventKind, rec *rollout.Record, now wire.Time) wire.EventBody {
	s := &h.machine
	at := now
	if s.Chance(300) {
		at = now.Add(-s.Between(0, 10*time.Minute))
	}
	closure := rec.TargetClosure
	if s.Chance(300) {
		closure = "evil"
	}
	probe := scenario.ProbeName(s.IntN(2))
	mode := wire.Enforce
	if s.Chance(200) {
		mode = wire.Observe
	}
	switch kind {
	case wire.KindActivationStarted:
		return wire.ActivationStarted{StartedAt: at, SwitchMethod: "switch"}
	case wire.KindActivationCompleted:
		return wire.ActivationCompleted{ObservedCurrentClosure: closure, CompletedAt: at}
	case wire.KindActivationDeferred:
		return wire.ActivationDeferred{Component: "kernel", DeferredAt: at}
	case wire.KindActivationFailed:
		return wire.ActivationFailed{ExitCode: 1, FailedAt: at}
	case wire.KindProbeTopologyDeclared:
		return wire.ProbeTopologyDeclared{DeclaredAt: at, Probes: []wire.ProbeDeclaration{{ProbeName: probe, ProbeKind: "sim", Mode: mode}}}
	case wire.KindProbeObservedFirst:
		return wire.ProbeObservedFirst{ProbeName: probe, Mode: mode, ObservedAt: at}
	case wire.KindProbeResult:
		status := wire.Pass
		if s.Chance(300) {
			status = wire.Fail
		}
		return wire.ProbeResult{ProbeName: probe, Mode: mode, Status: status, ObservedAt: at}
	case wire.KindProbeFailureFirst:
		return wire.ProbeFailureFirst{ProbeName: probe, Mode: mode, FirstFailedAt: at}
	case wire.KindFailed:
		return wire.HealthFailed{FailedAt: at, PolicyApplied: wire.RollbackAndHalt}
	case wire.KindRollbackComplete:
		return wire.RollbackComplete{RevertedToClosure: scenario.InitialClosure, CompletedAt: at}
	case wire.KindConverged:
		return wire.HostConverged{ConvergedAt: at, CurrentClosure: closure}
	default:
		return wire.DispatchAck{CurrentClosureAtDispatch: scenario.InitialClosure, ReceivedAt: at}
	}
}

// ownRecord is the plane's record of a hostile host, in the first rollout of hostile
// hosts that it is in.
func (h *hostNode) ownRecord(w *World) (rec rollout.Record, known bool) {
	for i := range w.scenario.Rollouts {
		o := &w.scenario.Rollouts[i]
		if w.scenario.IsHostile(o) && o.Targets.Has(h.index+1) {
			if rec, known = w.plane.current().Record(o.ID, scenario.HostName(h.index+1)); known {
				return rec, true
			}
		}
	}
	return rec, false
}

// sendMadeUp sends such an event, or a heartbeat that claims a new closure
// (PROTOCOL H4). It reports whether the host is in a rollout at all.
func (h *hostNode) sendMadeUp(w *World) bool {
	rec, known := h.ownRecord(w)
	if !known {
		return false
	}
	at := w.wallAt(0)
	if h.machine.Chance(150) {
		m := h.message(w, scenario.RouteHeartbeat)
		m.heartbeat.Request = wire.HeartbeatRequest{Hostname: rec.Hostname, CurrentClosure: rec.TargetClosure, At: at}
		w.send(m, &h.sends)
		return true
	}
	m := h.message(w, scenario.RouteEvent)
	m.event.Envelope = wire.EventEnvelope{Hostname: rec.Hostname, RolloutID: rec.RolloutID, Event: h.madeUpEvent(&rec, at)}
	w.send(m, &h.sends)
	return true
}

// padding makes an event about as large as a body may be.
var padding = wire.Text(strings.Repeat("f", 60_000))

// sendFlood sends the next event of a flood: legal, and large, so that it fills the
// log (PROTOCOL G10). It reports whether the record takes any event without end.
func (h *hostNode) sendFlood(w *World) bool {
	rec, known := h.ownRecord(w)
	at := w.wallAt(0)
	var body wire.EventBody
	switch {
	case known && rec.State == wire.Pending: // on the way there
		body = wire.DispatchAck{CurrentClosureAtDispatch: scenario.InitialClosure, ReceivedAt: at}
	case known && rec.State == wire.Activating:
		body = wire.ActivationStarted{StartedAt: at, SwitchMethod: "switch"}
	case known && rec.State == wire.Soaking:
		body = wire.ProbeResult{ProbeName: scenario.ProbeName(0), Mode: wire.Observe, Status: wire.Pass, ObservedAt: at}
	default:
		return false
	}
	m := h.message(w, scenario.RouteEvent)
	m.event.Envelope = wire.EventEnvelope{
		Hostname: rec.Hostname, RolloutID: rec.RolloutID,
		Event: wire.Event{Seq: rec.LastEventSeq + 1, Body: body}, Signature: padding[:h.machine.IntN(len(padding))],
	}
	w.send(m, &h.sends)
	return true
}
