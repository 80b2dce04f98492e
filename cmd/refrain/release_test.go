package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/asn1"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"testing"

	"github.com/refrain-fleet/refrain/core/artifact"
	"github.com/refrain-fleet/refrain/internal/sample"
)

// docs/releases.md shows a release from its YAML file to its verification. The key is
// that of the scripts, and the instants are given, so that everything is the same in
// every run.
func TestDocumentation_AReleaseIsMadeAndVerified(t *testing.T) {
	t.Parallel()
	c := &terminal{t: t, dir: t.TempDir()}
	for _, name := range []string{"fleet.yaml", "changed.yaml", "release.key", "release.pub", "other.pub"} {
		c.file(name, scriptFile(t, "release.txtar", name))
	}
	c.run("refrain release trust release.pub --out trust.json")
	fleet := sample.Block("", scriptFile(t, "release.txtar", "fleet.yaml"))
	build := c.run("refrain release build fleet.yaml")
	sign := c.run("refrain release sign release --trust trust.json --key release.key --at 2026-01-31T12:00:00Z")
	c.run("refrain release build changed.yaml --out next")
	sample.Check(t, docs+"releases.md", "the release", map[string]string{
		"fleet":  fleet,
		"build":  sample.Block("", build),
		"sign":   sample.Block("", sign),
		"verify": sample.Block("", c.run("refrain release verify release --trust trust.json --at 2026-01-31T12:30:00Z --host web-2")),
		"show":   sample.Block("", c.run("refrain release show release")),
		"stale":  sample.Block("", c.run("refrain release verify release --trust trust.json --at 2026-01-31T14:00:00Z")),
		"trust":  sample.Block("", c.run("refrain release trust release.pub --signer other.pub --required 2")),
		"diff":   sample.Block("", c.run("refrain release diff release next")),
	})
}

// A key of P-256 signs as the trust file has it: X and Y without the byte before them,
// R and S of 32 bytes each.
func TestReleaseKey_P256SignsInTheFormOfArtifacts(t *testing.T) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "p256.key")
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o640); err != nil {
		t.Fatal(err)
	}
	key, err := openKeyFile("--key", path)
	if err != nil {
		t.Fatal(err)
	}
	for range 20 { // short numbers are padded
		signature, err := key.sign(t.Context(), []byte("a message"))
		if err != nil || len(signature) != artifact.SignatureSize || !key.Verifies([]byte("a message"), signature) || key.Verifies([]byte("another"), signature) {
			t.Fatalf("the signature is %x (%v)", signature, err)
		}
	}
}

func TestReleaseKey_DERIsReadStrictly(t *testing.T) {
	der := func(r, s *big.Int) []byte {
		text, err := asn1.Marshal(struct{ R, S *big.Int }{r, s})
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	one, large := big.NewInt(1), new(big.Int).Lsh(big.NewInt(1), 256)
	if raw, err := rawOfDER(der(one, one)); err != nil || len(raw) != 64 || raw[31] != 1 || raw[63] != 1 {
		t.Errorf("1 and 1 are %x, %v", raw, err)
	}
	for name, text := range map[string][]byte{
		"nothing": nil, "text": []byte("signature"), "something after it": append(der(one, one), 0),
		"zero": der(one, new(big.Int)), "negative": der(big.NewInt(-1), one), "more than 256 bits": der(large, one),
	} {
		if raw, err := rawOfDER(text); err == nil {
			t.Errorf("%s: read as %x", name, raw)
		}
	}
}
