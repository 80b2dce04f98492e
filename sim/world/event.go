package world

import (
	"time"

	"github.com/refrain-fleet/refrain/core/agent"
	"github.com/refrain-fleet/refrain/core/driver"
	"github.com/refrain-fleet/refrain/core/plane"
	"github.com/refrain-fleet/refrain/sim/scenario"
)

// Event is one thing that happened in a world. The world emits events and never
// looks at who receives them: the checkers, the traces, the recorder and the tape
// are consumers that subscribed to some kinds ([World.Subscribe]).
//
// Kind, Step, At and World are always set; the other fields as the kind says.
// An event, and everything that it points to, is good until the consumer
// returns: the world uses the same values again. A consumer changes nothing.
type Event struct {
	Kind EventKind
	// Step is the number of the step that was happening, 0 before the first; At
	// is the virtual time.
	Step  uint64
	At    time.Duration
	World *World

	// Message is the request and, once it has one, its answer.
	Message *Message
	// Host is the number of a host, from 1.
	Host int
	// Input is what the plane's reducer steps, Reply what it replied, Output
	// everything that it put out in this batch so far.
	Input  plane.Input
	Reply  *plane.Reply
	Output *plane.Output
	// Entries are lines of the plane's log.
	Entries []plane.Entry
	// Notice is a notice of the plane.
	Notice *plane.Notice

	// AgentInput is what an agent's reducer stepped, AgentOutput what it asked
	// for, Appended lines of the agent's log, AgentNotice a notice of it.
	AgentInput  agent.Input
	AgentOutput *agent.Output
	Appended    []agent.Entry
	AgentNotice *agent.Notice

	// Fetched is what an agent is about to be given of signed artifacts.
	Fetched *Fetched

	// Lines are an agent's log as it is on the disk.
	Lines []byte

	// Fault is a fault of the scenario; Effect something that really happened.
	Fault  *scenario.Fault
	Effect scenario.Effect
	// Section is a section of the driver's worker.
	Section driver.Work
	// Dir is the direction in which a message was lost.
	Dir scenario.Dir
	// Count is a number of inputs or of entries, For a length of time.
	Count int
	For   time.Duration

	// Answered: the sender is given an answer, and not the news that none comes; of
	// a client that is gone, that its request is still answered.
	Answered bool
	// ReplyLost: the reply, or the news of the commit, gets no further.
	ReplyLost bool
	// Stored: the entries of a commit that failed are on the disk all the same.
	Stored bool
	// Rebuilt: the process went on, and only the reducer was rebuilt.
	Rebuilt bool
	// Wiped: the plane's disk was lost as well. Ending is how the process ended.
	Wiped  bool
	Ending Ending
	// Restored: the plane's disk was put back to a backup, which is For old and has
	// Entries.
	Restored bool

	// Timer is the one that went off.
	Timer Timer
}

// EventKind says what happened.
type EventKind uint8

// The kinds of events, and the fields that each sets.
const (
	// EventStepBegan: a timer has gone off. Timer, and Message if it is about one.
	EventStepBegan EventKind = iota
	// EventStepEnded: everything that the step brought about has happened. It is
	// not emitted once a rule is broken.
	EventStepEnded

	// EventSent: a request was put on the network, by its sender or, the second
	// of two, by the network. Message.
	EventSent
	// EventVanished: a request (Up) or an answer (Down) gets no further. Message,
	// Dir, Effect.
	EventVanished
	// EventHeard: a sender is about to be given the answer, or the news that none
	// will come. Message, Answered.
	EventHeard

	// EventHandshakeRefused: a connection was refused for its certificate.
	// Message.
	EventHandshakeRefused
	// EventArrived: a request reached the plane. Message.
	EventArrived
	// EventAdmitted: the gate took it into the inbox. A poll that waited and asks
	// again comes to the gate again. Message.
	EventAdmitted
	// EventRefused: the gate refused it. Message.
	EventRefused
	// EventPollRefused: a poll that waited may not go on waiting, since the plane
	// shuts down. Message.
	EventPollRefused
	// EventDeadline: the timer of the gate's next deadline went off.
	EventDeadline
	// EventExpired: the gate gave up a request whose deadline has come. All of an
	// instant are given up before the first of them is answered. Message.
	EventExpired
	// EventAnswered: the plane answered a request. Message.
	EventAnswered

	// EventClientGone: the plane's process saw that the client of a poll has closed
	// its connection. If it waited, it is taken off the list and gets no answer;
	// otherwise its answer is still to come, which Answered says. Message, Answered.
	EventClientGone

	// EventSection: the loop carried out a section of the driver's worker. Count
	// is how many inputs a Take took, how many entries a Commit began with, and 1
	// if a Load or a TakeOver succeeded. Step, Reply and Tick are not repeated:
	// EventStepDone and EventReplied say it. Section, Message, Count.
	EventSection
	// EventTickDue, EventRetryDue: the loop is told that a tick is due, or the next
	// attempt to load the log.
	EventTickDue
	EventRetryDue
	// EventSkipped: the loop drops an input before its step. EventDropped and
	// EventFinished follow. Message.
	EventSkipped
	// EventStepping: an input is about to be stepped. Message is nil for a tick.
	// Message, Input, Output.
	EventStepping
	// EventStepDone: it was stepped. Reply is nil for an input without a reply.
	// Message, Input, Reply, Output.
	EventStepDone
	// EventReplied: the loop hands a reply back to the gate; ReplyLost says that
	// a fault drops it. Message, ReplyLost.
	EventReplied
	// EventDropped: the reducer dropped an input without a reply. EventFinished
	// follows. Message.
	EventDropped
	// EventFinished: the reducer is done with an input. Message.
	EventFinished
	// EventNoticed: the plane put out a notice. Notice.
	EventNoticed

	// EventCommitted: entries are on the plane's disk; ReplyLost says that the
	// process dies before it learns that. Entries, ReplyLost.
	EventCommitted
	// EventCommitFailed: a commit of Count entries failed; with none it was a
	// trial after one that failed. Otherwise the plane is discarded
	// and rebuilt once the loop learns that. Stored says that the entries are on
	// the disk all the same; EventCommitted follows. Count, Stored.
	EventCommitFailed
	// EventRebuildFailed: the plane's disk could not be read.
	EventRebuildFailed

	// EventPlaneUp: the plane's process listens.
	EventPlaneUp
	// EventPlaneStarted: it has loaded what the disk has. Rebuilt.
	EventPlaneStarted
	// EventPlaneClosing: a shutdown in good order begins, which may take For.
	EventPlaneClosing
	// EventDrainOver: that time is over with something left in the inbox.
	EventDrainOver
	// EventPlaneDown: the process ended, or the disk of one that is down was
	// lost or put back. Wiped, Restored, Ending, For, Entries.
	EventPlaneDown
	// EventPlaneClock: the plane's wall clock is off by For from now on.
	EventPlaneClock

	// EventHostAppended: entries are on the disk of a host. Host, Appended.
	EventHostAppended
	// EventHostStepped: a host's agent stepped an input. Host, AgentInput,
	// AgentOutput.
	EventHostStepped
	// EventHostFetched: a host's agent is about to be given signed artifacts. Host,
	// Fetched.
	EventHostFetched
	// EventFieldStepped: a field agent stepped an input. Host, AgentInput,
	// AgentOutput.
	EventFieldStepped
	// EventHostLoaded: an agent's process came up on Lines, its log. Host, Lines.
	EventHostLoaded
	// EventHostCompacted: Lines took the place of an agent's log. Host, Lines.
	EventHostCompacted
	// EventCompacted: a copy of the plane's database was compacted; Lines are what is
	// left, For how long a rollout has to be finished to be retired, Count how many
	// were.
	EventCompacted
	// EventHostUnsynced: the last Count entries on the disk of a host were not
	// synced, and are lost with its power. Host, Count.
	EventHostUnsynced
	// EventHostNoticed: an agent put out a notice. Host, AgentNotice.
	EventHostNoticed
	// EventHostLost: a host lost its disk. Host.
	EventHostLost

	// EventFaultBegan, EventFaultEnded: a fault came into force, or out of it.
	// Fault.
	EventFaultBegan
	EventFaultEnded
	// EventEffect: a fault, or the protocol, really brought something about.
	// Notices are not repeated as effects. Effect.
	EventEffect

	EventKindCount
)

var eventNames = [EventKindCount]string{
	EventStepBegan: "step_began", EventStepEnded: "step_ended",
	EventSent: "sent", EventVanished: "vanished", EventHeard: "heard",
	EventHandshakeRefused: "handshake_refused", EventArrived: "arrived", EventAdmitted: "admitted", EventRefused: "refused",
	EventPollRefused: "poll_refused", EventDeadline: "deadline", EventExpired: "expired", EventAnswered: "answered", EventClientGone: "client_gone",
	EventSection: "section", EventTickDue: "tick_due", EventRetryDue: "retry_due", EventSkipped: "skipped", EventStepping: "stepping", EventStepDone: "step_done", EventReplied: "replied",
	EventDropped: "dropped", EventFinished: "finished", EventNoticed: "noticed",
	EventCommitted: "committed", EventCommitFailed: "commit_failed", EventRebuildFailed: "rebuild_failed",
	EventPlaneUp: "plane_up", EventPlaneStarted: "plane_started", EventPlaneClosing: "plane_closing", EventDrainOver: "drain_over", EventCompacted: "compacted",
	EventPlaneDown: "plane_down", EventPlaneClock: "plane_clock",
	EventHostAppended: "host_appended", EventHostStepped: "host_stepped", EventHostFetched: "host_fetched", EventFieldStepped: "field_stepped", EventHostLoaded: "host_loaded", EventHostCompacted: "host_compacted", EventHostUnsynced: "host_unsynced",
	EventHostNoticed: "host_noticed", EventHostLost: "host_lost",
	EventFaultBegan: "fault_began", EventFaultEnded: "fault_ended", EventEffect: "effect",
}

// String returns the kind as one word, as JSON traces have it.
func (k EventKind) String() string { return eventNames[k] }

// Ending is how the plane's process ended.
type Ending uint8

const (
	// Crashed: at once, with everything that was in flight.
	Crashed Ending = iota + 1
	// Closed: in good order.
	Closed
	// WasDown: it was down before, and only its disk was lost or put back.
	WasDown
)

var endingWords = [...]string{Crashed: "crashed", Closed: "closed", WasDown: "was_down"}

// String returns the ending as one word.
func (e Ending) String() string { return endingWords[e] }
