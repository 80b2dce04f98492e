package wire

import "fmt"

// Leaf is what has to be known of a client's certificate, beside that the fleet's
// CA signed it, before it speaks for anybody (PROTOCOL T1, T2).
type Leaf struct {
	// CommonNames are all common names of the subject, in their order.
	CommonNames []string
	// CA says that the certificate may sign others: its basic constraints say
	// so, or its key usage has keyCertSign.
	CA bool
	// ClientAuth says that its extended key usages have clientAuth by name.
	ClientAuth bool
	// RSABits is the size of an RSA key in bits; 0 for every other key.
	RSABits int
}

// MinRSABits is the smallest RSA key that is accepted, in bits (NIST SP 800-131A).
const MinRSABits = 2048

// LeafFlaw is why a certificate of the fleet's CA speaks for nobody.
type LeafFlaw uint8

// The flaws, in the order in which they are looked for.
const (
	// NoCommonName: the subject has no common name.
	NoCommonName LeafFlaw = iota + 1
	// SeveralCommonNames: it has more than one, and so more than one identity.
	SeveralCommonNames
	// CAAsLeaf: it is a CA's own.
	CAAsLeaf
	// NoClientAuth: it is not one for clients.
	NoClientAuth
	// WeakKey: its RSA key is too small.
	WeakKey

	// LeafFlawCount is one more than the last flaw.
	LeafFlawCount int = iota + 1
)

var leafFlaws = [LeafFlawCount]struct{ word, field string }{
	0: {"none", ""}, NoCommonName: {"no_common_name", "subject"}, SeveralCommonNames: {"several_common_names", "subject"},
	CAAsLeaf: {"ca", "basicConstraints"}, NoClientAuth: {"no_client_auth", "extKeyUsage"}, WeakKey: {"weak_key", "subjectPublicKeyInfo"},
}

// String returns the stable word of the flaw.
func (f LeafFlaw) String() string { return leafFlaws[f].word }

// Identify returns whom the certificate speaks for, see [ParseIdentity]. If it has
// a flaw it speaks for nobody, and refusal says why: 401 bad_certificate.
func (l *Leaf) Identify(suffix string) (id Identity, flaw LeafFlaw, refusal Outcome) {
	if flaw = l.flaw(); flaw != 0 {
		return Identity{}, flaw, Refuse(BadCertificate, leafFlaws[flaw].field, l.explain(flaw))
	}
	return ParseIdentity(l.CommonNames[0], suffix), 0, Outcome{}
}

func (l *Leaf) flaw() LeafFlaw {
	switch {
	case len(l.CommonNames) == 0:
		return NoCommonName
	case len(l.CommonNames) > 1:
		return SeveralCommonNames
	case l.CA:
		return CAAsLeaf
	case !l.ClientAuth:
		return NoClientAuth
	case l.RSABits > 0 && l.RSABits < MinRSABits:
		return WeakKey
	}
	return 0
}

func (l *Leaf) explain(flaw LeafFlaw) string {
	switch flaw {
	case NoCommonName:
		return "the certificate's subject has no common name; want one, such as agent-<id>.<suffix>"
	case SeveralCommonNames:
		return fmt.Sprintf("the certificate's subject has %d common names; want exactly one, since it says who the caller is", len(l.CommonNames))
	case CAAsLeaf:
		return "the certificate is a CA's; want one that the CA issued to a client, with CA:FALSE and without keyCertSign"
	case NoClientAuth:
		return "the certificate lacks the extended key usage clientAuth; want one that was issued for clients"
	default:
		return fmt.Sprintf("the certificate's RSA key has %d bits; want at least %d, or an ECDSA or Ed25519 key", l.RSABits, MinRSABits)
	}
}
