package agent

import (
	"errors"
	"fmt"
	"slices"

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
	// EntryAcknowledged: every event up to Seq has its final answer. It need
	// not be durable before anything else: without it events go out once more
	// than they had to.
	EntryAcknowledged
	// EntryReplay: the events from Seq on are to be sent again (A3), so they
	// count as unacknowledged.
	EntryReplay
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
	// EntrySeen: a fleet document that was signed at SignedAt was verified for Channel;
	// of two such entries the later instant counts (PROTOCOL A11).
	EntrySeen
)

var entryWords = [...]string{"?", "taken", "event", "acknowledged", "replay", "refused", "reserved", "renumbered", "forgotten", "seen"}

// String returns the kind as one lowercase word.
func (k EntryKind) String() string { return wire.WordOf(entryWords[:], k) }

// Entry is one line of the agent's log. Walking the log through [Agent.Apply],
// or its lines through [Restore], gives the same durable state. The caller owns
// the entries of an output; a step never changes one that it has appended.
type Entry struct {
	Kind      EntryKind
	RolloutID wire.RolloutID
	// Taken is what was taken up, for EntryTaken.
	Taken *Taken
	// Event is the event, for EntryEvent.
	Event wire.Event
	// Seq is an event's number, for the other kinds.
	Seq wire.Seq
	// Channel and SignedAt are for EntrySeen, which has no RolloutID.
	Channel  wire.Channel
	SignedAt wire.Time
}

// Taken is what the agent knows of a rollout apart from its own events.
type Taken struct {
	// Record is the record before the events of the log.
	Record rollout.Record
	// Policy is the rollout's; unset if unknown, which means halt (A7).
	Policy wire.HealthPolicy
	// Recovered says that it was taken from a bootstrap snapshot, so that the
	// soak is over as well when its deadline has passed (A8).
	Recovered wire.Flag
	// SoakUnknown says that neither a dispatch nor a snapshot gives the soak
	// time: Record.SoakSeconds means nothing.
	SoakUnknown wire.Flag
	// RollingBack says that Record is Failed and that the host has to go back.
	// Only a legacy agent, which drops the event that says so, needs it.
	RollingBack wire.Flag
	// SignedAt is when the fleet document was signed that the rollout was accepted by
	// (PROTOCOL A11); unset if none was asked for.
	SignedAt wire.Time
}

// Apply walks one entry of a log, before [Started] is stepped. The error says
// why the entry cannot follow those before it.
func (a *Agent) Apply(e Entry) error {
	if err := a.apply(&e); err != nil {
		return fmt.Errorf("%v: %w", e, err)
	}
	return nil
}

// commit makes an entry part of the state and of the output. The agent only
// makes entries that follow; one that does not is a defect.
func (a *Agent) commit(e Entry, out *Output) {
	if err := a.apply(&e); err != nil {
		panic(fmt.Sprintf("agent: %v: %v", e, err))
	}
	out.Appends = append(out.Appends, e)
}

func (a *Agent) apply(e *Entry) error {
	if e.Kind == EntryTaken {
		return a.applyTaken(e)
	}
	if e.Kind == EntrySeen {
		return a.applySeen(e)
	}
	p := a.find(e.RolloutID)
	if p == nil {
		return errors.New("the rollout was never taken up")
	}
	if e.Seq > wire.MaxSeq {
		return fmt.Errorf("number %d is above %d", e.Seq, wire.MaxSeq)
	}
	switch e.Kind {
	case EntryEvent:
		return p.applyEvent(e.Event)
	case EntryAcknowledged:
		p.acked = max(p.acked, e.Seq)
		if a.cfg.Legacy {
			return p.dropAnswered()
		}
	case EntryReplay:
		p.acked = min(p.acked, max(e.Seq, 1)-1)
	case EntryRefused:
		return p.applyRefused(e.Seq)
	case EntryReserved:
		p.reserved = max(p.reserved, e.Seq)
	case EntryRenumbered:
		return p.renumber(e.Seq)
	case EntryForgotten:
		a.rollouts = slices.DeleteFunc(a.rollouts, func(q *progress) bool { return q == p })
	default:
		return fmt.Errorf("unknown kind of entry %d", e.Kind)
	}
	return nil
}

func (a *Agent) applyTaken(e *Entry) error {
	if e.Taken == nil {
		return errors.New("nothing was taken")
	}
	rec := &e.Taken.Record
	switch {
	case rec.RolloutID != e.RolloutID:
		return fmt.Errorf("the record is of %s", rec.RolloutID)
	case rec.Hostname != a.cfg.Hostname:
		return fmt.Errorf("the record is of host %s; want %s", rec.Hostname, a.cfg.Hostname)
	case a.find(e.RolloutID) != nil:
		return errors.New("the rollout was taken up before")
	}
	if err := rec.Check(); err != nil {
		return err
	}
	p := &progress{channel: rec.RolloutID.Channel(), taken: *e.Taken, acked: rec.LastEventSeq}
	p.taken.Record = rec.Clone()
	if err := p.rebuildRecord(); err != nil {
		return err
	}
	for _, q := range a.rollouts {
		q.superseded = q.superseded || q.channel == p.channel
	}
	a.rollouts = append(a.rollouts, p)
	return nil
}

func (p *progress) applyEvent(ev wire.Event) error {
	switch {
	case ev.Body == nil:
		return errors.New("there is no event")
	case ev.Seq <= p.lastNumber():
		return fmt.Errorf("the numbers up to %d are used", p.lastNumber())
	case ev.Seq > wire.MaxSeq:
		return fmt.Errorf("number %d is above %d", ev.Seq, wire.MaxSeq)
	}
	if result := p.take(ev); result.Outcome != rollout.Applied && result.Outcome != rollout.Absorbed {
		return fmt.Errorf("it is %v: %s", result.Outcome, result.Detail)
	}
	p.log = append(p.log, logged{event: ev})
	p.thin()
	return nil
}

func (p *progress) applyRefused(seq wire.Seq) error {
	l := p.find(seq)
	if l == nil || l.refused {
		return nil // dropped from the log, or renumbered, in the meantime
	}
	l.refused = true
	if l.retracted() {
		return p.rebuildRecord()
	}
	return nil
}
