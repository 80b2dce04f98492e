package sim

import (
	"github.com/refrain-fleet/refrain/core/agent"
	"github.com/refrain-fleet/refrain/core/plane"
)

// panel is an observer made of others that see only some of what happens: a
// checker has one to four of the methods, and there are many checkers, so
// calling every method of every one would cost more than they do.
type panel struct {
	onSent         []seesSent
	onVanished     []seesVanished
	onHeard        []seesHeard
	onArrived      []seesArrived
	onAdmitted     []seesAdmitted
	onRefused      []seesRefused
	onStepping     []seesStepping
	onStepDone     []seesStepDone
	onDropped      []seesDropped
	onFinished     []seesFinished
	onCommitted    []seesCommitted
	onCommitFailed []seesCommitFailed
	onNoticed      []seesNoticed
	onExpired      []seesExpired
	onAnswered     []seesAnswered
	onPlaneClosing []seesPlaneClosing
	onPlaneDown    []seesPlaneDown
	onPlaneStarted []seesPlaneStarted
	onHostAppended []seesHostAppended
	onHostStepped  []seesHostStepped
	onHostLost     []seesHostLost
	onStepped      []seesStepped

	// What checkers share. It is made when the first of them wants it, and so
	// sees everything before they do.
	sharedLedger *ledger
	sharedInbox  *inboxModel
}

// add lets o see whatever it has methods for, after those that were added
// before.
func (p *panel) add(o any) {
	join(&p.onSent, o)
	join(&p.onVanished, o)
	join(&p.onHeard, o)
	join(&p.onArrived, o)
	join(&p.onAdmitted, o)
	join(&p.onRefused, o)
	join(&p.onStepping, o)
	join(&p.onStepDone, o)
	join(&p.onDropped, o)
	join(&p.onFinished, o)
	join(&p.onCommitted, o)
	join(&p.onCommitFailed, o)
	join(&p.onNoticed, o)
	join(&p.onExpired, o)
	join(&p.onAnswered, o)
	join(&p.onPlaneClosing, o)
	join(&p.onPlaneDown, o)
	join(&p.onPlaneStarted, o)
	join(&p.onHostAppended, o)
	join(&p.onHostStepped, o)
	join(&p.onHostLost, o)
	join(&p.onStepped, o)
}

func join[T any](list *[]T, o any) {
	if x, sees := o.(T); sees {
		*list = append(*list, x)
	}
}

// ledger returns the panel's ledger.
func (p *panel) ledger(w *World) *ledger {
	if p.sharedLedger == nil {
		p.sharedLedger = newLedger(w)
		p.add(p.sharedLedger)
	}
	return p.sharedLedger
}

// inbox returns the panel's model of the inbox.
func (p *panel) inbox(w *World) *inboxModel {
	if p.sharedInbox == nil {
		p.sharedInbox = newInboxModel(w)
		p.add(p.sharedInbox)
	}
	return p.sharedInbox
}

func (p *panel) sent(w *World, m *message) {
	for _, o := range p.onSent {
		o.sent(w, m)
	}
}

func (p *panel) vanished(w *World, m *message, dir Dir, why Effect) {
	for _, o := range p.onVanished {
		o.vanished(w, m, dir, why)
	}
}

func (p *panel) heard(w *World, m *message, answered bool) {
	for _, o := range p.onHeard {
		o.heard(w, m, answered)
	}
}

func (p *panel) arrived(w *World, m *message) {
	for _, o := range p.onArrived {
		o.arrived(w, m)
	}
}

func (p *panel) admitted(w *World, m *message) {
	for _, o := range p.onAdmitted {
		o.admitted(w, m)
	}
}

func (p *panel) refused(w *World, m *message) {
	for _, o := range p.onRefused {
		o.refused(w, m)
	}
}

func (p *panel) stepping(w *World, m *message, in plane.Input) {
	for _, o := range p.onStepping {
		o.stepping(w, m, in)
	}
}

func (p *panel) stepDone(w *World, m *message, in plane.Input, r *plane.Reply) {
	for _, o := range p.onStepDone {
		o.stepDone(w, m, in, r)
	}
}

func (p *panel) dropped(w *World, m *message) {
	for _, o := range p.onDropped {
		o.dropped(w, m)
	}
}

func (p *panel) finished(w *World, m *message) {
	for _, o := range p.onFinished {
		o.finished(w, m)
	}
}

func (p *panel) committed(w *World, entries []plane.Entry) {
	for _, o := range p.onCommitted {
		o.committed(w, entries)
	}
}

func (p *panel) commitFailed(w *World) {
	for _, o := range p.onCommitFailed {
		o.commitFailed(w)
	}
}

func (p *panel) noticed(w *World, n plane.Notice) {
	for _, o := range p.onNoticed {
		o.noticed(w, n)
	}
}

func (p *panel) expired(w *World, m *message) {
	for _, o := range p.onExpired {
		o.expired(w, m)
	}
}

func (p *panel) answered(w *World, m *message) {
	for _, o := range p.onAnswered {
		o.answered(w, m)
	}
}

func (p *panel) planeClosing(w *World) {
	for _, o := range p.onPlaneClosing {
		o.planeClosing(w)
	}
}

func (p *panel) planeDown(w *World, wiped bool) {
	for _, o := range p.onPlaneDown {
		o.planeDown(w, wiped)
	}
}

func (p *panel) planeStarted(w *World) {
	for _, o := range p.onPlaneStarted {
		o.planeStarted(w)
	}
}

func (p *panel) hostAppended(w *World, h *hostNode, entries []agent.Entry) {
	for _, o := range p.onHostAppended {
		o.hostAppended(w, h, entries)
	}
}

func (p *panel) hostStepped(w *World, h *hostNode, in agent.Input) {
	for _, o := range p.onHostStepped {
		o.hostStepped(w, h, in)
	}
}

func (p *panel) hostLost(w *World, h *hostNode) {
	for _, o := range p.onHostLost {
		o.hostLost(w, h)
	}
}

func (p *panel) stepped(w *World) {
	for _, o := range p.onStepped {
		o.stepped(w)
	}
}
