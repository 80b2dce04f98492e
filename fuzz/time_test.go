package fuzz

import (
	"regexp"
	"testing"
	"time"

	"github.com/refrain-fleet/refrain/core/wire"
)

// timeRule is the grammar of PROTOCOL T9: RFC 3339 with at most nine digits of
// a fraction and without leap seconds. The calendar is left to the standard
// library.
var timeRule = regexp.MustCompile(`^(\d{4}-\d\d-\d\d)[Tt]((?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d)(\.\d{1,9})?([Zz]|[+-](?:[01]\d|2[0-3]):[0-5]\d)$`)

// independentTime reads a time by the grammar and the standard library.
func independentTime(text string) (time.Time, bool) {
	parts := timeRule.FindStringSubmatch(text)
	if parts == nil || !matches(timeRule, text) {
		return time.Time{}, false
	}
	offset := parts[4]
	if offset == "z" {
		offset = "Z"
	}
	t, err := time.Parse(time.RFC3339Nano, parts[1]+"T"+parts[2]+parts[3]+offset)
	if err != nil || t.UTC().Year() < 0 || t.UTC().Year() > 9999 {
		return time.Time{}, false
	}
	return t, true
}

func FuzzTime(f *testing.F) { // PROTOCOL T9
	f.Fuzz(func(t *testing.T, text string) {
		got, err := wire.ParseTime(text)
		want, ok := independentTime(text)
		if (err == nil) != ok {
			t.Fatalf("%q: got %v, want accepted = %v", text, err, ok)
		}
		if err != nil {
			if got.IsSet() {
				t.Errorf("%q was refused and is %v", text, got)
			}
			return
		}
		if !got.Std().Equal(want) {
			t.Errorf("%q was read as %v, want %v", text, got, want.UTC())
		}
		if got != wire.TimeOf(want) {
			t.Errorf("%q differs from the same instant of the standard library", text)
		}
		if again, err := wire.ParseTime(got.String()); err != nil || again != got {
			t.Errorf("%q was written as %v, which reads as %v (%v)", text, got, again, err)
		}
	})
}
