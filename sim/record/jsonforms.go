package record

import (
	"strings"

	"github.com/refrain-fleet/refrain/core/wire"
	"github.com/refrain-fleet/refrain/sim/scenario"
	"github.com/refrain-fleet/refrain/sim/world"
)

// What a line of a JSON trace says of each kind of event: the functions of eventForms.

func (l *traceLine) nothing(*world.Event) {}

func (l *traceLine) ofPlane(*world.Event) { l.Node = "plane" }

func (l *traceLine) ofHost(e *world.Event) { l.Node = string(scenario.HostName(e.Host)) }

func (l *traceLine) hostCount(e *world.Event) {
	l.ofHost(e)
	l.Count = e.Count + len(e.Lines)
}

func (l *traceLine) stepBegan(e *world.Event) {
	l.Node, l.Timer = e.Timer.Node(), e.Timer.Name()
	if e.Message != nil {
		l.about(e.Message)
	}
}

// about names a message.
func (l *traceLine) about(m *world.Message) {
	l.Message, l.Type, l.From, l.Duplicate = m.ID(), m.Kind().String(), m.Sender(), m.Duplicate()
}

func (l *traceLine) atPlane(e *world.Event) {
	l.Node = "plane"
	l.about(e.Message)
}

func (l *traceLine) clientGone(e *world.Event) {
	l.atPlane(e)
	l.Answered = e.Answered
}

// outcome writes what an answer says.
func (l *traceLine) outcome(o *wire.Outcome) {
	l.Status, l.Code = o.Code.Status(), o.Code.String()
	if o.Code.Unavailable() {
		l.RetryAfter = int64(o.RetryAfter)
	}
	if o.Replay {
		from := o.ReplayFrom
		l.ReplayFrom = &from
	}
}

func (l *traceLine) withOutcome(e *world.Event) {
	l.atPlane(e)
	l.outcome(e.Message.Outcome())
}

func (l *traceLine) sent(e *world.Event) {
	m := e.Message
	l.Node = m.Sender()
	l.about(m)
	switch m.Kind() {
	case scenario.RouteHeartbeat:
		l.Document = wire.HeartbeatRequestSchema.Append(nil, &m.Heartbeat().Request)
	case scenario.RouteEvent:
		l.Document = wire.EventEnvelopeSchema.Append(nil, &m.Event().Envelope)
	case scenario.RoutePoll:
		l.Wait = int64(m.Wait())
	case scenario.RouteOperator:
		l.Text = m.Operator().String()
	}
}

func (l *traceLine) vanished(e *world.Event) {
	l.Node = e.Message.Sender()
	l.about(e.Message)
	l.Direction, l.Reason = "up", snake(e.Effect)
	if e.Dir == scenario.Down {
		l.Direction = "down"
	}
}

func (l *traceLine) heard(e *world.Event) {
	l.Node = e.Message.Sender()
	l.about(e.Message)
	if l.Answered = e.Answered; e.Answered {
		l.outcome(e.Message.Outcome())
	}
}

func (l *traceLine) admitted(e *world.Event) {
	l.atPlane(e)
	l.Deadline, l.InboxDepth = int64(e.Message.Deadline()), e.World.InboxDepth()
}

func (l *traceLine) counted(e *world.Event) {
	l.Node, l.Count, l.InboxDepth = "plane", e.Count, e.World.InboxDepth()
}

func (l *traceLine) commitFailed(e *world.Event) {
	l.counted(e)
	l.Stored = e.Stored
}

func (l *traceLine) sectioned(e *world.Event) {
	l.counted(e)
	l.Section = e.Section.String()
	if e.Message != nil {
		l.about(e.Message)
	}
}

func (l *traceLine) stepping(e *world.Event) {
	l.Node, l.Input = "plane", e.Input.String()
	if e.Message != nil {
		l.about(e.Message)
	}
}

func (l *traceLine) stepDone(e *world.Event) {
	l.stepping(e)
	if e.Reply != nil {
		l.outcome(&e.Reply.Outcome)
		l.AfterEntries = e.Reply.AfterEntries
	}
}

func (l *traceLine) replied(e *world.Event) {
	l.atPlane(e)
	l.ReplyLost = e.ReplyLost
}

func (l *traceLine) noticed(e *world.Event) {
	n := e.Notice
	l.Node, l.Notice, l.Host, l.Rollout, l.Text = "plane", n.Kind.String(), n.Hostname, n.RolloutID, n.String()
}

func (l *traceLine) committed(e *world.Event) {
	l.Node, l.ReplyLost = "plane", e.ReplyLost
	for i := range e.Entries {
		x := &e.Entries[i]
		l.Entries = append(l.Entries, traceEntry{x.Number, string(x.Kind), x.Outcome, x.Hostname, x.RolloutID, x.String()})
	}
}

func (l *traceLine) planeUp(e *world.Event) { l.Node, l.Capacity = "plane", e.World.Capacity() }

func (l *traceLine) planeStarted(e *world.Event) {
	l.Node, l.Rebuilt, l.Text = "plane", e.Rebuilt, e.World.Plane().String()
}

func (l *traceLine) lasting(e *world.Event) { l.Node, l.For = "plane", int64(e.For) }

func (l *traceLine) planeDown(e *world.Event) {
	l.Node, l.Wiped, l.Ending = "plane", e.Wiped, e.Ending.String()
	l.Restored, l.For = e.Restored, int64(e.For)
}

func (l *traceLine) hostAppended(e *world.Event) {
	l.ofHost(e)
	for i := range e.Appended {
		x := &e.Appended[i]
		l.Entries = append(l.Entries, traceEntry{Kind: x.Kind.String(), Rollout: x.RolloutID, Text: x.String()})
	}
}

func (l *traceLine) hostStepped(e *world.Event) {
	l.ofHost(e)
	l.Input = e.AgentInput.String()
	for _, r := range e.AgentOutput.Requests {
		l.Requests = append(l.Requests, r.String())
	}
	for _, x := range e.AgentOutput.Effects {
		l.Effects = append(l.Effects, x.String())
	}
}

func (l *traceLine) hostFetched(e *world.Event) {
	l.ofHost(e)
	l.Rollout, l.Status = e.Fetched.Rollout, e.Fetched.Status
}

func (l *traceLine) hostNoticed(e *world.Event) {
	n := e.AgentNotice
	l.ofHost(e)
	l.Notice, l.Rollout, l.Text = n.Kind.String(), n.RolloutID, n.String()
}

func (l *traceLine) faulty(e *world.Event) { l.Fault = e.Fault.String() }

func (l *traceLine) effective(e *world.Event) { l.Effect = snake(e.Effect) }

// snake is the name of an effect in a JSON trace.
func snake(e scenario.Effect) string { return strings.ReplaceAll(e.String(), " ", "_") }
