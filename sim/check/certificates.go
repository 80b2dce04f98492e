package check

import (
	"time"

	"github.com/refrain-fleet/refrain/core/wire"
	"github.com/refrain-fleet/refrain/sim/scenario"
	"github.com/refrain-fleet/refrain/sim/world"
)

// certificates is S30: a request that comes with a certificate that has expired by the
// plane's clock, or that is of a CA that the plane trusts no more, is refused for it
// and goes no further; and no other is (PROTOCOL T1, T7). Which certificates those are
// follows from the faults. A poll that was let in and has waited is judged by the
// instant at which it asks again.
type certificates struct {
	fate map[issuedTo]*certificateFate
	// refused are the requests that have to be refused, with what.
	refused map[uint64]wire.Code
}

// issuedTo names a certificate of a host by its number. The instant at which it was
// issued does not: a plane's clock that was set back may show one twice.
type issuedTo struct {
	host, number int
}

// certificateFate is what became of a certificate.
type certificateFate struct {
	notAfter  wire.Time
	untrusted bool
}

func newCertificates(s *Checks) {
	c := &certificates{fate: make(map[issuedTo]*certificateFate), refused: make(map[uint64]wire.Code)}
	s.on(world.EventFaultBegan, c.faultBegan)
	s.on(world.EventHandshakeRefused, c.handshakeRefused)
	s.on(world.EventArrived, c.arrived)
	s.on(world.EventStepping, c.stepping)
	s.on(world.EventAnswered, c.answered)
	s.on(world.EventPlaneDown, func(*world.Event) { clear(c.refused) })
}

// faultBegan: a certificate knows whole seconds only.
func (c *certificates) faultBegan(e *world.Event) {
	w, f := e.World, e.Fault
	if f.Kind != scenario.CertExpire && f.Kind != scenario.CertUntrust {
		return
	}
	for host := 1; host <= w.Scenario().Fleet.Hosts; host++ {
		if !f.Hosts.Has(host) {
			continue
		}
		key := issuedTo{host, w.Certificate(host)}
		if c.fate[key] == nil {
			c.fate[key] = new(certificateFate)
		}
		if f.Kind == scenario.CertUntrust {
			c.fate[key].untrusted = true
		} else {
			c.fate[key].notAfter = wire.TimeOf(w.PlaneWall().Std().Truncate(time.Second))
		}
	}
}

// judge says what a request has to be refused with now; OK if with nothing. A name
// that is revoked is refused before one of an old CA, and S10 says which is.
func (c *certificates) judge(w *world.World, m *world.Message) wire.Code {
	fate := c.fate[issuedTo{m.Host(), m.Certificate()}]
	switch {
	case fate == nil:
		return wire.OK
	case fate.notAfter.IsSet() && fate.notAfter.Before(w.PlaneWall()):
		return wire.CertificateExpired
	case fate.untrusted && m.NotBefore().Before(w.Revoked(wire.CommonName(m.Identity().CommonName))):
		return wire.CertificateRevoked
	case fate.untrusted:
		return wire.NoCertificate
	}
	return wire.OK
}

func (c *certificates) handshakeRefused(e *world.Event) {
	if w, m := e.World, e.Message; c.judge(w, m) == wire.OK && !w.PlaneWall().Before(m.NotBefore()) {
		w.Violate("S30", "%v, is refused in the handshake; want it let in: its certificate, of %v, has not expired, and its CA is trusted", m, m.NotBefore())
	}
}

func (c *certificates) arrived(e *world.Event) {
	if code := c.judge(e.World, e.Message); code != wire.OK {
		c.refused[e.Message.ID()] = code
	}
}

func (c *certificates) stepping(e *world.Event) {
	if e.Message == nil {
		return
	}
	if code, bad := c.refused[e.Message.ID()]; bad {
		e.World.Violate("S30", "%v, is given to the reducer; want it refused %v, since its certificate is not good", e.Message, code)
	}
}

func (c *certificates) answered(e *world.Event) {
	w, m := e.World, e.Message
	code := m.Outcome().Code
	want, bad := c.refused[m.ID()]
	delete(c.refused, m.ID())
	switch for401 := code == wire.CertificateExpired || code == wire.NoCertificate; {
	case bad && code != want:
		w.Violate("S30", "%v, is answered %v; want %v, since its certificate is not good", m, code, want)
	case !bad && for401 && !(m.Kind() == scenario.RoutePoll && c.judge(w, m) == code):
		w.Violate("S30", "%v, is answered %v; want no refusal for its certificate, of %v, which is good", m, code, m.NotBefore())
	}
}
