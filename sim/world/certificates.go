package world

import (
	"time"

	"github.com/refrain-fleet/refrain/core/wire"
	"github.com/refrain-fleet/refrain/sim/scenario"
)

// Certificates that expire, and those of a CA that the plane trusts no more (PROTOCOL
// T1). Whether a request is let in, driver.Revocations.Check decides, as at the server.

// issued is what becomes of a certificate. Requests that are on their way have it too.
type issued struct {
	number    int       // of those that the host was given, from 0
	notAfter  wire.Time // unset: never
	untrusted bool
}

// handshakeFails reports whether a host has to connect anew and cannot: on a
// connection that it has, its request is answered 401.
func (p *planeNode) handshakeFails(w *World, m *Message) bool {
	if m.issued == nil || m.node < 0 || w.hosts[m.node].answeredBy == p.epoch+1 {
		return false
	}
	expired := m.issued.notAfter.IsSet() && m.issued.notAfter.Before(w.wallAt(p.wallOffset))
	if expired {
		w.faults.tookAll(scenario.CertExpire, int(m.node)+1, 0)
	}
	if m.issued.untrusted {
		w.faults.tookAll(scenario.CertUntrust, int(m.node)+1, 0)
	}
	return expired || m.issued.untrusted
}

// keepConnection notes whether a host has a connection after an answer: every 401 is
// the last of its own.
func (p *planeNode) keepConnection(w *World, m *Message) {
	if m.node < 0 {
		return
	}
	h := &w.hosts[m.node]
	h.answeredBy = p.epoch + 1
	switch code := m.Outcome().Code; {
	case code == wire.CertificateExpired:
		w.effect(scenario.EffectCertExpired)
		w.faults.tookAll(scenario.CertExpire, int(m.node)+1, 0)
		h.answeredBy = 0
	case code == wire.NoCertificate:
		w.effect(scenario.EffectCertUntrusted)
		w.faults.tookAll(scenario.CertUntrust, int(m.node)+1, 0)
		h.answeredBy = 0
	case code.Status() == 401:
		h.answeredBy = 0
	}
}

var certificateFaults = []faultHooks{
	{kind: scenario.CertExpire, begin: func(w *World, f *scenario.Fault, _ int) {
		end := wire.TimeOf(w.wallAt(w.plane.wallOffset).Std().Truncate(time.Second))
		w.onCertificates(f, func(of *issued) { of.notAfter = end })
	}, end: renew},
	{kind: scenario.CertUntrust, begin: func(w *World, f *scenario.Fault, _ int) {
		w.onCertificates(f, func(of *issued) { of.untrusted = true })
	}, end: renew},
}

// onCertificates changes what becomes of the certificates that hosts have.
func (w *World) onCertificates(f *scenario.Fault, change func(*issued)) {
	for n := range w.hosts {
		if f.Hosts.Has(n + 1) {
			change(w.hosts[n].issued)
		}
	}
}

// renew gives new certificates to the hosts whose own are not good, unless another
// fault still keeps them from it.
func renew(w *World) {
	for n := range w.hosts {
		h := &w.hosts[n]
		bad := h.issued.untrusted || h.issued.notAfter.IsSet()
		if kept := w.faults.hitsNow(scenario.CertExpire, n+1) || w.faults.hitsNow(scenario.CertUntrust, n+1); bad && !kept {
			h.reissue(w)
		}
	}
}
