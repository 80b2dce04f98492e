package record

import (
	"time"

	"github.com/refrain-fleet/refrain/core/agent"
	"github.com/refrain-fleet/refrain/core/rollout"
	"github.com/refrain-fleet/refrain/core/wire"
	"github.com/refrain-fleet/refrain/sim/check"
	"github.com/refrain-fleet/refrain/sim/scenario"
	"github.com/refrain-fleet/refrain/sim/world"
)

// Recording is what a [Recorder] has collected of one run: enough to draw it,
// and to say of every step that is kept what happened and what it changed.
type Recording struct {
	// Scenario is the run's, with its defaults filled in.
	Scenario scenario.Scenario
	Result   check.Verdict
	// Healed is when faults ended; 0 if the run ended before.
	Healed time.Duration
	// Focus is what the violation is about.
	Focus Focus
	// Plane is every change of the plane's process, by time.
	Plane []PlaneChange
	// Hosts are the hosts in the order of their numbers.
	Hosts []HostTrack
	// Messages are those that are kept, in the order of their IDs.
	Messages []*MessageTrack
	// Steps are those that are kept, in order: steps that the trace has lines
	// of.
	Steps []*StepTrack
	// Records are what plane and agent know of each (rollout, host) pair, in
	// the order in which either came to know it.
	Records []*RecordTrack
	Series  Series
	// Omitted is what was left out so that the recording stays in its limits.
	Omitted Omitted
}

// Focus is the host and the rollout that a violation names.
type Focus struct {
	Host    int // a number from 1; 0 if it names none
	Rollout wire.RolloutID
}

// Omitted counts what a recording has left out. Charts, states and faults are
// never left out.
type Omitted struct {
	// Messages and Steps are how many are not kept. Before is the end of the
	// time that they come from; after it nothing is left out.
	Messages, Steps int
	Before          time.Duration
}

// Stamp is a step and its instant. Step 0 means that something did not happen.
type Stamp struct {
	Step uint64
	At   time.Duration
}

// Happened reports whether there was such a step.
func (s Stamp) Happened() bool { return s.Step > 0 }

// MessageTrack is the way of one message.
type MessageTrack struct {
	ID   uint64
	Kind scenario.Route
	// Host is the number of the host that sent it, from 1; 0 for the operator
	// and for the manifests directory.
	Host int
	// Rollout is the one that an event is about.
	Rollout wire.RolloutID
	// Text is what it says, in a few words.
	Text string
	// Duplicate: the network made it, and nobody waits for its answer.
	Duplicate bool

	// Sent, Arrived at the plane, Stepped by the reducer (the last time,
	// for a poll that asked again), Answered by the plane, Heard by the sender.
	Sent, Arrived, Stepped, Answered, Heard Stamp
	// Late is when the reducer was done with a request that had been answered
	// 503 before.
	Late Stamp
	// NoAnswer says that what the sender heard is that no answer will come.
	NoAnswer bool
	// Dropped says that the reducer dropped it without a reply.
	Dropped bool
	// Lost is where it was lost: Up for the request, Down for the answer, Both
	// if it was not. Why is what took it, at the instant Gone.
	Lost scenario.Dir
	Why  scenario.Effect
	Gone Stamp

	// Code and what follows are the plane's answer, once Answered.
	Code       wire.Code
	RetryAfter time.Duration
	Replay     bool
	ReplayFrom wire.Seq

	bootstraps bool
	inside     bool // the gate has it
}

// Routine reports whether nothing is special about a message that has run its
// course.
func (m *MessageTrack) Routine() bool {
	switch {
	case !m.Heard.Happened() || m.inside || m.NoAnswer || m.Dropped || m.Duplicate || m.Lost != scenario.Both || m.Late.Happened():
		return false
	case m.Kind == scenario.RouteHeartbeat:
		return m.Code == wire.OK && !m.Replay && !m.bootstraps
	case m.Kind == scenario.RoutePoll:
		return m.Code == wire.NoContent
	}
	return false
}

// StepTrack is one step that the trace has lines of.
type StepTrack struct {
	Stamp
	// Host is the number of the host that it is about, from 1; 0 if about none
	// or many.
	Host int
	// Message is the ID of the message that it is about, or 0.
	Message uint64
	Lines   []TraceLine

	timer   world.Timer
	message *MessageTrack
	plain   bool // nothing but a message passing by, or a timer
}

// What names the step's timer and node: "timer of h3".
func (s *StepTrack) What() string { return s.timer.String() }

// TraceLine is a line of the trace without its step and instant.
type TraceLine struct{ Where, Text string }

// PlaneChange is a change of the plane's process.
type PlaneChange struct {
	Stamp
	State world.PlaneState
}

// HostTrack is what became of one host.
type HostTrack struct {
	Name wire.Hostname
	Kind world.HostKind
	// Process is every change of its agent's process or of what it runs.
	Process []HostChange
	// Reach is every change of what the plane believes of its liveness.
	Reach []ReachChange
}

// HostChange is a change on a host.
type HostChange struct {
	Stamp
	Up      bool
	Running wire.Closure
	// Switching is the closure that it is being switched to, if any.
	Switching wire.Closure
}

// ReachChange is a change of what the plane believes of a host; State is 0
// while it does not know the host.
type ReachChange struct {
	Stamp
	State wire.Reachability
}

// RecordTrack is what plane and agent know of one (rollout, host) pair: a
// version for every change. That a probe ran again with the same result is no
// change.
type RecordTrack struct {
	Rollout wire.RolloutID
	Host    int // a number from 1
	Plane   []RecordVersion
	Agent   []AgentVersion
}

// RecordVersion is a record from a step on. There is false if it was lost.
type RecordVersion struct {
	Stamp
	There  bool
	Record rollout.Record
}

// AgentVersion is an agent's own record, and what the agent says of it.
type AgentVersion struct {
	RecordVersion
	View agent.View // its Record is nil
}

// Series are counts over time, one for each bucket of time from 0 on.
type Series struct {
	// Width is the width of a bucket.
	Width   time.Duration
	Buckets []Bucket
}

// Bucket is what was counted in a bucket of time.
type Bucket struct {
	// Depth is how many requests were in the inbox at most, Others how many that
	// are no heartbeats. Capacity is the inbox's, at the bucket's end: a fault
	// may change it.
	Depth, Others, Capacity int
	// Refused counts answers 503 by reason, in the order of
	// wire.UnavailableCodes.
	Refused [len(wire.UnavailableCodes)]int
	// Answered counts all answers.
	Answered int
	// Up is how many agents run, at the bucket's end; the plane's own view of
	// it follows: how many hosts it knows, and how many of them it takes for
	// reachable. Known is -1 while the plane is not there to say.
	Up, Known, Reachable int
	// Records counts the plane's records by state.
	Records [len(wire.States)]int

	inside, others int // at its end
}
