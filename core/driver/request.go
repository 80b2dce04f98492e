package driver

import (
	"time"

	"github.com/refrain-fleet/refrain/core/gate"
	"github.com/refrain-fleet/refrain/core/plane"
	"github.com/refrain-fleet/refrain/core/wire"
)

// Request is one request on its way through the driver. The caller fills in the
// first group of fields, hands it to [Front.Arrive] and does not touch it until
// it is answered. T is what the caller needs to find its own data again.
//
// A request is answered once: it comes out of [Front.Answered] with Outcome set.
// If Finished is set then, the driver has no more use for the request and it
// may be handed in again. Otherwise (a request that was answered at its deadline
// or when the driver was abandoned) the worker may still read its input, and
// the request must not be used again.
type Request[T any] struct {
	// For is the caller's own.
	For T
	// Input is what the plane is to be given, checked and authorised.
	Input plane.Input
	// By is the operator who requested Input, if it is one's that changes something: what
	// is logged for it is an act of that operator (PROTOCOL T15).
	By wire.Actor
	// Caller and Class are what the gate counts the request for (PROTOCOL G5, G6).
	Caller gate.Caller
	Class  gate.Class
	// Wait is how long a [plane.Poll] waits for work, 0 if it does not
	// (PROTOCOL D1). It is 0 for every other input.
	Wait time.Duration
	// Certificate is checked again before a poll that waited asks again.
	Certificate Certificate

	// Offered is when the request was last offered to the gate.
	Offered time.Duration
	// Outcome is the answer.
	Outcome wire.Outcome
	// Finished says that the driver has no more use for the answered request.
	Finished bool

	answered bool
	progress *wire.OpeningStatus // of an opening: how far it is
	poll     poll[T]
}

// Waits reports whether the request is a poll that waits for work.
func (r *Request[T]) Waits() bool { return r.poll.waits }

// Certificate is what has to be known of a client certificate on every request,
// also on a connection that was open before.
type Certificate struct {
	CommonName wire.CommonName
	NotBefore  wire.Time
	// NotAfter is unset if the certificate does not expire.
	NotAfter wire.Time
	// Untrusted: its CA is trusted no more.
	Untrusted bool
}

// Revocations has the instant of revocation of each revoked common name. It is
// never changed once it is published; a newer one takes its place.
type Revocations map[wire.CommonName]wire.Time

// Check says whether a certificate is good at an instant of the wall clock: it
// has not expired since the handshake (PROTOCOL T1), is not revoked (T5), and its CA is
// still trusted (T1), in this order.
// If it is not good, the outcome says why.
func (r Revocations) Check(c *Certificate, at wire.Time) (refusal wire.Outcome, good bool) {
	if c.NotAfter.IsSet() && c.NotAfter.Before(at) {
		return wire.Refuse(wire.CertificateExpired, "",
			"the certificate of this connection expired at "+c.NotAfter.String()+"; connect again with a newer one"), false
	}
	if before, revoked := r[c.CommonName]; revoked && c.NotBefore.Before(before) {
		return wire.Refuse(wire.CertificateRevoked, "",
			"certificates of this name issued before "+before.String()+" are revoked; get a newer one"), false
	}
	if c.Untrusted {
		return wire.Refuse(wire.NoCertificate, "", "the CA of this connection's certificate is no longer trusted; connect with a certificate that the fleet's CA signed"), false
	}
	return wire.Outcome{}, true
}
