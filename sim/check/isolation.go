package check

import (
	"maps"
	"slices"

	"github.com/refrain-fleet/refrain/core/driver"
	"github.com/refrain-fleet/refrain/core/wire"
	"github.com/refrain-fleet/refrain/sim/scenario"
	"github.com/refrain-fleet/refrain/sim/world"
)

// isolation is S10: nothing about a host changes by another's certificate,
// and nothing at all by a request that is refused.
//
// It judges each request that arrives as PROTOCOL T3 to T5 and T7 do. Of those
// that get in it compares every record of a host, at inputs of the host's own,
// with what it was after the input before: in between only a wave may have
// dispatched it (R2). The ledger says at which. What is known of a host apart from
// its records is compared for one host at a time, in turn, at every 64th input.
type isolation struct {
	l *ledger
	// expected is what the request has to be refused with before the gate; OK if it
	// may come in.
	expected wire.Code
	vague    bool // the plane is not up, and knows no revocations yet
	asked    *world.Message
	// inForce are the revocations that the plane refuses by: those that were
	// durable when it last took over a commit, or loaded its log. durable has
	// those on the disk, which may be in force.
	inForce map[wire.CommonName]wire.Time
	maybe   bool // the certificate may be refused, and may be let in

	steps   uint64
	watched int // number of the host whose turn it is; 0 if nobody's
	closure wire.Closure
	heartAt wire.Time
}

func newIsolation(s *Checks) {
	c := &isolation{l: s.ledger()}
	s.on(world.EventArrived, c.arrived)
	s.on(world.EventAnswered, c.answered)
	s.on(world.EventAdmitted, c.admitted)
	s.on(world.EventStepping, c.stepping)
	s.on(world.EventStepDone, c.stepDone)
	s.on(world.EventSection, c.section)
	s.on(world.EventPlaneDown, c.planeDown)
}

func (c *isolation) arrived(e *world.Event) {
	w, m := e.World, e.Message
	c.asked, c.vague = m, !w.PlaneStarted()
	c.expected = wire.OK
	name := wire.CommonName(m.Identity().CommonName)
	revoked, there := c.inForce[name]
	later, onDisk := c.l.durable.revoked[name]
	c.maybe = onDisk && m.NotBefore().Before(later)
	switch {
	case there && m.NotBefore().Before(revoked): // T5
		c.expected, c.maybe = wire.CertificateRevoked, false
	case m.Kind() == scenario.RouteGarbage: // T7; the simulator's own reading of it decides between 400 and 422
		c.expected = wire.NotJSON
	case m.Identity().Operator != (m.Kind() == scenario.RouteOperator): // T4
		c.expected = wire.WrongRole
	case m.Kind() == scenario.RouteHeartbeat && string(m.Heartbeat().Request.Hostname) != m.Identity().Name, // T3
		m.Kind() == scenario.RouteEvent && string(m.Event().Envelope.Hostname) != m.Identity().Name:
		c.expected = wire.WrongIdentity
	}
}

func (c *isolation) answered(e *world.Event) {
	w, m := e.World, e.Message
	code := m.Outcome().Code
	if code == wire.CertificateExpired || code == wire.NoCertificate { // S30 says whether rightly
		c.asked = nil
		return
	}
	if m != c.asked {
		s := code.Status()
		if code == wire.UnsignedManifest { // the reducer says it
			s = 0
		}
		if (s == 401 || s == 403) && !c.revokedSince(m, code) {
			w.Violate("S10", "%v, was let in and is refused %v; want no 401 or 403 after that", m, code)
		}
		return
	}
	// It is answered at once, before the gate or by it.
	c.asked = nil
	if c.expected == wire.NotJSON && code == wire.WrongShape {
		code = wire.NotJSON
	}
	switch c.expected {
	case wire.OK:
		if s := code.Status(); (s == 401 || s == 403) && !c.vague && !(c.maybe && code == wire.CertificateRevoked) {
			w.Violate("S10", "%v, is refused %v before the gate; want it let in, as its certificate allows", m, code)
		}
	default:
		if code != c.expected && !c.vague && !(c.maybe && code == wire.CertificateRevoked) {
			w.Violate("S10", "%v, is answered %v; want %v", m, code, c.expected)
		}
	}
}

// section: what is durable is in force once the loop has learned of the commit, or
// has loaded the log.
func (c *isolation) section(e *world.Event) {
	if (e.Section == driver.TakeOver || e.Section == driver.Load) && e.Count == 1 {
		c.inForce = maps.Clone(c.l.durable.revoked)
		c.published(e.World)
	}
}

// published judges what the plane refuses by: exactly what is durable, so that no
// name is let in again by the revocations of an earlier commit (T5).
func (c *isolation) published(w *world.World) {
	if got := w.RevokedNames(); got != len(c.inForce) {
		w.Violate("S10", "the plane refuses certificates by %d revocations; want %d, as many as are durable", got, len(c.inForce))
	}
	for _, name := range slices.Sorted(maps.Keys(c.inForce)) {
		if got := w.Revoked(name); got != c.inForce[name] {
			w.Violate("S10", "the plane refuses the certificates of %s from before %v; want %v, which is durable", name, got, c.inForce[name])
			return
		}
	}
}

// revokedSince reports whether a poll that waited comes to ask again, and its
// certificate was revoked meanwhile.
func (c *isolation) revokedSince(m *world.Message, code wire.Code) bool {
	revoked, there := c.l.durable.revoked[wire.CommonName(m.Identity().CommonName)]
	return m.Kind() == scenario.RoutePoll && code == wire.CertificateRevoked && there && m.NotBefore().Before(revoked)
}

func (c *isolation) admitted(e *world.Event) {
	w, m := e.World, e.Message
	if revoked, there := c.inForce[wire.CommonName(m.Identity().CommonName)]; m != c.asked && there && m.NotBefore().Before(revoked) {
		w.Violate("S10", "%v, which waited, is admitted again; want it, since its certificate was revoked, refused certificate_revoked", m)
	}
	if m == c.asked && c.expected != wire.OK && !c.vague {
		w.Violate("S10", "%v, is admitted; want it refused %v", m, c.expected)
	}
	c.asked = nil
}

func (c *isolation) stepping(e *world.Event) {
	w, m, in := e.World, e.Message, e.Input
	if m != nil && m.Host() > 0 && string(world.AboutHost(in)) != m.Identity().Name {
		w.Violate("S10", "m%d, %v, is stepped; want it refused, since it came with the certificate of %s", m.ID(), in, m.Identity().Name)
	}
	for _, r := range c.l.now {
		if r.disturbed && !onlyDispatched(r) && !c.l.onlyLetGo(r) {
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

// onlyLetGo reports whether all that happened to a record is that an operator let it go,
// perhaps after it was dispatched (PROTOCOL O1).
func (l *ledger) onlyLetGo(r *recordCopy) bool {
	was := *r.last
	if due, is := l.dueNow[r]; !is || due != r.before.SoakDueAt || was.State != wire.Pending {
		return false
	}
	was.SoakDueAt = r.before.SoakDueAt
	if !was.DispatchedAt.IsSet() {
		was.DispatchedAt = r.before.DispatchedAt
	}
	return sameRecord(&was, r.before)
}

// watch looks at the next host before an input that is not its own.
func (c *isolation) watch(w *world.World) {
	next := 1 + int(c.steps/64)%w.Scenario().Fleet.Hosts
	if next == c.l.host {
		return
	}
	if status, known := w.Plane().Host(c.l.names[next]); known {
		c.watched, c.closure, c.heartAt = next, status.CurrentClosure, status.LastHeartbeatAt
	}
}

func (c *isolation) stepDone(e *world.Event) {
	w, m, in, r := e.World, e.Message, e.Input, e.Reply
	if c.watched > 0 && !c.l.live.forgotten[c.watched] {
		status, known := w.Plane().Host(c.l.names[c.watched])
		if !known || status.CurrentClosure != c.closure || status.LastHeartbeatAt != c.heartAt {
			w.Violate("S10", "h%d ran %q and was heard at %v; after %v it is %q and %v; want no change by another's input", c.watched, c.closure, c.heartAt, in, status.CurrentClosure, status.LastHeartbeatAt)
		}
	}
	if r == nil || r.Outcome.Code.Status() < 400 {
		return
	}
	for _, rec := range c.l.now {
		if !sameRecord(rec.before, rec.last) {
			w.Violate("S10", "m%d, %v, is refused %v and changes h%d in %s: %s", m.ID(), in, r.Outcome.Code, rec.host, rec.of.id, difference(rec.last, rec.before))
		}
	}
}

func (c *isolation) planeDown(*world.Event) { c.asked = nil }
