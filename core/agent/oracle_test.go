package agent_test

import (
	"fmt"
	"slices"
	"time"

	"github.com/refrain-fleet/refrain/core/agent"
	"github.com/refrain-fleet/refrain/core/rollout"
	"github.com/refrain-fleet/refrain/core/wire"
)

// oracle watches what one agent does, and fails the test when it breaks a rule.
// It knows nothing of how the agent works.
type oracle struct {
	machine *machine
	notices [agent.NoticeKindCount]int

	// numbers has what each number stands for, in this life of the agent.
	numbers map[string]string
	// activated has the rollouts whose activation was begun and, if the process
	// has gone down since, whose end had become durable.
	activated map[wire.RolloutID]bool

	heartbeatAt  time.Duration
	notBefore    time.Duration
	hasHeartbeat bool
}

func (o *oracle) fatalf(format string, args ...any) {
	o.machine.w.t.Fatalf("%s: %s\n%s", o.machine.name, fmt.Sprintf(format, args...), o.machine.w.story)
}

func (o *oracle) started() {
	if o.numbers == nil {
		o.forgot()
	}
	o.hasHeartbeat = false
	for _, v := range o.machine.agent.Views(nil) {
		if v.Record.State == wire.Activating {
			delete(o.activated, v.Record.RolloutID)
		}
	}
}

func (o *oracle) forgot() {
	o.numbers = map[string]string{}
	o.activated = map[wire.RolloutID]bool{}
}

func numberKey(e *agent.Entry) string { return fmt.Sprintf("%s %d", e.RolloutID, e.Event.Seq) }

// append verifies that no number stands for two events in one life (A1).
func (o *oracle) append(e *agent.Entry) {
	switch e.Kind {
	case agent.EntryEvent:
		env := wire.EventEnvelope{Event: e.Event}
		body := string(wire.EventEnvelopeSchema.Append(nil, &env))
		if was, used := o.numbers[numberKey(e)]; used && was != body {
			o.fatalf("%s is used for %s, and was for %s", numberKey(e), body, was)
		}
		o.numbers[numberKey(e)] = body
	case agent.EntryForgotten:
		for key := range o.numbers {
			if len(key) > len(e.RolloutID) && key[:len(e.RolloutID)+1] == string(e.RolloutID)+" " {
				delete(o.numbers, key)
			}
		}
		delete(o.activated, e.RolloutID)
	}
}

// lost takes back what a crash lost: it was never sent.
func (o *oracle) lost(entries []agent.Entry) {
	for i := range entries {
		if entries[i].Kind == agent.EntryEvent {
			delete(o.numbers, numberKey(&entries[i]))
		}
	}
}

// request verifies the pace of heartbeats (A5) and that what is sent is durable
// (A1).
func (o *oracle) request(r agent.Request) {
	m := o.machine
	switch r.Kind {
	case agent.RequestHeartbeat:
		if o.hasHeartbeat && m.w.now < o.notBefore {
			o.fatalf("heartbeat at %v, not before %v", m.w.now, o.notBefore)
		}
		o.hasHeartbeat, o.heartbeatAt = true, m.w.now
		o.notBefore = m.w.now + m.agent.Config().BackoffBase/10
	case agent.RequestEvent:
		a, err := agent.Restore(m.cfg, m.disk)
		if err != nil {
			o.fatalf("%v", err)
		}
		if !slices.ContainsFunc(a.History(r.Event.RolloutID, nil), func(e wire.Event) bool { return e.Seq == r.Event.Event.Seq }) {
			o.fatalf("%v is sent, but is not on disk", r)
		}
	}
}

func (o *oracle) answered(r agent.Request, x agent.Answer) {
	if r.Kind != agent.RequestHeartbeat {
		return
	}
	interval := o.machine.agent.Config().HeartbeatInterval
	if x.Status == 200 {
		o.notBefore = o.heartbeatAt + interval*9/10
	} else {
		o.notBefore = max(o.notBefore, o.machine.w.now+x.RetryAfter)
	}
}

// effect verifies that one dispatch starts one activation (A9), and one at a
// time (A10).
func (o *oracle) effect(e agent.Effect) {
	if e.Kind == agent.EffectProbe {
		return
	}
	m := o.machine
	if m.effect != "" {
		o.fatalf("%v begins while %s runs", e, m.effect)
	}
	if e.Kind != agent.EffectActivate {
		return
	}
	if o.activated[e.RolloutID] {
		o.fatalf("%v begins again, and its end is on disk", e)
	}
	// What is staged would take the host away from it at the next boot: a switch to what
	// runs already decides that anew.
	if m.closure == e.Closure && (m.staged == "" || m.staged == e.Closure) {
		o.fatalf("%v begins, but the host runs it already", e)
	}
	o.activated[e.RolloutID] = true
}

// differ says how the plane's record differs from the agent's own in what the
// agent tells; empty if they agree. An agent that lost its disk does not know
// since when its probes run and fail, and the plane keeps what it was told
// first.
func differ(plane, own *rollout.Record, fellBack, forgetful bool) string {
	switch {
	case fellBack && plane.State == wire.Failed && own.State == wire.Reverted:
		// A plane that was put back to Failed asks for nothing more: snapshots
		// are of active records only (H3).
		return ""
	case plane.State != own.State:
		return fmt.Sprintf("plane %v, agent %v", plane.State, own.State)
	case plane.LastEventSeq != own.LastEventSeq:
		return fmt.Sprintf("last number: plane %d, agent %d", plane.LastEventSeq, own.LastEventSeq)
	case plane.CurrentClosure != own.CurrentClosure:
		return fmt.Sprintf("current closure: plane %s, agent %s", plane.CurrentClosure, own.CurrentClosure)
	case fellBack:
		// Nothing tells an agent that the plane has lost instants or results
		// of probes, if neither the closure nor a state shows it (H2, E4).
		return ""
	case probes(plane, forgetful) != probes(own, forgetful):
		return fmt.Sprintf("probes: plane %v, agent %v", plane.Probes, own.Probes)
	case forgetful:
		return "" // the plane may still know instants of an earlier life
	case plane.ActivationCompletedAt != own.ActivationCompletedAt:
		return fmt.Sprintf("completed: plane %v, agent %v", plane.ActivationCompletedAt, own.ActivationCompletedAt)
	case plane.DispatchAckedAt != own.DispatchAckedAt:
		return fmt.Sprintf("acked: plane %v, agent %v", plane.DispatchAckedAt, own.DispatchAckedAt)
	case plane.EndedAt != own.EndedAt:
		return fmt.Sprintf("ended: plane %v, agent %v", plane.EndedAt, own.EndedAt)
	}
	return ""
}

func probes(r *rollout.Record, statusOnly bool) string {
	s := ""
	for _, p := range r.Probes {
		if statusOnly {
			p = rollout.Probe{Name: p.Name, Mode: p.Mode, Status: p.Status}
		}
		s += fmt.Sprintln(p)
	}
	return s
}
