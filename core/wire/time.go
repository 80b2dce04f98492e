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
// clocks. Mono never runs backwards and means nothing outside its process; Wall
// can be set at any time and is for people and for documents.
type Instant struct {
	Mono time.Duration
	Wall Time
}

// TimeOf converts from the standard library. Instants outside the years 0000
// to 9999 give the unset Time.
func TimeOf(t time.Time) Time {
	sec := t.Unix()
	if sec < firstSecond || sec > lastSecond {
		return Time{}
	}
	return Time{sec: sec, nsec: int32(t.Nanosecond()), set: true}
}

// ParseTime reads RFC 3339 with any offset and up to nine fractional digits,
// and normalises to UTC (PROTOCOL T9). "T" and "Z" may be lower case, as RFC
// 3339 has it (5.6). The sixtieth second of a leap second is refused: no clock
// that counts Unix time ever shows it, and it would not read back as itself.
func ParseTime(s string) (Time, error) { return parseTime([]byte(s)) }

func parseTime(b []byte) (Time, error) {
	s := timeScanner{rest: b}
	year := s.number(4, 0, 9999)
	s.literal('-')
	month := s.number(2, 1, 12)
	s.literal('-')
	day := s.number(2, 1, 31)
	s.literal('T')
	hour := s.number(2, 0, 23)
	s.literal(':')
	minute := s.number(2, 0, 59)
	s.literal(':')
	second := s.number(2, 0, 59)
	nsec := s.fraction()
	offset := s.offset()

	date := time.Date(year, time.Month(month), day, hour, minute, second, 0, time.UTC)
	sec := date.Unix() - offset
	if s.bad || len(s.rest) > 0 || date.Day() != day || sec < firstSecond || sec > lastSecond {
		return Time{}, fieldError("want an RFC 3339 time between the years 0000 and 9999, at most nanoseconds, for instance 2026-01-31T12:00:00Z")
	}
	return Time{sec: sec, nsec: nsec, set: true}, nil
}

// timeScanner takes the parts of an RFC 3339 time one after the other. After
// the first part that is wrong it is bad and the parts mean nothing. The
// standard library's parser is not used because it takes one-digit hours, a
// comma before the fraction and offsets of a day and more.
type timeScanner struct {
	rest []byte
	bad  bool
}

// number takes exactly width digits.
func (s *timeScanner) number(width, low, high int) int {
	if len(s.rest) < width {
		s.bad = true
		return low
	}
	n := 0
	for _, c := range s.rest[:width] {
		if !isDigit(c) {
			s.bad = true
			return low
		}
		n = 10*n + int(c-'0')
	}
	s.rest = s.rest[width:]
	s.bad = s.bad || n < low || n > high
	return n
}

// literal takes c, or its lower case if it is a letter.
func (s *timeScanner) literal(c byte) {
	if !s.take(c) && (c < 'A' || !s.take(c+'a'-'A')) {
		s.bad = true
	}
}

func (s *timeScanner) take(c byte) bool {
	if len(s.rest) == 0 || s.rest[0] != c {
		return false
	}
	s.rest = s.rest[1:]
	return true
}

// fraction takes an optional point with one to nine digits, in nanoseconds.
func (s *timeScanner) fraction() int32 {
	if !s.take('.') {
		return 0
	}
	n, width := int32(0), 0
	for len(s.rest) > 0 && isDigit(s.rest[0]) && width < 9 {
		n = 10*n + int32(s.rest[0]-'0')
		s.rest = s.rest[1:]
		width++
	}
	s.bad = s.bad || width == 0
	for ; width < 9; width++ {
		n *= 10
	}
	return n
}

// offset takes Z or ±hh:mm, in seconds east of UTC.
func (s *timeScanner) offset() int64 {
	sign := int64(1)
	switch {
	case s.take('+'):
	case s.take('-'):
		sign = -1
	default:
		s.literal('Z')
		return 0
	}
	hours := s.number(2, 0, 23)
	s.literal(':')
	minutes := s.number(2, 0, 59)
	return sign * int64(hours*3600+minutes*60)
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
	t.sec += int64(d / time.Second)
	nsec := int64(t.nsec) + int64(d%time.Second)
	switch {
	case nsec < 0:
		t.sec--
		nsec += int64(time.Second)
	case nsec >= int64(time.Second):
		t.sec++
		nsec -= int64(time.Second)
	}
	t.nsec = int32(nsec)
	switch {
	case t.sec < firstSecond:
		return Time{sec: firstSecond, set: true}
	case t.sec > lastSecond:
		return Time{sec: lastSecond, nsec: 999_999_999, set: true}
	}
	return t
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
