package wire_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/refrain-fleet/refrain/core/wire"
)

func wantSyntax(t *testing.T, err error, body string) *wire.SyntaxError {
	t.Helper()
	var syntax *wire.SyntaxError
	if !errors.As(err, &syntax) {
		t.Fatalf("got %v, want a SyntaxError, for %.200q", err, body)
	}
	if syntax.Offset < 0 || syntax.Offset > int64(len(body)) || syntax.Problem == "" {
		t.Errorf("got the offset %d and the problem %q for a body of %d bytes", syntax.Offset, syntax.Problem, len(body))
	}
	return syntax
}

// Whatever byte a body is cut at, it is no JSON.
func TestATruncatedBodyIsNotJSON(t *testing.T) { // PROTOCOL T7
	eachDocument(t, func(t *testing.T, doc document) {
		var decoder wire.Decoder
		for i := range len(doc.example()) {
			body := doc.example()[:i]
			_, err := doc.decode(&decoder, []byte(body))
			wantSyntax(t, err, body)
		}
	})
}

// Whatever follows a document makes the body no JSON.
func TestNothingMayFollowADocument(t *testing.T) { // PROTOCOL T7
	eachDocument(t, func(t *testing.T, doc document) {
		var decoder wire.Decoder
		for _, tail := range []string{"x", "{}", " {}", "null", ",", "}", "\x00", "\n//", doc.example()} {
			body := doc.example() + tail
			_, err := doc.decode(&decoder, []byte(body))
			if syntax := wantSyntax(t, err, body); syntax.Offset < int64(len(doc.example())) {
				t.Errorf("the offset %d is inside the document", syntax.Offset)
			}
		}
		if _, err := doc.decode(&decoder, []byte("\r\n\t "+doc.example()+" \r\n\t")); err != nil {
			t.Errorf("white space around a document: %v", err)
		}
	})
}

// Being no JSON wins over every wrong shape, however much earlier in the body
// that is.
func TestNotJSONLaterWinsOverAWrongShapeEarlier(t *testing.T) { // PROTOCOL T7
	eachDocument(t, func(t *testing.T, doc document) {
		damage(t, doc, func(p place, read func() (string, error)) {
			if p.node.kind != '{' {
				return
			}
			var decoder wire.Decoder
			p.with("7", func() { // a wrong shape
				body, err := read()
				wantField(t, err, p.path, body)
				for _, broken := range []string{body + "}", body + " x", strings.TrimSuffix(body, "}") + ",", `[` + body + `,`} {
					_, err := doc.decode(&decoder, []byte(broken))
					wantSyntax(t, err, broken)
				}
			})
		})
	})
}

func TestTheOrderOfTheChecksInABody(t *testing.T) { // PROTOCOL T7
	const (
		syntax = "SyntaxError"
		field  = "FieldError"
	)
	for _, test := range []struct{ body, want string }{
		{`{"hostname":"h","hostname":"h"`, syntax},                   // repeated, then cut off
		{`{"hostname":"h","hostname":"h"}`, field},                   // repeated
		{`{"Hostname":"h","x":}`, syntax},                            // wrong case, then no value
		{`{"hostname":5,"at":"never","x":01}`, syntax},               // two wrong members, then no number
		{`{"hostname":5,"at":"never","x":1}`, field},                 // two wrong members
		{`{"hostname":"` + "\xff" + `"}`, syntax},                    // not UTF-8 in a known member
		{`{"x":"` + "\xff" + `","hostname":5}`, syntax},              // not UTF-8 in an unknown one
		{`{"hostname":5,"x":"\ud800"}`, syntax},                      // half a surrogate pair
		{`{"x":1,"x":2,"hostname":"h","at":"now"}`, field},           // repeated and unknown
		{`{"x":[{"y":1,"y":2}],"hostname":"h","at":"now"}x`, syntax}, // repeated deep inside, then a tail
		{`[1,2`, syntax},
		{`[1,2]`, field},
		{`5`, field},
		{`null`, field},
		{`"h"`, field},
		{`nul`, syntax},
		{"", syntax},
		{" \n", syntax},
		{"\xef\xbb\xbf{}", syntax}, // a byte order mark
		{`{'hostname':'h'}`, syntax},
		{`{"hostname":"h",}`, syntax},
		{`{"x":NaN}`, syntax},
		{`{"x":+1}`, syntax},
		{`{"x":.5}`, syntax},
		{`{"x":"` + "\n" + `"}`, syntax}, // a control character in a string
		{`{"x":"\x41"}`, syntax},
		{`{"x" 1}`, syntax},
		{`{1:1}`, syntax},
		{`{"x":1 "y":2}`, syntax},
		{`{} // comment`, syntax},
	} {
		var request wire.HeartbeatRequest
		err := wire.DecodeDocument(new(wire.Decoder), &wire.HeartbeatRequestSchema, []byte(test.body), &request)
		got := "nothing"
		switch err.(type) {
		case *wire.SyntaxError:
			got = syntax
		case *wire.FieldError:
			got = field
		}
		if got != test.want {
			t.Errorf("%q: got %s (%v), want %s", test.body, got, err, test.want)
		}
	}
}

// A decoder that has met an error reads the next body as if nothing had been.
func TestADecoderForgetsErrors(t *testing.T) {
	eachDocument(t, func(t *testing.T, doc document) {
		var decoder wire.Decoder
		for i := range len(doc.example()) {
			broken := doc.example()[:i] + "\x00" + doc.example()[i+1:]
			if _, err := doc.decode(&decoder, []byte(broken)); err == nil {
				t.Fatalf("accepted %q", broken)
			}
			value, err := doc.decode(&decoder, []byte(doc.example()))
			if err != nil {
				t.Fatalf("after %q: %v", broken, err)
			}
			if got := string(doc.encode(value)); got != doc.example() {
				t.Fatalf("after %q: read %s", broken, got)
			}
		}
	})
}

// Nesting without end must not exhaust the stack. The reader takes 10,000
// levels; beyond them a body is refused as no JSON, whatever else it is.
func TestDeepNestingIsRefusedAndNotFollowed(t *testing.T) {
	for _, test := range []struct{ name, open, close string }{
		{"arrays", "[", "]"}, {"objects", `{"a":`, "}"},
	} {
		t.Run(test.name, func(t *testing.T) {
			nest := func(levels int) string {
				return `{"x":` + strings.Repeat(test.open, levels) + "1" + strings.Repeat(test.close, levels) + `,"hostname":"h","at":"2026-01-31T12:00:00Z"}`
			}
			var decoder wire.Decoder
			decode := func(body string) error {
				_, err := documents["heartbeat"].decode(&decoder, []byte(body))
				return err
			}
			if err := decode(nest(9_000)); err != nil {
				t.Errorf("9,000 levels: %v", err)
			}
			// Around the limit it is one or the other, and nothing else.
			refused := false
			for levels := 9_990; levels < 10_010; levels++ {
				body := nest(levels)
				if err := decode(body); err != nil {
					wantSyntax(t, err, body)
					refused = true
				} else if refused {
					t.Errorf("%d levels are accepted and fewer are not", levels)
				}
			}
			body := nest(20_000)
			wantSyntax(t, decode(body), body)
			body = strings.Repeat(test.open, 20_000)
			wantSyntax(t, decode(body), body)
		})
	}
}

// Wire does not bound bodies, so that long ones must work.
func TestLongBodiesAreRead(t *testing.T) {
	const size = 10 << 20
	long := strings.Repeat("x", size)
	var decoder wire.Decoder
	decode := func(name, body string) error {
		_, err := documents[name].decode(&decoder, []byte(body))
		return err
	}
	if err := decode("heartbeat", `{"x":"`+long+`","hostname":"h","at":"2026-01-31T12:00:00Z"}`); err != nil {
		t.Errorf("an unknown member of 10 MiB: %v", err)
	}
	if err := decode("heartbeat", `{"x":[`+strings.Repeat("{},", size/3)+`{}],"hostname":"h","at":"2026-01-31T12:00:00Z"}`); err != nil {
		t.Errorf("an unknown array of 10 MiB: %v", err)
	}
	if err := decode("heartbeat", strings.Repeat(" ", size)+`{"hostname":"h","at":"2026-01-31T12:00:00Z"}`+strings.Repeat("\n", size)); err != nil {
		t.Errorf("white space of 20 MiB: %v", err)
	}
	for _, member := range []string{"hostname", "rollout_id", "current_closure", "at"} {
		body := `{"` + member + `":"` + long + `"}`
		err := decode("heartbeat", body)
		wantField(t, err, member, "10 MiB of "+member)
		if err != nil && len(err.Error()) > 1000 {
			t.Errorf("the error for %s echoes the body: %d bytes", member, len(err.Error()))
		}
	}
	// Nor does an error echo a long name.
	err := decode("heartbeat", `{"`+long+`":1,"`+long+`":2}`)
	var field *wire.FieldError
	if !errors.As(err, &field) || len(field.Field) > 250 {
		t.Errorf("a repeated name of 10 MiB: %.300v", err)
	}
	body := `{"` + long
	if err := wantSyntax(t, decode("heartbeat", body), body).Error(); len(err) > 1000 {
		t.Errorf("an unfinished name of 10 MiB: an error of %d bytes", len(err))
	}
	if err := decode("manifest", manifestOf(100_000)); err != nil {
		t.Errorf("a manifest of 100,000 hosts: %v", err)
	}
}
