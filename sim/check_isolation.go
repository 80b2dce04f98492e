package sim

import (
	"github.com/refrain-fleet/refrain/core/plane"
	"github.com/refrain-fleet/refrain/core/wire"
)

// checkIsolation is S10: nothing about a host changes by another's certificate,
// and nothing at all by a request that is refused.
//
// It judges each request at the door as PROTOCOL T3 to T5 and T7 do. Of those
// that get in it compares every record of a host, at inputs of the host's own,
// with what it was after the input before: in between only a wave may have
// dispatched it (R2). The ledger says at which. What is known of a host apart from its records is
// compared for one host at a time, in turn, at every 64th input.
type checkIsolation struct {
	l *ledger
	// expected is what the request at the door has to be refused with; OK if it
	// may come in.
	expected wire.Code
	vague    bool // the plane is not up, and knows no revocations yet
	asked    *message

	steps   uint64
	watched int // number of the host whose turn it is; 0 if nobody's
	closure wire.Closure
	heartAt wire.Time
}

func newCheckIsolation(w *World) any { return &checkIsolation{l: w.panel.ledger(w)} }

func (c *checkIsolation) arrived(w *World, m *message) {
	c.asked, c.vague = m, !w.plane.started
	c.expected = wire.OK
	revoked, there := c.l.durable.revoked[wire.CommonName(m.identity.CommonName)]
	switch {
	case there && m.notBefore.Before(revoked): // T5
		c.expected = wire.CertificateRevoked
	case m.kind == MsgGarbage: // T7; the simulator's own reading of it decides between 400 and 422
		c.expected = wire.NotJSON
	case m.identity.Operator != (m.kind == MsgOperator): // T4
		c.expected = wire.WrongRole
	case m.kind == MsgHeartbeat && string(m.heartbeat.Request.Hostname) != m.identity.Name, // T3
		m.kind == MsgEvent && string(m.event.Envelope.Hostname) != m.identity.Name:
		c.expected = wire.WrongIdentity
	}
}

func (c *checkIsolation) answered(w *World, m *message) {
	code := m.outcome.Code
	if m != c.asked {
		if s := code.Status(); (s == 401 || s == 403) && !c.revokedSince(m, code) {
			w.Violate("S10", "m%d, a %v of %s, was let in and is refused %v", m.id, m.kind, m.identity.Name, code)
		}
		return
	}
	// It is answered at once, by the door or by the gate.
	c.asked = nil
	if c.expected == wire.NotJSON && code == wire.WrongShape {
		code = wire.NotJSON
	}
	switch c.expected {
	case wire.OK:
		if s := code.Status(); (s == 401 || s == 403) && !c.vague {
			w.Violate("S10", "m%d, a %v of %s, is refused %v at the door", m.id, m.kind, m.identity.Name, code)
		}
	default:
		if code != c.expected && !c.vague {
			w.Violate("S10", "m%d, a %v of %s, is answered %v; want %v", m.id, m.kind, m.identity.Name, code, c.expected)
		}
	}
}

// revokedSince reports whether a poll that waited comes to ask again, and its
// certificate was revoked meanwhile.
func (c *checkIsolation) revokedSince(m *message, code wire.Code) bool {
	revoked, there := c.l.durable.revoked[wire.CommonName(m.identity.CommonName)]
	return m.kind == MsgPoll && code == wire.CertificateRevoked && there && m.notBefore.Before(revoked)
}

func (c *checkIsolation) admitted(w *World, m *message) {
	if m == c.asked && c.expected != wire.OK && !c.vague {
		w.Violate("S10", "m%d, a %v of %s, is admitted; want it refused %v", m.id, m.kind, m.identity.Name, c.expected)
	}
	c.asked = nil
}

func (c *checkIsolation) stepping(w *World, m *message, in plane.Input) {
	if m != nil && m.node >= 0 && string(aboutHost(in)) != m.identity.Name {
		w.Violate("S10", "m%d, %v, is stepped, and it came from %s", m.id, in, m.identity.Name)
	}
	for _, r := range c.l.now {
		if r.disturbed && !onlyDispatched(r) {
			w.Violate("S10", "h%d in %s was changed by another's input: %s", r.host, r.of.id, difference(r.before, r.last))
		}
	}
	c.watched = 0
	if c.steps++; c.steps%64 == 0 {
		c.watch(w)
	}
}

// onlyDispatched reports whether all that happened to a record is that it was
// dispatched.
func onlyDispatched(r *recordCopy) bool {
	was := *r.last
	if was.State != wire.Pending || was.DispatchedAt.IsSet() {
		return false
	}
	was.DispatchedAt, was.SoakDueAt = r.before.DispatchedAt, r.before.SoakDueAt
	return was.SoakDueAt == was.DispatchedAt.Add(r.of.soak(r.wave)) && sameRecord(&was, r.before)
}

// watch looks at the next host before an input that is not its own.
func (c *checkIsolation) watch(w *World) {
	next := 1 + int(c.steps/64)%len(w.hosts)
	if next == c.l.host {
		return
	}
	if status, known := w.plane.plane.Host(c.l.names[next]); known {
		c.watched, c.closure, c.heartAt = next, status.CurrentClosure, status.LastHeartbeatAt
	}
}

func (c *checkIsolation) stepDone(w *World, m *message, in plane.Input, r *plane.Reply) {
	if c.watched > 0 {
		status, known := w.plane.plane.Host(c.l.names[c.watched])
		if !known || status.CurrentClosure != c.closure || status.LastHeartbeatAt != c.heartAt {
			w.Violate("S10", "h%d ran %q and was heard at %v; after %v it is %q and %v", c.watched, c.closure, c.heartAt, in, status.CurrentClosure, status.LastHeartbeatAt)
		}
	}
	if r == nil || r.Outcome.Code.Status() < 400 {
		return
	}
	for _, rec := range c.l.now {
		if !sameRecord(rec.before, rec.last) {
			w.Violate("S10", "m%d, %v, is refused %v and changes h%d in %s: %s", m.id, in, r.Outcome.Code, rec.host, rec.of.id, difference(rec.last, rec.before))
		}
	}
}

func (c *checkIsolation) planeDown(*World, bool) { c.asked = nil }
