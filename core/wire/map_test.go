package wire_test

import (
	"errors"
	"testing"

	"github.com/refrain-fleet/refrain/core/wire"
)

// shelf is a document with an object whose names are data.
type shelf struct{ Items []wire.Named[wire.Count] }

var shelfSchema = wire.Schema[shelf]{Fields: []wire.Field[shelf]{
	{Name: "items", Presence: wire.Optional, Of: func(s *shelf) wire.Value {
		return wire.Map[wire.Count]{Items: &s.Items, Of: func(n *wire.Count) wire.Value { return n }}
	}},
}}

func TestMap_KeepsItsMembersInTheOrderOfNames(t *testing.T) {
	var got shelf
	if err := wire.DecodeDocument(new(wire.Decoder), &shelfSchema, []byte(`{"items":{"b":2,"c\"":3,"a":1}}`), &got); err != nil {
		t.Fatal(err)
	}
	if text := string(shelfSchema.Append(nil, &got)); text != `{"items":{"a":1,"b":2,"c\"":3}}` {
		t.Errorf("written as %s", text)
	}
	if n := wire.Lookup(got.Items, "b"); n == nil || *n != 2 {
		t.Errorf("b is %v; want 2", n)
	}
	if n := wire.Lookup(got.Items, "bb"); n != nil {
		t.Errorf("bb is %v; want none", *n)
	}
	for _, text := range []string{`{"items":{}}`, `{"items":null}`, `{}`} {
		if err := wire.DecodeDocument(new(wire.Decoder), &shelfSchema, []byte(text), &got); err != nil || got.Items != nil {
			t.Errorf("%s: %v, %v; want no members", text, got.Items, err)
		}
	}
}

func TestMap_NamesTheMemberAtFault(t *testing.T) {
	for text, want := range map[string]string{
		`{"items":{"a":1,"b":-1}}`:       "items.b: want a whole number from 0 to 2147483647",
		`{"items":{"a":1,"a":2}}`:        "items.a: is repeated",
		`{"items":[1]}`:                  "items: want an object, got an array",
		`{"items":{"a":1,"\u0001":1}}`:   "items.\x01: want 1 to 512 bytes without control characters",
		`{"items":{"a":{"b":[1,2,3]}}} `: "items.a: want a number, got an object",
	} {
		var got shelf
		err := wire.DecodeDocument(new(wire.Decoder), &shelfSchema, []byte(text), &got)
		var field *wire.FieldError
		if !errors.As(err, &field) || err.Error() != want {
			t.Errorf("%s: got %v; want %s", text, err, want)
		}
	}
}
