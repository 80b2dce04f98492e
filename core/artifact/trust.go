package artifact

import (
	"encoding/base64"
	"fmt"

	"github.com/refrain-fleet/refrain/core/wire"
)

// Trust is the trust file: whose signatures count. It is not signed itself; it comes
// to a machine in a way that is trusted already, such as its own system closure.
type Trust struct {
	// Release are the keys of releases: fleets, rollout manifests and lists.
	Release Slot
	// OrgRoot are the keys of enrollment tokens. Nothing here uses them.
	OrgRoot Slot
	// Signers asks for more signatures than the one by Release.
	Signers Signers

	version wire.Count
}

// Slot is one key and those that it is being replaced with or was before.
type Slot struct {
	// Current, Previous and Successor are tried in this order. Any may be missing.
	Current, Previous, Successor *Key
	// RejectBefore: what was signed earlier is refused, even with a good signature.
	RejectBefore wire.Time
	// RetireAt is when the successor ceases to be tried; without it none is tried.
	RetireAt wire.Time
}

// Signers are further keys of releases, each held by another person or machine, and
// how many of all have to sign. Agents of NixFleet ignore them; they look at the one
// signature by [Trust.Release].
type Signers struct {
	// Required is how many have to sign, the release key among them; 0 is 1.
	Required wire.Count
	Keys     []Key
}

// Key is a public key with its algorithm.
type Key struct {
	// Algorithm is [Ed25519], [ECDSAP256] or a word that is not known here; keys of
	// unknown algorithms are passed over.
	Algorithm wire.Name
	// Public is base64: 32 bytes for ed25519, the 64 bytes X‖Y for ecdsa-p256.
	Public wire.Name
}

// The algorithms, as trust files and documents call them.
const (
	Ed25519   wire.Name = "ed25519"
	ECDSAP256 wire.Name = "ecdsa-p256"
)

// Raw returns the bytes of the key.
func (k *Key) Raw() ([]byte, error) {
	raw, err := base64.StdEncoding.DecodeString(string(k.Public))
	if err != nil {
		return nil, fmt.Errorf("want base64 with padding: %w", err)
	}
	return raw, nil
}

// Equal reports whether both are the same key.
func (k *Key) Equal(other *Key) bool { return *k == *other }

// Known reports whether the key's algorithm is one that is verified here.
func (k *Key) Known() bool { return k.Algorithm == Ed25519 || k.Algorithm == ECDSAP256 }

// ActiveKeys returns the keys that are tried at an instant, in the order in which
// they are tried: current, previous, and the successor before its RetireAt.
func (s *Slot) ActiveKeys(now wire.Time) []Key {
	var keys []Key
	for _, key := range []*Key{s.Current, s.Previous} {
		if key != nil {
			keys = append(keys, *key)
		}
	}
	if s.Successor != nil && now.Before(s.RetireAt) {
		keys = append(keys, *s.Successor)
	}
	return keys
}

// ParseTrust reads a trust file. Members that it does not name are ignored. The error
// is a [*wire.SyntaxError] or a [*wire.FieldError].
func ParseTrust(text []byte) (*Trust, error) {
	var trust Trust
	if err := wire.DecodeDocument(new(wire.Decoder), &trustSchema, text, &trust); err != nil {
		return nil, err
	}
	return &trust, nil
}

// MarshalTrust returns a trust file, which reads back as the same.
func MarshalTrust(trust *Trust) []byte {
	written := *trust
	written.version = 1
	return trustSchema.Append(nil, &written)
}

var trustSchema = wire.Schema[Trust]{
	Fields: []wire.Field[Trust]{
		{Name: "schemaVersion", Presence: wire.Required, Of: func(t *Trust) wire.Value { return &t.version }},
		{Name: "ciReleaseKey", Presence: wire.Required, Of: func(t *Trust) wire.Value { return wire.Nested[Slot]{Doc: &t.Release, Schema: &slotSchema} }},
		{Name: "orgRootKey", Presence: wire.Optional, Of: func(t *Trust) wire.Value { return slotOrNone{&t.OrgRoot} }},
		{Name: "releaseSigners", Presence: wire.Optional, Of: func(t *Trust) wire.Value { return signersOrNone{&t.Signers} }},
	},
	Check: func(t *Trust) (field, problem string) {
		if t.version != 1 {
			return "schemaVersion", fmt.Sprintf("is %d; want 1", t.version)
		}
		return "", ""
	},
}

var slotSchema = wire.Schema[Slot]{Fields: []wire.Field[Slot]{
	{Name: "current", Presence: wire.Optional, Of: func(s *Slot) wire.Value { return optional[Key]{&s.Current, &keySchema} }},
	{Name: "previous", Presence: wire.Optional, Of: func(s *Slot) wire.Value { return optional[Key]{&s.Previous, &keySchema} }},
	{Name: "successor", Presence: wire.Optional, Of: func(s *Slot) wire.Value { return optional[Key]{&s.Successor, &keySchema} }},
	{Name: "rejectBefore", Presence: wire.Optional, Of: func(s *Slot) wire.Value { return &s.RejectBefore }},
	{Name: "retireAt", Presence: wire.Optional, Of: func(s *Slot) wire.Value { return &s.RetireAt }},
}}

var keySchema = wire.Schema[Key]{
	Fields: []wire.Field[Key]{
		{Name: "algorithm", Presence: wire.Required, Of: func(k *Key) wire.Value { return &k.Algorithm }},
		{Name: "public", Presence: wire.Required, Of: func(k *Key) wire.Value { return &k.Public }},
	},
	Check: func(k *Key) (field, problem string) {
		if err := k.check(); err != nil {
			return "public", "is not a key: " + err.Error()
		}
		return "", ""
	},
}

var signersSchema = wire.Schema[Signers]{
	Fields: []wire.Field[Signers]{
		{Name: "required", Presence: wire.Required, Of: func(s *Signers) wire.Value { return &s.Required }},
		{Name: "keys", Presence: wire.Required, Of: func(s *Signers) wire.Value { return wire.List[Key]{Items: &s.Keys, Schema: &keySchema} }},
	},
	Check: func(s *Signers) (field, problem string) {
		if s.Required < 1 || int(s.Required) > len(s.Keys)+1 {
			return "required", fmt.Sprintf("is %d; want 1 to %d: the release key and the %d further keys", s.Required, len(s.Keys)+1, len(s.Keys))
		}
		for i := range s.Keys {
			for j := range i {
				if s.Keys[i].Equal(&s.Keys[j]) {
					return fmt.Sprintf("keys[%d]", i), fmt.Sprintf("is keys[%d] again; one key cannot sign for two", j)
				}
			}
		}
		return "", ""
	},
}

// slotOrNone leaves a slot without keys out of the document.
type slotOrNone struct{ slot *Slot }

func (s slotOrNone) nested() wire.Nested[Slot] {
	return wire.Nested[Slot]{Doc: s.slot, Schema: &slotSchema}
}
func (s slotOrNone) DecodeValue(d *wire.Decoder) error { return s.nested().DecodeValue(d) }
func (s slotOrNone) AppendValue(dst []byte) []byte     { return s.nested().AppendValue(dst) }
func (s slotOrNone) IsUnset() bool                     { return *s.slot == Slot{} }

// signersOrNone leaves further signers out of the document if there are none.
type signersOrNone struct{ signers *Signers }

func (s signersOrNone) nested() wire.Nested[Signers] {
	return wire.Nested[Signers]{Doc: s.signers, Schema: &signersSchema}
}
func (s signersOrNone) DecodeValue(d *wire.Decoder) error { return s.nested().DecodeValue(d) }
func (s signersOrNone) AppendValue(dst []byte) []byte     { return s.nested().AppendValue(dst) }
func (s signersOrNone) IsUnset() bool                     { return s.signers.Required == 0 }
