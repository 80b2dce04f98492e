package gate

import (
	"fmt"
	"time"

	"github.com/refrain-fleet/refrain/core/wire"
)

// Late reports whether a taken input has had its answer, or its deadline has
// come: whatever the reducer says to it now is late.
func (g *Gate[T]) Late(now time.Duration, ticket Ticket) bool {
	now = g.advance(now)
	s := g.inbox.find(ticket)
	return s != nil && (s.answered || now >= s.deadline)
}

// Skip says that the reducer does not work on a taken input that is late (see
// [Gate.Late]); for another it is a panic. Nothing of it is applied (PROTOCOL
// G2). Refuse: the caller is refused with Timeout. Discard: the caller has been
// answered. It says nothing of the drain, and the plane has not heard the sender
// (see [Gate.Impaired]). The ticket is used up.
func (g *Gate[T]) Skip(now time.Duration, ticket Ticket) (Disposal, Refusal) {
	now = g.advance(now)
	caller, deadline, answered := g.finish(now, "Skip", ticket, false)
	if !answered && now < deadline {
		panic(fmt.Sprintf("gate: Skip of %s: its deadline is %s away", ticket, deadline-now))
	}
	g.stats.Skipped++
	g.impaired = true
	if answered {
		return Discard, Refusal{}
	}
	return Refuse, g.refuse(now, caller, wire.Timeout)
}
