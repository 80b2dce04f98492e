package plane

import "github.com/refrain-fleet/refrain/core/wire"

// Output is what a batch of steps asks of the world. Steps append to it; the
// driver carries it out in this order and then resets it:
//
//  1. make Entries durable, all or none;
//  2. deliver Replies: those with AfterEntries == 0 may go before 1, the others only
//     after it succeeded; if it failed they are not delivered at all (the
//     driver answers dropped_reply) and the plane is restored from what is
//     durable;
//  3. then publish the revocations if RevocationsChanged, before any reply
//     that needs them, and carry out Wakes and Notices.
type Output struct {
	// Entries are the lines that the batch adds to the log.
	Entries []Entry
	// Replies are in the order of the inputs that reply.
	Replies []Reply
	// Wakes are hosts for which work may have been queued: their waiting
	// polls should ask again (PROTOCOL D1).
	Wakes []wire.Hostname
	// Notices are for people and for counters.
	Notices []Notice
	// RevocationsChanged says that [Plane.Revocations] has to be read again.
	RevocationsChanged bool
	// Changes name the rows of the durable state that the batch changed, for
	// stores that keep them in tables; see [Plane.AppendRows].
	Changes []Change
	// Sealed is an opening that was prepared in slices. Once nothing else that was
	// logged waits to become durable, its entry and rows are made so, and then a
	// [ContinueOpening] with Durable is stepped. Until then the plane logs nothing.
	Sealed *Sealed
}

// Reset empties the output and keeps its buffers.
func (o *Output) Reset() {
	clear(o.Entries)
	o.Entries = o.Entries[:0]
	o.Changes, o.Sealed = o.Changes[:0], nil
	o.BeginBatch()
}

// BeginBatch lets another batch begin while entries are not durable yet: it
// empties all but Entries and Changes. The replies of the new batch count the entries
// that were there before it among those they need, so that a driver may step
// on while it makes entries durable.
func (o *Output) BeginBatch() {
	clear(o.Replies)
	o.Replies = o.Replies[:0]
	o.Wakes = o.Wakes[:0]
	o.Notices = o.Notices[:0]
	o.RevocationsChanged = false
}

// MarkDurable takes away the first n entries, which are durable now: nothing
// that is stepped from now on waits for them. The AfterEntries of replies that are there
// already count from the entries as they were.
func (o *Output) MarkDurable(n int) {
	rest := copy(o.Entries, o.Entries[n:])
	clear(o.Entries[rest:])
	o.Entries = o.Entries[:rest]
}

// nextReply appends an empty reply and returns it to be filled in.
func (o *Output) nextReply() *Reply {
	o.Replies = append(o.Replies, Reply{})
	return &o.Replies[len(o.Replies)-1]
}

// Entry is one line of the plane's log: a durable input and what it did.
// Walking the log through [Plane.Apply] gives the same durable state.
type Entry struct {
	// Number counts the entries of a plane's life: 1, 2, 3 …
	Number wire.Seq
	// At is the plane's wall clock at the step.
	At wire.Time
	// Input is the input itself; it belongs to the entry.
	Input Input
	// Hostname and RolloutID are what the entry is about, where it is about
	// one.
	Hostname  wire.Hostname
	RolloutID wire.RolloutID
	// Kind is an event's kind, or opened, resumed, chosen, confirmed,
	// cleared, revoked, enrolled, discarded, offered, offer_ended, or what
	// [SteerAct] was done: paused, aborted, skipped, cordoned, uncordoned, forgotten,
	// returned.
	Kind wire.Name
	// Outcome is applied, absorbed or discarded.
	Outcome wire.Name
	// Act is set if an operator requested it (PROTOCOL T15).
	Act *wire.Act
}

// Logged is how the entry looks in its rollout's history (PROTOCOL R5).
func (e *Entry) Logged() wire.LoggedEvent {
	logged := wire.LoggedEvent{Number: e.Number, At: e.At, Hostname: e.Hostname, Kind: e.Kind, Outcome: e.Outcome}
	switch in := e.Input.(type) {
	case *Event:
		logged.Event = in.Envelope.Event
	case *Discarded:
		logged.Detail = in.Describe()
	}
	if e.Act != nil {
		logged.Act = *e.Act
	}
	return logged
}

// LoggedAct is how the entry looks in the list of the operators' acts: as in a history, with
// its rollout and a description of the input, unless that is a manifest.
func (e *Entry) LoggedAct() wire.LoggedEvent {
	logged := e.Logged()
	logged.RolloutID = e.RolloutID
	if _, opens := e.Input.(*OpenRollout); e.Input != nil && !opens {
		logged.Detail = wire.Text(e.Input.String()).Kept()
	}
	return logged
}

// Reply is the answer to one input.
type Reply struct {
	Outcome wire.Outcome
	// AfterEntries is how many of the batch's Entries must be durable before the
	// reply may be delivered: it depends on nothing after them. Zero means
	// that it waits for no disk.
	AfterEntries int
	// Unfinished says that this is not the answer yet: a giant manifest is opened in
	// slices, and the driver steps a [ContinueOpening] for the next one whenever it
	// likes, and no other opening meanwhile. The outcome says how far it is.
	Unfinished bool
}

// NoticeKind says what a notice is about.
type NoticeKind uint8

// The kinds of notices.
const (
	// NoticeReplayAsked: a heartbeat or a gap was answered with Replay-From
	// (PROTOCOL H2, E6).
	NoticeReplayAsked NoticeKind = iota + 1
	// NoticeConfirmed: a record was confirmed by a heartbeat (H4).
	NoticeConfirmed
	// NoticeAbsorbed: an event that the record is already past (E5).
	NoticeAbsorbed
	// NoticeRejected: an event that the record does not allow (E7).
	NoticeRejected
	// NoticeTransition: a record changed its state.
	NoticeTransition
	// NoticeOpened: a rollout was opened (R1).
	NoticeOpened
	// NoticeSuperseded: a newer rollout took a rollout's channel (R1).
	NoticeSuperseded
	// NoticeHeld: nothing says which rollout of a channel is the newest; an
	// operator has to (R6).
	NoticeHeld
	// NoticeWave: a wave was dispatched (R2).
	NoticeWave
	// NoticeHalted: a host's failure halted its rollout (R2).
	NoticeHalted
	// NoticeResumed: an operator let a rollout go on (R2).
	NoticeResumed
	// NoticeChosen: an operator put a held rollout in force (R6).
	NoticeChosen
	// NoticeQuarantined: a closure was quarantined on a channel (R3).
	NoticeQuarantined
	// NoticeCleared: an operator cleared a quarantine (R3).
	NoticeCleared
	// NoticeRevoked: certificates of a name are refused from now on (T5).
	NoticeRevoked
	// NoticeRevokedUnseen: that was a name whose holder the plane has not seen (T5).
	NoticeRevokedUnseen
	// NoticeUnreachable: a host was silent for three intervals (L1).
	NoticeUnreachable
	// NoticeReachable: an unreachable host was heard again (L1).
	NoticeReachable
	// NoticeObserverSuspect: so many hosts fell silent that the plane
	// suspects itself (L3).
	NoticeObserverSuspect
	// NoticeCredited: the plane was impaired and credits the time (L2).
	NoticeCredited
	// NoticeReplayPutOff: a host was not asked for a replay, since as many as may be
	// were under way (H9).
	NoticeReplayPutOff

	// NoticeDiscarded: an event of a field agent that can never be applied (E12).
	NoticeDiscarded

	// NoticeDuplicateIdentity: two machines send heartbeats in a host's name (L4).
	NoticeDuplicateIdentity
	// NoticeActed: an entry that an operator requested is in the log (T15).
	NoticeActed

	// NoticeSteered: an operator has held back or let go a host or a rollout (O).
	NoticeSteered

	// NoticeKindCount is one more than the last kind.
	NoticeKindCount int = iota + 1
)

var noticeWords = [NoticeKindCount]string{
	NoticeReplayAsked: "replay_asked", NoticeConfirmed: "confirmed", NoticeAbsorbed: "absorbed",
	NoticeRejected: "rejected", NoticeTransition: "transition", NoticeOpened: "opened",
	NoticeSuperseded: "superseded", NoticeHeld: "held", NoticeWave: "wave", NoticeHalted: "halted",
	NoticeResumed: "resumed", NoticeChosen: "chosen", NoticeQuarantined: "quarantined", NoticeCleared: "cleared",
	NoticeRevoked: "revoked", NoticeRevokedUnseen: "revoked_unseen", NoticeUnreachable: "unreachable", NoticeReachable: "reachable",
	NoticeObserverSuspect: "observer_suspect", NoticeCredited: "credited", NoticeReplayPutOff: "replay_put_off", NoticeDiscarded: "discarded", NoticeDuplicateIdentity: "duplicate_identity",
	NoticeActed: "acted", NoticeSteered: "steered",
}

// String returns the stable word of the kind.
func (k NoticeKind) String() string {
	if int(k) < len(noticeWords) && noticeWords[k] != "" {
		return noticeWords[k]
	}
	return "?"
}

// Notice tells people what happened. It changes nothing.
type Notice struct {
	Kind      NoticeKind
	Hostname  wire.Hostname
	RolloutID wire.RolloutID
	// From and To are the states of a transition.
	From, To wire.State
	// Seq is the number of an event, or of a replay asked for.
	Seq wire.Seq
	// Count is a wave, or a number of hosts or seconds.
	Count int
	// Detail is a closure, a common name or a sentence.
	Detail string
	// By is the operator whose act it is, and Hash the hash of that act. Seq is then its
	// place in the chain, and Detail the kind of the entry.
	By   *wire.Actor
	Hash wire.Name
}
