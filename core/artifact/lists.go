package artifact

import "github.com/refrain-fleet/refrain/core/wire"

// Revocations is the signed list of revocations. A name that leaves the list stays
// revoked.
type Revocations struct {
	Entries []Revocation
	Meta    Meta

	version wire.Count
}

// Revocation refuses the certificates of a host that were issued before an instant.
type Revocation struct {
	Hostname  wire.Hostname
	NotBefore wire.Time
	Reason    wire.Text
	RevokedBy wire.Text
}

// Nonces is the signed list of the nonces that enrollment tokens may have. A list
// replaces the one before as a whole; which nonces were used is kept elsewhere.
type Nonces struct {
	Entries []Nonce
	Meta    Meta

	version wire.Count
}

// Nonce allows one host to enroll once.
type Nonce struct {
	Nonce     wire.Name
	Hostname  wire.Hostname
	ExpiresAt wire.Time
	MintedAt  wire.Time
	MintedBy  wire.Text
}

var revocationsSchema = wire.Schema[Revocations]{Fields: []wire.Field[Revocations]{
	{Name: "schemaVersion", Presence: wire.Required, Of: func(r *Revocations) wire.Value { return &r.version }},
	{Name: "revocations", Presence: wire.Required, Of: func(r *Revocations) wire.Value { return listOf(&r.Entries, &revocationSchema) }},
	{Name: "meta", Presence: wire.Required, Of: func(r *Revocations) wire.Value { return wire.Nested[Meta]{Doc: &r.Meta, Schema: &metaSchema} }},
}}

var revocationSchema = wire.Schema[Revocation]{Fields: []wire.Field[Revocation]{
	{Name: "hostname", Presence: wire.Required, Of: func(r *Revocation) wire.Value { return &r.Hostname }},
	{Name: "notBefore", Presence: wire.Required, Of: func(r *Revocation) wire.Value { return &r.NotBefore }},
	{Name: "reason", Presence: wire.Nullable, Of: func(r *Revocation) wire.Value { return orNull{&r.Reason} }},
	{Name: "revokedBy", Presence: wire.Nullable, Of: func(r *Revocation) wire.Value { return orNull{&r.RevokedBy} }},
}}

var noncesSchema = wire.Schema[Nonces]{Fields: []wire.Field[Nonces]{
	{Name: "schemaVersion", Presence: wire.Required, Of: func(n *Nonces) wire.Value { return &n.version }},
	{Name: "bootstrapNonces", Presence: wire.Required, Of: func(n *Nonces) wire.Value { return listOf(&n.Entries, &nonceSchema) }},
	{Name: "meta", Presence: wire.Required, Of: func(n *Nonces) wire.Value { return wire.Nested[Meta]{Doc: &n.Meta, Schema: &metaSchema} }},
}}

var nonceSchema = wire.Schema[Nonce]{Fields: []wire.Field[Nonce]{
	{Name: "nonce", Presence: wire.Required, Of: func(n *Nonce) wire.Value { return &n.Nonce }},
	{Name: "hostname", Presence: wire.Required, Of: func(n *Nonce) wire.Value { return &n.Hostname }},
	{Name: "expiresAt", Presence: wire.Required, Of: func(n *Nonce) wire.Value { return &n.ExpiresAt }},
	{Name: "mintedAt", Presence: wire.Nullable, Of: func(n *Nonce) wire.Value { return orNull{&n.MintedAt} }},
	{Name: "mintedBy", Presence: wire.Nullable, Of: func(n *Nonce) wire.Value { return orNull{&n.MintedBy} }},
}}

// Marshal returns the canonical form of the document.
func (r *Revocations) Marshal() ([]byte, error) {
	written := *r
	written.version, written.Meta.version = 1, 1
	return wire.Canonical(revocationsSchema.Append(nil, &written))
}

// Marshal returns the canonical form of the document.
func (n *Nonces) Marshal() ([]byte, error) {
	written := *n
	written.version, written.Meta.version = 1, 1
	return wire.Canonical(noncesSchema.Append(nil, &written))
}
