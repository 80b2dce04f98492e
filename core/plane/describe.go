package plane

import (
	"fmt"

	"github.com/refrain-fleet/refrain/core/wire"
)

// String implements [Input].
func (in *Heartbeat) String() string {
	r := &in.Request
	line := fmt.Sprintf("heartbeat %s rollout=%s closure=%s at=%v", r.Hostname, wire.OrDash(r.RolloutID), wire.OrDash(r.CurrentClosure), r.At)
	if in.From != "" {
		line += " from=" + in.From
	}
	return line + ofDialect(in.Dialect)
}

// ofDialect is what the description of an input says of an agent's dialect.
func ofDialect(d wire.Dialect) string {
	if d == wire.DialectRefrain {
		return ""
	}
	return " dialect=" + d.String()
}

// String implements [Input].
func (in *Event) String() string {
	e := &in.Envelope
	return fmt.Sprintf("event %s %s %v", e.Hostname, e.RolloutID, e.Event) + ofDialect(in.Dialect)
}

// String implements [Input].
func (in *Requested) String() string { return in.Input.String() + " by " + string(in.By.Name) }

// String implements [Input].
func (in *Poll) String() string { return "poll " + string(in.Hostname) + ofDialect(in.Dialect) }

// String implements [Input].
func (in *Discarded) String() string {
	return fmt.Sprintf("discarded %s %s %s: %s", in.Hostname, wire.OrDash(in.RolloutID), in.what(), in.Reason)
}

// Describe says what was discarded, and why.
func (in *Discarded) Describe() wire.Text {
	return wire.Text(fmt.Sprintf("%s: %s: %s", in.what(), in.Reason, in.Detail)).Kept()
}

// what names the event.
func (in *Discarded) what() string {
	if in.Kind == "" {
		return "an event"
	}
	return fmt.Sprintf("%s#%d", in.Kind, in.Seq)
}

// String implements [Input].
func (in *OpenRollout) String() string {
	line := "open " + describeManifest(&in.Manifest)
	if in.Place != Takes {
		line += " place=" + in.Place.String()
	}
	for i := range in.Unread {
		line += " unread=" + string(in.Unread[i].RolloutID)
	}
	if in.Signed {
		line += " signed"
	}
	return line
}

// String implements [Input].
func (in *FileManifest) String() string {
	if in.Signed {
		return "signed " + describeManifest(&in.Manifest)
	}
	return "file " + describeManifest(&in.Manifest)
}

// String implements [Input].
func (in *Release) String() string {
	line := "release"
	for i := range in.Manifests {
		line += " " + string(in.Manifests[i].ID())
	}
	return line
}

func describeManifest(m *wire.Manifest) string {
	line := string(m.ID())
	if m.Serial != 0 {
		line += fmt.Sprintf(" serial=%d", m.Serial)
	}
	return fmt.Sprintf("%s hosts=%d waves=%d policy=%v", line, len(m.Hosts), len(m.Policy.Waves), m.Policy.OnHealthFailure)
}

// String implements [Input].
func (in *ContinueOpening) String() string {
	if in.Durable {
		return "continue-opening durable"
	}
	return "continue-opening"
}

// String implements [Input].
func (in *ResumeRollout) String() string { return "resume " + string(in.RolloutID) }

// String implements [Input].
func (in *ChooseRollout) String() string { return "choose " + string(in.RolloutID) }

// String implements [Input].
func (in *Steer) String() string {
	s := "steer " + in.Act.String()
	if in.Hostname != "" {
		s += " " + string(in.Hostname)
	}
	if in.RolloutID != "" {
		s += " " + string(in.RolloutID)
	}
	if in.Reason != "" {
		s += fmt.Sprintf(" reason=%q", in.Reason)
	}
	return s
}

// String implements [Input].
func (in *ClearQuarantine) String() string {
	return fmt.Sprintf("clear-quarantine %s %s", in.Channel, in.Closure)
}

// String implements [Input].
func (in *Revoke) String() string {
	s := fmt.Sprintf("revoke %s before=%v", in.CommonName, in.Before)
	if in.Also != "" {
		s += " also=" + string(in.Also)
	}
	if h := &in.Holder; h.Judge {
		s += " judge"
		if h.Hostname != "" {
			s += " host=" + string(h.Hostname)
		}
		if h.Seen {
			s += " seen"
		}
		if h.Force {
			s += " force"
		}
	}
	return s
}

// String implements [Input].
func (in *Certify) String() string {
	s := fmt.Sprintf("certify %s %s since=%v", in.Hostname, in.CommonName, in.Since)
	if in.Also != "" {
		s += " also=" + string(in.Also)
	}
	if in.Nonce != "" {
		s += fmt.Sprintf(" nonce=%s until=%v", in.Nonce, in.ExpiresAt)
	}
	if in.Refused {
		s += " refused"
	}
	return s
}

// String implements [Input].
func (in *Storage) String() string {
	switch {
	case in.Unavailable && in.Scarce:
		return "storage unavailable scarce"
	case in.Unavailable:
		return "storage unavailable"
	case in.Scarce:
		return "storage scarce"
	}
	return "storage available"
}

// String implements [Input].
func (in *Confirm) String() string {
	return fmt.Sprintf("confirm %s %s closure=%s at=%v", in.Hostname, in.RolloutID, in.Closure, in.At)
}

// String implements [Input].
func (in *QueryHost) String() string { return "query-host " + string(in.Hostname) }

// String implements [Input].
func (in *QueryHosts) String() string {
	s := fmt.Sprintf("query-hosts after=%s limit=%d", wire.OrDash(in.After), in.Limit)
	if f := in.Filter; f != (HostFilter{}) {
		s += fmt.Sprintf(" reachability=%v closure=%s channel=%s state=%v", f.Reachability, wire.OrDash(f.Closure), wire.OrDash(f.Channel), f.State)
	}
	return s
}

// String implements [Input].
func (in *QueryRollout) String() string {
	s := fmt.Sprintf("query-rollout %s after=%s limit=%d", in.RolloutID, wire.OrDash(in.After), in.Limit)
	if in.State != 0 {
		s += fmt.Sprintf(" state=%v", in.State)
	}
	return s
}

// String implements [Input].
func (in *QueryRollouts) String() string {
	s := fmt.Sprintf("query-rollouts after=%s limit=%d", wire.OrDash(in.After), in.Limit)
	if f := in.Filter; f != (RolloutFilter{}) {
		s += fmt.Sprintf(" channel=%s state=%v current=%t", wire.OrDash(f.Channel), f.State, f.Current)
	}
	return s
}

// String implements [Input].
func (in *PlanRollout) String() string {
	return fmt.Sprintf("plan %s hosts=%d", in.Manifest.ID(), len(in.Manifest.Hosts))
}

// String implements [Input].
func (*QueryStatus) String() string { return "query-status" }

// String implements [Input].
func (in *QueryOverview) String() string { return fmt.Sprintf("query-overview from=%d", in.From) }

// String implements [Input].
func (*QueryQuarantine) String() string { return "query-quarantine" }

// String implements [Input].
func (*QueryRevocations) String() string { return "query-revocations" }

// String implements [Input].
func (*Started) String() string { return "started" }

// String implements [Input].
func (in *Tick) String() string {
	if in.Impaired {
		return "tick impaired"
	}
	return "tick"
}

// String describes the entry in one stable line.
func (e Entry) String() string {
	s := fmt.Sprintf("#%d %s %s: %v", e.Number, e.Kind, e.Outcome, e.Input)
	if e.Act != nil {
		s += fmt.Sprintf(", act %d of %s", e.Act.Count, e.Act.By.Name)
	}
	return s
}

// String describes the reply in one stable line.
func (r Reply) String() string {
	o := &r.Outcome
	s := fmt.Sprintf("%d %v", o.Code.Status(), o.Code)
	if o.Replay {
		s += fmt.Sprintf(" replay-from=%d", o.ReplayFrom)
	}
	if n := len(o.Heartbeat.Bootstrap); n > 0 {
		s += fmt.Sprintf(" bootstrap=%d", n)
	}
	if d, ok := o.Document.(*wire.Dispatch); ok {
		s += fmt.Sprintf(" dispatch=%s closure=%s", d.RolloutID, d.TargetClosure)
	}
	if o.Detail != "" {
		s += fmt.Sprintf(" (%s)", o.Detail)
	}
	if r.Unfinished {
		s += " unfinished"
	}
	if r.AfterEntries > 0 {
		s += fmt.Sprintf(" needs=%d", r.AfterEntries)
	}
	return s
}

// String describes the notice in one stable line.
func (n Notice) String() string {
	s := n.Kind.String()
	if n.Hostname != "" {
		s += " " + string(n.Hostname)
	}
	if n.RolloutID != "" {
		s += " " + string(n.RolloutID)
	}
	switch n.Kind {
	case NoticeActed:
		s += fmt.Sprintf(" act=%d", n.Seq)
	case NoticeTransition:
		s += fmt.Sprintf(" %v→%v seq=%d", n.From, n.To, n.Seq)
	case NoticeReplayAsked, NoticeAbsorbed, NoticeRejected, NoticeDiscarded:
		s += fmt.Sprintf(" seq=%d", n.Seq)
	case NoticeWave, NoticeOpened, NoticeObserverSuspect, NoticeCredited:
		s += fmt.Sprintf(" %d", n.Count)
	}
	if n.Detail != "" {
		s += " " + n.Detail
	}
	return s
}

// String describes the plane in one stable line.
func (p *Plane) String() string {
	s := p.Stats()
	line := fmt.Sprintf("hosts=%d unreachable=%d rollouts=%d log=%d", p.knownHosts(), s.HostsUnreachable, len(p.rollouts), s.Logged)
	for _, state := range wire.States {
		if n := s.Records[state]; n > 0 {
			line += fmt.Sprintf(" %v=%d", state, n)
		}
	}
	return line
}
