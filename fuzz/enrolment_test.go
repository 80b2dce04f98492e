package fuzz

import (
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"testing"

	"github.com/refrain-fleet/refrain/core/artifact"
	"github.com/refrain-fleet/refrain/core/wire"
)

// FuzzEnrolment gives the plane's judge the body of an enrolment. What decodes is written
// and read again as the same. Nothing that the root key has not signed is genuine or
// accepted, by the standard library's judgement; signed, it is genuine, and one changed bit
// of the signature spoils it. PROTOCOL N2
func FuzzEnrolment(f *testing.F) {
	f.Add([]byte(`{"token":{"version":1,"claims":{"hostname":"h1","expectedPubkeyFingerprint":"f","issuedAt":"2026-01-02T03:04:05.5Z","expiresAt":"2026-01-03T03:04:05+01:00","nonce":"n"},"signature":"AAAA"},"csrPem":"x"}`), uint16(3))
	f.Add([]byte(`{"token":{"version":2,"claims":{"hostname":"h2","expectedPubkeyFingerprint":"é\u0000","issuedAt":"0001-01-01T00:00:00Z","expiresAt":"9999-01-01T00:00:00.123456Z","nonce":"\u20ac\"\\"},"signature":"="},"csrPem":""}`), uint16(511))
	f.Fuzz(func(t *testing.T, body []byte, bit uint16) {
		var request artifact.Enrolment
		if err := wire.DecodeDocument(new(wire.Decoder), &artifact.EnrolmentSchema, body, &request); err != nil {
			return
		}
		var again artifact.Enrolment
		text := artifact.EnrolmentSchema.Append(nil, &request)
		if err := wire.DecodeDocument(new(wire.Decoder), &artifact.EnrolmentSchema, text, &again); err != nil || again != request {
			t.Fatalf("%s reads back as %+v, %v; want %+v", text, again, err, request)
		}
		public := releaseKey.Public().(ed25519.PublicKey)
		root := artifact.Key{Algorithm: artifact.Ed25519, Public: wire.Name(base64.StdEncoding.EncodeToString(public))}
		claims := &request.Token.Claims
		admission := artifact.Admission{
			Trust:  &artifact.Trust{OrgRoot: artifact.Slot{Current: &root}},
			Nonces: &artifact.Nonces{Entries: []artifact.Nonce{{Nonce: claims.Nonce, Hostname: claims.Hostname, ExpiresAt: claims.ExpiresAt}}},
			Fleet:  &artifact.Fleet{}, Now: claims.IssuedAt,
		}
		form, err := claims.Canonical()
		if err != nil {
			t.Fatalf("the claims %+v have no canonical form: %v", claims, err)
		}
		if !json.Valid(form) {
			t.Fatalf("the form is no JSON: %s", form)
		}
		signature, err := base64.StdEncoding.DecodeString(string(request.Token.Signature))
		signed := err == nil && ed25519.Verify(public, form, signature)
		if _, _, ok := admission.Token(&request.Token); !signed && (ok || admission.Genuine(&request.Token)) {
			t.Fatalf("%s is accepted: %v", text, ok)
		}

		good := artifact.NewToken(*claims)
		made := ed25519.Sign(releaseKey, form)
		good.Signature = wire.Name(base64.StdEncoding.EncodeToString(made))
		if !admission.Genuine(&good) {
			t.Fatalf("%s is not genuine", good.Marshal())
		}
		if _, refusal, ok := admission.Token(&good); ok != claims.IssuedAt.Before(claims.ExpiresAt) {
			t.Fatalf("%s: accepted is %v, %+v", good.Marshal(), ok, refusal)
		}
		made[bit/8%64] ^= 1 << (bit % 8)
		good.Signature = wire.Name(base64.StdEncoding.EncodeToString(made))
		if admission.Genuine(&good) {
			t.Fatalf("%s is genuine with a bit changed", good.Marshal())
		}
	})
}
