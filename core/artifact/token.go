package artifact

import (
	"crypto/ed25519"
	"encoding/base64"

	"github.com/refrain-fleet/refrain/core/wire"
)

// Token lets one host enrol with one key, once its nonce is in the signed list
// ([Nonces]). The holder of the organization's root key makes it.
type Token struct {
	Claims Claims
	// Signature is base64 of the 64 bytes of ed25519 over the canonical form of the claims.
	Signature wire.Name

	version wire.Count
}

// NewToken returns a token without a signature, which is to be made over the canonical
// form of its claims.
func NewToken(claims Claims) Token { return Token{Claims: claims, version: 1} }

// Claims are what a token says, and all that is signed of it.
type Claims struct {
	Hostname wire.Hostname
	// Fingerprint is that of the host's key, see [Fingerprint].
	Fingerprint wire.Name
	// The token is good from IssuedAt on and before ExpiresAt.
	IssuedAt, ExpiresAt wire.Time
	Nonce               wire.Name
}

// Enrolment is the request of a host that has a token.
type Enrolment struct {
	Token Token
	// CSR is the certificate signing request in PEM.
	CSR wire.Text
}

// Renewal is the request of a host that has a certificate.
type Renewal struct{ CSR wire.Text }

// Certificate is the answer to both.
type Certificate struct {
	// Certificate is the certificate in PEM, perhaps with the CAs below the fleet CA.
	Certificate wire.Text
	NotAfter    wire.Time
}

// claimsSchema has the members in the order of the canonical form.
var claimsSchema = wire.Schema[Claims]{Fields: []wire.Field[Claims]{
	{Name: "expectedPubkeyFingerprint", Presence: wire.Required, Of: func(c *Claims) wire.Value { return &c.Fingerprint }},
	{Name: "expiresAt", Presence: wire.Required, Of: func(c *Claims) wire.Value { return claimed{&c.ExpiresAt} }},
	{Name: "hostname", Presence: wire.Required, Of: func(c *Claims) wire.Value { return &c.Hostname }},
	{Name: "issuedAt", Presence: wire.Required, Of: func(c *Claims) wire.Value { return claimed{&c.IssuedAt} }},
	{Name: "nonce", Presence: wire.Required, Of: func(c *Claims) wire.Value { return &c.Nonce }},
}}

var tokenSchema = wire.Schema[Token]{Fields: []wire.Field[Token]{
	{Name: "version", Presence: wire.Required, Of: func(t *Token) wire.Value { return &t.version }},
	{Name: "claims", Presence: wire.Required, Of: func(t *Token) wire.Value {
		return wire.Nested[Claims]{Doc: &t.Claims, Schema: &claimsSchema}
	}},
	{Name: "signature", Presence: wire.Required, Of: func(t *Token) wire.Value { return &t.Signature }},
}}

// EnrolmentSchema describes [Enrolment].
var EnrolmentSchema = wire.Schema[Enrolment]{Fields: []wire.Field[Enrolment]{
	{Name: "token", Presence: wire.Required, Of: func(e *Enrolment) wire.Value {
		return wire.Nested[Token]{Doc: &e.Token, Schema: &tokenSchema}
	}},
	{Name: "csrPem", Presence: wire.Required, Of: func(e *Enrolment) wire.Value { return &e.CSR }},
}}

// RenewalSchema describes [Renewal].
var RenewalSchema = wire.Schema[Renewal]{Fields: []wire.Field[Renewal]{
	{Name: "csrPem", Presence: wire.Required, Of: func(r *Renewal) wire.Value { return &r.CSR }},
}}

// CertificateSchema describes [Certificate].
var CertificateSchema = wire.Schema[Certificate]{Fields: []wire.Field[Certificate]{
	{Name: "certPem", Presence: wire.Required, Of: func(c *Certificate) wire.Value { return &c.Certificate }},
	{Name: "notAfter", Presence: wire.Required, Of: func(c *Certificate) wire.Value { return &c.NotAfter }},
}}

// AppendJSON implements [wire.Document].
func (c *Certificate) AppendJSON(dst []byte) []byte { return CertificateSchema.Append(dst, c) }

// ParseToken reads a token. The error is a [*wire.SyntaxError] or a [*wire.FieldError].
func ParseToken(text []byte) (*Token, error) {
	var t Token
	if err := wire.DecodeDocument(new(wire.Decoder), &tokenSchema, text, &t); err != nil {
		return nil, err
	}
	return &t, nil
}

// Canonical returns what a token's signature is of. It is made of the claims' values:
// what else a token has is not signed, and a time counts in the form that agents and
// planes of NixFleet write.
func (c *Claims) Canonical() ([]byte, error) { return wire.Canonical(claimsSchema.Append(nil, c)) }

// Marshal returns the token as the file that an agent reads.
func (t *Token) Marshal() []byte {
	written := *t
	written.version = 1
	return tokenSchema.Append(nil, &written)
}

// SignedBy reports whether one of the keys has signed the token. Keys that are not
// ed25519 are passed over. The rule is that of RFC 8032 and not the stricter one of
// artifacts, since NixFleet verifies tokens so.
func (t *Token) SignedBy(keys []Key) bool {
	signature, err := base64.StdEncoding.DecodeString(string(t.Signature))
	if err != nil || len(signature) != SignatureSize || t.version != 1 {
		return false
	}
	canonical, err := t.Claims.Canonical()
	if err != nil {
		return false
	}
	for i := range keys {
		raw, err := keys[i].Raw()
		if err == nil && keys[i].Algorithm == Ed25519 && len(raw) == ed25519.PublicKeySize && ed25519.Verify(raw, canonical, signature) {
			return true
		}
	}
	return false
}

// Fingerprint returns base64 of SHA-256 of the bytes of a public key. For ed25519 these
// are 32 bytes; it is not what ssh-keygen prints.
func Fingerprint(key []byte) wire.Name {
	sum := HashOf(key)
	return wire.Name(base64.StdEncoding.EncodeToString(sum[:]))
}

// claimed is a time in the form that tokens are signed in: 0, 3, 6 or 9 digits of a
// second, the fewest that lose nothing.
type claimed struct{ *wire.Time }

// AppendValue implements [wire.Value].
func (c claimed) AppendValue(dst []byte) []byte {
	std := c.Std()
	layout := "2006-01-02T15:04:05Z"
	switch nanos := std.Nanosecond(); {
	case nanos == 0:
	case nanos%1e6 == 0:
		layout = "2006-01-02T15:04:05.000Z"
	case nanos%1e3 == 0:
		layout = "2006-01-02T15:04:05.000000Z"
	default:
		layout = "2006-01-02T15:04:05.000000000Z"
	}
	dst = append(dst, '"')
	dst = std.AppendFormat(dst, layout)
	return append(dst, '"')
}
