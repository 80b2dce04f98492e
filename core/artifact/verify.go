package artifact

import (
	"fmt"
	"time"

	"github.com/refrain-fleet/refrain/core/wire"
)

// Skew is how far two clocks may differ.
const Skew = 60 * time.Second

// AgentWindow is how old a signature may be for an agent of NixFleet.
const AgentWindow = time.Hour

// Signed is an artifact as it was received.
type Signed struct {
	// Document is the document; it need not be in canonical form.
	Document []byte
	// Signature is the content of its signature file.
	Signature []byte
	// Further are the contents of the signature files of further signers.
	Further [][]byte
}

// Verifier verifies artifacts at an instant.
type Verifier struct {
	Trust *Trust
	Now   wire.Time
	// Window is how old a signature may be, beside [Skew].
	Window time.Duration
	// NotBefore is when the artifact in force was signed; one that was signed earlier
	// is refused. Unset if there is none.
	NotBefore wire.Time
	// AnyAge leaves out the checks that compare the instant of signing with Window, Now
	// and NotBefore: the caller makes them by itself, with [CheckAge].
	AnyAge bool
}

// Verified is a document whose signatures count.
type Verified[T any] struct {
	Doc T
	// Canonical is what was signed, and Hash its hash.
	Canonical []byte
	Hash      Hash
	// Signers are the keys that signed, that of the one signature first.
	Signers []Key
}

// Fleet verifies a fleet document. The error is a [*Refusal], here and below.
func (v *Verifier) Fleet(s Signed) (*Verified[Fleet], error) {
	return verify(v, s, &fleetSchema, func(f *Fleet) *Meta { return &f.Meta })
}

// Rollout verifies a rollout manifest by itself. [Fits] compares it with the fleet.
func (v *Verifier) Rollout(s Signed) (*Verified[Rollout], error) {
	return verify(v, s, &rolloutSchema, func(r *Rollout) *Meta { return &r.Meta })
}

// Revocations verifies a list of revocations.
func (v *Verifier) Revocations(s Signed) (*Verified[Revocations], error) {
	return verify(v, s, &revocationsSchema, func(r *Revocations) *Meta { return &r.Meta })
}

// Nonces verifies a list of nonces.
func (v *Verifier) Nonces(s Signed) (*Verified[Nonces], error) {
	return verify(v, s, &noncesSchema, func(n *Nonces) *Meta { return &n.Meta })
}

// ParseFleet reads a fleet document without a look at signatures. The error is a
// [*Refusal], here and below.
func ParseFleet(document []byte) (*Fleet, error) { return parse(document, &fleetSchema) }

// ParseRollout reads a rollout manifest without a look at signatures.
func ParseRollout(document []byte) (*Rollout, error) { return parse(document, &rolloutSchema) }

// ParseRevocations reads a list of revocations without a look at signatures.
func ParseRevocations(document []byte) (*Revocations, error) {
	return parse(document, &revocationsSchema)
}

// ParseNonces reads a list of nonces without a look at signatures.
func ParseNonces(document []byte) (*Nonces, error) { return parse(document, &noncesSchema) }

func parse[T any](document []byte, schema *wire.Schema[T]) (*T, error) {
	doc := new(T)
	if refusal := read(document, schema, doc); refusal != nil {
		return nil, refusal
	}
	return doc, nil
}

func verify[T any](v *Verifier, s Signed, schema *wire.Schema[T], meta func(*T) *Meta) (*Verified[T], error) {
	canonical, signers, refusal := v.signers(s)
	if refusal != nil {
		return nil, refusal
	}
	verified := &Verified[T]{Canonical: canonical, Hash: HashOf(canonical), Signers: signers}
	if refusal := read(canonical, schema, &verified.Doc); refusal != nil {
		return nil, refusal
	}
	if refusal := v.judgeTime(meta(&verified.Doc).SignedAt); refusal != nil {
		return nil, refusal
	}
	return verified, nil
}

// signers verifies the signatures and returns what was signed and by which keys.
func (v *Verifier) signers(s Signed) (canonical []byte, signers []Key, refusal *Refusal) {
	keys := v.Trust.Release.ActiveKeys(v.Now)
	if len(keys) == 0 {
		return nil, nil, refuse(NoTrustRoots, "the trust file has no release key that is in use now; want ciReleaseKey.current")
	}
	canonical, err := wire.Canonical(s.Document)
	if err != nil {
		return nil, nil, &Refusal{Reason: NotJSON, Detail: err.Error()}
	}
	known := 0
	for i := range keys {
		if keys[i].Known() {
			known++
		}
		if len(signers) == 0 && keys[i].Verifies(canonical, s.Signature) {
			signers = append(signers, keys[i])
		}
	}
	switch {
	case known == 0:
		return nil, nil, refuse(UnsupportedAlgorithm, fmt.Sprintf("the algorithm of the release key is %s; want %s or %s", keys[0].Algorithm, Ed25519, ECDSAP256))
	case len(signers) == 0 && len(s.Signature) != SignatureSize:
		return nil, nil, refuse(BadSignature, fmt.Sprintf("the signature has %d bytes; want the %d bytes themselves, without base64, DER or a line break", len(s.Signature), SignatureSize))
	case len(signers) == 0:
		return nil, nil, refuse(BadSignature, fmt.Sprintf("none of the %d release keys made this signature over this document", len(keys)))
	}
	// The keys of the one signature are one signer, however often it was replaced.
	for i := range v.Trust.Signers.Keys {
		key := &v.Trust.Signers.Keys[i]
		if !key.in(keys) && key.signedOne(canonical, s.Further) {
			signers = append(signers, *key)
		}
	}
	if required := max(1, int(v.Trust.Signers.Required)); len(signers) < required {
		return nil, nil, refuse(TooFewSignatures, fmt.Sprintf("%d of the trust file's signers signed this document; want %d", len(signers), required))
	}
	return canonical, signers, nil
}

func (k *Key) in(keys []Key) bool {
	for i := range keys {
		if k.Equal(&keys[i]) {
			return true
		}
	}
	return false
}

func (k *Key) signedOne(canonical []byte, signatures [][]byte) bool {
	for _, signature := range signatures {
		if k.Verifies(canonical, signature) {
			return true
		}
	}
	return false
}

// head is what every document has, whatever its version.
type head struct{ version wire.Count }

var headSchema = wire.Schema[head]{Fields: []wire.Field[head]{
	{Name: "schemaVersion", Presence: wire.Required, Of: func(h *head) wire.Value { return &h.version }},
}}

// read reads a document. The version is looked at first, since a document of another
// one may have another shape.
func read[T any](document []byte, schema *wire.Schema[T], into *T) *Refusal {
	var h head
	decoder := new(wire.Decoder)
	if err := wire.DecodeDocument(decoder, &headSchema, document, &h); err != nil {
		return refuseDocument(err)
	}
	if h.version != 1 {
		return &Refusal{Reason: UnsupportedSchema, Field: "schemaVersion", Detail: fmt.Sprintf("is %d; want 1", h.version)}
	}
	if err := wire.DecodeDocument(decoder, schema, document, into); err != nil {
		return refuseDocument(err)
	}
	return nil
}

func (v *Verifier) judgeTime(signedAt wire.Time) *Refusal {
	switch {
	case !signedAt.IsSet():
		return refuseTime(NotSigned, "is null; want the instant of signing")
	case signedAt.Before(v.Trust.Release.RejectBefore):
		return refuseTime(RejectedBefore, "is %v; the trust file wants %v or later", signedAt, v.Trust.Release.RejectBefore)
	case v.AnyAge:
		return nil
	}
	return CheckAge(signedAt, v.Now, v.Window, v.NotBefore)
}

// CheckAge judges an instant of signing at now: a signature is good for window, beside
// [Skew], and not before its time; one before notBefore is older than the one in force,
// unless notBefore is unset. It returns nil, or [Stale], [FromTheFuture] or [Older].
func CheckAge(signedAt, now wire.Time, window time.Duration, notBefore wire.Time) *Refusal {
	switch limit := signedAt.Add(window + Skew); {
	case limit.Before(now):
		return refuseTime(Stale, "is %v, %v before now (%v); want at most %v, and %v for the clocks",
			signedAt, now.Std().Sub(signedAt.Std()).Round(time.Second), now, window, Skew)
	case now.Add(Skew).Before(signedAt):
		return refuseTime(FromTheFuture, "is %v, and now is %v; want at most %v later, for the clocks", signedAt, now, Skew)
	case signedAt.Before(notBefore):
		return refuseTime(Older, "is %v; the one in force was signed at %v", signedAt, notBefore)
	}
	return nil
}

func refuseTime(reason Reason, format string, args ...any) *Refusal {
	return &Refusal{Reason: reason, Field: "meta.signedAt", Detail: fmt.Sprintf(format, args...)}
}
