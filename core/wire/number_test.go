package wire_test

import (
	"math"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/refrain-fleet/refrain/core/wire"
)

// readNumber reads raw as the value of one member and returns it as it is
// written again.
func readNumber[T any, V interface {
	*T
	wire.Value
}](raw string) (string, error) {
	schema := wire.Schema[T]{Fields: []wire.Field[T]{
		{Name: "n", Presence: wire.Required, Of: func(n *T) wire.Value { return V(n) }},
	}}
	var n T
	if err := wire.DecodeDocument(new(wire.Decoder), &schema, []byte(`{"n":`+raw+`}`), &n); err != nil {
		return "", err
	}
	return string(V(&n).AppendValue(nil)), nil
}

func TestNumbersAreWholeAndInRange(t *testing.T) { // PROTOCOL T7
	kinds := []struct {
		name string
		read func(string) (string, error)
	}{
		{"Seq", readNumber[wire.Seq, *wire.Seq]},
		{"Int", readNumber[wire.Int, *wire.Int]},
		{"Count", readNumber[wire.Count, *wire.Count]},
		{"Nanos", readNumber[wire.Nanos, *wire.Nanos]},
	}
	for _, test := range []struct {
		raw string
		ok  string // the kinds that take it
	}{
		{"0", "Seq Int Count Nanos"},
		{"1", "Seq Int Count Nanos"},
		{"-1", "Int Nanos"},
		{"2147483647", "Seq Int Count Nanos"},
		{"2147483648", "Seq Nanos"},
		{"-2147483648", "Int Nanos"},
		{"-2147483649", "Nanos"},
		{"4294967296", "Seq Nanos"},
		{"9007199254740993", "Seq Nanos"}, // beyond what a float64 tells apart
		{"9223372036854775807", "Seq Nanos"},
		{"9223372036854775808", ""}, // 2^63
		{"-9223372036854775808", "Nanos"},
		{"-9223372036854775809", ""},
		{"18446744073709551615", ""},
		{"18446744073709551616", ""},
		{"1.0", ""},
		{"1.5", ""},
		{"1e0", ""},
		{"1e3", ""},
		{"1E3", ""},
		{"1e-3", ""},
		{"0.0", ""},
		{"1e999999999", ""},
		{strings.Repeat("9", 100_000), ""},
		{"0." + strings.Repeat("0", 100_000) + "1", ""},
		{`"1"`, ""},
	} {
		for _, kind := range kinds {
			got, err := kind.read(test.raw)
			if !strings.Contains(test.ok, kind.name) {
				wantField(t, err, "n", kind.name+" of "+test.raw[:min(len(test.raw), 30)])
				continue
			}
			if err != nil || got != test.raw {
				t.Errorf("%s of %s: got %s, %v", kind.name, test.raw, got, err)
			}
		}
	}
	// Minus zero is zero where numbers may be negative, and a sequence number
	// has digits only.
	for _, kind := range kinds {
		got, err := kind.read("-0")
		if kind.name == "Seq" {
			wantField(t, err, "n", "-0")
		} else if err != nil || got != "0" {
			t.Errorf("%s of -0: got %s, %v", kind.name, got, err)
		}
		for _, raw := range []string{"+1", "01", "-", "1.", ".1", "0x1", "1_000", "Infinity", "-01", "1e"} {
			_, err := kind.read(raw)
			wantSyntax(t, err, `{"n":`+raw+`}`)
		}
	}
}

func TestEventsAreNumberedFromOne(t *testing.T) { // PROTOCOL E
	for _, kind := range wire.EventKinds {
		damage(t, documents["event "+kind.String()], func(p place, read func() (string, error)) {
			if p.path != "event.seq" {
				return
			}
			for _, wrong := range []string{"0", "-1", "-0", "1.0", "1e0", "9223372036854775808", strings.Repeat("9", 400)} {
				p.with(wrong, func() {
					body, err := read()
					wantField(t, err, "event.seq", body)
				})
			}
			p.with("9223372036854775807", func() {
				if body, err := read(); err != nil {
					t.Errorf("%v for %s", err, body)
				}
			})
		})
	}
}

// A snapshot may say that no event has arrived yet.
func TestASnapshotMayHaveSeenNoEvent(t *testing.T) { // PROTOCOL H6
	damage(t, documents["snapshot"], func(p place, read func() (string, error)) {
		if p.path != "lastEventSeq" {
			return
		}
		p.with("0", func() {
			if _, err := read(); err != nil {
				t.Error(err)
			}
		})
	})
}

func TestASequenceNumberInAHeaderHasDigitsOnly(t *testing.T) { // PROTOCOL H2, E6
	for _, text := range []string{"", " ", "+1", "-1", "-0", "01", "00", "1 ", " 1", "1.0", "1e3", "0x1", "1_0", "９", "9223372036854775808"} {
		if n, err := wire.ParseSeq(text); err == nil {
			t.Errorf("%q is accepted as %d", text, n)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		want := rapid.Uint64Range(0, uint64(wire.MaxSeq)).Draw(t, "seq")
		got, err := wire.ParseSeq(strconv.FormatUint(want, 10))
		if err != nil || uint64(got) != want {
			t.Fatalf("%d: got %d, %v", want, got, err)
		}
	})
	if uint64(wire.MaxSeq) != math.MaxInt64 {
		t.Errorf("a sequence number of %d does not fit a signed 64-bit column", wire.MaxSeq)
	}
}
