package wire

import "strconv"

// EventKind is one of the twelve kinds of events (PROTOCOL E).
type EventKind uint8

// The kinds of events, in the order of the protocol's table.
const (
	KindDispatchAck EventKind = iota + 1
	KindActivationStarted
	KindActivationCompleted
	KindActivationDeferred
	KindActivationFailed
	KindProbeTopologyDeclared
	KindProbeObservedFirst
	KindProbeResult
	KindProbeFailureFirst
	KindFailed
	KindRollbackComplete
	KindConverged
)

// EventKinds lists every kind.
var EventKinds = [...]EventKind{
	KindDispatchAck, KindActivationStarted, KindActivationCompleted, KindActivationDeferred,
	KindActivationFailed, KindProbeTopologyDeclared, KindProbeObservedFirst, KindProbeResult,
	KindProbeFailureFirst, KindFailed, KindRollbackComplete, KindConverged,
}

var kindWords = []string{
	"", "DispatchAck", "ActivationStarted", "ActivationCompleted", "ActivationDeferred",
	"ActivationFailed", "ProbeTopologyDeclared", "ProbeObservedFirst", "ProbeResult",
	"ProbeFailureFirst", "Failed", "RollbackComplete", "Converged",
}

// String returns the word of the protocol.
func (k EventKind) String() string { return WordOf(kindWords, k) }

// DecodeValue implements [Value].
func (k *EventKind) DecodeValue(d *Decoder) error { return decodeWord(d, kindWords, k) }

// AppendValue implements [Value].
func (k *EventKind) AppendValue(dst []byte) []byte { return appendWord(dst, kindWords, *k) }

// IsUnset implements [Value].
func (k *EventKind) IsUnset() bool { return *k == 0 }

// EventBody is an event without its number: one of the twelve structs of this
// file.
type EventBody interface {
	// Kind says which struct it is.
	Kind() EventKind
	// At is the instant of what the event reports, by the agent's clock.
	At() Time
	isEventBody()
}

// Event is one entry of an agent's history of a rollout.
type Event struct {
	// Seq is 1, 2, 3 … per host and rollout.
	Seq  Seq
	Body EventBody
}

// String describes the event in one line, for traces and logs.
func (e Event) String() string {
	if e.Body == nil {
		return "no event"
	}
	s := e.Body.Kind().String() + "#" + strconv.FormatUint(uint64(e.Seq), 10)
	if closure, ok := ReportedClosure(e.Body); ok {
		s += " closure=" + string(closure)
	}
	switch b := e.Body.(type) {
	case ProbeResult:
		s += " " + string(b.ProbeName) + "=" + b.Status.String()
	case ActivationFailed:
		s += " exit=" + strconv.Itoa(int(b.ExitCode))
	}
	return s
}

// EventEnvelope is the body of POST /v1/agent/events: one event a POST.
type EventEnvelope struct {
	Hostname  Hostname
	RolloutID RolloutID
	Event     Event
	// Signature is carried for agents that sign their events; it is not
	// interpreted.
	Signature Text
}

// EventEnvelopeSchema describes [EventEnvelope].
var EventEnvelopeSchema = Schema[EventEnvelope]{Fields: []Field[EventEnvelope]{
	{"hostname", Required, func(e *EventEnvelope) Value { return &e.Hostname }},
	{"rolloutId", Required, func(e *EventEnvelope) Value { return &e.RolloutID }},
	{"event", Required, func(e *EventEnvelope) Value { return &e.Event }},
	{"signature", Optional, func(e *EventEnvelope) Value { return &e.Signature }},
}}

// DispatchAck says that the agent has taken up a dispatch.
type DispatchAck struct {
	CurrentClosureAtDispatch Closure
	ReceivedAt               Time
}

// ActivationStarted says that the switch to the target began.
type ActivationStarted struct {
	StartedAt Time
	// SwitchMethod is the agent's word for how it switches, for instance
	// "switch" or "boot".
	SwitchMethod Name
}

// ActivationCompleted says that the host runs ObservedCurrentClosure.
type ActivationCompleted struct {
	ObservedCurrentClosure Closure
	ExitCode               Int
	CompletedAt            Time
}

// ActivationDeferred says that Component keeps the switch from taking effect
// before the next reboot.
type ActivationDeferred struct {
	Component  Name
	DeferredAt Time
}

// ActivationFailed says that the switch failed.
type ActivationFailed struct {
	ExitCode   Int
	StderrTail Text
	FailedAt   Time
}

// ProbeDeclaration is one probe of a declared set.
type ProbeDeclaration struct {
	ProbeName Name
	// ProbeKind is the agent's word for what the probe does.
	ProbeKind Name
	Mode      Mode
}

// ProbeTopologyDeclared lists the probes the host will run.
type ProbeTopologyDeclared struct {
	Probes     []ProbeDeclaration
	DeclaredAt Time
}

// ProbeObservedFirst says that a probe ran for the first time.
type ProbeObservedFirst struct {
	ProbeName  Name
	Mode       Mode
	ObservedAt Time
}

// SubResult is one control within a probe's result.
type SubResult struct {
	ControlID      Name
	Status         ProbeStatus
	Framework      Name
	Article        Text
	EffectiveMode  Mode
	OverrideReason Text
}

// ProbeResult is the outcome of one run of a probe.
type ProbeResult struct {
	ProbeName     Name
	Mode          Mode
	Status        ProbeStatus
	ObservedAt    Time
	FailureReason Text
	SubResults    []SubResult
}

// ProbeFailureFirst says since when a probe has been failing.
type ProbeFailureFirst struct {
	ProbeName     Name
	Mode          Mode
	FirstFailedAt Time
}

// HealthFailed is the event "Failed": enforce-mode probes failed for too long.
// (The Go name differs from the word on the wire, since Failed is a state.)
type HealthFailed struct {
	FailedAt              Time
	SustainedDurationSecs Count
	FailingProbes         Names
	PolicyApplied         HealthPolicy
}

// RollbackComplete says that the host is back on RevertedToClosure.
type RollbackComplete struct {
	RevertedToClosure Closure
	ExitCode          Int
	CompletedAt       Time
}

// HostConverged is the event "Converged": the soak is over and every
// enforce-mode probe passes. (The Go name differs from the word on the wire,
// since Converged is a state.)
type HostConverged struct {
	ConvergedAt    Time
	CurrentClosure Closure
}

// Kind implements [EventBody].
func (DispatchAck) Kind() EventKind { return KindDispatchAck }

// Kind implements [EventBody].
func (ActivationStarted) Kind() EventKind { return KindActivationStarted }

// Kind implements [EventBody].
func (ActivationCompleted) Kind() EventKind { return KindActivationCompleted }

// Kind implements [EventBody].
func (ActivationDeferred) Kind() EventKind { return KindActivationDeferred }

// Kind implements [EventBody].
func (ActivationFailed) Kind() EventKind { return KindActivationFailed }

// Kind implements [EventBody].
func (ProbeTopologyDeclared) Kind() EventKind { return KindProbeTopologyDeclared }

// Kind implements [EventBody].
func (ProbeObservedFirst) Kind() EventKind { return KindProbeObservedFirst }

// Kind implements [EventBody].
func (ProbeResult) Kind() EventKind { return KindProbeResult }

// Kind implements [EventBody].
func (ProbeFailureFirst) Kind() EventKind { return KindProbeFailureFirst }

// Kind implements [EventBody].
func (HealthFailed) Kind() EventKind { return KindFailed }

// Kind implements [EventBody].
func (RollbackComplete) Kind() EventKind { return KindRollbackComplete }

// Kind implements [EventBody].
func (HostConverged) Kind() EventKind { return KindConverged }

// At implements [EventBody].
func (b DispatchAck) At() Time { return b.ReceivedAt }

// At implements [EventBody].
func (b ActivationStarted) At() Time { return b.StartedAt }

// At implements [EventBody].
func (b ActivationCompleted) At() Time { return b.CompletedAt }

// At implements [EventBody].
func (b ActivationDeferred) At() Time { return b.DeferredAt }

// At implements [EventBody].
func (b ActivationFailed) At() Time { return b.FailedAt }

// At implements [EventBody].
func (b ProbeTopologyDeclared) At() Time { return b.DeclaredAt }

// At implements [EventBody].
func (b ProbeObservedFirst) At() Time { return b.ObservedAt }

// At implements [EventBody].
func (b ProbeResult) At() Time { return b.ObservedAt }

// At implements [EventBody].
func (b ProbeFailureFirst) At() Time { return b.FirstFailedAt }

// At implements [EventBody].
func (b HealthFailed) At() Time { return b.FailedAt }

// At implements [EventBody].
func (b RollbackComplete) At() Time { return b.CompletedAt }

// At implements [EventBody].
func (b HostConverged) At() Time { return b.ConvergedAt }

func (DispatchAck) isEventBody()           {}
func (ActivationStarted) isEventBody()     {}
func (ActivationCompleted) isEventBody()   {}
func (ActivationDeferred) isEventBody()    {}
func (ActivationFailed) isEventBody()      {}
func (ProbeTopologyDeclared) isEventBody() {}
func (ProbeObservedFirst) isEventBody()    {}
func (ProbeResult) isEventBody()           {}
func (ProbeFailureFirst) isEventBody()     {}
func (HealthFailed) isEventBody()          {}
func (RollbackComplete) isEventBody()      {}
func (HostConverged) isEventBody()         {}

// ReportedClosure returns the closure that an event says the host runs, for
// the three kinds that say so.
func ReportedClosure(body EventBody) (Closure, bool) {
	switch b := body.(type) {
	case ActivationCompleted:
		return b.ObservedCurrentClosure, true
	case RollbackComplete:
		return b.RevertedToClosure, true
	case HostConverged:
		return b.CurrentClosure, true
	default:
		return "", false
	}
}
