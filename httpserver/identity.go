package httpserver

import (
	"crypto/x509"
	"sync/atomic"

	"github.com/refrain-fleet/refrain/core/wire"
)

// hasCertificate checks that there is a client certificate (PROTOCOL T1). The
// handshake has verified it. What is left to check is whether there was one, and
// whether it has expired since then on a connection that was kept open.
func (e *exchange) hasCertificate() bool {
	leaf := e.leaf()
	if leaf == nil {
		return e.refuse(wire.NoCertificate, "", "connect with a certificate that the fleet's CA signed")
	}
	if now := e.server.cfg.wall(); now.After(leaf.NotAfter) {
		return e.refuse(wire.CertificateExpired, "", "the certificate of this connection expired at "+wire.TimeOf(leaf.NotAfter).String()+"; connect again with a newer one")
	}
	e.identity = wire.ParseIdentity(leaf.Subject.CommonName, e.server.cfg.AgentCNSuffix)
	return true
}

// leaf returns the verified certificate of the caller, or nil.
func (e *exchange) leaf() *x509.Certificate {
	if e.r.TLS == nil || len(e.r.TLS.VerifiedChains) == 0 {
		return nil
	}
	return e.r.TLS.PeerCertificates[0]
}

// isNotRevoked checks the certificate against the revocations (PROTOCOL T5).
// It is checked for each request, so that a connection that was open at the time
// of the revocation is refused as well.
func (e *exchange) isNotRevoked() bool {
	leaf := e.leaf()
	before, revoked := e.server.revoked.of(wire.CommonName(leaf.Subject.CommonName))
	if revoked && wire.TimeOf(leaf.NotBefore).Before(before) {
		return e.refuse(wire.CertificateRevoked, "", "certificates of this name issued before "+before.String()+" are revoked; get a newer one")
	}
	return true
}

// hasRole reports whether the route is one of the caller's role.
func (e *exchange) hasRole() bool {
	return e.identity.Operator == (e.endpoint.role == operators)
}

// isWhoItMayBe checks the caller's identity against route and body (PROTOCOL T3,
// T4).
func (e *exchange) isWhoItMayBe() bool {
	if !e.hasRole() {
		if e.identity.Operator {
			return e.refuse(wire.WrongRole, "", "this is an operator's certificate; the route is for agents")
		}
		return e.refuse(wire.WrongRole, "", "this is an agent's certificate; the route is for operators")
	}
	if e.identity.Operator {
		return true
	}
	var ok bool
	if e.hostname, ok = e.identity.Hostname(); !ok {
		return e.refuse(wire.WrongIdentity, "", "the certificate's name is not a hostname; want 1 to 253 letters, digits, '-', '.' or '_'")
	}
	if e.claimed != "" && e.claimed != e.hostname {
		return e.refuse(wire.WrongIdentity, "hostname", "the certificate belongs to "+string(e.hostname))
	}
	return true
}

// revocations is the published list of revocations. Handlers read it without a
// lock.
type revocations struct {
	list atomic.Pointer[map[wire.CommonName]wire.Time]
}

// publish replaces the list, which must not be changed afterwards.
func (r *revocations) publish(list map[wire.CommonName]wire.Time) { r.list.Store(&list) }

// of returns the revocation instant of a name.
func (r *revocations) of(name wire.CommonName) (before wire.Time, revoked bool) {
	list := r.list.Load()
	if list == nil {
		return wire.Time{}, false
	}
	before, revoked = (*list)[name]
	return before, revoked
}
