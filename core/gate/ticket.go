package gate

import (
	"strconv"
	"time"

	"github.com/refrain-fleet/refrain/core/wire"
)

// Caller identifies who sent a request, for the cap (PROTOCOL G6) and the
// calendar (G4).
type Caller string

// Host is the caller of a host's requests.
func Host(name wire.Hostname) Caller { return Caller(name) }

// Operator is the caller of an operator's requests. No hostname has a colon
// (PROTOCOL T11), so that an operator and a host are never the same caller.
func Operator(name string) Caller { return Caller("operator:" + name) }

// Class says which share of the inbox an input may use (PROTOCOL G5).
type Class uint8

// The classes of inputs.
const (
	// Heartbeat inputs may use every slot.
	Heartbeat Class = iota + 1
	// Bulk inputs, which is all others, may not use the heartbeats' reserve.
	Bulk
)

var classWords = [...]string{"?", "heartbeat", "bulk"}

// String returns "heartbeat" or "bulk".
func (c Class) String() string { return wire.WordOf(classWords[:], c) }

// Ticket names one input of one gate. Tickets are comparable, and those of a
// gate are all different. The zero Ticket names nothing.
type Ticket struct {
	number uint64 // 1, 2, 3 … in order of admission
	slot   int32
}

// String returns for instance "t42" for the forty-second input admitted.
func (t Ticket) String() string { return "t" + strconv.FormatUint(t.number, 10) }

// Refusal is one of the 503 answers (PROTOCOL G1, G2, G9). The zero value,
// whose Code is [wire.OK], is no refusal.
type Refusal struct {
	Code wire.Code
	// RetryAfter is how long the caller shall stay away: whole seconds, from
	// 1 s to Config.MaxRetryAfter (PROTOCOL G4).
	RetryAfter time.Duration
}

// String returns for instance "saturated retry-after=3s", or "ok".
func (r Refusal) String() string {
	if r.Code == wire.OK {
		return "ok"
	}
	return r.Code.String() + " retry-after=" + r.RetryAfter.String()
}

// Disposal says what the driver does with the caller of an input that has just
// finished.
type Disposal uint8

// The disposals.
const (
	// Deliver: the reducer's reply goes to the caller, now.
	Deliver Disposal = iota + 1
	// Refuse: the refusal goes to the caller, now; a reply is discarded.
	Refuse
	// Discard: the caller has its answer already; a reply is discarded.
	Discard
)

var disposalWords = [...]string{"?", "deliver", "refuse", "discard"}

// String returns "deliver", "refuse" or "discard".
func (d Disposal) String() string { return wire.WordOf(disposalWords[:], d) }

// State is the stage of a gate. It only goes forward.
type State uint8

// The states of a gate.
const (
	// NotStarted: the runtime is not up; every offer is refused not_started.
	NotStarted State = iota
	// Open: offers are admitted as far as there is room.
	Open
	// Closed: every offer is refused closed; what is inside is still worked on.
	Closed
)

var stateWords = [...]string{"not_started", "open", "closed"}

// String returns "not_started", "open" or "closed".
func (s State) String() string { return wire.WordOf(stateWords[:], s) }

// Taken is an input on its way to the reducer.
type Taken[T any] struct {
	Ticket  Ticket
	Payload T
}

// Expired is a request that is answered with Refusal, now.
type Expired[T any] struct {
	Ticket  Ticket
	Payload T
	Refusal Refusal
}
