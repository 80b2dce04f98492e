package artifact

import (
	"crypto/ed25519"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"

	"github.com/refrain-fleet/refrain/core/wire"
)

// Applicant is who asks for a certificate, as the certificate signing request says,
// whose own signature the caller has verified.
type Applicant struct {
	CommonName string
	// Key has the bytes of the public key: the 32 bytes of an ed25519 key, or the bit
	// string of any other.
	Key []byte
	// Ed25519 says that the key is one.
	Ed25519 bool
}

// Admission judges enrolments and renewals at an instant (PROTOCOL N2, N5).
type Admission struct {
	Trust *Trust
	// Nonces is the list that is in force; nil if there is none.
	Nonces *Nonces
	// Fleet is the fleet that is in force.
	Fleet *Fleet
	Now   wire.Time
}

// Genuine reports whether the organization's root key has signed the token, whatever
// else is wrong with it.
func (a *Admission) Genuine(t *Token) bool { return t.SignedBy(a.Trust.OrgRoot.ActiveKeys(a.Now)) }

// Token judges a token by itself. ok is false if it is refused. entry is that of the
// nonce.
func (a *Admission) Token(t *Token) (entry *Nonce, refusal wire.Outcome, ok bool) {
	claims := &t.Claims
	refused := func(field, detail string) (*Nonce, wire.Outcome, bool) {
		return nil, wire.Refuse(wire.EnrolmentRefused, "token."+field, detail), false
	}
	if a.Nonces != nil {
		for i := range a.Nonces.Entries {
			if a.Nonces.Entries[i].Nonce == claims.Nonce {
				entry = &a.Nonces.Entries[i]
				break
			}
		}
	}
	slot := &a.Trust.OrgRoot
	switch {
	case entry == nil:
		return refused("claims.nonce", "is not in the signed list of nonces that the plane holds; want a release with bootstrap-nonces.json that has it")
	case entry.Hostname != claims.Hostname:
		return refused("claims.hostname", fmt.Sprintf("is %s, and the list allows the nonce to another host", claims.Hostname))
	case !a.Now.Before(entry.ExpiresAt):
		return refused("claims.nonce", fmt.Sprintf("expired at %v by the signed list; it is %v", entry.ExpiresAt, a.Now))
	case a.Now.Before(claims.IssuedAt):
		return refused("claims.issuedAt", fmt.Sprintf("is %v, which is in the future: it is %v by the plane's clock", claims.IssuedAt, a.Now))
	case !a.Now.Before(claims.ExpiresAt):
		return refused("claims.expiresAt", fmt.Sprintf("is %v, which is past: it is %v by the plane's clock; want a new token", claims.ExpiresAt, a.Now))
	case len(slot.ActiveKeys(a.Now)) == 0:
		return nil, wire.Refuse(wire.IssuingFailed, "", "the plane's trust file has no orgRootKey that is in use now"), false
	case t.version != 1:
		return refused("version", fmt.Sprintf("is %d; want 1", t.version))
	case !a.Genuine(t):
		return refused("signature", "is not that of the organization's root key over these claims")
	case claims.IssuedAt.Before(slot.RejectBefore):
		return refused("claims.issuedAt", fmt.Sprintf("is %v, and the trust file rejects tokens of before %v", claims.IssuedAt, slot.RejectBefore))
	}
	return entry, wire.Outcome{}, true
}

// Host judges whether an applicant is the host of a good token.
func (a *Admission) Host(claims *Claims, by *Applicant) (refusal wire.Outcome, ok bool) {
	if by.CommonName != string(claims.Hostname) {
		return wire.Refuse(wire.EnrolmentRefused, "csrPem", fmt.Sprintf("has the common name %.100q; want %s, as the token has it", by.CommonName, claims.Hostname)), false
	}
	if Fingerprint(by.Key) != claims.Fingerprint {
		return wire.Refuse(wire.EnrolmentRefused, "csrPem", fmt.Sprintf("has a key with the fingerprint %s; the token is for %s", Fingerprint(by.Key), claims.Fingerprint)), false
	}
	host := wire.Lookup(a.Fleet.Hosts, string(claims.Hostname))
	if host == nil {
		return wire.Refuse(wire.EnrolmentRefused, "token.claims.hostname", fmt.Sprintf("%s is not in the fleet that the plane holds", claims.Hostname)), false
	}
	if !by.Ed25519 {
		return notEd25519(), false
	}
	return a.key(claims.Hostname, host, by)
}

// Renewal judges whether a host that has a certificate with a key may have another one.
func (a *Admission) Renewal(hostname wire.Hostname, current []byte, by *Applicant) (refusal wire.Outcome, ok bool) {
	if !by.Ed25519 {
		return notEd25519(), false
	}
	host := wire.Lookup(a.Fleet.Hosts, string(hostname))
	if host == nil {
		return wire.Refuse(wire.EnrolmentRefused, "", fmt.Sprintf("%s is not in the fleet that the plane holds", hostname)), false
	}
	if string(current) != string(by.Key) {
		return wire.Refuse(wire.EnrolmentRefused, "csrPem", "has another key than the certificate that is renewed; a host with a new key enrols with a token"), false
	}
	return a.key(hostname, host, by)
}

func notEd25519() wire.Outcome {
	return wire.Refuse(wire.BadCSR, "csrPem", "has no ed25519 key; want the host's SSH key of that type")
}

// key judges whether the applicant's key is the one that the fleet has for the host.
func (a *Admission) key(name wire.Hostname, host *Host, by *Applicant) (refusal wire.Outcome, ok bool) {
	if host.PublicKey == "" {
		return wire.Refuse(wire.EnrolmentRefused, "", fmt.Sprintf("the fleet has no public key for %s; want its pubkey in a signed release", name)), false
	}
	key, err := host.Key()
	if err != nil {
		return wire.Refuse(wire.EnrolmentRefused, "", fmt.Sprintf("the fleet's public key for %s: %v", name, err)), false
	}
	if string(key) != string(by.Key) {
		return wire.Refuse(wire.EnrolmentRefused, "csrPem", fmt.Sprintf("has another key than the fleet has for %s", name)), false
	}
	return wire.Outcome{}, true
}

// Key returns the 32 bytes of the host's public key (RFC 8709).
func (h *Host) Key() (ed25519.PublicKey, error) {
	const algorithm = "ssh-ed25519"
	fields := strings.Fields(string(h.PublicKey))
	if len(fields) < 2 || fields[0] != algorithm {
		return nil, errors.New("want a line of OpenSSH that begins with " + algorithm)
	}
	blob, err := base64.StdEncoding.DecodeString(fields[1])
	if err != nil {
		return nil, fmt.Errorf("want base64 after %s: %w", algorithm, err)
	}
	name, rest, ok := cutString(blob)
	key, end, ok2 := cutString(rest)
	if !ok || !ok2 || string(name) != algorithm || len(key) != ed25519.PublicKeySize || len(end) > 0 {
		return nil, errors.New("want the 32 bytes of an ed25519 key after " + algorithm)
	}
	return key, nil
}

// cutString takes a string off the front of an SSH message (RFC 4251, 5).
func cutString(b []byte) (s, rest []byte, ok bool) {
	if len(b) < 4 {
		return nil, nil, false
	}
	n := binary.BigEndian.Uint32(b)
	if b = b[4:]; uint64(n) > uint64(len(b)) {
		return nil, nil, false
	}
	return b[:n], b[n:], true
}
