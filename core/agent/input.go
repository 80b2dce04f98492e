package agent

import (
	"time"

	"github.com/refrain-fleet/refrain/core/artifact"
	"github.com/refrain-fleet/refrain/core/wire"
)

// Input is what a step takes: one of the structs of this file, by pointer. A
// step reads its input and keeps nothing of it but strings, so the caller may
// use the struct again. (A list of sub-results or of probes is copied.)
type Input interface {
	// String describes the input in one stable line.
	String() string
	isInput()
}

// Started says that the agent's process has just started. It is stepped once,
// after New, Restore or a log walk, after [ProbesDeclared] and before any other
// input.
type Started struct {
	// CurrentClosure is what the host really runs now; empty if unknown. An
	// agent that does not know it takes no work.
	CurrentClosure wire.Closure
	// NextBoot is what the host would run after a boot, if it is something
	// else: a deferred activation left it. Empty if it is CurrentClosure, or
	// unknown.
	NextBoot wire.Closure
	// Boot says why the process came up.
	Boot Boot
}

// Boot is a way in which an agent's process comes up.
type Boot uint8

// The ways. The zero value is a process start.
const (
	// ProcessStart: the process alone was started, or started again.
	ProcessStart Boot = iota
	// Reboot: the host booted since the last step whose Appends became durable.
	Reboot
)

// Timer says that the instant of [Output.NextTimer] has come. An early or an
// extra one is harmless.
type Timer struct{}

// Answer is what came back for a request.
type Answer struct {
	// Status is the HTTP status, or 0 if no answer came: the client timeout
	// passed, the connection was refused or reset.
	Status int
	// Replay says that the answer carried X-Nixfleet-Replay-From: ReplayFrom.
	Replay     bool
	ReplayFrom wire.Seq
	// RetryAfter is the Retry-After header in whole seconds; 0 if there was
	// none.
	RetryAfter time.Duration
}

// HeartbeatAnswered is the answer to a heartbeat (PROTOCOL H).
type HeartbeatAnswered struct {
	// ID is that of the [Request]. An answer to a request that is not open
	// changes nothing.
	ID uint64
	Answer
	// Response is the body of a 200.
	Response wire.HeartbeatResponse
}

// EventAnswered is the answer to an event (PROTOCOL E).
type EventAnswered struct {
	// ID is that of the [Request].
	ID uint64
	Answer
}

// PollAnswered is the answer to a dispatch poll (PROTOCOL D).
type PollAnswered struct {
	// ID is that of the [Request].
	ID uint64
	Answer
	// Dispatch is the body of a 200.
	Dispatch wire.Dispatch
}

// ActivationResult says how an activation ended.
type ActivationResult uint8

// The ends of an activation. One that was killed has no end: the agent's next
// input is [Started].
const (
	// ActivationCompleted: the switch ended well. A boot brings what was
	// switched to as well.
	ActivationCompleted ActivationResult = iota + 1
	// ActivationDeferred: it takes effect with the next reboot only.
	ActivationDeferred
	// ActivationFailed: it failed.
	ActivationFailed
)

// ActivationEnded is the end of an [EffectActivate].
type ActivationEnded struct {
	// ID is that of the [Effect]. The end of an effect that is not running
	// changes nothing.
	ID     uint64
	Result ActivationResult
	// CurrentClosure is what the host runs now; empty if unknown.
	CurrentClosure wire.Closure
	ExitCode       wire.Int
	// Component is what needs the reboot, for ActivationDeferred.
	Component wire.Name
	// StderrTail is the end of what the switch wrote, for ActivationFailed.
	// The agent keeps its last 4 KiB.
	StderrTail wire.Text
}

// RollbackEnded is the end of an [EffectRollback].
type RollbackEnded struct {
	// ID is that of the [Effect].
	ID uint64
	// CurrentClosure is what the host runs now; empty if unknown. The rollback
	// has succeeded if it is the closure that the effect named.
	CurrentClosure wire.Closure
	ExitCode       wire.Int
}

// Probed is the result of one probe of an [EffectProbe]. Every probe of an
// effect is answered once, in any order; one that hangs as a failure.
type Probed struct {
	// ID is that of the [Effect].
	ID     uint64
	Probe  wire.Name
	Status wire.ProbeStatus
	// Reason says why it failed; may be empty.
	Reason     wire.Text
	SubResults []wire.SubResult
}

// ProbesDeclared lists the probes of the host's configuration. It is stepped at
// every start, before [Started], and whenever the configuration changes.
// Without it the host has no probes.
type ProbesDeclared struct {
	// Probes is the whole set. Of a name given twice the later one counts.
	Probes []wire.ProbeDeclaration
}

// ClosureObserved says that the host runs another closure than the last input
// said, or would after a boot, and that no effect of the agent did it: the host
// was switched by hand.
type ClosureObserved struct {
	CurrentClosure wire.Closure
	// NextBoot is as in [Started].
	NextBoot wire.Closure
}

// Fetched is the end of an [EffectFetch].
type Fetched struct {
	// ID is that of the [Effect].
	ID uint64
	// Status is 200 if both artifacts and their signatures came, or else the status of the
	// first answer that was another; 0 if none came.
	Status int
	// Intent is what the artifacts say of this host; of a Status other than 200 nothing.
	Intent artifact.Intent
}

func (*Started) isInput()           {}
func (*Timer) isInput()             {}
func (*HeartbeatAnswered) isInput() {}
func (*EventAnswered) isInput()     {}
func (*PollAnswered) isInput()      {}
func (*ActivationEnded) isInput()   {}
func (*RollbackEnded) isInput()     {}
func (*Probed) isInput()            {}
func (*ProbesDeclared) isInput()    {}
func (*ClosureObserved) isInput()   {}
func (*Fetched) isInput()           {}
