package sim

import (
	"fmt"
	"slices"
	"time"

	"github.com/refrain-fleet/refrain/core/agent"
	"github.com/refrain-fleet/refrain/core/rollout"
	"github.com/refrain-fleet/refrain/core/wire"
	"github.com/refrain-fleet/refrain/sim/scenario"
)

// Liveness: after the scenario is healed, the fleet comes to rest within the
// budget. Once an interval the world looks whether it has; at the end of the
// budget what is stuck is a violation that names it.

// judge ends the run if the fleet has come to rest.
func (w *World) judge() {
	if checker, _ := w.unsettled(); checker == "" {
		w.settled = true
		return
	}
	// Not a whole interval: hosts that tick without jitter would else be looked
	// at in the middle of the same request every time.
	w.queue.push(timer{at: w.now + w.scenario.Fleet.Interval + time.Second, kind: dueJudge, node: worldNodeID})
}

// judgeEnd comes when the budget is used up.
func (w *World) judgeEnd() {
	if checker, why := w.unsettled(); checker != "" {
		w.Violate(checker, "%v after healing: %s", w.now-w.healedAt, why)
		return
	}
	w.settled = true
}

// unsettled returns the first liveness rule that does not hold yet, and why.
func (w *World) unsettled() (checker, why string) {
	p := &w.plane
	if !p.serving() {
		return "L3", "the plane is not up"
	}
	if n := p.front.Gate().Depth(); n > 0 {
		return "L3", fmt.Sprintf("%d requests are inside", n)
	}
	if len(w.operator.opened) < len(w.scenario.Rollouts) {
		return "L1", "a rollout is not open yet"
	}
	var views []agent.View
	for i := range w.hosts {
		h := &w.hosts[i]
		if h.kind == HostileHost {
			continue
		}
		if before := p.revoked[wire.CommonName(h.identity.CommonName)]; h.notBefore.Before(before) {
			continue // locked out until it is given a certificate that is new enough
		}
		if w.wallAt(p.wallOffset).Before(h.notBefore) {
			continue // locked out until the plane's clock has caught up (docs/findings.md, F7)
		}
		if !h.up {
			return "L1", fmt.Sprintf("h%d is down", i+1)
		}
		status, known := p.current().Host(scenario.HostName(i + 1))
		if !known || status.Reachability != wire.Reachable {
			return "L4", fmt.Sprintf("h%d is not known as reachable", i+1)
		}
		if h.kind == LegacyHost {
			continue // visible is all that it can promise (docs/findings.md)
		}
		views = h.agent.Views(views[:0])
		if why := w.disagreement(h, views); why != "" {
			return "L1", fmt.Sprintf("h%d: %s", i+1, why)
		}
	}
	return "", ""
}

// disagreement says what of a host's rollouts is unfinished, or differs
// between plane and agent.
func (w *World) disagreement(h *hostNode, views []agent.View) string {
	name := scenario.HostName(h.index + 1)
	for _, i := range w.operator.opened {
		r := &w.scenario.Rollouts[i]
		status, _ := w.plane.current().Rollout(r.ID)
		if status == nil {
			return fmt.Sprintf("the plane does not know %s", r.ID)
		}
		planes, there := w.plane.current().Record(r.ID, name)
		if !there || status.State == wire.Superseded {
			continue
		}
		at := slices.IndexFunc(views, func(v agent.View) bool { return v.Record.RolloutID == r.ID })
		if at < 0 {
			if !planes.State.Active() {
				continue // it is over, and the agent has lost or dropped it since
			}
			if planes.State == wire.Pending && (!planes.DispatchedAt.IsSet() || status.State == wire.Halted || w.plane.isQuarantined(r)) {
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

// isQuarantined reports whether the plane withholds a rollout's target.
func (p *planeNode) isQuarantined(r *scenario.Rollout) bool {
	return p.current().Quarantined(r.ID.Channel(), r.Target)
}
