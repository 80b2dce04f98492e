package wire

import (
	"cmp"
	"time"
)

// Time is an instant of some machine's wall clock, to the nanosecond, between
// the years 0000 and 9999 (PROTOCOL T9). The zero value is "unset" and differs
// from every instant. Times are comparable with ==.
//
// It is 16 bytes without a pointer, where time.Time is 24 with one: a plane
// keeps some ten of them per host.
type Time struct {
	sec  int64 // since 1970-01-01T00:00:00Z
	nsec int32 // 0 to 999,999,999
	set  bool
}

// Instant is what a driver hands to a reducer as "now": the same moment on two
// clocks. Mono never runs backwards and means nothing outside its process;
// Wall can be set by anybody and is for people and for documents.
type Instant struct {
	Mono time.Duration
	Wall Time
}

// TimeOf converts from the standard library. Instants outside the years 0000
// to 9999 give the unset Time.
func TimeOf(t time.Time) Time {
	if t = t.UTC(); t.Year() < 0 || t.Year() > 9999 {
		return Time{}
	}
	return Time{sec: t.Unix(), nsec: int32(t.Nanosecond()), set: true}
}

// ParseTime reads RFC 3339 with any offset and up to nine fractional digits,
// and normalises to UTC (PROTOCOL T9).
func ParseTime(s string) (Time, error) { return parseTime([]byte(s)) }

func parseTime(b []byte) (Time, error) {
	const want = fieldError("want an RFC 3339 time between the years 0000 and 9999, at most nanoseconds, for instance 2026-01-31T12:00:00Z")
	if len(b) > len("2006-01-02T15:04:05.999999999+07:00") {
		return Time{}, want
	}
	var t time.Time
	if err := t.UnmarshalText(b); err != nil {
		return Time{}, want
	}
	converted := TimeOf(t)
	if !converted.set || fractionDigits(b) > 9 {
		return Time{}, want
	}
	return converted, nil
}

func fractionDigits(b []byte) int {
	const seconds = len("2006-01-02T15:04:05")
	if len(b) <= seconds || b[seconds] != '.' {
		return 0
	}
	n := 0
	for n < len(b)-seconds-1 && '0' <= b[seconds+1+n] && b[seconds+1+n] <= '9' {
		n++
	}
	return n
}

// Std converts to the standard library, in UTC. An unset Time gives the zero
// time.Time.
func (t Time) Std() time.Time {
	if !t.set {
		return time.Time{}
	}
	return time.Unix(t.sec, int64(t.nsec)).UTC()
}

// IsSet reports whether t is an instant at all.
func (t Time) IsSet() bool { return t.set }

// Compare returns -1, 0 or 1; unset comes before every instant.
func (t Time) Compare(u Time) int {
	if t.set != u.set {
		if u.set {
			return -1
		}
		return 1
	}
	if c := cmp.Compare(t.sec, u.sec); c != 0 {
		return c
	}
	return cmp.Compare(t.nsec, u.nsec)
}

// Before reports whether t is earlier than u.
func (t Time) Before(u Time) bool { return t.Compare(u) < 0 }

// Add returns t moved by d. Beyond the years 0000 to 9999 it stays at the last
// instant on that side, so that a deadline far away is still a deadline. An
// unset t stays unset.
func (t Time) Add(d time.Duration) Time {
	if !t.set {
		return t
	}
	moved := TimeOf(t.Std().Add(d))
	if moved.set {
		return moved
	}
	if d < 0 {
		return Time{sec: firstSecond, set: true}
	}
	return Time{sec: lastSecond, nsec: 999_999_999, set: true}
}

const (
	firstSecond = -62_167_219_200 // 0000-01-01T00:00:00Z
	lastSecond  = 253_402_300_799 // 9999-12-31T23:59:59Z
)

// String writes t as RFC 3339 in UTC with as many fractional digits as it
// needs, or "-" if it is unset.
func (t Time) String() string {
	if !t.set {
		return "-"
	}
	return string(t.append(nil))
}

func (t Time) append(dst []byte) []byte {
	return t.Std().AppendFormat(dst, time.RFC3339Nano)
}

// DecodeValue implements [Value].
func (t *Time) DecodeValue(d *Decoder) error {
	raw, err := d.text()
	if err != nil {
		return err
	}
	*t, err = parseTime(raw)
	return err
}

// AppendValue implements [Value]. An unset required time is null.
func (t *Time) AppendValue(dst []byte) []byte {
	if !t.set {
		return append(dst, "null"...)
	}
	dst = append(dst, '"')
	dst = t.append(dst)
	return append(dst, '"')
}

// IsUnset implements [Value].
func (t *Time) IsUnset() bool { return !t.set }
