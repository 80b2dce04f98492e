package agent

import (
	"math"
	"time"

	"github.com/refrain-fleet/refrain/core/wire"
)

// Output is what a batch of steps asks its driver to do. Steps append to it;
// the driver carries it out in this order and then resets it:
//
//  1. make Appends durable, in their order (PROTOCOL A1). A crash may keep any
//     prefix of them. If they could not be made durable, the driver discards
//     the agent and restores it from what is durable;
//  2. send the Requests. Each is answered by exactly one input, at the latest
//     when its Timeout has passed;
//  3. begin the Effects. Each is ended by the input that its kind names,
//     unless the process or the host goes down before;
//  4. log and count the Notices.
//
// Requests and effects may depend on every append of the batch, unless
// [Output.MustSync] says otherwise.
type Output struct {
	// Appends are the lines that the batch adds to the agent's log.
	Appends []Entry
	// Requests are to be sent to the plane.
	Requests []Request
	// Effects are to be begun on the host.
	Effects []Effect
	// Notices are for people and for counters.
	Notices []Notice
	// NextTimer is the instant, on the clock of wire.Instant.Mono, at which
	// the driver must step [Timer]. Every step sets it, and the last one
	// counts; it may lie in the past. It is [NoTimer] before [Started].
	NextTimer time.Duration
}

// NoTimer is a NextTimer that never comes.
const NoTimer time.Duration = math.MaxInt64

// Reset empties the output and keeps its buffers and NextTimer.
func (o *Output) Reset() {
	clear(o.Appends)
	clear(o.Requests)
	clear(o.Effects)
	clear(o.Notices)
	o.Appends = o.Appends[:0]
	o.Requests = o.Requests[:0]
	o.Effects = o.Effects[:0]
	o.Notices = o.Notices[:0]
}

// MustSync reports whether Appends have to be durable before the rest of the
// batch is carried out. Acknowledgements alone need not be: without one an
// event goes out once more, which is harmless (PROTOCOL E3).
func (o *Output) MustSync() bool {
	for i := range o.Appends {
		if o.Appends[i].Kind != EntryAcknowledged {
			return true
		}
	}
	return false
}

// RequestKind says where a request goes.
type RequestKind uint8

// The kinds of requests.
const (
	// RequestHeartbeat is POST /v1/agent/heartbeat, answered by
	// [HeartbeatAnswered].
	RequestHeartbeat RequestKind = iota + 1
	// RequestEvent is POST /v1/agent/events, answered by [EventAnswered].
	RequestEvent
	// RequestPoll is GET /v1/agent/dispatch, answered by [PollAnswered].
	RequestPoll
)

var requestWords = [...]string{"?", "heartbeat", "event", "poll"}

// String returns the kind as one lowercase word.
func (k RequestKind) String() string { return wire.WordOf(requestWords[:], k) }

// Request is one request to the plane. At most one heartbeat, one poll and two
// events are open at a time, and of one rollout at most one event (A2).
type Request struct {
	// ID is given back with the answer. IDs count up from 1 in a process.
	ID   uint64
	Kind RequestKind
	// Timeout is the client timeout (PROTOCOL A6).
	Timeout time.Duration
	// Heartbeat is the body of a RequestHeartbeat.
	Heartbeat wire.HeartbeatRequest
	// Event is the body of a RequestEvent.
	Event wire.EventEnvelope
	// Wait is the poll's parameter wait, in whole seconds.
	Wait time.Duration
}

// EffectKind says what is to be done on the host.
type EffectKind uint8

// The kinds of effects. At most one activation or rollback runs at a time,
// at most one round of probes, and at most one fetch.
const (
	// EffectActivate switches the host to Closure; ended by
	// [ActivationEnded]. It may be asked for again after a crash, so it must
	// be idempotent, and must not run beside one that survived the crash.
	EffectActivate EffectKind = iota + 1
	// EffectRollback switches the host back to Closure; ended by
	// [RollbackEnded]. As EffectActivate, it must be idempotent and run alone.
	EffectRollback
	// EffectProbe runs Probes once each; each is ended by [Probed].
	EffectProbe
	// EffectFetch fetches the plane's fleet document and its manifest of RolloutID with
	// their signatures, verifies them ([artifact.IntentOf]), and changes nothing on the
	// host; ended by [Fetched], also if the plane does not answer.
	EffectFetch
)

var effectWords = [...]string{"?", "activate", "rollback", "probe", "fetch"}

// String returns the kind as one lowercase word.
func (k EffectKind) String() string { return wire.WordOf(effectWords[:], k) }

// Effect is one thing to be done on the host.
type Effect struct {
	// ID is given back with the end. IDs count up from 1 in a process, in one
	// sequence with those of requests.
	ID   uint64
	Kind EffectKind
	// RolloutID and Closure are those of an activation or a rollback; a fetch has the
	// first only.
	RolloutID wire.RolloutID
	Closure   wire.Closure
	// Probes are those to run, for EffectProbe; never empty. The slice is to
	// be read only.
	Probes []wire.ProbeDeclaration
}

// NoticeKind says what a notice is about.
type NoticeKind uint8

// The kinds of notices.
const (
	// NoticeTaken: a dispatch was taken up (PROTOCOL A9, A10).
	NoticeTaken NoticeKind = iota + 1
	// NoticeWaiting: a dispatch waits for the activation that is running (A10).
	NoticeWaiting
	// NoticeKnown: a dispatch that was taken before was offered again (A9).
	NoticeKnown
	// NoticeTransition: a record of the agent's own changed its state.
	NoticeTransition
	// NoticeReplay: events are sent again from Seq on (A3).
	NoticeReplay
	// NoticeRejected: the plane does not allow an event (E7); it is not sent
	// again.
	NoticeRejected
	// NoticeDefect: the plane could not read a request, or its answer could not
	// be read: one side has a defect.
	NoticeDefect
	// NoticeUnknown: the plane does not know the rollout (E8).
	NoticeUnknown
	// NoticeUnauthorised: the plane does not accept the host's certificate.
	NoticeUnauthorised
	// NoticeRecovered: state was taken from a bootstrap snapshot (A4).
	NoticeRecovered
	// NoticeRenumbered: events from Seq on go out again under new numbers (A4).
	NoticeRenumbered
	// NoticeIgnored: a bootstrap snapshot was not followed.
	NoticeIgnored
	// NoticeResumed: an activation or rollback that a crash interrupted was
	// begun again.
	NoticeResumed
	// NoticeRollback: the agent rolls back by itself (A7).
	NoticeRollback
	// NoticeRollbackFailed: a rollback did not reach its closure; it is tried
	// again.
	NoticeRollbackFailed
	// NoticeStray: the host runs another closure than its rollout wants.
	NoticeStray
	// NoticeSuperseded: a newer rollout of the channel was taken up (A1).
	NoticeSuperseded
	// NoticeForgotten: the events of a rollout are no longer kept (A1).
	NoticeForgotten
	// NoticeRefused: what signed artifacts say does not have the host do what the plane
	// says, or there are none (PROTOCOL A11). Detail begins with the stable word of the
	// reason. Nothing is acted on; the plane's next offer is judged anew.
	NoticeRefused

	// NoticeKindCount is one more than the last kind.
	NoticeKindCount int = iota + 1
)

var noticeWords = [NoticeKindCount]string{
	0:           "?",
	NoticeTaken: "taken", NoticeWaiting: "waiting", NoticeKnown: "known",
	NoticeTransition: "transition", NoticeReplay: "replay", NoticeRejected: "rejected",
	NoticeDefect: "defect", NoticeUnknown: "unknown", NoticeUnauthorised: "unauthorised",
	NoticeRecovered: "recovered", NoticeRenumbered: "renumbered", NoticeIgnored: "ignored",
	NoticeResumed: "resumed", NoticeRollback: "rollback", NoticeRollbackFailed: "rollback_failed",
	NoticeStray: "stray", NoticeSuperseded: "superseded", NoticeForgotten: "forgotten",
	NoticeRefused: "refused",
}

// String returns the stable word of the kind.
func (k NoticeKind) String() string { return wire.WordOf(noticeWords[:], k) }

// Notice reports what happened, for logs and counters. It changes nothing.
type Notice struct {
	Kind      NoticeKind
	RolloutID wire.RolloutID
	// From and To are the states of a transition.
	From, To wire.State
	// Seq is the number of an event.
	Seq wire.Seq
	// Status is the HTTP status of an answer.
	Status int
	// Detail is a closure or a sentence.
	Detail string
}
