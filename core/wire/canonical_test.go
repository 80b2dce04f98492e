package wire_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/refrain-fleet/refrain/core/wire"
)

func TestCanonical_WritesEachThingInOneWay(t *testing.T) {
	for _, test := range []struct{ name, text, want string }{
		{"white space", " { \"a\" : [ 1 , 2 ] } \n", `{"a":[1,2]}`},
		{"members in order of UTF-16", `{"b":1,"a b":2,"a!":3,"a":4,"a\"b":5,"a-b":6,"\ufb33":7,"😀":8}`,
			`{"a":4,"a b":2,"a!":3,"a\"b":5,"a-b":6,"b":1,"😀":8,"` + "\ufb33" + `":7}`},
		{"digits are names", `{"10":1,"2":2}`, `{"10":1,"2":2}`},
		{"null stays", `{"a":null}`, `{"a":null}`},
		{"whole numbers of 64 bits", `[9007199254740993,18446744073709551615,-9223372036854775808]`, `[9007199254740993,18446744073709551615,-9223372036854775808]`},
		{"other numbers", `[-0,1.0,1e21,1E-7,0.000001,333333333.33333329,1e2,-0.0,12345678901234567890.0]`, `[0,1,1e+21,1e-7,0.000001,333333333.3333333,100,0,12345678901234567000]`},
		{"escapes", `"q\"b\\s\/\b\f\n\r\t\u000f\u007F\u00e9\ud83d\ude00"`, `"q\"b\\s/\b\f\n\r\t\u000f` + "\x7fé😀" + `"`},
		{"a bare value", `true`, `true`},
	} {
		got, err := wire.Canonical([]byte(test.text))
		if err != nil || string(got) != test.want {
			t.Errorf("%s: got %s, %v; want %s", test.name, got, err, test.want)
			continue
		}
		again, err := wire.Canonical(got)
		if err != nil || !bytes.Equal(again, got) {
			t.Errorf("%s: the form of %s is %s, %v; want itself", test.name, got, again, err)
		}
	}
}

func TestCanonical_RefusesWhatTwoReadersMayReadDifferently(t *testing.T) {
	for _, test := range []struct{ text, field, problem string }{
		{`{"a":{"b":1,"b":2}}`, "a.b", "is repeated"},
		{`{"a":[1,18446744073709551616]}`, "a[1]", "is 18446744073709551616; want a whole number between -2^63 and 2^64-1"},
		{`{"a":-9223372036854775809}`, "a", "is -9223372036854775809; want a whole number"},
		{`{"a":1e400}`, "a", "is 1e400; want a number within the range of a double"},
	} {
		_, err := wire.Canonical([]byte(test.text))
		var field *wire.FieldError
		if !errors.As(err, &field) || field.Field != test.field || !strings.HasPrefix(field.Problem, test.problem) {
			t.Errorf("%s: got %v; want %s: %s", test.text, err, test.field, test.problem)
		}
	}
	for _, text := range []string{"", "{", `{"a":1} x`, `{"a":1}{}`, "\"\xff\"", `"\ud800"`, "nul", `{"a":01}`, `[1,]`} {
		_, err := wire.Canonical([]byte(text))
		var syntax *wire.SyntaxError
		if !errors.As(err, &syntax) {
			t.Errorf("%q: got %v; want a *SyntaxError", text, err)
		}
	}
}

// What a document says decides its form, and not how it was written.
func TestCanonical_IsOfTheMeaning(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		value := drawJSON(t, 3)
		compact, err := json.Marshal(value)
		if err != nil {
			t.Fatal(err)
		}
		spread, err := json.MarshalIndent(value, " ", "\t")
		if err != nil {
			t.Fatal(err)
		}
		a, err := wire.Canonical(compact)
		if err != nil {
			t.Fatal(err)
		}
		b, err := wire.Canonical(spread)
		if err != nil || !bytes.Equal(a, b) {
			t.Fatalf("%s has the form %s, and spread out %s (%v)", compact, a, b, err)
		}
		var back any
		if err := json.Unmarshal(a, &back); err != nil {
			t.Fatalf("%s: %v", a, err)
		}
		again, err := json.Marshal(back)
		if err != nil || !bytes.Equal(again, compact) {
			t.Fatalf("%s reads as %s, and the document was %s", a, again, compact)
		}
	})
}

func drawJSON(t *rapid.T, depth int) any {
	kinds := 5
	if depth == 0 {
		kinds = 3
	}
	switch rapid.IntRange(0, kinds-1).Draw(t, "kind") {
	case 0:
		return rapid.Float64Range(-1e9, 1e9).Draw(t, "number") + 0 // -0 becomes 0, as in the form
	case 1:
		return strings.ToValidUTF8(rapid.String().Draw(t, "text"), "")
	case 2:
		return nil
	case 3:
		list := []any{}
		for range rapid.IntRange(0, 3).Draw(t, "items") {
			list = append(list, drawJSON(t, depth-1))
		}
		return list
	default:
		members := map[string]any{}
		for range rapid.IntRange(0, 4).Draw(t, "members") {
			members[strings.ToValidUTF8(rapid.String().Draw(t, "name"), "")] = drawJSON(t, depth-1)
		}
		return members
	}
}
