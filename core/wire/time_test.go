package wire_test

import (
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/refrain-fleet/refrain/core/wire"
)

func TestTimesAreNormalisedToUTC(t *testing.T) { // PROTOCOL T9
	for _, test := range []struct{ text, want string }{
		{"2026-01-31T12:00:00Z", "2026-01-31T12:00:00Z"},
		{"2026-01-31T12:00:00+00:00", "2026-01-31T12:00:00Z"},
		{"2026-01-31T12:00:00-00:00", "2026-01-31T12:00:00Z"},
		{"2026-01-31T12:00:00+05:30", "2026-01-31T06:30:00Z"},
		{"2026-01-31T12:00:00-08:00", "2026-01-31T20:00:00Z"},
		{"2026-01-01T00:00:00+23:59", "2025-12-31T00:01:00Z"},
		{"2025-12-31T23:59:59-23:59", "2026-01-01T23:58:59Z"},
		{"2026-01-31t12:00:00z", "2026-01-31T12:00:00Z"}, // RFC 3339, 5.6
		{"2026-01-31t12:00:00.5+01:00", "2026-01-31T11:00:00.5Z"},

		{"2026-01-31T12:00:00.123456789Z", "2026-01-31T12:00:00.123456789Z"},
		{"2026-01-31T12:00:00.000000001Z", "2026-01-31T12:00:00.000000001Z"},
		{"2026-01-31T12:00:00.999999999Z", "2026-01-31T12:00:00.999999999Z"},
		{"2026-01-31T12:00:00.5Z", "2026-01-31T12:00:00.5Z"},
		{"2026-01-31T12:00:00.500000000Z", "2026-01-31T12:00:00.5Z"},
		{"2026-01-31T12:00:00.000000000Z", "2026-01-31T12:00:00Z"},
		{"2026-01-31T12:00:00.123456789+05:30", "2026-01-31T06:30:00.123456789Z"},

		{"2024-02-29T00:00:00Z", "2024-02-29T00:00:00Z"},
		{"2000-02-29T00:00:00Z", "2000-02-29T00:00:00Z"},
		{"1969-12-31T23:59:59.999999999Z", "1969-12-31T23:59:59.999999999Z"},
		{"0000-01-01T00:00:00Z", "0000-01-01T00:00:00Z"},
		{"0000-02-29T00:00:00Z", "0000-02-29T00:00:00Z"},
		{"0001-01-01T00:00:00Z", "0001-01-01T00:00:00Z"},
		{"9999-12-31T23:59:59.999999999Z", "9999-12-31T23:59:59.999999999Z"},
		{"0000-01-01T05:00:00+05:00", "0000-01-01T00:00:00Z"},
		{"9999-12-31T20:59:59-03:00", "9999-12-31T23:59:59Z"},
	} {
		got, err := wire.ParseTime(test.text)
		if err != nil {
			t.Errorf("%s: %v", test.text, err)
			continue
		}
		if got.String() != test.want {
			t.Errorf("%s: got %v, want %s", test.text, got, test.want)
		}
	}
}

func TestOtherSpellingsOfTimesAreRefused(t *testing.T) { // PROTOCOL T9
	for _, text := range []string{
		"", " ", "Z", "now", "2026", "2026-01-31", "12:00:00Z", "1769860800",
		"2026-01-31T12:00:00",       // no offset
		"2026-01-31 12:00:00Z",      // a space between
		"2026-01-31T12:00Z",         // no seconds
		"2026-01-31T12:00:00 Z",     // a space before the offset
		" 2026-01-31T12:00:00Z",     // a space before
		"2026-01-31T12:00:00Z ",     // a space after
		"2026-01-31T12:00:00ZZ",     // too much
		"2026-01-31T12:00:00UTC",    // a zone's name
		"2026-01-31T12:00:00+0100",  // no colon
		"2026-01-31T12:00:00+01",    // no minutes
		"2026-01-31T12:00:00+1:00",  // one digit
		"2026-01-31T12:00:00+24:00", // no such offset
		"2026-01-31T12:00:00+00:60", // no such offset
		"2026-01-31T12:00:00+-1:00", // two signs
		"2026-01-31T12:00:00+01:00Z",
		"2026-01-31T1:00:00Z", // one digit
		"2026-1-31T01:00:00Z",
		"26-01-31T12:00:00Z",
		"+2026-01-31T12:00:00Z",
		"-0001-01-31T12:00:00Z",
		"10000-01-01T00:00:00Z",
		"2026-01-31T12:00:00,5Z",          // a comma
		"2026-01-31T12:00:00.Z",           // no digits
		"2026-01-31T12:00:00.1234567890Z", // ten digits
		"2026-01-31T12:00:00.0000000000Z",
		"2026-01-31T12:00:00.1234567890+01:00",
		"2026-01-31T12:00:00.12 3Z",
		"2026-00-31T12:00:00Z", // no such month
		"2026-13-31T12:00:00Z",
		"2026-01-00T12:00:00Z", // no such day
		"2026-01-32T12:00:00Z",
		"2026-02-29T12:00:00Z",
		"1900-02-29T12:00:00Z",
		"2026-04-31T12:00:00Z",
		"2026-01-31T24:00:00Z", // no such hour
		"2026-01-31T12:60:00Z", // no such minute
		"2016-12-31T23:59:60Z", // a leap second
		"2026-01-31T12:00:60Z", // a second that never was
		"2016-12-31T23:59:61Z",
		"0000-01-01T04:59:59+05:00",           // before the year 0000
		"0000-01-01T00:00:00+00:01",           // likewise
		"9999-12-31T23:59:00-00:01",           // beyond the year 9999
		"9999-12-31T23:59:59.999999999-23:59", // likewise
		"２０２６-01-31T12:00:00Z",                // other digits
		"2026-01-31T12:00:00Z\x00",
		"2026-01-31T12:00:00" + strings.Repeat("0", 100_000) + "Z",
	} {
		if got, err := wire.ParseTime(text); err == nil {
			t.Errorf("%.60q: accepted as %v", text, got)
		} else if got != (wire.Time{}) {
			t.Errorf("%.60q: refused and yet %v", text, got)
		}
	}
}

// Two spellings of an instant are equal values, so that == and map keys work.
func TestSpellingsOfAnInstantAreEqual(t *testing.T) { // PROTOCOL T9
	a, errA := wire.ParseTime("2026-01-31T12:00:00.50+01:00")
	b, errB := wire.ParseTime("2026-01-31t11:00:00.5z")
	if errA != nil || errB != nil || a != b {
		t.Errorf("%v (%v) and %v (%v) differ", a, errA, b, errB)
	}
}

// Every time of the range can be written at every offset and reads back, and
// the standard library reads what we write as the same instant.
func TestAnyInstantReadsBackFromAnyOffset(t *testing.T) { // PROTOCOL T9
	rapid.Check(t, func(t *rapid.T) {
		want := drawTime(t)
		offset := rapid.IntRange(-23*60-59, 23*60+59).Draw(t, "offset in minutes")
		local := want.Std().In(time.FixedZone("", offset*60))
		if local.Year() >= 0 && local.Year() <= 9999 {
			got, err := wire.ParseTime(local.Format(time.RFC3339Nano))
			if err != nil || got != want {
				t.Fatalf("%s: got %v (%v), want %v", local.Format(time.RFC3339Nano), got, err, want)
			}
		}
		std, err := time.Parse(time.RFC3339Nano, want.String())
		if err != nil || wire.TimeOf(std) != want {
			t.Fatalf("%v: the standard library reads %v (%v)", want, std, err)
		}
	})
}

func TestTimesAreOrderedAsInstantsAndUnsetComesFirst(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := drawOptional(t, drawTime), drawOptional(t, drawTime)
		want := a.Std().Compare(b.Std())
		switch {
		case a.IsSet() && !b.IsSet():
			want = 1
		case !a.IsSet() && b.IsSet():
			want = -1
		}
		if got := a.Compare(b); got != want {
			t.Fatalf("%v and %v: got %d, want %d", a, b, got, want)
		}
		if a.Before(b) != (want < 0) {
			t.Fatalf("Before disagrees with Compare for %v and %v", a, b)
		}
	})
}

func TestATimeMovesAndStopsAtTheEndsOfTheRange(t *testing.T) {
	const century = 100 * 365 * 24 * time.Hour
	for _, test := range []struct {
		text string
		add  time.Duration
		want string
	}{
		{"2026-01-31T12:00:00Z", time.Nanosecond, "2026-01-31T12:00:00.000000001Z"},
		{"2026-01-31T12:00:00Z", -time.Nanosecond, "2026-01-31T11:59:59.999999999Z"},
		{"2026-01-31T12:00:00.9Z", 200 * time.Millisecond, "2026-01-31T12:00:01.1Z"},
		{"9999-12-31T23:59:59Z", time.Second, "9999-12-31T23:59:59.999999999Z"},
		{"9998-01-01T00:00:00Z", century, "9999-12-31T23:59:59.999999999Z"},
		{"0000-01-01T00:00:00Z", -time.Nanosecond, "0000-01-01T00:00:00Z"},
		{"0001-01-01T00:00:00Z", -century, "0000-01-01T00:00:00Z"},
	} {
		from, err := wire.ParseTime(test.text)
		if err != nil {
			t.Fatal(err)
		}
		if got := from.Add(test.add).String(); got != test.want {
			t.Errorf("%s + %v: got %s, want %s", test.text, test.add, got, test.want)
		}
	}
	if got := (wire.Time{}).Add(time.Hour); got.IsSet() {
		t.Errorf("an unset time moved to %v", got)
	}
}

func TestInstantsOutsideTheRangeAreUnset(t *testing.T) { // PROTOCOL T9
	for _, outside := range []time.Time{
		time.Date(-1, 12, 31, 23, 59, 59, 999_999_999, time.UTC),
		time.Date(10_000, 1, 1, 0, 0, 0, 0, time.UTC),
		time.Date(10_000, 1, 1, 0, 0, 0, 0, time.FixedZone("", -3600)),
	} {
		if got := wire.TimeOf(outside); got.IsSet() {
			t.Errorf("%v became %v", outside, got)
		}
	}
	for _, inside := range []time.Time{
		{}, // the year 1: Go's zero time is an instant like any other
		time.Date(0, 1, 1, 0, 0, 0, 0, time.UTC),
		time.Date(9999, 12, 31, 23, 59, 59, 999_999_999, time.UTC),
		time.Date(10_000, 1, 1, 0, 0, 0, 0, time.FixedZone("", 3600)),
	} {
		if got := wire.TimeOf(inside); !got.IsSet() || !got.Std().Equal(inside) {
			t.Errorf("%v became %v", inside, got)
		}
	}
	if got := (wire.Time{}).Std(); !got.IsZero() {
		t.Errorf("unset became %v", got)
	}
	if got := (wire.Time{}).String(); got != "-" {
		t.Errorf("unset is written %q", got)
	}
}
