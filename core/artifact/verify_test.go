package artifact_test

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha512"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"testing"

	"github.com/refrain-fleet/refrain/core/artifact"
	"github.com/refrain-fleet/refrain/core/wire"
)

func TestReasons_HaveWordsAndRemedies(t *testing.T) {
	words := map[string]bool{}
	for reason := artifact.Reason(1); int(reason) < artifact.ReasonCount; reason++ {
		word := reason.String()
		if words[word] || strings.Trim(word, "abcdefghijklmnopqrstuvwxyz_") != "" || reason.Remedy() == "" {
			t.Errorf("reason %d has the word %q and the remedy %q", reason, word, reason.Remedy())
		}
		words[word] = true
	}
	if text := artifact.Reason(0).String() + artifact.Reason(200).String() + artifact.Reason(200).Remedy(); text != "??" {
		t.Errorf("what is no reason is %q", text)
	}
}

// Documents that are signed well and cannot be used all the same.
func TestVerify_RefusesSignedDocuments(t *testing.T) {
	s := newSigner(7)
	v := verifier(t)
	key := s.key(t)
	v.Trust.Release = artifact.Slot{Current: &key, RejectBefore: instant(t, "2026-01-02T03:04:00Z")}
	for _, test := range []struct {
		name, old, new string
		want           artifact.Reason
		field          string
	}{
		{"as it is", "", "", 0, ""},
		{"unknown members", `{"schemaVersion":1,"hosts"`, `{"later":{"a":[null]},"schemaVersion":1,"hosts"`, 0, ""},
		{"a later schema of the meta", `"meta":{"schemaVersion":1`, `"meta":{"schemaVersion":2`, 0, ""},
		{"another offset", "2026-01-02T03:04:05Z", "2026-01-02T05:04:05+02:00", 0, ""},
		{"another schema", `{"schemaVersion":1,"hosts":{}`, `{"schemaVersion":2,"hosts":[]`, artifact.UnsupportedSchema, "schemaVersion"},
		{"no schema", `{"schemaVersion":1,`, `{`, artifact.WrongShape, "schemaVersion"},
		{"no object", small, `[]`, artifact.WrongShape, ""},
		{"no hosts", `"hosts":{},`, ``, artifact.WrongShape, "hosts"},
		{"hosts in a list", `"hosts":{}`, `"hosts":[]`, artifact.WrongShape, "hosts"},
		{"a host without tags", `"hosts":{}`, `"hosts":{"a":{"system":"x","channel":"c"}}`, artifact.WrongShape, "hosts.a.tags"},
		{"another case", `"hosts":{}`, `"hosts":{},"Edges":[]`, artifact.WrongShape, "Edges"},
		{"older names of an edge", `"hosts":{}`, `"hosts":{},"channelEdges":[{"before":"a","after":"b","reason":"r"}]`, 0, ""},
		{"an edge without an end", `"hosts":{}`, `"hosts":{},"edges":[{"gates":"a"}]`, artifact.WrongShape, "edges[0].gated"},
		{"an edge with both names", `"hosts":{}`, `"hosts":{},"edges":[{"gates":"a","before":"c","gated":"b"}]`, artifact.WrongShape, "edges[0].gates"},
		{"soak of more than a year", `"waves":{}`, `"waves":{"c":[{"hosts":[],"soakMinutes":527041}]}`, artifact.WrongShape, "waves.c[0].soakMinutes"},
		{"never signed", `"2026-01-02T03:04:05Z"`, `null`, artifact.NotSigned, "meta.signedAt"},
		{"no instant at all", `"signedAt":"2026-01-02T03:04:05Z",`, ``, artifact.NotSigned, "meta.signedAt"},
		{"a bad time", `2026-01-02T03:04:05Z`, `yesterday`, artifact.WrongShape, "meta.signedAt"},
		{"at rejectBefore", "03:04:05Z", "03:04:00Z", 0, ""},
		{"before rejectBefore", "03:04:05Z", "03:03:59.999999999Z", artifact.RejectedBefore, "meta.signedAt"},
		{"later than now", "03:04:05Z", "03:06:06Z", artifact.FromTheFuture, "meta.signedAt"},
	} {
		document := strings.Replace(small, test.old, test.new, 1)
		if document == small && test.old != test.new {
			t.Errorf("%s: nothing was replaced", test.name)
		}
		_, err := v.Fleet(s.sign(t, document))
		wantReason(t, test.name, err, test.want)
		if refusal, ok := err.(*artifact.Refusal); ok && refusal.Field != test.field {
			t.Errorf("%s: the field is %q; want %q", test.name, refusal.Field, test.field)
		}
	}
	v.NotBefore = instant(t, "2026-01-02T03:04:05Z")
	_, err := v.Fleet(s.sign(t, small))
	wantReason(t, "as old as the one in force", err, 0)
	v.NotBefore = instant(t, "2026-01-02T03:04:05.000000001Z")
	_, err = v.Fleet(s.sign(t, small))
	wantReason(t, "older than the one in force", err, artifact.Older)
}

// A document of one kind is none of another.
func TestVerify_KindsAreNotMixed(t *testing.T) {
	v := verifier(t)
	names := []string{"fleet.resolved.json", rolloutID + ".json", "revocations.json", "bootstrap-nonces.json"}
	readers := []func(artifact.Signed) error{
		func(s artifact.Signed) error { _, err := v.Fleet(s); return err },
		func(s artifact.Signed) error { _, err := v.Rollout(s); return err },
		func(s artifact.Signed) error { _, err := v.Revocations(s); return err },
		func(s artifact.Signed) error { _, err := v.Nonces(s); return err },
	}
	for i, name := range names {
		for j, read := range readers {
			want := artifact.WrongShape
			if i == j {
				want = 0
			}
			wantReason(t, fmt.Sprintf("%s as %s", name, names[j]), read(artifactOf(t, name)), want)
		}
	}
}

func TestVerify_KeysAreReplacedWithoutAGap(t *testing.T) {
	before, now, next := newSigner(1), newSigner(2), newSigner(3)
	for _, test := range []struct {
		name string
		slot func(before, now, next *artifact.Key) artifact.Slot
		// the reasons for documents of before, now and next
		want [3]artifact.Reason
	}{
		{"one key", func(_, now, _ *artifact.Key) artifact.Slot { return artifact.Slot{Current: now} },
			[3]artifact.Reason{artifact.BadSignature, 0, artifact.BadSignature}},
		{"with the one before", func(before, now, _ *artifact.Key) artifact.Slot { return artifact.Slot{Current: now, Previous: before} },
			[3]artifact.Reason{0, 0, artifact.BadSignature}},
		{"with the next one", func(_, now, next *artifact.Key) artifact.Slot {
			return artifact.Slot{Current: now, Successor: next, RetireAt: instant(t, "2026-01-02T03:05:05.000000001Z")}
		}, [3]artifact.Reason{artifact.BadSignature, 0, 0}},
		{"after the date of the next one", func(_, now, next *artifact.Key) artifact.Slot {
			return artifact.Slot{Current: now, Successor: next, RetireAt: instant(t, "2026-01-02T03:05:05Z")}
		}, [3]artifact.Reason{artifact.BadSignature, 0, artifact.BadSignature}},
		{"a next one without a date", func(_, now, next *artifact.Key) artifact.Slot { return artifact.Slot{Current: now, Successor: next} },
			[3]artifact.Reason{artifact.BadSignature, 0, artifact.BadSignature}},
		{"none", func(_, _, _ *artifact.Key) artifact.Slot { return artifact.Slot{} },
			[3]artifact.Reason{artifact.NoTrustRoots, artifact.NoTrustRoots, artifact.NoTrustRoots}},
		{"of an unknown algorithm", func(_, _, _ *artifact.Key) artifact.Slot {
			return artifact.Slot{Current: &artifact.Key{Algorithm: "ml-dsa-65", Public: "AAAA"}}
		}, [3]artifact.Reason{artifact.UnsupportedAlgorithm, artifact.UnsupportedAlgorithm, artifact.UnsupportedAlgorithm}},
		{"an unknown algorithm before a known one", func(_, now, _ *artifact.Key) artifact.Slot {
			return artifact.Slot{Current: &artifact.Key{Algorithm: "ml-dsa-65", Public: "AAAA"}, Previous: now}
		}, [3]artifact.Reason{artifact.BadSignature, 0, artifact.BadSignature}},
	} {
		keys := [3]artifact.Key{before.key(t), now.key(t), next.key(t)}
		v := verifier(t)
		v.Trust.Release = test.slot(&keys[0], &keys[1], &keys[2])
		for i, s := range []signer{before, now, next} {
			_, err := v.Fleet(s.sign(t, small))
			wantReason(t, fmt.Sprintf("%s, key %d", test.name, i), err, test.want[i])
		}
	}
}

func TestVerify_CountsSigners(t *testing.T) {
	first, second, third, stranger := newSigner(1), newSigner(2), newSigner(3), newSigner(4)
	keys := []artifact.Key{first.key(t), second.key(t), third.key(t)}
	document := first.sign(t, small)
	by := func(signers ...signer) artifact.Signed {
		s := document
		for _, one := range signers {
			s.Further = append(s.Further, one.sign(t, small).Signature)
		}
		return s
	}
	trust := func(required wire.Count, further ...artifact.Key) *artifact.Verifier {
		v := verifier(t)
		v.Trust.Release = artifact.Slot{Current: &keys[0]}
		v.Trust.Signers = artifact.Signers{Required: required, Keys: further}
		return v
	}
	rotated := trust(2, keys[1], keys[2])
	rotated.Trust.Release.Previous = &keys[1]
	for _, test := range []struct {
		name string
		v    *artifact.Verifier
		s    artifact.Signed
		want artifact.Reason
	}{
		{"one of one", trust(0), by(), 0},
		{"one of two", trust(1, keys[1]), by(), 0},
		{"two of three, and one signed", trust(2, keys[1:]...), by(), artifact.TooFewSignatures},
		{"two of three, and two signed", trust(2, keys[1:]...), by(third), 0},
		{"a stranger's beside", trust(2, keys[1:]...), by(stranger, second), 0},
		{"a stranger's only", trust(2, keys[1:]...), by(stranger), artifact.TooFewSignatures},
		{"the same again", trust(2, keys[1:]...), by(first, first), artifact.TooFewSignatures},
		{"the same twice", trust(3, keys[1:]...), by(second, second), artifact.TooFewSignatures},
		{"the release key listed again", trust(2, keys[0], keys[1]), by(first), artifact.TooFewSignatures},
		{"the slot's other key", rotated, by(second), artifact.TooFewSignatures},
		{"the slot's other key and a third", rotated, by(second, third), 0},
		{"not by the release key", trust(2, keys[1:]...), artifact.Signed{
			Document: document.Document, Signature: second.sign(t, small).Signature, Further: [][]byte{third.sign(t, small).Signature},
		}, artifact.BadSignature},
	} {
		_, err := test.v.Fleet(test.s)
		wantReason(t, test.name, err, test.want)
	}
}

// A signature whose R, or whose key, is of small order verifies for the library, also
// if the other of the two is an honest one. With the neutral element as R, S is the
// hash times the private scalar; with it as the key, R may be any point whose scalar S
// is.
func TestVerify_RefusesSmallOrderInTheKeyAndInR(t *testing.T) {
	order, ok := new(big.Int).SetString("7237005577332262213973186563042994240857116359379907606001950938285454250989", 10)
	if !ok {
		t.Fatal("the order of the group cannot be read")
	}
	littleEndian := func(raw []byte) *big.Int {
		raw = bytes.Clone(raw)
		slices.Reverse(raw)
		return new(big.Int).SetBytes(raw)
	}
	encodeScalar := func(x *big.Int) []byte {
		raw := new(big.Int).Mod(x, order).FillBytes(make([]byte, 32))
		slices.Reverse(raw)
		return raw
	}
	honest := newSigner(7)
	public := honest.private.Public().(ed25519.PublicKey)
	expanded := sha512.Sum512(honest.private.Seed())
	expanded[0] &= 248
	expanded[31] = expanded[31]&63 | 64
	scalar := littleEndian(expanded[:32])
	neutral := append([]byte{1}, make([]byte, 31)...)
	message := []byte("any")

	hash := sha512.Sum512(slices.Concat(neutral, public, message))
	smallR := slices.Concat(neutral, encodeScalar(new(big.Int).Mul(littleEndian(hash[:]), scalar)))
	key := honest.key(t)
	if !ed25519.Verify(public, message, smallR) {
		t.Error("R of small order: the library refuses it itself")
	}
	if key.Verifies(message, smallR) {
		t.Error("R of small order: it verifies")
	}
	anyR := slices.Concat(public, encodeScalar(scalar))
	smallKey := artifact.Key{Algorithm: artifact.Ed25519, Public: encode(neutral)}
	if !ed25519.Verify(neutral, message, anyR) {
		t.Error("a key of small order: the library refuses it itself")
	}
	if smallKey.Verifies(message, anyR) {
		t.Error("a key of small order: a signature verifies")
	}
}

// The points of small order are found again by arithmetic: those whose multiple by 8
// is the neutral element. A key or an R of them is refused, in every encoding.
func TestVerify_RefusesPointsOfSmallOrder(t *testing.T) {
	var (
		p = new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), 255), big.NewInt(19))
		d = new(big.Int).Mul(big.NewInt(-121665), new(big.Int).ModInverse(big.NewInt(121666), p))
	)
	mod := func(x *big.Int) *big.Int { return x.Mod(x, p) }
	mul := func(a, b *big.Int) *big.Int { return mod(new(big.Int).Mul(a, b)) }
	inverse := func(a *big.Int) *big.Int { return new(big.Int).ModInverse(mod(a), p) }
	// double returns y of twice the point with this y, and whether there is such a point:
	// x² = (y²-1)/(dy²+1), and y of the double is (y²+x²)/(1-dx²y²).
	double := func(y *big.Int) *big.Int {
		yy := mul(y, y)
		xx := mul(new(big.Int).Sub(yy, big.NewInt(1)), inverse(new(big.Int).Add(mul(d, yy), big.NewInt(1))))
		return mul(new(big.Int).Add(yy, xx), inverse(new(big.Int).Sub(big.NewInt(1), mul(mul(d, xx), yy))))
	}
	encodePoint := func(y *big.Int, sign byte) []byte {
		raw := y.FillBytes(make([]byte, 32))
		slices.Reverse(raw)
		raw[31] |= sign << 7
		return raw
	}
	// The points of order 8 have as their double one with y = 0: yy + xx = 0.
	// With xx = -yy the curve gives d·yy² + 2·yy - 1 = 0.
	root := new(big.Int).ModSqrt(mod(new(big.Int).Add(big.NewInt(1), d)), p)
	ys := []*big.Int{big.NewInt(0), big.NewInt(1), new(big.Int).Sub(p, big.NewInt(1))}
	for _, sign := range []int64{1, -1} {
		yy := mul(new(big.Int).Add(big.NewInt(-1), new(big.Int).Mul(big.NewInt(sign), root)), inverse(d))
		if y := new(big.Int).ModSqrt(yy, p); y != nil {
			ys = append(ys, y, new(big.Int).Sub(p, y))
		}
	}
	if len(ys) != 5 {
		t.Fatalf("found %d values of y; want 5", len(ys))
	}
	good := artifactOf(t, "fleet.resolved.json")
	refused := func(what string, point []byte) {
		t.Helper()
		trust := strings.Replace(string(file(t, "trust.json")), "ebVWLo/mVPlAeLES6KmLp5AfhTrmlb7X4OORC60ElmQ=", string(encode(point)), 1)
		if _, err := artifact.ParseTrust([]byte(trust)); err == nil || !strings.HasPrefix(err.Error(), "ciReleaseKey.current.public: is not a key: ") {
			t.Errorf("%s as a key: %v; want it refused", what, err)
		}
		// With the neutral element as the key and R, and S = 0, every text would verify.
		key := artifact.Key{Algorithm: artifact.Ed25519, Public: encode(point)}
		if key.Verifies([]byte("any"), append(bytes.Clone(point), make([]byte, 32)...)) {
			t.Errorf("%s: a signature verifies", what)
		}
		s := good
		s.Signature = append(bytes.Clone(point), good.Signature[32:]...)
		_, err := verifier(t).Fleet(s)
		wantReason(t, what+" as R", err, artifact.BadSignature)
	}
	for _, y := range ys {
		if eighth := double(double(double(y))); eighth.Cmp(big.NewInt(1)) != 0 {
			t.Errorf("8 times the point with y = %v is not the neutral element", y)
		}
		for sign := range byte(2) {
			refused(fmt.Sprintf("y = %v", y), encodePoint(y, sign))
		}
	}
	for extra := range int64(19) { // y + p has 255 bits
		for sign := range byte(2) {
			refused(fmt.Sprintf("y = p + %d", extra), encodePoint(new(big.Int).Add(p, big.NewInt(extra)), sign))
		}
	}
}
