package agent

import (
	"github.com/refrain-fleet/refrain/core/rollout"
	"github.com/refrain-fleet/refrain/core/wire"
)

// EntryKind says what an entry of the agent's log does.
type EntryKind uint8

// The kinds of entries.
const (
	// EntryTaken: the agent took up a rollout, from a dispatch or from a
	// bootstrap snapshot. It supersedes the older ones of its channel.
	EntryTaken EntryKind = iota + 1
	// EntryEvent: an event of the agent's own (PROTOCOL A1).
	EntryEvent
	// EntryAcknowledged: every event up to Seq has been answered for good.
	EntryAcknowledged
	// EntryRefused: the plane does not take the event Seq; it is not sent
	// again (E7).
	EntryRefused
	// EntryReserved: the plane has used the numbers up to Seq (A4).
	EntryReserved
	// EntryRenumbered: the events from Seq on, if they were not refused, get
	// the next free numbers (A4).
	EntryRenumbered
	// EntryForgotten: nothing of the rollout is kept any longer (A1).
	EntryForgotten
)

var entryWords = [...]string{"?", "taken", "event", "acknowledged", "refused", "reserved", "renumbered", "forgotten"}

// String returns the kind as one lowercase word.
func (k EntryKind) String() string { return word(entryWords[:], k) }

// Entry is one line of the agent's log. Walking the log through [Agent.Apply],
// or its lines through [Restore], gives the same durable state. An entry
// belongs to whoever got it; a step never changes one that it has appended.
type Entry struct {
	Kind      EntryKind
	RolloutID wire.RolloutID
	// Taken is what was taken up, for EntryTaken.
	Taken *Taken
	// Event is the event, for EntryEvent.
	Event wire.Event
	// Seq is an event's number, for the other kinds.
	Seq wire.Seq
}

// Taken is what the agent knows of a rollout apart from its own events.
type Taken struct {
	// Record is the record before the events of the log.
	Record rollout.Record
	// Policy is the rollout's; unset if unknown, which means halt (A7).
	Policy wire.HealthPolicy
	// SoakUnknown says that nobody told the agent the soak time, so that the
	// soak deadline counts (A8).
	SoakUnknown wire.Flag
}
