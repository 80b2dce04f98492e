package agent

import (
	"fmt"
	"strconv"

	"github.com/refrain-fleet/refrain/core/wire"
)

// String returns the way as one lowercase word.
func (b Boot) String() string {
	if b == Reboot {
		return "reboot"
	}
	return "start"
}

var activationWords = [...]string{"?", "completed", "deferred", "failed"}

// String returns the result as one lowercase word.
func (r ActivationResult) String() string { return wire.WordOf(activationWords[:], r) }

// String describes the answer in one stable line.
func (x Answer) String() string {
	if x.Status == 0 {
		return "no answer"
	}
	s := strconv.Itoa(x.Status)
	if x.Replay {
		s += " replay-from=" + strconv.FormatUint(uint64(x.ReplayFrom), 10)
	}
	if x.RetryAfter != 0 {
		s += " retry-after=" + x.RetryAfter.String()
	}
	return s
}

// String implements [Input].
func (in *Started) String() string {
	return fmt.Sprintf("started closure=%s boot=%v", wire.OrDash(in.CurrentClosure), in.Boot) + nextBoot(in.NextBoot)
}

// nextBoot describes what the next boot brings, if it is something else.
func nextBoot(c wire.Closure) string {
	if c == "" {
		return ""
	}
	return " next-boot=" + string(c)
}

// String implements [Input].
func (*Timer) String() string { return "timer" }

// String implements [Input].
func (in *HeartbeatAnswered) String() string {
	s := fmt.Sprintf("heartbeat-answered %d: %v", in.ID, in.Answer)
	for i := range in.Response.Bootstrap {
		b := &in.Response.Bootstrap[i]
		s += fmt.Sprintf(" bootstrap=%s,%v,%d", b.RolloutID, b.State, b.LastEventSeq)
	}
	return s
}

// String implements [Input].
func (in *EventAnswered) String() string {
	return fmt.Sprintf("event-answered %d: %v", in.ID, in.Answer)
}

// String implements [Input].
func (in *PollAnswered) String() string {
	s := fmt.Sprintf("poll-answered %d: %v", in.ID, in.Answer)
	if in.Dispatch.RolloutID != "" {
		s += fmt.Sprintf(" dispatch=%s closure=%s", in.Dispatch.RolloutID, in.Dispatch.TargetClosure)
	}
	return s
}

// String implements [Input].
func (in *ActivationEnded) String() string {
	s := fmt.Sprintf("activation-ended %d: %v closure=%s exit=%d", in.ID, in.Result, wire.OrDash(in.CurrentClosure), in.ExitCode)
	if in.Component != "" {
		s += " component=" + string(in.Component)
	}
	return s
}

// String implements [Input].
func (in *RollbackEnded) String() string {
	return fmt.Sprintf("rollback-ended %d: closure=%s exit=%d", in.ID, wire.OrDash(in.CurrentClosure), in.ExitCode)
}

// String implements [Input].
func (in *Probed) String() string {
	s := fmt.Sprintf("probed %d: %s=%v", in.ID, in.Probe, in.Status)
	if in.Reason != "" {
		s += fmt.Sprintf(" (%s)", in.Reason)
	}
	return s
}

// String implements [Input].
func (in *ProbesDeclared) String() string {
	s := "probes-declared"
	for _, p := range in.Probes {
		s += fmt.Sprintf(" %s=%v", p.ProbeName, p.Mode)
	}
	return s
}

// String implements [Input].
func (in *ClosureObserved) String() string {
	return "closure-observed " + wire.OrDash(in.CurrentClosure) + nextBoot(in.NextBoot)
}

// String implements [Input].
func (in *Fetched) String() string {
	s := fmt.Sprintf("fetched %d: ", in.ID)
	i := &in.Intent
	switch {
	case in.Status == 0:
		return s + "no answer"
	case in.Status != 200:
		return s + strconv.Itoa(in.Status)
	case i.FleetFault != 0 || i.RolloutFault != 0:
		return s + i.Detail
	}
	return s + fmt.Sprintf("%s closure=%s fleet=%.8s signed=%v", i.ID, wire.OrDash(i.Closure), i.FleetHash, i.FleetSignedAt)
}

// String describes the entry in one stable line.
func (e Entry) String() string {
	s := e.Kind.String() + " " + string(e.RolloutID)
	switch e.Kind {
	case EntryTaken:
		s += fmt.Sprintf(" target=%s policy=%s", e.Taken.Record.TargetClosure, wire.OrDash(e.Taken.Policy.String()))
	case EntryEvent:
		s += " " + e.Event.String()
	case EntryForgotten:
	case EntrySeen:
		return fmt.Sprintf("%v %s signed=%v", e.Kind, e.Channel, e.SignedAt)
	default:
		s += " #" + strconv.FormatUint(uint64(e.Seq), 10)
	}
	return s
}

// String describes the request in one stable line.
func (r Request) String() string {
	s := fmt.Sprintf("%v %d", r.Kind, r.ID)
	switch r.Kind {
	case RequestHeartbeat:
		s += fmt.Sprintf(" rollout=%s closure=%s", wire.OrDash(r.Heartbeat.RolloutID), wire.OrDash(r.Heartbeat.CurrentClosure))
	case RequestEvent:
		s += fmt.Sprintf(" %s %v", r.Event.RolloutID, r.Event.Event)
	case RequestPoll:
		s += fmt.Sprintf(" wait=%v", r.Wait)
	}
	return s
}

// String describes the effect in one stable line.
func (e Effect) String() string {
	s := fmt.Sprintf("%v %d", e.Kind, e.ID)
	if e.Kind == EffectProbe {
		for _, p := range e.Probes {
			s += " " + string(p.ProbeName)
		}
		return s
	}
	if e.Kind == EffectFetch {
		return s + " " + string(e.RolloutID)
	}
	return s + fmt.Sprintf(" %s closure=%s", e.RolloutID, e.Closure)
}

// String describes the notice in one stable line.
func (n Notice) String() string {
	s := n.Kind.String()
	if n.RolloutID != "" {
		s += " " + string(n.RolloutID)
	}
	if n.Kind == NoticeTransition {
		s += fmt.Sprintf(" %v→%v", n.From, n.To)
	}
	if n.Seq > 0 {
		s += " #" + strconv.FormatUint(uint64(n.Seq), 10)
	}
	if n.Status > 0 {
		s += " status=" + strconv.Itoa(n.Status)
	}
	if n.Detail != "" {
		s += " " + n.Detail
	}
	return s
}

// String describes the agent in one stable line.
func (a *Agent) String() string {
	s := fmt.Sprintf("%s closure=%s", a.cfg.Hostname, wire.OrDash(a.current))
	if a.switching.id != 0 {
		s += fmt.Sprintf(" %v=%s", a.switching.kind, a.switching.closure)
	}
	for _, p := range a.rollouts {
		s += fmt.Sprintf(" %s=%v,%d/%d", p.id(), p.rec.State, p.acked, p.lastNumber())
		if p.superseded {
			s += ",superseded"
		}
		if p.sending.unknown {
			s += ",unknown"
		}
	}
	return s
}
