package artifact_test

import (
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/refrain-fleet/refrain/core/artifact"
	"github.com/refrain-fleet/refrain/core/wire"
)

const (
	commit    = "0123456789abcdef0123456789abcdef01234567"
	rolloutID = "stable@" + commit
)

// file is a file of testdata: artifacts, keys and signatures that were made, and
// verified, by other programs.
func file(t testing.TB, name string) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// artifactOf is a document of testdata with the signature beside it.
func artifactOf(t testing.TB, name string) artifact.Signed {
	t.Helper()
	return artifact.Signed{Document: file(t, name), Signature: file(t, name+".sig")}
}

func instant(t testing.TB, text string) wire.Time {
	t.Helper()
	at, err := wire.ParseTime(text)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

func trustOf(t testing.TB, text []byte) *artifact.Trust {
	t.Helper()
	trust, err := artifact.ParseTrust(text)
	if err != nil {
		t.Fatal(err)
	}
	return trust
}

// verifier is one a minute after the artifacts of testdata were signed.
func verifier(t testing.TB) *artifact.Verifier {
	t.Helper()
	return &artifact.Verifier{Trust: trustOf(t, file(t, "trust.json")), Now: instant(t, "2026-01-02T03:05:05Z"), Window: artifact.AgentWindow}
}

// wantReason compares the reason of a refusal; 0 is none.
func wantReason(t testing.TB, name string, err error, want artifact.Reason) {
	t.Helper()
	var refusal *artifact.Refusal
	switch {
	case want == 0 && err != nil:
		t.Errorf("%s: refused with %v; want it accepted", name, err)
	case want != 0 && !errors.As(err, &refusal):
		t.Errorf("%s: got %v; want a refusal with %v", name, err, want)
	case want != 0 && refusal.Reason != want:
		t.Errorf("%s: refused with %v; want %v", name, err, want)
	}
}

// signer is a key that tests sign with.
type signer struct{ private ed25519.PrivateKey }

// newSigner makes an ed25519 key of a seed of equal bytes.
func newSigner(seed byte) signer {
	bytes := make([]byte, ed25519.SeedSize)
	for i := range bytes {
		bytes[i] = seed
	}
	return signer{ed25519.NewKeyFromSeed(bytes)}
}

func (s signer) key(t testing.TB) artifact.Key {
	t.Helper()
	return artifact.Key{Algorithm: artifact.Ed25519, Public: encode(s.private.Public().(ed25519.PublicKey))}
}

func encode(raw []byte) wire.Name { return wire.Name(base64.StdEncoding.EncodeToString(raw)) }

// sign signs a document as it is.
func (s signer) sign(t testing.TB, document string) artifact.Signed {
	t.Helper()
	canonical, err := wire.Canonical([]byte(document))
	if err != nil {
		t.Fatal(err)
	}
	return artifact.Signed{Document: []byte(document), Signature: ed25519.Sign(s.private, canonical)}
}

// small is the smallest fleet that can be read.
const small = `{"schemaVersion":1,"hosts":{},"channels":{},"waves":{},"meta":{"schemaVersion":1,"signedAt":"2026-01-02T03:04:05Z","ciCommit":null}}`
