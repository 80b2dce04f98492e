package artifact_test

import (
	"bytes"
	"crypto/ed25519"
	"encoding/asn1"
	"encoding/base64"
	"encoding/hex"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/refrain-fleet/refrain/core/artifact"
	"github.com/refrain-fleet/refrain/core/wire"
)

func TestVectors_CanonicalFormAndHashes(t *testing.T) {
	for _, test := range []struct {
		in, out string
		size    int
		hash    string
	}{
		{"v1.input.json", "v1.canonical.json", 202, "c623c9d5ada8dc75a04e72a069302167ac0f52d038d6800d51ffaa5267fa2f4b"},
		{"fleet.pretty.json", "fleet.resolved.json", 1421, "4dbb83887d928aa0679f7dbb78f69d31fdc8640663f2a65fe0626205c9c910f4"},
		{"fleet.resolved.json", "fleet.resolved.json", 1421, "4dbb83887d928aa0679f7dbb78f69d31fdc8640663f2a65fe0626205c9c910f4"},
		{rolloutID + ".json", rolloutID + ".json", 798, "35d691e66af3bb8e212b7c23be45366886d63e44e5156e72a630b4f1738538fd"},
		{"token.claims.canonical.json", "token.claims.canonical.json", 208, ""},
	} {
		form, err := wire.Canonical(file(t, test.in))
		if err != nil || !bytes.Equal(form, file(t, test.out)) || len(form) != test.size {
			t.Errorf("%s: the form is %s (%d bytes), %v; want that of %s, %d bytes", test.in, form, len(form), err, test.out, test.size)
		}
		if hash := artifact.HashOf(form).String(); test.hash != "" && hash != test.hash {
			t.Errorf("%s: the hash is %s; want %s", test.in, hash, test.hash)
		}
	}
}

func TestVectors_GoodArtifactsVerify(t *testing.T) {
	v := verifier(t)
	fleet, err := v.Fleet(artifactOf(t, "fleet.resolved.json"))
	wantReason(t, "fleet", err, 0)
	rollout, err := v.Rollout(artifactOf(t, rolloutID+".json"))
	wantReason(t, "rollout", err, 0)
	revocations, err := v.Revocations(artifactOf(t, "revocations.json"))
	wantReason(t, "revocations", err, 0)
	nonces, err := v.Nonces(artifactOf(t, "bootstrap-nonces.json"))
	wantReason(t, "nonces", err, 0)
	if t.Failed() {
		return
	}
	wantReason(t, "the rollout with the fleet", artifact.Fits(rolloutID, rollout, fleet), 0)
	if ids := fleet.Doc.RolloutIDs(); len(ids) != 1 || ids[0] != rolloutID {
		t.Errorf("the fleet's rollouts are %v; want %s", ids, rolloutID)
	}
	line := rollout.Doc.Host("web-02")
	if line == nil || line.Wave != 1 || line.Closure != "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb-nixos-system-web-02-1" {
		t.Errorf("the line of web-02 is %+v", line)
	}
	if e := revocations.Doc.Entries; len(e) != 1 || e[0].Hostname != "web-02" || e[0].NotBefore != instant(t, "2026-01-02T00:00:00Z") || e[0].Reason != "lost" {
		t.Errorf("the revocations are %+v", e)
	}
	if e := nonces.Doc.Entries; len(e) != 1 || e[0].Nonce != "000102030405060708090a0b0c0d0e0f" || e[0].Hostname != "web-01" {
		t.Errorf("the nonces are %+v", e)
	}
	if host := wire.Lookup(fleet.Doc.Hosts, "web-02"); host == nil || host.Pin == nil || host.Pin.Reason != "driver bug" {
		t.Errorf("web-02 is %+v; want it pinned", host)
	}
	if keys := fleet.Signers; len(keys) != 1 || keys[0].Algorithm != artifact.Ed25519 {
		t.Errorf("the signers are %v", keys)
	}
}

// What the producer made is made here of the same values, byte for byte.
func TestVectors_AreWrittenTheSame(t *testing.T) {
	fleet, err := artifact.ParseFleet(file(t, "fleet.pretty.json"))
	if err != nil {
		t.Fatal(err)
	}
	canonical, err := fleet.Marshal()
	if err != nil || !bytes.Equal(canonical, file(t, "fleet.resolved.json")) {
		t.Errorf("the fleet is written as %s, %v", canonical, err)
	}
	rollout, ok := artifact.RolloutOf(fleet, artifact.HashOf(canonical), "stable")
	if !ok {
		t.Fatal("the channel has no rollout")
	}
	if text, err := rollout.Marshal(); err != nil || !bytes.Equal(text, file(t, rolloutID+".json")) {
		t.Errorf("the rollout is derived as %s, %v; want %s", text, err, file(t, rolloutID+".json"))
	}
	revocations, err := artifact.ParseRevocations(file(t, "revocations.json"))
	if err != nil {
		t.Fatal(err)
	}
	if text, err := revocations.Marshal(); err != nil || !bytes.Equal(text, file(t, "revocations.json")) {
		t.Errorf("the revocations are written as %s, %v", text, err)
	}
	nonces, err := artifact.ParseNonces(file(t, "bootstrap-nonces.json"))
	if err != nil {
		t.Fatal(err)
	}
	if text, err := nonces.Marshal(); err != nil || !bytes.Equal(text, file(t, "bootstrap-nonces.json")) {
		t.Errorf("the nonces are written as %s, %v", text, err)
	}
	if text := artifact.MarshalTrust(verifier(t).Trust); string(text) != strings.Replace(string(file(t, "trust.json")), `"cacheKeys":[],`, "", 1) {
		t.Errorf("the trust file is written as %s", text)
	}
}

func TestVectors_SignaturesOfAFleet(t *testing.T) {
	good := artifactOf(t, "fleet.resolved.json")
	low, high := file(t, "fleet.p256-low.sig"), file(t, "fleet.p256-high.sig")
	flipped := bytes.Clone(good.Signature)
	flipped[0] ^= 1
	der, err := asn1.Marshal(struct{ R, S *big.Int }{new(big.Int).SetBytes(low[:32]), new(big.Int).SetBytes(low[32:])})
	if err != nil {
		t.Fatal(err)
	}
	organisation, err := base64.StdEncoding.DecodeString("he9DDVey+Z55HEwKFYMCYtLEz38lCSiJHk2lS3+yF16iyOpLb1IS7xB+Q0Er5UjcKkGiK/I9GQ9W98BLkTo0AA==")
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name                string
		document, signature []byte
		want                artifact.Reason
	}{
		{"as made", good.Document, good.Signature, 0},
		{"spread out", file(t, "fleet.pretty.json"), good.Signature, 0},
		{"a newline after the document", append(bytes.Clone(good.Document), '\n'), good.Signature, 0},
		{"p256, low S", good.Document, low, 0},
		{"p256, high S", good.Document, high, 0},
		{"a flipped bit", good.Document, flipped, artifact.BadSignature},
		{"a signature in base64", good.Document, []byte(base64.StdEncoding.EncodeToString(good.Signature)), artifact.BadSignature},
		{"a signature in hexadecimal", good.Document, []byte(hex.EncodeToString(good.Signature)), artifact.BadSignature},
		{"a newline after the signature", good.Document, append(bytes.Clone(good.Signature), '\n'), artifact.BadSignature},
		{"p256 as DER", good.Document, der, artifact.BadSignature},
		{"no signature", good.Document, nil, artifact.BadSignature},
		{"zeros", good.Document, make([]byte, 64), artifact.BadSignature},
		{"a signature of another document", good.Document, file(t, rolloutID+".json.sig"), artifact.BadSignature},
		{"a signature by another key", good.Document, organisation, artifact.BadSignature},
		{"a changed member", bytes.Replace(good.Document, []byte(`"max":0`), []byte(`"max":1`), 1), good.Signature, artifact.BadSignature},
		{"a null that was removed", bytes.Replace(good.Document, []byte(`,"maxInFlightPct":null`), nil, 1), good.Signature, artifact.BadSignature},
		{"an unknown member that was added", bytes.Replace(good.Document, []byte(`{"channelEdges"`), []byte(`{"a":1,"channelEdges"`), 1), good.Signature, artifact.BadSignature},
		{"something after the document", append(bytes.Clone(good.Document), "{}"...), good.Signature, artifact.NotJSON},
		{"a member twice", bytes.Replace(good.Document, []byte(`{"channelEdges":[]`), []byte(`{"channelEdges":[],"channelEdges":[]`), 1), good.Signature, artifact.NotJSON},
	} {
		_, err := verifier(t).Fleet(artifact.Signed{Document: test.document, Signature: test.signature})
		wantReason(t, test.name, err, test.want)
	}
	v := verifier(t)
	v.Trust.Release = v.Trust.OrgRoot
	_, err = v.Fleet(good)
	wantReason(t, "the wrong key", err, artifact.BadSignature)
}

// With the window of an hour they verify from 03:03:05 to 04:05:05, both included.
func TestVectors_Freshness(t *testing.T) {
	for _, test := range []struct {
		now  string
		want artifact.Reason
	}{
		{"2026-01-02T03:03:04Z", artifact.FromTheFuture},
		{"2026-01-02T03:03:04.999999999Z", artifact.FromTheFuture},
		{"2026-01-02T03:03:05Z", 0},
		{"2026-01-02T04:05:05Z", 0},
		{"2026-01-02T04:05:05.000000001Z", artifact.Stale},
		{"2026-01-02T04:05:06Z", artifact.Stale},
	} {
		v := verifier(t)
		v.Now = instant(t, test.now)
		_, err := v.Fleet(artifactOf(t, "fleet.resolved.json"))
		wantReason(t, "fleet at "+test.now, err, test.want)
		_, err = v.Rollout(artifactOf(t, rolloutID+".json"))
		wantReason(t, "rollout at "+test.now, err, test.want)
		_, err = v.Revocations(artifactOf(t, "revocations.json"))
		wantReason(t, "revocations at "+test.now, err, test.want)
		v.Window += 24 * time.Hour
		_, err = v.Nonces(artifactOf(t, "bootstrap-nonces.json"))
		if test.want == artifact.Stale {
			test.want = 0
		}
		wantReason(t, "nonces at "+test.now+" with a day more", err, test.want)
	}
}

// Other signed texts of hosts have the same canonical form and the same keys.
func TestVectors_TokenClaimsAndEvidence(t *testing.T) {
	organisation := verifier(t).Trust.OrgRoot.Current
	host := artifact.Key{Algorithm: artifact.Ed25519}
	fleet, err := artifact.ParseFleet(file(t, "fleet.resolved.json"))
	if err != nil {
		t.Fatal(err)
	}
	// The last 32 bytes of an OpenSSH line of ed25519 are the key.
	blob, err := base64.StdEncoding.DecodeString(strings.Fields(string(wire.Lookup(fleet.Hosts, "web-01").PublicKey))[1])
	if err != nil {
		t.Fatal(err)
	}
	raw := blob[len(blob)-ed25519.PublicKeySize:]
	host.Public = encode(raw)
	if hex.EncodeToString(raw) != "adc14011f82d1c56d956aa4f9d73d8858361a606048525e0d08c638dc75dd8c7" {
		t.Errorf("the host's key is %x", raw)
	}
	const evidence = `{"schemaVersion":1,"hostname":"web-01","collectedAt":"2026-01-02T03:04:05Z","controls":[{"controlId":"access-control","passed":true,"frameworkArticles":{"iso27001":["A.5.1"]}}]}`
	for _, test := range []struct {
		name, text, signature string
		key                   artifact.Key
	}{
		{"claims", string(file(t, "token.claims.canonical.json")), "he9DDVey+Z55HEwKFYMCYtLEz38lCSiJHk2lS3+yF16iyOpLb1IS7xB+Q0Er5UjcKkGiK/I9GQ9W98BLkTo0AA==", *organisation},
		{"evidence", evidence, "6w/I7wVxc4PjgHjGpjX/wcRqDPnc8+uTHzl55LKJBMc6mqqkmQMhquqUuKD+qxXb4Hpow/ifLRvgsbaeTe/lBA==", host},
	} {
		signature, err := base64.StdEncoding.DecodeString(test.signature)
		if err != nil {
			t.Fatal(err)
		}
		form, err := wire.Canonical([]byte(test.text))
		if err != nil || !test.key.Verifies(form, signature) {
			t.Errorf("%s: the signature does not verify (%v)", test.name, err)
		}
		if form[10] ^= 1; test.key.Verifies(form, signature) {
			t.Errorf("%s: the signature verifies for another text", test.name)
		}
	}
	if fingerprint := artifact.HashOf(raw); encode(fingerprint[:]) != "uoES+kuj1vk0sq0qoGlmAj1W4e6wstW3S13W7BUrppA=" {
		t.Errorf("the fingerprint of the host's key is %s", encode(fingerprint[:]))
	}
}
