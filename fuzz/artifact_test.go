package fuzz

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/refrain-fleet/refrain/core/artifact"
	"github.com/refrain-fleet/refrain/core/wire"
)

// releaseKey signs what FuzzArtifact is given; its trust has this key and no other.
var releaseKey = ed25519.NewKeyFromSeed([]byte("the release key of fuzz/artifact"))

func releaseVerifier() *artifact.Verifier {
	public := releaseKey.Public().(ed25519.PublicKey)
	key := artifact.Key{Algorithm: artifact.Ed25519, Public: wire.Name(base64.StdEncoding.EncodeToString(public))}
	return &artifact.Verifier{
		Trust:  &artifact.Trust{Release: artifact.Slot{Current: &key}},
		Now:    wire.TimeOf(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)),
		Window: artifact.AgentWindow,
	}
}

// verifiers reads an artifact as each of its four kinds; the result is what it
// returned as signed, or nil with the error.
func verifiers(v *artifact.Verifier, s artifact.Signed) (signed [4][]byte, errs [4]error) {
	if f, err := v.Fleet(s); err == nil {
		signed[0] = f.Canonical
	} else {
		errs[0] = err
	}
	if r, err := v.Rollout(s); err == nil {
		signed[1] = r.Canonical
	} else {
		errs[1] = err
	}
	if r, err := v.Revocations(s); err == nil {
		signed[2] = r.Canonical
	} else {
		errs[2] = err
	}
	if n, err := v.Nonces(s); err == nil {
		signed[3] = n.Canonical
	} else {
		errs[3] = err
	}
	return signed, errs
}

// FuzzArtifact gives the verifier a document with any signature, and then with a good
// one. Nothing that is unsigned verifies; what verifies is, by the standard library's
// judgement, a document that says the same as what was signed; and one changed bit
// spoils every signature.
func FuzzArtifact(f *testing.F) {
	f.Fuzz(func(t *testing.T, document, signature []byte, bit uint16) {
		if len(document) > 1<<16 {
			t.Skip("longer than any reader is given here")
		}
		v := releaseVerifier()
		signed, errs := verifiers(v, artifact.Signed{Document: document, Signature: signature, Further: [][]byte{signature}})
		for kind, err := range errs {
			var refusal *artifact.Refusal
			switch {
			case err == nil && !ed25519.Verify(releaseKey.Public().(ed25519.PublicKey), signed[kind], signature):
				t.Fatalf("kind %d: %q verifies with the signature %x, which is not the key's", kind, document, signature)
			case err != nil && (!errors.As(err, &refusal) || refusal.Reason == 0 || refusal.Reason.String() == "?"):
				t.Fatalf("kind %d: refused without a reason: %v", kind, err)
			}
		}
		form, err := wire.Canonical(document)
		if err != nil {
			return
		}
		good := artifact.Signed{Document: document, Signature: ed25519.Sign(releaseKey, form)}
		read := 0
		signed, errs = verifiers(v, good)
		for kind, err := range errs {
			var refusal *artifact.Refusal
			switch {
			case err == nil && !bytes.Equal(signed[kind], form):
				t.Fatalf("kind %d: %q is signed as %q", kind, form, signed[kind])
			case err == nil:
				read++
			case !errors.As(err, &refusal) || refusal.Reason <= artifact.TooFewSignatures || refusal.Reason >= artifact.Older:
				t.Fatalf("kind %d: a good signature is refused with %v", kind, err)
			}
		}
		if read > 1 {
			t.Fatalf("%q is of %d kinds at once", document, read)
		}
		at := int(bit) % (8 * len(good.Signature))
		good.Signature[at/8] ^= 1 << (at % 8)
		signed, _ = verifiers(v, good)
		for kind := range signed {
			if signed[kind] != nil {
				t.Fatalf("kind %d: %q verifies with bit %d of its signature changed", kind, document, at)
			}
		}
	})
}

// FuzzCanonical compares the canonical form with a second writer of it.
func FuzzCanonical(f *testing.F) { // RFC 8785
	f.Fuzz(func(t *testing.T, text []byte) {
		form, err := wire.Canonical(text)
		if err != nil {
			var syntax *wire.SyntaxError
			var field *wire.FieldError
			if !errors.As(err, &syntax) && !errors.As(err, &field) {
				t.Fatalf("%q is refused with %T %v; want a *SyntaxError or a *FieldError", text, err, err)
			}
			return
		}
		if again, err := wire.Canonical(form); err != nil || !bytes.Equal(again, form) {
			t.Fatalf("%q has the form %q, whose form is %q (%v)", text, form, again, err)
		}
		decoder := json.NewDecoder(bytes.NewReader(text))
		decoder.UseNumber()
		var value any
		if err := decoder.Decode(&value); err != nil {
			t.Fatalf("%q has the form %q, and is no JSON for the standard library: %v", text, form, err)
		}
		if want := appendForm(nil, value); string(form) != string(want) {
			t.Fatalf("%q has the form\n%q, want\n%q", text, form, want)
		}
	})
}

// appendForm is the canonical form of a value, by the text of RFC 8785. Numbers with a
// fraction or an exponent are written by the standard library, as ECMAScript does.
func appendForm(dst []byte, value any) []byte {
	switch value := value.(type) {
	case []any:
		dst = append(dst, '[')
		for i, item := range value {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = appendForm(dst, item)
		}
		return append(dst, ']')
	case map[string]any:
		var names []string
		for name := range value {
			names = append(names, name)
		}
		slices.SortFunc(names, func(a, b string) int {
			return slices.Compare(utf16.Encode([]rune(a)), utf16.Encode([]rune(b)))
		})
		dst = append(dst, '{')
		for i, name := range names {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = append(appendForm(dst, name), ':')
			dst = appendForm(dst, value[name])
		}
		return append(dst, '}')
	case string:
		dst = append(dst, '"')
		for _, r := range value {
			const short = "\b\t\n\f\r\"\\"
			switch i := strings.IndexRune(short, r); {
			case i >= 0:
				dst = append(dst, '\\', `btnfr"\`[i])
			case r < ' ':
				dst = append(dst, `\u00`...)
				dst = append(dst, "0123456789abcdef"[r>>4], "0123456789abcdef"[r&15])
			default:
				dst = utf8.AppendRune(dst, r)
			}
		}
		return append(dst, '"')
	case json.Number:
		if !strings.ContainsAny(string(value), ".eE") && value != "-0" {
			return append(dst, value...)
		}
		double, err := value.Float64()
		if err != nil {
			panic(err)
		}
		if double == 0 {
			return append(dst, '0')
		}
		number, err := json.Marshal(double)
		if err != nil {
			panic(err)
		}
		// ECMAScript writes a sign before every exponent, and so does the library for
		// large ones; for small ones both write e-7.
		return append(dst, number...)
	default:
		text, err := json.Marshal(value)
		if err != nil {
			panic(err)
		}
		return append(dst, text...)
	}
}
