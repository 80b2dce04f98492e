package httpserver

import (
	"crypto/rsa"
	"crypto/x509"
	"encoding/asn1"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/refrain-fleet/refrain/core/driver"
	"github.com/refrain-fleet/refrain/core/wire"
)

// hasCertificate checks that there is a client certificate (PROTOCOL T1), which
// the handshake has verified, that it can speak for a client (T2), and reads the
// name in it.
func (e *exchange) hasCertificate() bool {
	if e.endpoint.role == anybody {
		return true
	}
	leaf := e.leaf()
	if leaf == nil {
		return e.refuse(wire.NoCertificate, "", "connect with a certificate that the fleet's CA signed")
	}
	facts := e.leafFacts(leaf)
	var flaw wire.LeafFlaw
	if e.identity, flaw, e.outcome = facts.Identify(e.server.cfg.AgentCNSuffix); flaw != 0 {
		e.server.refusedCertificate(leaf, flaw, e.requestID)
		return false
	}
	e.certificate = driver.Certificate{
		CommonName: wire.CommonName(e.identity.CommonName),
		NotBefore:  wire.TimeOf(leaf.NotBefore), NotAfter: wire.TimeOf(leaf.NotAfter),
	}
	return true
}

// oidCommonName is the attribute of a subject that has the name (X.520).
var oidCommonName = asn1.ObjectIdentifier{2, 5, 4, 3}

// leafFacts reads what the identity depends on. The result shares the exchange's
// buffer of names.
func (e *exchange) leafFacts(leaf *x509.Certificate) wire.Leaf {
	e.names = e.names[:0]
	for i := range leaf.Subject.Names {
		if a := &leaf.Subject.Names[i]; a.Type.Equal(oidCommonName) {
			name, _ := a.Value.(string) // the parser takes texts only
			e.names = append(e.names, name)
		}
	}
	facts := wire.Leaf{
		CommonNames: e.names,
		CA:          leaf.IsCA || leaf.KeyUsage&x509.KeyUsageCertSign != 0,
		ClientAuth:  slices.Contains(leaf.ExtKeyUsage, x509.ExtKeyUsageClientAuth),
	}
	if key, is := leaf.PublicKey.(*rsa.PublicKey); is {
		facts.RSABits = key.N.BitLen()
	}
	return facts
}

// refusedCertificate counts and logs a certificate that the fleet's CA signed and
// that speaks for nobody. The CA should not have issued it, so it is a warning.
func (s *Server) refusedCertificate(leaf *x509.Certificate, flaw wire.LeafFlaw, requestID string) {
	s.metrics.badCertificates[flaw].Inc()
	if suppressed, ok, _ := s.throttle.Allow("bad certificate: " + flaw.String()); ok {
		s.log.Warn("refused: the CA signed this certificate, but it speaks for no client", "cause", flaw.String(),
			"subject", clipTo(leaf.Subject.String(), 300), "serial", leaf.SerialNumber.Text(16), "request_id", requestID, "suppressed", suppressed)
	}
}

// leaf returns the verified certificate of the caller, or nil.
func (e *exchange) leaf() *x509.Certificate {
	if e.r.TLS == nil || len(e.r.TLS.VerifiedChains) == 0 {
		return nil
	}
	return e.r.TLS.PeerCertificates[0]
}

// isGood checks that the certificate has not expired since the handshake, is not
// revoked, and is one of a CA that is still trusted (PROTOCOL T1, T5). It is done for
// each request: a connection that was open before does not outlive its certificate.
func (e *exchange) isGood() (good bool) {
	if e.endpoint.role == anybody {
		return true
	}
	now := e.server.cfg.wall()
	e.certificate.Untrusted = !e.server.credentials.Trusts(e.r.TLS, now)
	if e.outcome, good = e.server.revoked.load().Check(&e.certificate, wire.TimeOf(now)); e.certificate.Untrusted {
		// The connection is closed, so that the next one shows a certificate anew.
		e.w.Header().Set("Connection", "close")
	}
	return good
}

// hasRole reports whether the route is one of the caller's role.
func (e *exchange) hasRole() bool {
	return e.endpoint.role >= anyClient || e.identity.Operator == (e.endpoint.role == operators)
}

// isWhoItMayBe checks the caller against route and body (PROTOCOL T3, T4).
func (e *exchange) isWhoItMayBe() bool {
	if !e.hasRole() {
		if e.identity.Operator {
			return e.refuse(wire.WrongRole, "", "this is an operator's certificate; the route is for agents")
		}
		return e.refuse(wire.WrongRole, "", "this is an agent's certificate; the route is for operators")
	}
	if e.identity.Operator {
		e.server.operators.add(e.identity.Name)
		return true
	}
	if e.endpoint.role >= anyClient {
		return true
	}
	var ok bool
	if e.hostname, ok = e.identity.Hostname(); !ok {
		return e.refuse(wire.WrongIdentity, "", "the certificate's name is no host's: want 1 to 253 letters, digits, '-', '.' or '_'")
	}
	if e.claimed != "" && e.claimed != e.hostname {
		return e.refuse(wire.WrongIdentity, "hostname", "the certificate is that of "+string(e.hostname))
	}
	return true
}

// revocations are the published revocations: whatever handles a request reads
// them without a lock.
type revocations struct {
	list atomic.Pointer[driver.Revocations]
}

// publish replaces the revocations, which must not be changed afterwards.
func (r *revocations) publish(list driver.Revocations) { r.list.Store(&list) }

// load returns the revocations; nil before there are any.
func (r *revocations) load() driver.Revocations {
	if list := r.list.Load(); list != nil {
		return *list
	}
	return nil
}

// maxOperators bounds the operators that are remembered. Each has a certificate of
// the fleet's CA, so a fleet does not come near it.
const maxOperators = 4096

// seenOperators are the names of the operators that the server has seen since it
// started (PROTOCOL T5).
type seenOperators struct {
	mu    sync.RWMutex
	names map[string]bool
}

func (o *seenOperators) has(name string) bool {
	o.mu.RLock()
	defer o.mu.RUnlock()
	return o.names[name]
}

func (o *seenOperators) add(name string) {
	if o.has(name) {
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.names == nil {
		o.names = make(map[string]bool)
	}
	if len(o.names) < maxOperators {
		o.names[name] = true
	}
}
