package check

import (
	"fmt"
	"slices"

	"github.com/refrain-fleet/refrain/core/agent"
	"github.com/refrain-fleet/refrain/core/rollout"
	"github.com/refrain-fleet/refrain/core/wire"
	"github.com/refrain-fleet/refrain/sim/scenario"
	"github.com/refrain-fleet/refrain/sim/world"
)

// Rest returns the first of the liveness rules L1 to L4 that does not hold yet,
// and why; nothing if the fleet has come to rest. It is for the options of a
// world, which asks once the scenario is healed.
func Rest(w *world.World) (rule, why string) {
	if w.Scenario().Plane.Hostile > 0 {
		return "", "" // nothing comes to rest by the answers of a plane that lies
	}
	if !w.PlaneServing() {
		return "L3", "the plane is not up"
	}
	if n := w.InboxDepth(); n > 0 {
		return "L3", fmt.Sprintf("the inbox is not empty: it has %d requests", n)
	}
	if len(w.Opened())+w.Refused() < len(w.Scenario().Rollouts) {
		return "L1", "a rollout is not open yet"
	}
	var views []agent.View
	for n := 1; n <= w.Scenario().Fleet.Hosts; n++ {
		kind := w.HostKind(n)
		if kind == world.HostileHost {
			continue
		}
		if before := w.Revoked(wire.CommonName(w.Identity(n).CommonName)); w.NotBefore(n).Before(before) {
			continue // locked out until it is given a certificate that is new enough
		}
		if w.PlaneWall().Before(w.NotBefore(n)) {
			continue // locked out until the plane's clock has caught up (docs/findings.md, F7)
		}
		a := w.Agent(n)
		if !w.HostUp(n) {
			return "L1", fmt.Sprintf("h%d is down", n)
		}
		status, known := w.CurrentPlane().Host(scenario.HostName(n))
		if !known || status.Reachability != wire.Reachable {
			return "L4", fmt.Sprintf("h%d is not known as reachable", n)
		}
		if kind == world.LegacyHost {
			continue // visible is all that it can promise (docs/findings.md)
		}
		if kind == world.FieldHost {
			if why := fieldUnfinished(w, n); why != "" {
				return "L1", fmt.Sprintf("h%d: %s", n, why)
			}
			continue
		}
		views = a.Views(views[:0])
		if why := disagreement(w, n, views); why != "" {
			return "L1", fmt.Sprintf("h%d: %s", n, why)
		}
	}
	return "", ""
}

// disagreement says what of a host's rollouts is unfinished, or differs
// between plane and agent.
func disagreement(w *world.World, n int, views []agent.View) string {
	p, name := w.CurrentPlane(), scenario.HostName(n)
	for _, i := range w.Opened() {
		r := &w.Scenario().Rollouts[i]
		status, _ := p.Rollout(r.ID)
		if status == nil && r.Signed && !w.Releases(i) {
			continue // no release that the plane reads has it any more
		}
		if status == nil {
			return fmt.Sprintf("the plane does not know %s", r.ID)
		}
		planes, there := p.Record(r.ID, name)
		if !there || status.State == wire.Superseded || status.State == wire.Held {
			continue
		}
		at := slices.IndexFunc(views, func(v agent.View) bool { return v.Record.RolloutID == r.ID })
		if at < 0 {
			if !planes.State.Active() {
				continue // it is over, and the agent has lost or dropped it since
			}
			if planes.State == wire.Pending && (!planes.DispatchedAt.IsSet() || status.State == wire.Halted || status.State == wire.Aborted || withheldUnsigned(w, status) || p.Quarantined(r.ID.Channel(), planes.TargetClosure) || heldBack(w, r.ID, name)) {
				continue // nobody told the host to do anything
			}
			return fmt.Sprintf("%s is %s at the plane, and the agent has not taken it up", r.ID, planes.State)
		}
		v := views[at]
		if v.Busy {
			return fmt.Sprintf("%s is %s at the agent, %s at the plane: unfinished", r.ID, v.Record.State, planes.State)
		}
		if v.Unsent {
			return fmt.Sprintf("%s: events wait to be sent, acknowledged up to %d", r.ID, v.Acknowledged)
		}
		if why := differ(&planes, v.Record); why != "" {
			return fmt.Sprintf("%s: %s", r.ID, why)
		}
	}
	return ""
}

// withheldUnsigned reports whether no release that the plane holds says the same as a
// rollout that needs it (PROTOCOL V6, V7).
func withheldUnsigned(w *world.World, s *wire.RolloutStatus) bool {
	return (!bool(s.Backed) || w.Stale(s.RolloutID)) && (bool(s.Signed) || w.Scenario().Plane.SignedOnly)
}

// differ says in what the plane's record differs from the agent's own. An agent
// that took a rollout up anew has told no closure in this life until a switch of
// it has ended, so there is none to compare; of agents that never forgot, S4
// compares everything.
func differ(planes, agents *rollout.Record) string {
	switch {
	case planes.State != agents.State:
		return fmt.Sprintf("the plane says %s, the agent %s", planes.State, agents.State)
	case agents.CurrentClosure != "" && planes.CurrentClosure != agents.CurrentClosure:
		return fmt.Sprintf("the plane says %s, the agent %s", planes.CurrentClosure, agents.CurrentClosure)
	}
	return ""
}

// heldBack reports whether a gate holds back a host's dispatch for what is no fault of
// the gates: a host or a rollout that comes first and is judged for itself. A budget
// must not wait for hosts that have nothing to do any more.
func heldBack(w *world.World, id wire.RolloutID, name wire.Hostname) bool {
	p := w.CurrentPlane()
	blocked := p.Blocked(id, name)
	if blocked.Gate != wire.GateBudget {
		return blocked.Gate != 0
	}
	status, _ := p.Rollout(id)
	at := slices.IndexFunc(status.Gates.Budgets, func(b wire.DisruptionBudget) bool { return b.Name == blocked.By })
	for _, host := range status.Gates.Budgets[at].Hosts {
		n, _ := scenario.HostNumber(wire.Hostname(host))
		full := w.HostKind(n) == world.FullHost && w.HostUp(n) && !w.PlaneWall().Before(w.NotBefore(n)) &&
			!w.NotBefore(n).Before(w.Revoked(wire.CommonName(w.Identity(n).CommonName)))
		for _, rec := range p.Look(wire.Hostname(host), nil) {
			of, _ := p.Rollout(rec.RolloutID)
			underWay := rec.State == wire.Activating || rec.State == wire.Soaking
			if underWay && of.State != wire.Superseded || !full && (underWay || rec.State == wire.Pending) {
				return true
			}
		}
	}
	return status.Gates.Budgets[at].MaxInFlight == 0
}
