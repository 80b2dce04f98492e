package world

import (
	"cmp"

	"github.com/refrain-fleet/refrain/core/wire"
	"github.com/refrain-fleet/refrain/sim/scenario"
)

// sendActs sends the requests of an act.
func (w *World) sendActs(a *scenario.Act) {
	for n := 1; n <= len(w.hosts); n++ {
		if !a.Hosts.Has(n) {
			continue
		}
		h := &w.hosts[n-1]
		for i := range max(a.Count, 1) {
			m := h.message(w, a.Route)
			m.duplicate, m.garbage = true, uint64(i)
			name, at := scenario.HostName(n), w.wallAt(0)
			if a.As != (scenario.Hosts{}) {
				name = scenario.HostName(a.As.First)
			}
			switch a.Route {
			case scenario.RouteHeartbeat:
				m.heartbeat.Request = wire.HeartbeatRequest{Hostname: name, RolloutID: a.Rollout, CurrentClosure: a.Closure, At: at}
				m.heartbeat.From = string(a.From)
			case scenario.RouteEvent:
				m.event.Envelope = wire.EventEnvelope{Hostname: name, RolloutID: a.Rollout, Event: wire.Event{Seq: wire.Seq(a.Seq), Body: eventOf(a, at)}}
			case scenario.RoutePoll:
				m.wait = a.For
				m.poll.Hostname = wire.Hostname(h.identity.Name)
			}
			w.send(m, &h.sends)
		}
	}
}

// eventOf is what the event of an act says.
func eventOf(a *scenario.Act, at wire.Time) wire.EventBody {
	closure := cmp.Or(a.Closure, scenario.InitialClosure)
	switch a.Event {
	case "DispatchAck":
		return wire.DispatchAck{CurrentClosureAtDispatch: closure, ReceivedAt: at}
	case "ActivationCompleted":
		return wire.ActivationCompleted{ObservedCurrentClosure: closure, CompletedAt: at}
	case "Converged":
		return wire.HostConverged{CurrentClosure: closure, ConvergedAt: at}
	default:
		return wire.RollbackComplete{RevertedToClosure: closure, CompletedAt: at}
	}
}
