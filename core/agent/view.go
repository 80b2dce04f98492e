package agent

import (
	"slices"

	"github.com/refrain-fleet/refrain/core/rollout"
	"github.com/refrain-fleet/refrain/core/wire"
)

// View is a read-only view of one of the agent's rollouts, for checkers and for
// people.
type View struct {
	// Record is the agent's own; it is to be read only, and is good until the
	// next step.
	Record *rollout.Record
	// Superseded says that a newer rollout of the channel was taken up.
	Superseded bool
	// Busy says that the host still has something to do: it is not at an end,
	// or has to go back.
	Busy bool
	// Unsent says that events wait to be sent, or to be sent again.
	Unsent bool
	// Acknowledged is the number up to which every event has its final answer.
	Acknowledged wire.Seq
	// Replaying says that a replay is on its way (PROTOCOL A3).
	Replaying bool
	// Unknown says that the plane did not know the rollout of the last event
	// (E8).
	Unknown bool
}

// Views appends a view of each of the agent's rollouts to dst, in the order in
// which they were taken up.
func (a *Agent) Views(dst []View) []View {
	for _, p := range a.rollouts {
		dst = append(dst, View{
			Record: &p.rec, Superseded: p.superseded, Busy: !p.finished(),
			Unsent:       p.unsent(),
			Acknowledged: p.acked, Replaying: p.replaying(), Unknown: p.sending.unknown,
		})
	}
	return dst
}

// History appends the events of a rollout that the agent keeps and has not
// retracted, by rising number.
func (a *Agent) History(id wire.RolloutID, dst []wire.Event) []wire.Event {
	for _, p := range a.rollouts {
		if p.id() != id {
			continue
		}
		for i := range p.log {
			if !p.log[i].retracted() {
				dst = append(dst, p.log[i].event)
			}
		}
	}
	return dst
}

// Outstanding reports whether anything of a rollout that is not superseded is
// unfinished or unacknowledged, or a dispatch waits.
func (a *Agent) Outstanding() bool {
	return len(a.waiting) > 0 || slices.ContainsFunc(a.rollouts, (*progress).outstanding)
}

// CurrentClosure returns what the agent believes that the host runs; empty if
// it does not know.
func (a *Agent) CurrentClosure() wire.Closure { return a.current }
